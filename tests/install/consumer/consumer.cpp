// The least an embedder does: call the library, throw and catch its exception, open a store.
#include <snapvault/config.hpp>
#include <snapvault/provider.hpp>
#include <snapvault/result.hpp>

#include <cstdio>

int main() {
  const snapvault::Result<int> missing =
      snapvault::Error(snapvault::Errc::not_found, "example", "");
  try {
    std::printf("%d\n", missing.value());
    return 1;
  } catch (const snapvault::Exception& failure) {
    if (failure.error().code() != snapvault::Errc::not_found) return 1;
  }
  const auto provider = snapvault::Provider::open("memory:consumer");
  if (!provider) return 1;
  std::printf("snapvault %s, %s\n", SNAPVAULT_VERSION_STRING,
              (*provider)->capabilities().kind.c_str());
  return 0;
}
