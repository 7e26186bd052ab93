#include "store/fetch.hpp"

#include <utility>

#include "base/try.hpp"

namespace snapvault::store {
namespace {

base::Task<Result<void>> fetch_one(provider::Client& client, std::string name,
                                   std::optional<base::Bytes>& into) {
  auto get = client.get(std::move(name));
  auto object = co_await std::move(get);
  if (object) {
    into = *std::move(object);
  } else if (object.error().code() != Errc::not_found) {
    co_return std::move(object).error();
  }
  co_return Result<void>();
}

}  // namespace

base::Task<Result<std::vector<std::optional<base::Bytes>>>> fetch(provider::Client& client,
                                                                  std::vector<std::string> names) {
  std::vector<std::optional<base::Bytes>> objects(names.size());
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto one = fetch_one(client, std::move(names[i]), objects[i]);
      auto start = group.spawn(std::move(one));
      co_await std::move(start);
    }
    co_return Result<void>();
  };
  auto all = base::with_group(client.env().loop(), kParallelGets, body);
  SV_CO_CHECK(std::move(all));
  co_return objects;
}

base::Task<Result<void>> create_own(provider::Client& client, std::string name,
                                    base::Bytes object) {
  PutBody body(std::move(object));
  auto create = client.create(name, body);
  auto created = co_await std::move(create);
  if (created || created.error().code() != Errc::already_exists) co_return created;
  auto get = client.get(name);
  const auto winner = co_await std::move(get);
  if (!winner) co_return winner.error();
  if (*winner != *body.parts().front()) co_return created;
  auto sync = client.sync();
  auto synced = co_await std::move(sync);
  co_return synced;
}

}  // namespace snapvault::store
