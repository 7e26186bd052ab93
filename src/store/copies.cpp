#include "store/copies.hpp"

namespace snapvault::store {

struct Copies::State {
  State(provider::Client& client, const Repository& from, PackReader& reader,
        std::uint64_t memory_bytes_max)
      : repository(from),
        segments(client, repository.keys, memory_bytes_max, Lookup::exact),
        places(reader, repository, client.env().loop(), memory_bytes_max / 4),
        busy(client.env().loop(), 1) {}
  Repository repository;  // a copy: it learns of frames that nobody has recorded yet
  Segments segments;
  PackPlaces places;
  base::Semaphore busy;
};

Copies::Copies(provider::Client& client, const Repository& repository, PackReader& reader,
               std::uint64_t memory_bytes_max)
    : state_(std::make_unique<State>(client, repository, reader, memory_bytes_max)) {}
Copies::~Copies() = default;

base::Task<Result<std::optional<BlockPlace>>> Copies::find(format::BlockId block,
                                                           FramePlace broken) {
  auto turn = co_await state_->busy.acquire(1);
  state_->repository.log.damaged.add_frame(broken.pack, broken.start16);
  const format::SessionId nobody;  // no session of ours to leave out
  SV_CO_CHECK(state_->segments.load(nobody));
  const auto prefix = format::prefix_of(block);
  if (!state_->segments.may_contain(prefix)) co_return std::optional<BlockPlace>();
  std::vector<Segments::Question> questions(1);
  questions.front().prefix = prefix;
  SV_CO_CHECK(state_->segments.search(questions, state_->places));
  co_return questions.front().place;
}

}  // namespace snapvault::store
