// What only the file provider has: directories, links, temporary files, sync. What all stores have
// in common is in tests/conformance; what failing file systems do is in tests/fuse.
#include "provider/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "base/reasons.hpp"
#include "provider/request.hpp"
#include "provider/temporary.hpp"
#include "scratch.hpp"

TEST_SUITE_BEGIN("provider/file");

namespace snapvault::provider {
namespace {

namespace fs = std::filesystem;

void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::size_t count_files(const std::string& root) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) count += !entry.is_directory();
  return count;
}

void make_older(const std::string& path, int days) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  timespec times[2] = {about.st_atim, about.st_mtim};
  times[1].tv_sec -= days * 24 * 3600;
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

struct Fixture {
  Scratch scratch;
  std::string root = scratch / "repository";
  std::shared_ptr<BlockingProvider> store = file_store(root);
};

std::vector<std::string> list_keys(BlockingProvider& store, const std::string& prefix = "") {
  auto page = store.list_now({.prefix = prefix});
  REQUIRE(page);
  return keys_of(*page);
}

}  // namespace

TEST_CASE("opening touches nothing; the first put makes the root") {
  Fixture f;
  CHECK_FALSE(fs::exists(f.root));
  CHECK(f.store->capabilities().exclusive_create);
  CHECK(f.store->capabilities().local);
  CHECK_FALSE(fs::exists(f.root));
  CHECK(text_of(*f.store, "key").error().reason() == reason::no_object);
  CHECK(f.store->stat_now({.key = "a/key"}).error().reason() == reason::no_object);
  CHECK(list_keys(*f.store).empty());
  CHECK(f.store->remove_now({.keys = {"a/key"}}));
  CHECK(f.store->sync_now({}));
  CHECK_FALSE(fs::exists(f.root));
  REQUIRE(f.store->put_now(put_of("a/b/key", "value")));
  CHECK(*text_of(*f.store, "a/b/key") == "value");
  CHECK(count_files(f.root) == 1);
  CHECK(f.store->capabilities().exclusive_create);
  CHECK(f.store->capabilities().durable_put);
  CHECK(f.store->capabilities().weak_because.empty());
}

TEST_CASE("slashes at the end of the path do not matter, relative paths work") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("key", "value")));
  CHECK(*text_of(*file_store(f.root + "//"), "key") == "value");
  CHECK(open_file("").error().reason() == reason::bad_url);
  const auto before = fs::current_path();
  fs::current_path(f.scratch.path());
  CHECK(*text_of(*file_store("repository"), "key") == "value");
  CHECK(file_store("beside")->put_now(put_of("key", "value")));
  fs::current_path(before);
  CHECK(fs::exists(f.scratch / "beside/key"));
}

TEST_CASE("a root whose directory does not exist is not made up") {
  const Scratch scratch;
  const auto store = file_store(scratch / "missing/repository");
  const auto put = store->put_now(put_of("key", "value"));
  REQUIRE_FALSE(put);
  CHECK(put.error().code() == Errc::precondition_failed);
  CHECK(put.error().reason() == reason::no_path);
  CHECK(text_of(*store, "key").error().code() == Errc::not_found);
}

TEST_CASE("a root that is a file is refused by every request") {
  const Scratch scratch;
  write_file(scratch / "file", "not a directory");
  const auto store = file_store(scratch / "file");
  const auto refused = [](const auto& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == Errc::precondition_failed);
    CHECK(result.error().reason() == reason::not_a_repository);
    CHECK(result.error().native() == ENOTDIR);
  };
  refused(store->get_now({.key = "key"}));
  refused(store->stat_now({.key = "key"}));
  refused(store->list_now({}));
  refused(store->put_now(put_of("key", "value")));
  refused(store->put_now(put_of("a/key", "value")));
  refused(store->remove_now({.keys = {"key"}}));
  CHECK(fs::file_size(scratch / "file") == 15);
}

TEST_CASE("a dangling link as root is a missing path, a link to a directory is a root") {
  const Scratch scratch;
  fs::create_symlink(scratch / "nothing", scratch / "dangling");
  const auto put = file_store(scratch / "dangling")->put_now(put_of("key", "value"));
  REQUIRE_FALSE(put);
  CHECK(put.error().reason() == reason::no_path);
  fs::create_directory(scratch / "real");
  fs::create_directory_symlink(scratch / "real", scratch / "link");
  const auto store = file_store(scratch / "link");
  REQUIRE(store->put_now(put_of("a/key", "value")));
  CHECK(list_keys(*store) == std::vector<std::string>{"a/key"});
}

TEST_CASE("an object's name is not a directory's") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("a/b", "value")));
  CHECK(text_of(*f.store, "a").error().reason() == reason::no_object);
  CHECK(f.store->stat_now({.key = "a"}).error().reason() == reason::no_object);
  CHECK(f.store->remove_now({.keys = {"a", "a/b/c"}}));
  CHECK(*text_of(*f.store, "a/b") == "value");
  CHECK(text_of(*f.store, "a/b/c").error().reason() == reason::no_object);
  CHECK(list_keys(*f.store, "a/b/").empty());
  const auto below = f.store->put_now(put_of("a/b/c", "value"));
  REQUIRE_FALSE(below);
  CHECK(below.error().reason() == reason::no_path);
  CHECK(f.store->put_now(put_of("a/b/c/d", "value")).error().reason() == reason::no_path);
  CHECK(f.store->put_now(put_of("a", "value")).error().code() == Errc::already_exists);
  auto over = put_of("a", "value");
  over.if_absent = false;
  CHECK(f.store->put_now(over).error().reason() == reason::no_path);
  CHECK(count_files(f.root) == 1);
}

TEST_CASE("symbolic links in a repository are refused, not followed") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("a/real", "value")));
  write_file(f.scratch / "outside", "secret");
  fs::create_symlink(f.scratch / "outside", f.root + "/a/link");
  fs::create_directory_symlink(f.scratch.path(), f.root + "/b");
  CHECK(text_of(*f.store, "a/link").error().code() == Errc::precondition_failed);
  CHECK(f.store->stat_now({.key = "a/link"}).error().code() == Errc::precondition_failed);
  CHECK(f.store->put_now(put_of("a/link", "x")).error().code() == Errc::already_exists);
  CHECK(list_keys(*f.store) == std::vector<std::string>{"a/real"});
  CHECK(list_keys(*f.store, "b/").empty());
}

TEST_CASE("pipes and sockets are no objects and make nobody wait") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("a/real", "value")));
  REQUIRE(::mkfifo((f.root + "/a/pipe").c_str(), 0600) == 0);
  CHECK(text_of(*f.store, "a/pipe").error().reason() == reason::no_object);
  CHECK(f.store->stat_now({.key = "a/pipe"}).error().reason() == reason::no_object);
  CHECK(list_keys(*f.store) == std::vector<std::string>{"a/real"});
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = f.root + "/a/sock";
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(socket);
  CHECK(text_of(*f.store, "a/sock").error().code() == Errc::unavailable);
}

TEST_CASE("lists go by the bytes of the whole key, across directories") {
  Fixture f;
  std::vector<std::string> keys = {"a-b",   "a.b",     "a/b",    "a/b-c", "a/c/d", "a0",
                                   "a_b/c", "a/c-d/e", "a/c.d",  "b",     "ab",    "a/c0",
                                   "a-/x",  "a/c/d-e", "a-/x-y", "a./x"};
  for (const auto& key : keys) REQUIRE(f.store->put_now(put_of(key, key)));
  std::sort(keys.begin(), keys.end());
  CHECK(list_keys(*f.store) == keys);
  for (std::uint32_t page_size : {1u, 2u, 3u, 15u, 16u, 17u}) {
    CAPTURE(page_size);
    std::vector<std::string> seen;
    ListRequest request{.max_keys = page_size};
    for (;;) {
      const auto page = f.store->list_now(request);
      REQUIRE(page);
      for (const auto& object : page->objects) {
        seen.push_back(object.key);
        CHECK(object.size == object.key.size());
        CHECK(object.modified > 1'600'000'000);
      }
      if (!page->truncated) break;
      request.start_after = seen.back();
    }
    CHECK(seen == keys);
  }
  for (const char* prefix : {"a", "a/", "a/c", "a/c/", "a-", "a-/x", "b", "c", "a/c-d/e", "zz/"}) {
    for (const char* after : {"", "a", "a-", "a/", "a/c", "a/c.", "a/c/d", "a0", "z", "a/b!"}) {
      CAPTURE(prefix);
      CAPTURE(after);
      std::vector<std::string> expected;
      for (const auto& key : keys) {
        if (key.starts_with(prefix) && key > after) expected.push_back(key);
      }
      const auto page = f.store->list_now({.prefix = prefix, .start_after = after});
      REQUIRE(page);
      CHECK(keys_of(*page) == expected);
    }
  }
}

TEST_CASE("a list shows no names that are no keys") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("a/key", "value")));
  write_file(f.root + "/a/+put-0123", "temporary");
  write_file(f.root + "/a/Upper", "foreign");
  fs::create_directories(f.root + "/lost+found/x");
  write_file(f.root + "/lost+found/x/y", "foreign");
  CHECK(list_keys(*f.store) == std::vector<std::string>{"a/key"});
  CHECK(f.store->stat_now({.key = "a/+put-0123"}).error().reason() == reason::bad_name);
}

TEST_CASE("a list goes no deeper than a key can") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("key", "value")));
  const std::string name(200, 'd');
  auto deep = f.root;
  for (int i = 0; i < 6; ++i) deep += "/" + name;
  fs::create_directories(deep);
  write_file(deep + "/x", "too deep");
  write_file(f.root + "/" + name + "/" + name + "/x", "a key");
  CHECK(list_keys(*f.store) == std::vector<std::string>{name + "/" + name + "/x", "key"});
}

TEST_CASE("a name that the file system cannot hold is the caller's error") {
  Fixture f;
  const std::string name(256, 'n');
  CHECK(f.store->put_now(put_of(name, "x")).error().code() == Errc::invalid_argument);
  CHECK(f.store->put_now(put_of(name + "/a", "x")).error().code() == Errc::invalid_argument);
  CHECK(f.store->get_now({.key = name}).error().code() == Errc::invalid_argument);
  CHECK(f.store->remove_now({.keys = {name}}).error().code() == Errc::invalid_argument);
  const std::string fits(255, 'n');
  CHECK(f.store->put_now(put_of(fits, "x")));
}

TEST_CASE("remove takes empty directories along, and only those") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("a/b/c/one", "1")));
  REQUIRE(f.store->put_now(put_of("a/two", "2")));
  REQUIRE(f.store->remove_now({.keys = {"a/b/c/one"}}));
  CHECK_FALSE(fs::exists(f.root + "/a/b"));
  CHECK(*text_of(*f.store, "a/two") == "2");
  REQUIRE(f.store->put_now(put_of("a/b/c/one", "again")));
  CHECK(*text_of(*f.store, "a/b/c/one") == "again");
  REQUIRE(f.store->remove_now({.keys = {"a/b/c/one", "a/two"}}));
  CHECK(fs::exists(f.root));
  CHECK(fs::is_empty(f.root));
}

TEST_CASE("puts win against removes of the directories they need") {
  Fixture f;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto key = "a/b/c/" + std::to_string(t) + "-" + std::to_string(i);
        if (!f.store->put_now(put_of(key, "x", i % 8 == 0))) ++failures;
        if (!f.store->remove_now({.keys = {key}})) ++failures;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(f.store->sync_now({}));
  CHECK(list_keys(*f.store).empty());
}

TEST_CASE("a put that is not durable becomes so by sync, however many there are") {
  Fixture f;
  for (int i = 0; i < 150; ++i) {
    REQUIRE(f.store->put_now(
        put_of("p/" + std::to_string(i % 7) + "/" + std::to_string(i), "x", false)));
  }
  REQUIRE(f.store->remove_now({.keys = {"p/0/0"}}));
  std::stop_source stop;
  stop.request_stop();
  CHECK(f.store->sync_now({.deadline = {}, .stop = stop.get_token()}).error().code() ==
        Errc::cancelled);
  CHECK(f.store->sync_now({}));
  CHECK(f.store->sync_now({}));
  CHECK(count_files(f.root) == 149);
}

TEST_CASE("old temporary files are swept by the first put, others stay") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("a/b/key", "value")));
  const auto old_one = f.root + "/a/b/" + temporary_name();
  const auto old_two = f.root + "/" + temporary_name();
  const auto young = f.root + "/a/" + temporary_name();
  const auto foreign = f.root + "/a/Foreign";
  const auto directory = f.root + "/a/" + temporary_name();
  for (const auto& path : {old_one, old_two, young, foreign}) write_file(path, "left over");
  fs::create_directory(directory);
  for (const auto& path : {old_one, old_two, foreign, directory}) make_older(path, 9);
  make_older(young, 7);
  make_older(f.root + "/a/b/key", 9);
  REQUIRE(f.store->put_now(put_of("second", "value")));
  CHECK(fs::exists(old_one));
  REQUIRE(file_store(f.root)->put_now(put_of("third", "value")));
  CHECK_FALSE(fs::exists(old_one));
  CHECK_FALSE(fs::exists(old_two));
  CHECK(fs::exists(young));
  CHECK(fs::exists(foreign));
  CHECK(fs::exists(directory));
  CHECK(*text_of(*f.store, "a/b/key") == "value");
}

TEST_CASE("a sweep is bounded") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("key", "value")));
  for (int i = 0; i < 530; ++i) fs::create_directory(f.root + "/d" + std::to_string(i));
  for (int i = 0; i < 530; ++i) {
    const auto path = f.root + "/d" + std::to_string(i) + "/" + temporary_name();
    write_file(path, "");
    make_older(path, 9);
  }
  REQUIRE(file_store(f.root)->put_now(put_of("other", "value")));
  const auto left = count_files(f.root) - 2;
  CHECK(left >= 530 - 512);
  CHECK(left < 530);
  sweep_temporaries(f.scratch / "nowhere", 0);
}

TEST_CASE("bodies of any number of parts are written whole") {
  Fixture f;
  std::vector<PutBody::Part> parts;
  std::string expected;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::string text(i % 5 == 0 ? 0 : i * 301 % 4096, static_cast<char>('a' + i % 26));
    expected += text;
    parts.push_back(std::make_shared<const base::Bytes>(bytes_of(text)));
  }
  const std::string large(20'000'000, 'L');
  for (int i = 0; i < 2; ++i) {
    expected += large;
    parts.push_back(std::make_shared<const base::Bytes>(bytes_of(large)));
  }
  REQUIRE(f.store->put_now({.key = "many", .body = PutBody(parts, 0)}));
  CHECK((*text_of(*f.store, "many") == expected));
  CHECK(f.store->stat_now({.key = "many"})->size == expected.size());
  const std::vector<PutBody::Part> nothing(100, std::make_shared<const base::Bytes>());
  REQUIRE(f.store->put_now({.key = "nothing", .body = PutBody(nothing, 0)}));
  CHECK(*text_of(*f.store, "nothing") == "");
  REQUIRE(f.store->put_now({.key = "default", .body = PutBody()}));
  CHECK(*text_of(*f.store, "default") == "");
}

TEST_CASE("an object larger than any that is written is neither put nor read whole") {
  Fixture f;
  const auto max = f.store->capabilities().object_size_max;
  const auto part = std::make_shared<const base::Bytes>(max / 4);
  const auto byte = std::make_shared<const base::Bytes>(1);
  PutRequest request{.key = "big", .body = PutBody({part, part, part, part, byte}, 0)};
  CHECK(f.store->put_now(request).error().code() == Errc::invalid_argument);
  REQUIRE(f.store->put_now(put_of("small", "x")));
  fs::resize_file(f.root + "/small", max + 1);
  CHECK(f.store->get_now({.key = "small"}).error().code() == Errc::data_loss);
  CHECK(f.store->get_now({.key = "small", .offset = max, .length = 1}));
}

TEST_CASE("a hard link to an object by somebody else changes nothing") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("key", "value")));
  fs::create_hard_link(f.root + "/key", f.scratch / "copy");
  CHECK(f.store->put_now(put_of("key", "value")).error().code() == Errc::already_exists);
  CHECK(*text_of(*f.store, "key") == "value");
}

TEST_CASE("a full process table of descriptors is no lack of objects") {
  Fixture f;
  REQUIRE(f.store->put_now(put_of("key", "value")));
  std::vector<int> taken;
  for (;;) {
    const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) break;
    taken.push_back(descriptor);
  }
  const auto got = text_of(*f.store, "key");
  const auto put = f.store->put_now(put_of("other", "value"));
  const auto listed = f.store->list_now({});
  for (const int descriptor : taken) ::close(descriptor);
  CHECK(got.error().code() == Errc::resource_exhausted);
  CHECK(put.error().code() == Errc::resource_exhausted);
  CHECK(listed.error().code() == Errc::resource_exhausted);
  CHECK(f.store->put_now(put_of("other", "value")));
}

}  // namespace snapvault::provider

TEST_SUITE_END();
