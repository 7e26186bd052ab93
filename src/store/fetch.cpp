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

}  // namespace snapvault::store
