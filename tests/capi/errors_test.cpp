// Errors, arguments and structs: what a caller can get wrong.
#include <doctest/doctest.h>

#include <cstddef>

#include <string>
#include <vector>

#include "header.h"
#include "volume.hpp"

namespace capi_test {
namespace {

// A struct of a newer caller: one more member at its end.
template <class T>
struct Newer {
  T known;
  std::uint64_t member;
};

// What `call(pointer, error)` answers to a struct that is given in every wrong way, and in those
// that are right although they look odd. `known` must be one that it takes.
template <class T, class Call>
void check_struct(const T& known, Call call) {
  Error error;
  CHECK(call(&known, error.out()) == SV_OK);
  for (const std::size_t size :
       {std::size_t{0}, sizeof(std::size_t), sizeof(T) - 1, std::size_t{4097}, ~std::size_t{0}}) {
    CAPTURE(size);
    T wrong = known;
    wrong.struct_size = size;
    CHECK(call(&wrong, error.out()) == SV_INVALID_ARGUMENT);
    CHECK(error.reason() == "bad_argument");
    CHECK(error.message().find("struct_size") != std::string::npos);
  }
  Newer<T> newer{known, 0};
  newer.known.struct_size = sizeof(newer);
  CHECK(call(&newer.known, error.out()) == SV_OK);
  CHECK(error.get() == nullptr);
  newer.member = 1;
  CHECK(call(&newer.known, error.out()) == SV_INVALID_ARGUMENT);
  CHECK(error.message().find("does not know") != std::string::npos);
  if constexpr (requires(T t) { t.reserved; }) {
    T reserved = known;
    reserved.reserved = 1;
    CHECK(call(&reserved, error.out()) == SV_INVALID_ARGUMENT);
  }
  if constexpr (requires(T t) { t.reserved_2; }) {
    T reserved = known;
    reserved.reserved_2 = 1;
    CHECK(call(&reserved, error.out()) == SV_INVALID_ARGUMENT);
  }
}

}  // namespace

TEST_SUITE("capi/errors") {
  TEST_CASE("the header means the same in C99 and in C++") {
    const std::vector<std::size_t> mine = {HEADER_SIZES};
    std::vector<std::size_t> theirs(mine.size());
    CHECK(header_sizes(theirs.data(), theirs.size()) == mine.size());
    CHECK(mine == theirs);
    CHECK(header_inits_are_right() == 1);
  }

  TEST_CASE("the version is the header's") {
    CHECK(sv_version_number() == SV_VERSION_NUMBER);
    CHECK(std::string(sv_version_string()) == "0.1.0");
  }

  TEST_CASE("every code has a name, and no other number has one") {
    CHECK(std::string(sv_code_name(SV_OK)) == "ok");
    CHECK(std::string(sv_code_name(SV_CANCELLED)) == "cancelled");
    CHECK(std::string(sv_code_name(SV_INTERNAL)) == "internal");
    for (sv_code code = SV_CANCELLED; code <= SV_INTERNAL; ++code) {
      CHECK(std::string(sv_code_name(code)) != "unknown");
    }
    for (const sv_code code : {-1, 16, 100, INT32_MAX, INT32_MIN}) {
      CHECK(std::string(sv_code_name(code)) == "unknown");
    }
  }

  TEST_CASE("no error reads as success without texts") {
    CHECK(sv_error_code(nullptr) == SV_OK);
    CHECK(sv_error_native(nullptr) == 0);
    for (const auto read : {sv_error_reason, sv_error_message, sv_error_hint, sv_error_subject,
                            sv_error_request_id}) {
      CHECK(std::string(read(nullptr)).empty());
    }
  }

  TEST_CASE("freeing NULL does nothing, and NULL lists are empty") {
    sv_error_free(nullptr);
    sv_cancel_free(nullptr);
    sv_cancel_request(nullptr);
    sv_repository_free(nullptr);
    sv_snapshot_list_free(nullptr);
    sv_backup_report_free(nullptr);
    sv_restore_report_free(nullptr);
    CHECK(sv_snapshot_list_count(nullptr) == 0);
    CHECK(sv_snapshot_list_at(nullptr, 0) == nullptr);
  }

  TEST_CASE("a failure gives code, reason and message, and leaves out NULL") {
    sv_repository* out = reinterpret_cast<sv_repository*>(&out);
    Error error;
    CHECK(sv_repository_open("memory:capi-nothing", nullptr, &out, error.out()) == SV_NOT_FOUND);
    CHECK(out == nullptr);
    CHECK(sv_error_code(error.get()) == SV_NOT_FOUND);
    CHECK(error.reason() == "not_a_repository");
    CHECK(!error.message().empty());
    CHECK(sv_repository_open("memory:capi-nothing", nullptr, &out, nullptr) == SV_NOT_FOUND);
    CHECK(sv_repository_open("ftp://x", nullptr, &out, error.out()) != SV_OK);
    CHECK(sv_repository_open(nullptr, nullptr, &out, error.out()) == SV_INVALID_ARGUMENT);
    CHECK(sv_repository_open("memory:x", nullptr, nullptr, error.out()) == SV_INVALID_ARGUMENT);
  }

  TEST_CASE("keys: a repository opens with its own only, and needs exactly one") {
    sv_init_options init = SV_INIT_OPTIONS_INIT;
    sv_repository* out = nullptr;
    Error error;
    CHECK(sv_repository_init("memory:capi-keys", &init, &out, error.out()) == SV_INVALID_ARGUMENT);
    CHECK(error.reason() == "key_required");
    init.passphrase = "correct horse";
    init.raw_key = kKey.data();
    CHECK(sv_repository_init("memory:capi-keys", &init, &out, error.out()) == SV_INVALID_ARGUMENT);
    init.raw_key = nullptr;
    CHECK(sv_repository_init("memory:capi-keys", nullptr, &out, error.out()) ==
          SV_INVALID_ARGUMENT);
    REQUIRE(sv_repository_init("memory:capi-keys", &init, &out, error.out()) == SV_OK);
    CHECK(error.get() == nullptr);
    const Repository made(out);
    CHECK(sv_repository_init("memory:capi-keys", &init, &out, error.out()) == SV_ALREADY_EXISTS);
    CHECK(error.reason() == "repository_exists");

    sv_open_options open = SV_OPEN_OPTIONS_INIT;
    CHECK(sv_repository_open("memory:capi-keys", &open, &out, error.out()) == SV_UNAUTHENTICATED);
    CHECK(error.reason() == "key_required");
    open.passphrase = "battery staple";
    CHECK(sv_repository_open("memory:capi-keys", &open, &out, error.out()) == SV_UNAUTHENTICATED);
    CHECK(error.reason() == "wrong_passphrase");
    CHECK(error.message().find("battery") == std::string::npos);
    open.passphrase = "correct horse";
    REQUIRE(sv_repository_open("memory:capi-keys", &open, &out, error.out()) == SV_OK);
    const Repository opened(out);
    open.access = 4;
    CHECK(sv_repository_open("memory:capi-keys", &open, &out, error.out()) == SV_INVALID_ARGUMENT);
  }

  TEST_CASE("a handle that was opened to read does not write") {
    const auto made = make_repository("memory:capi-access");
    REQUIRE(made);
    sv_open_options open = SV_OPEN_OPTIONS_INIT;
    open.raw_key = kKey.data();
    open.access = SV_ACCESS_READ;
    sv_repository* out = nullptr;
    Error error;
    REQUIRE(sv_repository_open("memory:capi-access", &open, &out, error.out()) == SV_OK);
    const Repository reader(out);
    Volume volume(4096);
    const auto options = backup_as("db");
    CHECK(sv_repository_backup(reader.get(), &kSource, &volume, &options, nullptr, error.out()) ==
          SV_PERMISSION_DENIED);
    CHECK(error.reason() == "access");
  }

  TEST_CASE("open options say their size, and nothing unknown") {
    const auto made = make_repository("memory:capi-open-size");
    sv_open_options known = SV_OPEN_OPTIONS_INIT;
    known.raw_key = kKey.data();
    check_struct(known, [](const sv_open_options* options, sv_error** error) {
      sv_repository* out = nullptr;
      const auto code = sv_repository_open("memory:capi-open-size", options, &out, error);
      sv_repository_free(out);
      return code;
    });
  }

  TEST_CASE("the other structs say their size, and nothing unknown") {
    int made = 0;
    sv_init_options init = SV_INIT_OPTIONS_INIT;
    init.raw_key = kKey.data();
    check_struct(init, [&](const sv_init_options* options, sv_error** error) {
      sv_repository* out = nullptr;
      const auto url = "memory:capi-size-" + std::to_string(made++);
      const auto code = sv_repository_init(url.c_str(), options, &out, error);
      sv_repository_free(out);
      return code;
    });
    const auto owner = make_repository("memory:capi-size");
    auto* repository = owner.get();
    Volume volume(64 << 10);
    volume.fill(1);
    const auto backup = backup_as("db");
    const auto restore = restore_of("db@latest");
    check_struct(kSource, [&](const sv_source* source, sv_error** error) {
      return sv_repository_backup(repository, source, &volume, &backup, nullptr, error);
    });
    check_struct(backup, [&](const sv_backup_options* options, sv_error** error) {
      return sv_repository_backup(repository, &kSource, &volume, options, nullptr, error);
    });
    check_struct(kSink, [&](const sv_sink* sink, sv_error** error) {
      return sv_repository_restore(repository, sink, &volume, &restore, nullptr, error);
    });
    check_struct(restore, [&](const sv_restore_options* options, sv_error** error) {
      return sv_repository_restore(repository, &kSink, &volume, options, nullptr, error);
    });
    const sv_rate_limits limits = SV_RATE_LIMITS_INIT;
    check_struct(limits, [](const sv_rate_limits* given, sv_error** error) {
      sv_rates* out = nullptr;
      const auto code = sv_rates_create(given, &out, error);
      sv_rates_free(out);
      return code;
    });
    const sv_list_options list = SV_LIST_OPTIONS_INIT;
    check_struct(list, [&](const sv_list_options* options, sv_error** error) {
      sv_snapshot_list* out = nullptr;
      const auto code = sv_repository_list(repository, options, &out, error);
      sv_snapshot_list_free(out);
      return code;
    });
  }

  TEST_CASE("options as release 1.0 had them are understood, whatever stands behind them") {
    const auto owner = make_repository("memory:capi-older");
    Volume volume(64 << 10);
    volume.fill(1);
    auto backup = backup_as("db");
    backup.struct_size = offsetof(sv_backup_options, rates);
    backup.rates = reinterpret_cast<sv_rates*>(&volume);  // not the caller's: it ends before
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr) == SV_OK);
    auto restore = restore_of("db@latest");
    restore.struct_size = offsetof(sv_restore_options, rates);
    restore.rates = reinterpret_cast<sv_rates*>(&volume);
    CHECK(sv_repository_restore(owner.get(), &kSink, &volume, &restore, nullptr, nullptr) == SV_OK);
    sv_init_options init = SV_INIT_OPTIONS_INIT;
    init.raw_key = kKey.data();
    init.struct_size = offsetof(sv_init_options, create_bucket);
    init.reserved_2 = 7;
    sv_repository* out = nullptr;
    CHECK(sv_repository_init("memory:capi-older-init", &init, &out, nullptr) == SV_OK);
    sv_repository_free(out);
  }

  TEST_CASE("what is needed may not be NULL") {
    const auto owner = make_repository("memory:capi-null");
    auto* repository = owner.get();
    Volume volume(4096);
    const auto backup = backup_as("db");
    const auto restore = restore_of("db@latest");
    const auto nameless = backup_as(nullptr);
    const auto snapless = restore_of(nullptr);
    sv_snapshot_list* list = nullptr;
    const std::vector<sv_code> answers = {
        sv_cancel_create(nullptr, nullptr),
        sv_rates_create(nullptr, nullptr, nullptr),
        sv_rates_set(nullptr, nullptr, nullptr),
        sv_repository_list(nullptr, nullptr, &list, nullptr),
        sv_repository_list(repository, nullptr, nullptr, nullptr),
        sv_repository_backup(nullptr, &kSource, &volume, &backup, nullptr, nullptr),
        sv_repository_backup(repository, nullptr, &volume, &backup, nullptr, nullptr),
        sv_repository_backup(repository, &kSource, &volume, nullptr, nullptr, nullptr),
        sv_repository_backup(repository, &kSource, &volume, &nameless, nullptr, nullptr),
        sv_repository_backup_path(nullptr, "/", &backup, nullptr, nullptr),
        sv_repository_backup_path(repository, nullptr, &backup, nullptr, nullptr),
        sv_repository_backup_path(repository, "/", nullptr, nullptr, nullptr),
        sv_repository_restore(nullptr, &kSink, &volume, &restore, nullptr, nullptr),
        sv_repository_restore(repository, nullptr, &volume, &restore, nullptr, nullptr),
        sv_repository_restore(repository, &kSink, &volume, nullptr, nullptr, nullptr),
        sv_repository_restore(repository, &kSink, &volume, &snapless, nullptr, nullptr),
        sv_repository_restore_path(nullptr, "/", &restore, nullptr, nullptr),
        sv_repository_restore_path(repository, nullptr, &restore, nullptr, nullptr),
        sv_repository_restore_path(repository, "/", nullptr, nullptr, nullptr)};
    for (std::size_t i = 0; i < answers.size(); ++i) {
      CAPTURE(i);
      CHECK(answers[i] == SV_INVALID_ARGUMENT);
    }
  }
}

}  // namespace capi_test
