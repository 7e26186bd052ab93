// Backs a volume up, lists what there is, and restores it: all an embedder needs to start.
//
//   minimal REPOSITORY VOLUME RESTORED
#include <cstdio>
#include <cstdlib>

#include <snapvault/snapvault.hpp>

namespace sv = snapvault;

int main(int argc, char** argv) try {
  if (argc != 4) return std::fputs("usage: minimal REPOSITORY VOLUME RESTORED\n", stderr), 2;
  const char* passphrase = std::getenv("SNAPVAULT_PASSPHRASE");
  if (!passphrase) return std::fputs("set SNAPVAULT_PASSPHRASE\n", stderr), 2;

  // Open the repository, or make it if there is none.
  auto opened = sv::Repository::open(argv[1], {.passphrase = passphrase});
  if (!opened && opened.error().reason() == "not_a_repository") {
    opened = sv::Repository::init(argv[1], {.passphrase = passphrase});
  }
  sv::Repository repository = std::move(opened).value();

  // Back up: full the first time, then only what changed. Your own BlockSource works the same way.
  auto volume = sv::VolumeFile::open(argv[2]).value();
  const auto report = repository.backup(*volume, {.source = "example/volume"}).value();
  std::printf("%s: read %llu bytes, stored %llu\n", report.snapshot.name.c_str(),
              static_cast<unsigned long long>(report.snapshot.read_bytes),
              static_cast<unsigned long long>(report.snapshot.stored_bytes));

  // Restore the newest snapshot to a new file. Your own BlockSink works the same way.
  const auto snapshot = repository.snapshot("example/volume@latest").value();
  auto target = sv::VolumeTarget::open(argv[3]).value();
  sv::Restorer(repository).restore(snapshot, *target).value();
  std::printf("restored to %s\n", argv[3]);
  return 0;
} catch (const sv::Exception& failure) {
  std::fprintf(stderr, "minimal: %s\n", failure.what());
  return 1;
}
