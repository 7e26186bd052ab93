// Backups and restores through callbacks and paths.
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "volume.hpp"

namespace capi_test {
namespace {

constexpr std::size_t kSize = (1 << 20) + 1000;

sv_code run_backup(sv_repository* repository, Volume& volume, Error& error,
                   sv_source source = kSource) {
  const auto options = backup_as("node7/db");
  auto* report = reinterpret_cast<sv_backup_report*>(&volume);
  const auto code =
      sv_repository_backup(repository, &source, &volume, &options, &report, error.out());
  CHECK((report != nullptr) == (code == SV_OK));
  sv_backup_report_free(report);
  return code;
}

sv_code run_restore(sv_repository* repository, Volume& volume, Error& error) {
  const auto options = restore_of("node7/db@latest");
  auto* report = reinterpret_cast<sv_restore_report*>(&volume);
  const auto code =
      sv_repository_restore(repository, &kSink, &volume, &options, &report, error.out());
  CHECK((report != nullptr) == (code == SV_OK));
  sv_restore_report_free(report);
  return code;
}

std::size_t count_snapshots(sv_repository* repository) {
  sv_snapshot_list* list = nullptr;
  CHECK(sv_repository_list(repository, nullptr, &list, nullptr) == SV_OK);
  const SnapshotList owner(list);
  return sv_snapshot_list_count(list);
}

struct Failure {
  sv_code answered;
  sv_code expected;
};
constexpr Failure kFailures[] = {{SV_UNAVAILABLE, SV_UNAVAILABLE},
                                 {SV_PERMISSION_DENIED, SV_PERMISSION_DENIED},
                                 {SV_CANCELLED, SV_CANCELLED},
                                 {999, SV_UNAVAILABLE},
                                 {-1, SV_UNAVAILABLE},
                                 {INT32_MIN, SV_UNAVAILABLE}};

// The callback that fails, with what; the others succeed.
void fail(Volume& volume, const std::string& callback, sv_code code) {
  volume.ask = [=](const char* asked) { return callback == asked ? code : SV_OK; };
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "capi-XXXXXX").string();
    path_ = ::mkdtemp(name.data()) == nullptr ? "" : name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_SUITE("capi/jobs") {
  TEST_CASE("what goes in through callbacks comes out, and the reports say so") {
    const auto owner = make_repository("memory:capi-round");
    Volume volume(kSize);
    volume.fill(7);
    auto options = backup_as("node7/db");
    options.block_size = 4096;
    sv_backup_report* made = nullptr;
    Error error;
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &options, &made, error.out()) ==
            SV_OK);
    const BackupReport report(made);
    CHECK(report->struct_size == sizeof(sv_backup_report));
    CHECK(report->requests > 0);
    CHECK(report->audit_failed == 0);
    const auto& snapshot = *report->snapshot;
    CHECK(snapshot.struct_size == sizeof(sv_snapshot_info));
    CHECK(std::string(snapshot.source) == "node7/db");
    CHECK(std::string(snapshot.name).substr(0, 9) == "node7/db-");
    CHECK(std::string(snapshot.kind) == "volume");
    CHECK(std::string(snapshot.file_system) == "ext4");
    CHECK(std::string(snapshot.id).size() == 32);
    CHECK(snapshot.parent == nullptr);
    CHECK(snapshot.is_incremental == 0);
    CHECK(snapshot.block_size == 4096);
    CHECK(snapshot.size == kSize);
    CHECK(snapshot.marked == nullptr);

    Volume dirty(kSize + 5000);
    dirty.fill(99);
    const auto restoring = restore_of(snapshot.name);
    sv_restore_report* restored = nullptr;
    REQUIRE(sv_repository_restore(owner.get(), &kSink, &dirty, &restoring, &restored,
                                  error.out()) == SV_OK);
    const RestoreReport wrote(restored);
    CHECK(wrote->bytes_total == kSize);
    CHECK(wrote->bad == nullptr);
    CHECK(wrote->bad_count == 0);
    CHECK(dirty.finished == 1);
    CHECK(dirty.bytes == volume.bytes);
  }

  TEST_CASE("a table without the optional callbacks is enough") {
    const auto owner = make_repository("memory:capi-least");
    Volume volume(kSize);
    volume.fill(3);
    sv_source source = SV_SOURCE_INIT;
    source.info = on_info;
    source.read = on_read;
    sv_sink sink = SV_SINK_INIT;
    sink.info = on_info;
    sink.resize = on_resize;
    sink.write = on_write;
    sink.zero = on_zero;
    sink.flush = on_flush;
    Error error;
    CHECK(run_backup(owner.get(), volume, error, source) == SV_OK);
    Volume target;
    auto options = restore_of("node7/db@latest");
    CHECK(sv_repository_restore(owner.get(), &sink, &target, &options, nullptr, error.out()) ==
          SV_OK);
    CHECK(target.bytes == volume.bytes);
    options.in_place = 1;
    CHECK(sv_repository_restore(owner.get(), &sink, &target, &options, nullptr, error.out()) ==
          SV_UNSUPPORTED);
  }

  TEST_CASE("a table without a callback that is needed is refused by name") {
    const auto owner = make_repository("memory:capi-needed");
    Volume volume(4096);
    Error error;
    for (int missing = 0; missing < 2; ++missing) {
      sv_source source = kSource;
      if (missing == 0) source.info = nullptr;
      if (missing == 1) source.read = nullptr;
      CHECK(run_backup(owner.get(), volume, error, source) == SV_INVALID_ARGUMENT);
      CHECK(error.message().find("callback") != std::string::npos);
    }
    const auto options = restore_of("db@latest");
    for (int missing = 0; missing < 5; ++missing) {
      sv_sink sink = kSink;
      if (missing == 0) sink.info = nullptr;
      if (missing == 1) sink.resize = nullptr;
      if (missing == 2) sink.write = nullptr;
      if (missing == 3) sink.zero = nullptr;
      if (missing == 4) sink.flush = nullptr;
      CHECK(sv_repository_restore(owner.get(), &sink, &volume, &options, nullptr, error.out()) ==
            SV_INVALID_ARGUMENT);
      CHECK(error.reason() == "bad_argument");
    }
  }

  TEST_CASE("an incremental reads what the source says has changed") {
    const auto owner = make_repository("memory:capi-incremental");
    Volume volume(16 << 20);
    volume.fill(5);
    volume.token_to_give = std::string("era\0one", 7);
    Error error;
    auto options = backup_as("node7/db");
    options.block_size = 4096;  // Many more blocks than the audit samples.
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &options, nullptr, error.out()) ==
            SV_OK);
    volume.read_bytes = 0;
    volume.token_accepted = volume.token_to_give;
    volume.token_to_give = "era two";
    std::fill_n(volume.bytes.begin() + (4 << 20), 100, 0xEE);
    volume.answer_extents = [](std::uint64_t offset, std::uint64_t length, sv_extent* out,
                               std::size_t* count, std::uint64_t*, std::uint32_t* gaps) {
      constexpr std::uint64_t kBegin = 4 << 20, kEnd = kBegin + 65536;
      *gaps = SV_GAPS_UNCHANGED;
      // The audit asks of single blocks, too, and may draw one of these.
      const auto begin = std::max(kBegin, offset), end = std::min(kEnd, offset + length);
      if (begin >= end) return SV_OK;
      out[0] = {begin, end - begin, SV_EXTENT_CHANGED, 0};
      *count = 1;
      return SV_OK;
    };
    options.mode = SV_BACKUP_INCREMENTAL;
    sv_backup_report* made = nullptr;
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &options, &made, error.out()) ==
            SV_OK);
    const BackupReport report(made);
    CHECK(report->snapshot->is_incremental == 1);
    CHECK(report->snapshot->parent != nullptr);
    CHECK(std::string(report->snapshot->mode) == "changed");
    CHECK(report->snapshot->changed_bytes == 4096);
    CHECK(volume.read_bytes < volume.bytes.size() / 2);
    Volume target;
    REQUIRE(run_restore(owner.get(), target, error) == SV_OK);
    CHECK(target.bytes == volume.bytes);
  }

  TEST_CASE("a source's failure comes back with its code, and leaves no snapshot") {
    const auto owner = make_repository("memory:capi-bad-source");
    for (const std::string callback : {"info", "read", "extents", "token"}) {
      for (const auto& failure : kFailures) {
        CAPTURE(callback);
        CAPTURE(failure.answered);
        Volume volume(kSize);
        volume.fill(1);
        fail(volume, callback, failure.answered);
        Error error;
        CHECK(run_backup(owner.get(), volume, error) == failure.expected);
        const bool cancelled = failure.expected == SV_CANCELLED;
        CHECK(error.reason() == (cancelled ? "cancelled" : "source_failed"));
        CHECK(error.message().find(callback) != std::string::npos);
      }
    }
    CHECK(count_snapshots(owner.get()) == 0);
  }

  TEST_CASE("a sink's failure comes back with its code") {
    const auto owner = make_repository("memory:capi-bad-sink");
    Volume volume(kSize);
    volume.fill(1);
    std::fill_n(volume.bytes.begin(), 256 << 10, 0);
    Error error;
    REQUIRE(run_backup(owner.get(), volume, error) == SV_OK);
    for (const std::string callback : {"info", "resize", "write", "zero", "flush", "finish"}) {
      for (const auto& failure : kFailures) {
        CAPTURE(callback);
        CAPTURE(failure.answered);
        Volume target;
        fail(target, callback, failure.answered);
        CHECK(run_restore(owner.get(), target, error) == failure.expected);
        const bool cancelled = failure.expected == SV_CANCELLED;
        CHECK(error.reason() == (cancelled ? "cancelled" : "target_failed"));
        if (callback != "info") CHECK(target.finished == (callback == "finish" ? 1 : 0));
      }
    }
    Volume small;
    fail(small, "resize", SV_PRECONDITION_FAILED);
    CHECK(run_restore(owner.get(), small, error) == SV_PRECONDITION_FAILED);
    CHECK(error.reason() == "target_too_small");
  }

  TEST_CASE("what a callback throws ends the job, not the process") {
    const auto owner = make_repository("memory:capi-throws");
    Volume good(kSize);
    good.fill(1);
    Error error;
    REQUIRE(run_backup(owner.get(), good, error) == SV_OK);
    for (const int thrown : {0, 1}) {
      CAPTURE(thrown);
      Volume volume(kSize);
      const auto ask = [=](const char* callback) -> sv_code {
        const std::string name = callback;
        if (name != "read" && name != "write") return SV_OK;
        if (thrown == 0) throw std::runtime_error("of the embedder");
        throw 42;
      };
      volume.ask = ask;
      volume.fill(2);
      CHECK(run_backup(owner.get(), volume, error) == SV_ABORTED);
      CHECK(error.reason() == "source_failed");
      Volume target;
      target.ask = ask;
      CHECK(run_restore(owner.get(), target, error) == SV_ABORTED);
      CHECK(error.reason() == "target_failed");
    }
    CHECK(count_snapshots(owner.get()) == 1);
  }

  TEST_CASE("an answer that cannot be is refused") {
    const auto owner = make_repository("memory:capi-lies");
    Error error;
    Volume volume(kSize);
    for (int lie = 0; lie < 5; ++lie) {
      CAPTURE(lie);
      volume.answer_extents = [=](std::uint64_t, std::uint64_t, sv_extent* out, std::size_t* count,
                                  std::uint64_t* covered_to, std::uint32_t* gaps) {
        out[0] = {0, 4096, 0, 0};
        *count = 1;
        if (lie == 0) *count = SIZE_MAX;
        if (lie == 1) *gaps = 3;
        if (lie == 2) out[0].flags = 16;
        if (lie == 3) out[0].reserved = 1;
        if (lie == 4) *covered_to = 0;
        return SV_OK;
      };
      CHECK(run_backup(owner.get(), volume, error) != SV_OK);
      CHECK(error.reason() == "bad_extent_page");
    }
    volume.answer_extents = {};
    volume.token_to_give = std::string(SV_TOKEN_MAX + 1, 'x');
    CHECK(run_backup(owner.get(), volume, error) == SV_INVALID_ARGUMENT);
    volume.token_to_give.pop_back();
    CHECK(run_backup(owner.get(), volume, error) == SV_OK);
  }

  TEST_CASE("a list is a copy: filtered, newest first, alive without its repository") {
    auto owner = make_repository("memory:capi-list");
    Volume volume(4096);
    for (const char* source : {"a", "b", "a"}) {
      volume.fill(static_cast<unsigned>(source[0]));
      const auto options = backup_as(source);
      REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &options, nullptr, nullptr) ==
              SV_OK);
    }
    CHECK(count_snapshots(owner.get()) == 3);
    sv_list_options options = SV_LIST_OPTIONS_INIT;
    options.source = "a";
    options.limit = 1;
    sv_snapshot_list* out = nullptr;
    REQUIRE(sv_repository_list(owner.get(), &options, &out, nullptr) == SV_OK);
    const SnapshotList list(out);
    owner.reset();
    REQUIRE(sv_snapshot_list_count(list.get()) == 1);
    CHECK(sv_snapshot_list_at(list.get(), 1) == nullptr);
    CHECK(std::string(sv_snapshot_list_at(list.get(), 0)->source) == "a");
    CHECK(sv_snapshot_list_at(list.get(), 0)->is_incremental == 1);
  }

  TEST_CASE("options that mean nothing are refused") {
    const auto owner = make_repository("memory:capi-options");
    Volume volume(4096);
    Error error;
    auto backup = backup_as("db");
    backup.mode = 4;
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, error.out()) ==
          SV_INVALID_ARGUMENT);
    backup = backup_as("db");
    backup.block_size = 5000;
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, error.out()) ==
          SV_INVALID_ARGUMENT);
    CHECK(error.reason() == "bad_block_size");
    backup = backup_as("db");
    backup.mode = SV_BACKUP_INCREMENTAL;
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, error.out()) ==
          SV_PRECONDITION_FAILED);
    CHECK(error.reason() == "no_parent");
    auto restore = restore_of("db@latest");
    CHECK(sv_repository_restore(owner.get(), &kSink, &volume, &restore, nullptr, error.out()) ==
          SV_NOT_FOUND);
    CHECK(error.reason() == "no_snapshot");
    restore.overwrite = 1;
    CHECK(sv_repository_restore(owner.get(), &kSink, &volume, &restore, nullptr, error.out()) ==
          SV_INVALID_ARGUMENT);
    restore.in_place = 1;
    CHECK(sv_repository_restore_path(owner.get(), "/nowhere", &restore, nullptr, error.out()) ==
          SV_INVALID_ARGUMENT);
    restore = restore_of("db@latest");
    restore.range.offset = 1;
    CHECK(sv_repository_restore(owner.get(), &kSink, &volume, &restore, nullptr, error.out()) ==
          SV_INVALID_ARGUMENT);
  }

  TEST_CASE("from a path to a path, which is not replaced unless that is asked for") {
    const Folder folder;
    const auto image = folder / "image", target = folder / "target";
    Volume volume(kSize);
    volume.fill(11);
    std::ofstream(image, std::ios::binary)
        .write(reinterpret_cast<const char*>(volume.bytes.data()), kSize);
    const auto owner = make_repository((folder / "repository").c_str());
    REQUIRE(owner);
    Error error;
    const auto backup = backup_as("db");
    CHECK(sv_repository_backup_path(owner.get(), (folder / "none").c_str(), &backup, nullptr,
                                    error.out()) == SV_NOT_FOUND);
    CHECK(!std::string(sv_error_subject(error.get())).empty());
    sv_backup_report* made = nullptr;
    REQUIRE(sv_repository_backup_path(owner.get(), image.c_str(), &backup, &made, error.out()) ==
            SV_OK);
    const BackupReport report(made);
    auto options = restore_of("db@latest");
    const auto restore = [&] {
      return sv_repository_restore_path(owner.get(), target.c_str(), &options, nullptr,
                                        error.out());
    };
    CHECK(restore() == SV_OK);
    CHECK(restore() == SV_ALREADY_EXISTS);
    CHECK(error.reason() == "target_exists");
    options.overwrite = 1;
    CHECK(restore() == SV_OK);
    options.overwrite = 0;
    options.in_place = 1;
    CHECK(restore() == SV_OK);
    std::ifstream file(target, std::ios::binary);
    std::vector<unsigned char> back((std::istreambuf_iterator<char>(file)), {});
    CHECK(back == volume.bytes);
  }
}

}  // namespace capi_test
