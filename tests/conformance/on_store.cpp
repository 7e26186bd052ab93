// The conformance cases on the store of an address: on_store URL [CASE...]. Credentials come from
// the environment, as the program takes them. The last line is "N passed, N failed".
#include <cstdio>
#include <cstring>

#include "conformance.hpp"

namespace conformance = snapvault::conformance;

namespace {

template <class T>
bool succeeded(const char* what, const snapvault::Result<T>& result) {
  if (result) return true;
  const auto& error = result.error();
  std::printf("%s: %.*s (%.*s)\n", what, static_cast<int>(error.message().size()),
              error.message().data(), static_cast<int>(error.reason().size()),
              error.reason().data());
  return false;
}

bool chosen(const conformance::Case& what, int count, char** names) {
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(names[i], what.name) == 0) return true;
  }
  return count == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: on_store URL [CASE...]\n");
    return 2;
  }
  const auto opened = snapvault::Provider::open(argv[1]);
  if (!succeeded("open", opened)) return 1;
  auto& store = **opened;
  constexpr auto kPatience = std::chrono::seconds(60);
  conformance::Pending<void> made, prepared;
  store.create_root({}, made.completion());
  if (!succeeded("create_root", made.wait(kPatience))) return 1;
  store.prepare({}, prepared.completion());
  if (!succeeded("prepare", prepared.wait(kPatience))) return 1;
  int passed = 0, failed = 0;
  for (const auto& what : conformance::all_cases()) {
    if (!applies(what, store.capabilities()) || !chosen(what, argc - 2, argv + 2)) continue;
    const auto failure = run(what, store, kPatience);
    ++(failure ? failed : passed);
    if (failure) std::printf("FAILED %s: %s\n", what.name, failure->c_str());
  }
  const auto can = store.capabilities();
  std::printf("%s, %s\n%d passed, %d failed\n", can.kind.c_str(),
              can.exclusive_create ? "exclusive" : can.weak_because.c_str(), passed, failed);
  return failed != 0;
}
