"""Each check of tidy.py must catch its bad samples and pass its good ones."""

import sys

import tidy

HOME = "/wo" + "rk/"
BAD = [
    # (check, path, text)
    (tidy.check_arrows, "src/base/a.cpp", '#include "codec/crypto.hpp"\n'),
    (tidy.check_arrows, "src/provider/a.cpp", '#include "format/pack.hpp"\n'),
    (tidy.check_arrows, "src/provider/a.cpp", '#include "codec/crypto.hpp"\n'),
    (tidy.check_arrows, "src/format/a.cpp", '#include "provider/client.hpp"\n'),
    (tidy.check_arrows, "src/source/a.cpp", '#include "store/session.hpp"\n'),
    (tidy.check_arrows, "src/engine/a.cpp", '#include "api/runtime.hpp"\n'),
    (tidy.check_arrows, "include/snapvault/a.hpp", '#include "base/env.hpp"\n'),
    (tidy.check_arrows, "examples/cli/a.cpp", '  #  include "base/env.hpp"\n'),
    (tidy.check_arrows, "src/base/a.cpp", "#include <base/env.hpp>\n"),
    (tidy.check_arrows, "src/base/a.cpp", '#include "snapvault/result.hpp"\n'),
    (tidy.check_third_parties, "src/store/a.cpp", "#include <openssl/evp.h>\n"),
    (tidy.check_third_parties, "src/format/a.hpp", "#include <boost/json.hpp>\n"),
    (tidy.check_third_parties, "include/snapvault/a.hpp", "#include <zstd.h>\n"),
    (tidy.check_third_parties, "capi/a.cpp", "#include <xxhash.h>\n"),
    (tidy.check_environment, "src/engine/a.cpp", "std::thread t;\n"),
    (tidy.check_environment, "src/engine/a.cpp", "auto t = std::chrono::steady_clock::now();\n"),
    (tidy.check_environment, "src/engine/a.cpp", "std::random_device d;\n"),
    (tidy.check_environment, "src/engine/a.cpp", "std::this_thread::yield();\n"),
    (tidy.check_environment, "src/engine/a.cpp", "auto t = time(nullptr);\n"),
    (tidy.check_process, "src/engine/a.cpp", "std::cout << 1;\n"),
    (tidy.check_process, "capi/a.cpp", 'fprintf(stderr, "x");\n'),
    (tidy.check_process, "src/engine/a.cpp", "std::abort();\n"),
    (tidy.check_awaits, "src/a/a.cpp", "auto r = co_await f(X{1});\n"),
    (tidy.check_awaits, "src/a/a.cpp", "co_await g([&] { return 1; });\n"),
    (tidy.check_awaits, "src/a/a.cpp", "SV_CO_TRY(auto x, f({.a = 1}));\n"),
    (tidy.check_awaits, "src/a/a.cpp", "auto x = Foo{co_await f()};\n"),
    (tidy.check_awaits, "src/a/a.cpp", "if (auto r = co_await f({}); r) { a(); }\n"),
    (tidy.check_awaits, "src/a/a.cpp", "co_return co_await f([x](int a) -> int { return a; });\n"),
    (tidy.check_awaits, "src/a/a.cpp", "f(X{1}, co_await g());\n"),
    (tidy.check_awaits, "src/a/a.cpp", "T<V> f() { auto l = [&] { return Z{co_await g()}; }; }\n"),
    (tidy.check_names, "src/a/a.cpp", "class PackManager {};\n"),
    (tidy.check_names, "src/a/a.cpp", "int test_helper(int);\n"),
    (tidy.check_names, "src/a/a.cpp", "struct IoUtils {};\n"),
    (tidy.check_names, "src/a/utils.cpp", "int a;\n"),
    (tidy.check_words, "src/a/a.cpp", "// TO" "DO: more\n"),
    (tidy.check_places, "README.md", f"cd {HOME}main\n"),
    (tidy.check_places, "README.md", "https://py" "pi.org/simple\n"),
    (tidy.check_lines, "src/a/a.cpp", "x" * 101 + "\n"),
    (tidy.check_ends, "src/a/a.cpp", "int a; \n"),
    (tidy.check_ends, "src/a/a.cpp", "int a;"),
    (tidy.check_file_length, "src/a/a.cpp", "\n" * 601),
    (tidy.check_function_length, "src/a/a.cpp", "int f() {\n" + "  a();\n" * 69 + "}\n"),
    (tidy.check_function_length, "src/a/a.cpp",
     "namespace n {\nstruct S {\n  Task<Result<void>> f(A a) const noexcept {\n"
     + "    if (a) { b(); }\n" * 70 + "  }\n};\n}\n"),
    (tidy.check_guard, "src/a/a.hpp", "int a;\n"),
]
GOOD = [
    (tidy.check_arrows, "src/provider/a.cpp", '#include "codec/crc64.hpp"\n'),
    (tidy.check_arrows, "src/store/a.cpp", '#include "provider/client.hpp"\n'),
    (tidy.check_third_parties, "src/codec/a.cpp", "#include <openssl/evp.h>\n#include <zstd.h>\n"),
    (tidy.check_third_parties, "src/format/a.cpp", "#include <boost/json/value.hpp>\n"),
    (tidy.check_environment, "src/engine/a.cpp",
     "// std::thread\nstd::chrono::steady_clock::time_point t;\n"),
    (tidy.check_environment, "src/base/thread_env.cpp", "std::thread t;\n"),
    (tidy.check_process, "src/engine/a.cpp", 'std::snprintf(b, 3, "abort()");\n'),
    (tidy.check_awaits, "src/a/a.cpp", "auto r = co_await f(x);\nFoo y{1};\n"),
    (tidy.check_awaits, "src/a/a.cpp", "if (!co_await x) return Foo{};\n"),
    (tidy.check_awaits, "src/a/a.cpp",
     "auto body = [&](TaskGroup& g) -> Task<Result<void>> {\n"
     "  SV_CO_CHECK(g.run());\n  Foo y{1};\n  co_return Result<void>{};\n};\n"),
    (tidy.check_awaits, "src/a/a.cpp",
     "Task<Result<void>> f(A a) { Request r{a}; auto t = g(std::move(r)); co_await move(t); }"),
    (tidy.check_awaits, "src/a/a.cpp", "SV_CO_TRY_NOW(auto a, f({}));\n"),
    (tidy.check_awaits, "src/a/a.cpp",
     "if (x) { y(); }\n{\n  Ticket t;\n  if (z) t = co_await f();\n  auto w = [&] { g(); };\n}\n"),
    (tidy.check_names, "src/a/a.cpp", "#include <utility>\nint utilization; // helper\n"),
    (tidy.check_places, "tests/a.py", "of/" + HOME[1:] + "b\n"),
    (tidy.check_function_length, "src/a/a.cpp", "int f() {\n" + "  a();\n" * 68 + "}\n"),
    (tidy.check_function_length, "tests/a.cpp",
     'TEST_SUITE("a") {\n' + 'TEST_CASE("b") {\n  f();\n}\n' * 30 + "}\n"),
    (tidy.check_function_length, "src/a/a.cpp",
     "struct S {\n" + "  int f(int a) { return a; }\n" * 80 + "};\n"),
]


def main():
    failed = 0
    for check, path, text in BAD:
        if not check(path, text):
            failed += 1
            print(f"error: {check.__name__} did not catch {text[:90]!r} in {path}")
    for check, path, text in GOOD:
        if check(path, text):
            failed += 1
            print(f"error: {check.__name__} is wrong about {text[:90]!r}: {check(path, text)}")
    untested = {check for check, _ in tidy.CHECKS} - {check for check, _, _ in BAD}
    for check in untested:
        failed += 1
        print(f"error: {check.__name__} has no bad sample")
    print(f"{len(BAD) + len(GOOD) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
