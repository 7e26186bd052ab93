// The file provider on file systems that lose answers, run full, and forget what they promised.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/reasons.hpp"
#include "conformance/conformance.hpp"
#include "provider/client.hpp"
#include "unit/provider/scratch.hpp"

TEST_SUITE_BEGIN("provider/faultfs");

namespace snapvault::provider {
namespace {

namespace fs = std::filesystem;

// A mounted faultfs. root() is an existing directory in it.
class Mount {
 public:
  explicit Mount(const char* fault) {
    fs::create_directories(backing() + "/repository");
    fs::create_directory(point());
    child_ = ::fork();
    if (child_ == 0) {
      const auto from = backing();
      const auto to = point();
      ::execl(FAULTFS, FAULTFS, fault, from.c_str(), to.c_str(), nullptr);
      ::_exit(127);
    }
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!mounted() && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    REQUIRE_MESSAGE(mounted(), "faultfs did not mount");
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  ~Mount() {
    ::umount2(point().c_str(), MNT_DETACH);
    ::kill(child_, SIGTERM);
    ::waitpid(child_, nullptr, 0);
  }

  std::string backing() const { return scratch_ / "backing"; }
  std::string root() const { return point() + "/repository"; }
  // What the backing directory holds of the repository, temporary files too.
  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(backing() + "/repository")) {
      if (!entry.is_directory()) out.push_back(entry.path().filename());
    }
    return out;
  }

 private:
  std::string point() const { return scratch_ / "mount"; }
  bool mounted() const {
    struct statfs about {};
    constexpr auto kFuseMagic = 0x65735546;
    return ::statfs(point().c_str(), &about) == 0 && about.f_type == kFuseMagic;
  }
  Scratch scratch_;
  pid_t child_ = -1;
};

template <class T>
std::optional<Errc> code_of(const Result<T>& result) {
  return conformance::code(result);
}

std::string large() { return std::string(300'000, 'L'); }

template <class T>
bool failed(const Result<T>& result, Errc code, std::string_view reason, int native) {
  if (result) return false;
  INFO(to_string(result.error().code())
       << " " << result.error().reason() << " " << result.error().message());
  CHECK(result.error().code() == code);
  CHECK(result.error().reason() == reason);
  CHECK(result.error().native() == native);
  return true;
}

// A put that fails, durable or not, and leaves nothing behind.
void check_put(const char* fault, Errc code, std::string_view reason, int native) {
  INFO(std::string(fault));
  const Mount mount(fault);
  const auto store = file_store(mount.root());
  for (const bool durable : {true, false}) {
    CAPTURE(durable);
    const auto put = store->put_now(put_of("a/key", large(), durable));
    CHECK(failed(put, code, reason, native));
    CHECK(code_of(text_of(*store, "a/key")) == Errc::not_found);
  }
  CHECK(mount.files().empty());
}

void check_cases(const char* fault, bool exclusive, const std::vector<conformance::Case>& cases) {
  INFO(std::string(fault));
  const Mount mount(fault);
  const auto store = file_store(mount.root());
  for (const auto& what : cases) {
    if (!conformance::applies(what, store->capabilities())) continue;
    INFO(what.name);
    const auto failure = conformance::run(what, *store, std::chrono::seconds(60));
    CHECK_MESSAGE(!failure, failure.value_or(""));
  }
  CHECK(store->capabilities().exclusive_create == exclusive);
  for (const auto& name : mount.files()) CHECK(name[0] != '+');
}

// The cases in which naming an object matters.
void check_creating(const char* fault, bool exclusive) {
  std::vector<conformance::Case> cases;
  for (const auto group : {conformance::object_cases(), conformance::race_cases()}) {
    cases.insert(cases.end(), group.begin(), group.end());
  }
  check_cases(fault, exclusive, cases);
}

}  // namespace

TEST_CASE("through a file system without faults the provider conforms") {
  check_cases("none", true, conformance::all_cases());
}

TEST_CASE("links whose answer is lost are done once: EEXIST") {
  check_creating("link_eexist", true);
}

TEST_CASE("links whose answer is lost are done once: EIO") { check_creating("link_eio", true); }

TEST_CASE("without hard links a rename that replaces nothing does as well") {
  check_creating("no_link", true);
}

TEST_CASE("renames whose answer is lost are done once") { check_creating("rename_eio", true); }

TEST_CASE("with neither the store is weak and says so, and works for one writer") {
  check_creating("no_exclusive", false);
  const Mount mount("no_exclusive");
  const auto store = file_store(mount.root());
  CHECK_FALSE(store->capabilities().exclusive_create);
  CHECK_FALSE(store->capabilities().weak_because.empty());
  REQUIRE(store->put_now(put_of("key", "first")));
  CHECK(code_of(store->put_now(put_of("key", "second"))) == Errc::already_exists);
  CHECK(*text_of(*store, "key") == "first");
}

TEST_CASE("short writes are carried on") { check_creating("short_write", true); }

TEST_CASE("a directory that hides the types of its entries is read all the same") {
  const auto lists = conformance::list_cases();
  check_cases("no_types", true, {lists.begin(), lists.end()});
}

TEST_CASE("a name that could not be given is no object, and can be given later") {
  check_put("link_eio_undone", Errc::unavailable, reason::store_failed, EIO);
  check_put("rename_eio_undone", Errc::unavailable, reason::store_failed, EIO);
  check_put("weak_eio_undone", Errc::unavailable, reason::store_failed, EIO);
}

TEST_CASE("replacing that fails says so and keeps the old object") {
  const Mount mount("rename_eio_undone");
  const auto store = file_store(mount.root());
  std::ofstream(mount.backing() + "/repository/key") << "old";
  auto request = put_of("key", "new");
  request.if_absent = false;
  CHECK(failed(store->put_now(request), Errc::unavailable, reason::store_failed, EIO));
  CHECK(*text_of(*store, "key") == "old");
  CHECK(mount.files() == std::vector<std::string>{"key"});
}

TEST_CASE("replacing whose answer is lost is done") {
  const Mount mount("rename_eio");
  const auto store = file_store(mount.root());
  std::ofstream(mount.backing() + "/repository/key") << "old";
  auto request = put_of("key", "new");
  request.if_absent = false;
  CHECK(store->put_now(request));
  CHECK(*text_of(*store, "key") == "new");
}

TEST_CASE("where nothing can be learnt about a name, the outcome is unknown") {
  for (const char* fault : {"link_dark", "link_blind", "link_undone_dark", "rename_dark"}) {
    INFO(std::string(fault));
    const Mount mount(fault);
    const auto store = file_store(mount.root());
    CHECK(failed(store->put_now(put_of("a/key", "value")), Errc::outcome_unknown,
                 reason::lost_answer, EIO));
    const bool done = fault == std::string_view("link_dark") || fault[0] == 'r';
    CHECK(text_of(*store, "a/key").has_value() == done);
    for (const auto& name : mount.files()) CHECK(name[0] != '+');
  }
  const Mount mount("rename_dark");
  const auto store = file_store(mount.root());
  auto request = put_of("key", "value");
  request.if_absent = false;
  CHECK(failed(store->put_now(request), Errc::outcome_unknown, reason::lost_answer, EIO));
}

TEST_CASE("the client settles an unknown outcome") {
  const Mount mount("link_dark");
  const auto store = file_store(mount.root());
  const auto env = base::make_virtual_env(1);
  Client client(*env, store);
  for (const bool durable : {true, false}) {
    const auto key = durable ? "a/durable" : "a/later";
    CHECK(base::run_sync(*env, client.create(key, PutBody(bytes_of("value")), durable)));
    CHECK(*text_of(*store, key) == "value");
  }
  CHECK(base::run_sync(*env, client.sync()));
}

TEST_CASE("an error while trying out what works is no answer about the file system") {
  check_put("link_eacces", Errc::permission_denied, reason::permission, EACCES);
  check_put("rename_flags_eio", Errc::unavailable, reason::store_failed, EIO);
}

TEST_CASE("a weak store that cannot look does not put") {
  const Mount mount("weak_locked");
  const auto store = file_store(mount.root());
  CHECK(failed(store->put_now(put_of("locked", "value")), Errc::permission_denied,
               reason::permission, EACCES));
  CHECK(mount.files().empty());
}

TEST_CASE("a root that cannot be made says why") {
  const Mount mount("mkdir_eacces");
  const auto store = file_store(mount.root() + "/new");
  CHECK(failed(store->put_now(put_of("key", "value")), Errc::permission_denied, reason::permission,
               EACCES));
}

TEST_CASE("a full disk is said, whenever it comes to light, and leaves nothing") {
  check_put("write_enospc", Errc::resource_exhausted, reason::no_space, ENOSPC);
  check_put("write_edquot", Errc::resource_exhausted, reason::no_space, EDQUOT);
  check_put("flush_enospc", Errc::resource_exhausted, reason::no_space, ENOSPC);
}

TEST_CASE("a write that writes nothing is a failure, not a loop") {
  check_put("write_zero", Errc::unavailable, reason::store_failed, EIO);
}

TEST_CASE("a store that may not be written says why") {
  check_put("create_erofs", Errc::permission_denied, reason::read_only, EROFS);
  check_put("create_eacces", Errc::permission_denied, reason::permission, EACCES);
  check_put("mkdir_eacces", Errc::permission_denied, reason::permission, EACCES);
  const Mount mount("create_erofs");
  const auto store = file_store(mount.root());
  CHECK(store->capabilities().exclusive_create);  // who cannot write cannot race
  std::ofstream(mount.backing() + "/repository/key") << "value";
  CHECK(*text_of(*store, "key") == "value");
}

TEST_CASE("a directory that goes while a file is made in it is made again") {
  const Mount mount("create_once_enoent");
  const auto store = file_store(mount.root());
  CHECK(store->put_now(put_of("key", "value")));
}

TEST_CASE("a failed fsync of a durable put fails it and leaves nothing") {
  const Mount mount("fsync_eio");
  const auto store = file_store(mount.root());
  CHECK(failed(store->put_now(put_of("a/key", "value")), Errc::unavailable, reason::store_failed,
               EIO));
  CHECK(code_of(text_of(*store, "a/key")) == Errc::not_found);
  CHECK(mount.files().empty());
}

TEST_CASE("a failed fsync is not repeated: its object goes, and every later sync fails") {
  const Mount mount("fsync_eio_once");
  const auto store = file_store(mount.root());
  REQUIRE(store->put_now(put_of("a/first", "value", false)));
  REQUIRE(store->put_now(put_of("a/second", "value", false)));
  for (int i = 0; i < 2; ++i) {
    CHECK(failed(store->sync_now({}), Errc::data_loss, reason::store_failed, EIO));
    CHECK(code_of(text_of(*store, "a/first")) == Errc::not_found);
    CHECK(*text_of(*store, "a/second") == "value");
  }
  REQUIRE(store->put_now(put_of("a/third", "value", false)));
  CHECK(failed(store->sync_now({}), Errc::data_loss, reason::store_failed, EIO));
  const auto sync = store->sync_now({});
  REQUIRE_FALSE(sync);
  CHECK_FALSE(sync.error().hint().empty());
  // Opened again, all is well.
  const auto again = file_store(mount.root());
  REQUIRE(again->put_now(put_of("a/first", "value", false)));
  CHECK(again->sync_now({}));
}

TEST_CASE("no space at fsync stays no space in every later sync") {
  const Mount mount("fsync_enospc");
  const auto store = file_store(mount.root());
  REQUIRE(store->put_now(put_of("a/first", "value", false)));
  for (int i = 0; i < 2; ++i) {
    CHECK(failed(store->sync_now({}), Errc::resource_exhausted, reason::no_space, ENOSPC));
  }
  CHECK(mount.files().empty());
}

TEST_CASE("more files than are kept open are synced by their own puts") {
  const Mount mount("fsync_eio");
  const auto store = file_store(mount.root());
  int put = 0;
  while (put < 1000 && store->put_now(put_of("a/" + std::to_string(put), "x", false))) ++put;
  CHECK(put == 64);
}

TEST_CASE("a directory that cannot be synced fails durable puts and sync") {
  const Mount mount("fsyncdir_eio");
  const auto store = file_store(mount.root());
  CHECK(failed(store->put_now(put_of("a/key", "value")), Errc::unavailable, reason::store_failed,
               EIO));
  REQUIRE(store->put_now(put_of("b/key", "value", false)));
  for (int i = 0; i < 2; ++i) {
    CHECK(failed(store->sync_now({}), Errc::data_loss, reason::store_failed, EIO));
  }
}

TEST_CASE("a repository whose directory cannot be synced takes no objects") {
  check_put("fsyncdir_all_eio", Errc::unavailable, reason::store_failed, EIO);
}

TEST_CASE("a root that cannot be synced is no place for objects") {
  const Mount mount("fsyncdir_root_eio");
  const auto store = file_store(mount.root());
  // The mount's root is above the repository's, which is synced; a new repository is not.
  CHECK(store->put_now(put_of("key", "value")));
  const auto fresh = file_store(mount.root() + "/../fresh");
  CHECK(
      failed(fresh->put_now(put_of("key", "value")), Errc::unavailable, reason::store_failed, EIO));
}

TEST_CASE("where directories have no fsync the store says so and works") {
  const Mount mount("fsyncdir_einval");
  const auto store = file_store(mount.root());
  CHECK_FALSE(store->capabilities().durable_put);
  CHECK(store->put_now(put_of("a/key", "value")));
  CHECK(store->put_now(put_of("b/key", "value", false)));
  CHECK(store->sync_now({}));
}

TEST_CASE("reads that fail are errors, never bytes") {
  const auto read = [](const char* fault, Errc code, int native) {
    INFO(std::string(fault));
    const Mount mount(fault);
    const auto store = file_store(mount.root());
    REQUIRE(store->put_now(put_of("a/key", large())));
    CHECK(failed(store->get_now({.key = "a/key"}), code, reason::store_failed, native));
    CHECK(failed(store->get_now({.key = "a/key", .offset = 900, .length = 200}), code,
                 reason::store_failed, native));
    CHECK(store->stat_now({.key = "a/key"}));
  };
  read("read_estale", Errc::unavailable, ESTALE);
  read("read_eio", Errc::data_loss, EIO);
  read("read_short", Errc::data_loss, 0);
}

TEST_CASE("a list that cannot read everything fails") {
  for (const char* fault : {"readdir_eio", "opendir_eacces", "lookup_eacces"}) {
    INFO(std::string(fault));
    const Mount mount(fault);
    const auto store = file_store(mount.root());
    fs::create_directory(mount.backing() + "/repository/a");
    std::ofstream(mount.backing() + "/repository/a/locked") << "value";
    const auto page = store->list_now({});
    REQUIRE_FALSE(page);
    const bool eio = fault == std::string_view("readdir_eio");
    CHECK(failed(page, eio ? Errc::unavailable : Errc::permission_denied,
                 eio ? reason::store_failed : reason::permission, eio ? EIO : EACCES));
  }
}

TEST_CASE("a list passes over what goes away meanwhile") {
  const Mount mount("vanishing");
  const auto store = file_store(mount.root());
  std::ofstream(mount.backing() + "/repository/ghost") << "value";
  fs::create_directory(mount.backing() + "/repository/ghost-folder");
  REQUIRE(store->put_now(put_of("key", "value")));
  CHECK(keys_of(*store->list_now({})) == std::vector<std::string>{"key"});
}

TEST_CASE("an object that may not be looked at is not missing") {
  const Mount mount("lookup_eacces");
  const auto store = file_store(mount.root());
  CHECK(failed(store->get_now({.key = "locked"}), Errc::permission_denied, reason::permission,
               EACCES));
  CHECK(failed(store->stat_now({.key = "locked"}), Errc::permission_denied, reason::permission,
               EACCES));
  CHECK(failed(store->put_now(put_of("locked/key", "x")), Errc::permission_denied,
               reason::permission, EACCES));
}

TEST_CASE("a remove that fails says so, and removes the rest") {
  const Mount mount("unlink_eacces");
  const auto store = file_store(mount.root());
  REQUIRE(store->put_now(put_of("a/key", "value")));
  CHECK(failed(store->remove_now({.keys = {"a/key", "a/other"}}), Errc::permission_denied,
               reason::permission, EACCES));
  CHECK(*text_of(*store, "a/key") == "value");
}

}  // namespace snapvault::provider

TEST_SUITE_END();
