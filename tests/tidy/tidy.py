"""Style and layering, checked on the text of the tree. TESTING.md names the rules.

Each check is a function (path, text) -> [(line, message)]; CHECKS at the end says on which files.
"""

import pathlib
import re
import subprocess
import sys

import cpp_scan

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What each layer of src/ may include of the others. A name with a slash is one header.
ORDER = ["base", "codec", "format", "wire", "net", "provider", "store", "source", "engine", "api"]
ALLOWED = {
    "base": [],
    "codec": ["base"],
    "format": ["base", "codec"],
    "wire": ["base", "codec", "format/json.hpp"],
    "net": ["base", "wire"],
    "provider": ["base", "codec/crc64.hpp", "wire", "net"],
    "store": ["base", "codec", "format", "provider"],
    "source": ["base", "codec/crc64.hpp"],
    "engine": ["base", "codec", "format", "provider", "store", "source"],
    "api": ORDER,
}
# Third parties and the only places that may include them.
THIRD_PARTIES = {
    r"openssl/": r"src/codec/|src/net/\w+\.cpp$",
    r"pugixml": r"src/wire/\w+\.cpp$",
    r"yaml": r"src/provider/swift/\w+\.cpp$",
    r"zstd\w*\.h|zdict\.h": r"src/codec/",
    r"xxh\w*\.h": r"src/codec/",
    r"boost/beast/": r"src/net/answer_parser\.cpp$",
    # Inside net: what others include of it, client.hpp and transport.hpp, is free of it.
    r"boost/": r"src/format/\w+\.cpp$|src/net/(?!client\.hpp|transport\.hpp)\w+\.[ch]pp$"
               r"|examples/cli/\w+\.cpp$",
    r"(CLI|fmt)/": r"examples/",
    r"doctest/": r"tests/",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def includes(text):
    """(line, '<' or '"', name) of each include."""
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_arrows(path, text):
    found = []
    part, layer = path.split("/")[0], path.split("/")[1]
    for line, mark, name in includes(text):
        inside = name.split("/")[0] in ORDER and "/" in name
        if inside and mark == "<":
            found.append((line, f'"{name}" is ours: include it in quotes'))
        if name.startswith("snapvault/") and mark == '"':
            found.append((line, f"<{name}> is public: include it in angle brackets"))
        if not inside:
            continue
        if part in ("include", "examples"):
            found.append((line, f"{part}/ may include nothing of src/, such as {name}"))
        elif part == "src" and name.split("/")[0] != layer:
            if not any(name == allowed or name.startswith(allowed + "/")
                       for allowed in ALLOWED.get(layer, [])):
                found.append((line, f"{layer} may not include {name}"))
    return found


def check_third_parties(path, text):
    found = []
    for line, _, name in includes(text):
        for pattern, place in THIRD_PARTIES.items():
            allowed = re.match(place, path) or (path.startswith("tests/")
                                                and not pattern.startswith("boost/"))
            if re.match(pattern, name) and not allowed:
                found.append((line, f"{name} may be included by {place} only"))
    return found


# Threads, clocks and chance come through Env, or the simulator would not run what ships.
ENVIRONMENT = re.compile(
    r"std::(?:jthread|thread|this_thread|async|random_device|mt19937(?:_64)?)\b(?!::id)"
    r"|\b(?:steady|system|high_resolution)_clock\s*::\s*now\b"
    r"|\b(?:pthread_create|getrandom|getentropy|clock_gettime|gettimeofday|nanosleep|usleep)\s*\("
    r"|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)")
# A library neither prints nor ends its host.
PROCESS = re.compile(r"std::(?:cout|cerr|clog)\b|\b(?:v?f?printf|f?puts|putchar|perror)\s*\("
                     r"|\b(?:abort|_?exit|quick_exit|atexit)\s*\(")


def search(pattern, text, message):
    return [(text.count("\n", 0, match.start()) + 1, message.format(match.group().strip()))
            for match in pattern.finditer(text)]


# A request's deadline is a steady_clock time by the public interface, and a temporary file's name
# is no decision: a provider is opened without an Env. The HTTP client has threads of its own, and
# its clock bounds waits of its own sockets.
ENVIRONMENT_ELSEWHERE = {
    "src/provider/request.cpp": "steady_clock::now",
    "src/provider/temporary.cpp": "getrandom(",
}


def check_environment(path, text):
    if path == "src/base/thread_env.cpp" or re.fullmatch(r"src/net/engine\.[ch]pp", path):
        return []
    code = cpp_scan.strip(text).replace(ENVIRONMENT_ELSEWHERE.get(path, "\0"), "")
    return search(ENVIRONMENT, code, "{} only through base/env.hpp")


def check_process(path, text):
    return search(PROCESS, cpp_scan.strip(text), "{}: a library neither prints nor exits")


def check_awaits(path, text):
    message = "braces or a capturing lambda in a co_await expression (g++ 12 destroys them twice)"
    return [(line, message) for line in cpp_scan.awaits_with_braces(cpp_scan.strip(text))]


BANNED_NAME = re.compile(r"\b\w*(?:Manager|Helper|Util)s?(?![a-z])\w*"
                         r"|\b(?:\w+_)?(?:manager|helper|util)s?(?:_\w+)?\b")
BANNED_WORD = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


def check_names(path, text):
    stem = pathlib.PurePath(path).stem
    found = search(BANNED_NAME, cpp_scan.strip(text), "{}: say what it does")
    return found + ([(1, f"{stem}: say what it holds")] if BANNED_NAME.fullmatch(stem) else [])


def check_words(path, text):
    return search(BANNED_WORD, text, "{}: finish it, or write an issue")


# Written in pieces, so that this file passes its own check.
MACHINE = re.compile("|".join([
    r"(?<![\w.}])/wo" r"rk/", r"(?<![\w.}])/ro" r"ot/", r"(?<![\w.}])/ho" r"me/\w",
    r"\bpy" r"pi\.org", r"\bfiles\.python" r"hosted\.org", r"\bregistry\.np" r"mjs\.org",
    r"\bproxy\.go" r"lang\.org", r"\bcrates\." r"io\b", r"\bcenter\.co" r"nan\.io",
    r"\bdeb\.deb" r"ian\.org", r"GOPR" r"OXY=", r"--index" r"-url", r"--regi" r"stry\b"]))


def check_places(path, text):
    return search(MACHINE, text, "{}: no path of one machine and no package registry")


def check_lines(path, text):
    return [(number, f"{len(line)} columns, at most 100")
            for number, line in enumerate(text.split("\n"), 1) if len(line) > 100]


def check_ends(path, text):
    found = [(number, "white space at the end") for number, line in enumerate(text.split("\n"), 1)
             if line != line.rstrip()]
    if not text.endswith("\n"):
        found.append((text.count("\n") + 1, "no newline at the end"))
    return found


def check_file_length(path, text):
    lines = text.count("\n")
    return [(lines, f"{lines} lines, at most 600")] if lines > 600 else []


def check_function_length(path, text):
    return [(first, f"{last - first + 1} lines, at most 70: {head.split('(')[0][-60:].strip()}")
            for head, first, last in cpp_scan.functions(cpp_scan.strip(text))
            if last - first + 1 > 70]


def check_guard(path, text):
    return [] if re.search(r"^#pragma once$", text, re.M) else [(1, "no #pragma once")]


CXX = r".*\.(cpp|hpp|cc|h|c)$"
CODE = r".*\.(cpp|hpp|cc|h|c|py|sh|cmake|txt)$|.*/run$|\.ci/.*"
CHECKS = [
    (check_arrows, r"(src|include|examples|capi)/[^/]+/.*\.(cpp|hpp|h|c)$"),
    (check_third_parties, CXX),
    (check_environment, r"(src|capi)/.*\.(cpp|hpp)$"),
    (check_process, r"(src|capi)/.*\.(cpp|hpp)$"),
    (check_awaits, r".*\.(cpp|hpp)$"),
    (check_names, r"(src|include|capi|examples|tests)/.*\.(cpp|hpp|h|c)$"),
    (check_words, r"(?!LICENSE).*"),
    (check_places, r"(?!LICENSE).*"),
    (check_lines, CODE),
    (check_ends, CODE),
    (check_file_length, CODE),
    (check_function_length, CXX),
    (check_guard, r"(src|include|tests|examples)/.*\.hpp$"),
]


def tree():
    """Path and text of each file of the project."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                            check=True, capture_output=True).stdout.decode().split("\0")
    for path in sorted(set(filter(None, listed))):
        data = (ROOT / path).read_bytes() if (ROOT / path).is_file() else b"\0"
        if b"\0" not in data and not path.startswith("tests/golden/"):
            yield path, data.decode("utf-8")


def findings(path, text):
    return [(path, line, message) for check, where in CHECKS if re.fullmatch(where, path)
            for line, message in check(path, text)]


def badly_formatted(paths):
    """Lines in which clang-format 14 would change something."""
    done = subprocess.run(["clang-format-14", "--dry-run", "--ferror-limit=1", *paths], cwd=ROOT,
                          capture_output=True, text=True)
    pattern = re.compile(r"^([^:\n]+):(\d+):\d+: (?:warning|error): code should be clang-formatted",
                         re.M)
    worst = {}
    for match in pattern.finditer(done.stderr):
        worst.setdefault(match.group(1), int(match.group(2)))
    if done.returncode != 0 and not worst:
        sys.exit(done.stderr)
    return [(path, line, "run clang-format-14 -i on it") for path, line in worst.items()]


def main():
    files = list(tree())
    found = [finding for path, text in files for finding in findings(path, text)]
    found += badly_formatted([path for path, _ in files if re.fullmatch(CXX, path)])
    for path, line, message in found:
        print(f"{path}:{line}: error: {message}")
    bad = len({path for path, _, _ in found})
    print(f"{len(files) - bad} passed, {bad} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
