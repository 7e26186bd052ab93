"""symbols.py BUILD: the shared library exports what snapvault.map says, and needs little.

C functions: those of the map, of capi/snapvault.h and of the library are the same. C++: names of
namespace snapvault, none of an inner layer. Needed: the seven libraries it stands on, and no
function that would print, end the process or change its signals or locale.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = "base|codec|format|wire|net|provider|store|source|engine|api"
NEEDED = re.compile(r"lib(ssl|crypto|zstd|xxhash|pugixml|yaml-0|stdc\+\+|m|gcc_s|c|asan|ubsan"
                    r"|tsan)(-[\d.]+)?\.so\.\d+$"
                    r"|ld-linux[\w.-]*$")
UNWANTED = {"abort", "__assert_fail", "printf", "puts", "putchar", "perror", "exit", "_exit",
            "quick_exit", "atexit", "signal", "sigaction", "setlocale", "syslog", "system",
            "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog"}


def lines_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    library = str(pathlib.Path(sys.argv[1]) / "src/libsnapvault.so.1")
    faults, checks = [], 0

    def check(holds, message):
        nonlocal checks
        checks += 1
        if not holds:
            faults.append(message)

    dynamic = "\n".join(lines_of("readelf", "-dW", library))
    check("[libsnapvault.so.1]" in dynamic, "the soname is not libsnapvault.so.1")
    for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        check(NEEDED.match(needed), f"needs {needed}")

    map_text = re.sub(r"/\*.*?\*/", "", (ROOT / "capi/snapvault.map").read_text(), flags=re.S)
    in_map = set(re.findall(r"\b(sv_\w+);", map_text))
    headers = "".join(header.read_text() for header in (ROOT / "capi").glob("*.h"))
    header = re.sub(r"/\*.*?\*/|//[^\n]*", "", headers, flags=re.S)
    in_header = set(re.findall(r"\b(sv_\w+)\s*\((?!\s*\*)", header))
    exported, versions = set(), {}
    for line in lines_of("nm", "-D", "--defined-only", library):
        kind, name = line.split()[1:3]
        if kind != "A":
            name, _, version = name.partition("@")
            exported.add(name)
            versions[name] = version.lstrip("@")
    in_library = {name for name in exported if not name.startswith("_Z")}
    check(in_map == in_header, f"map and header differ in {sorted(in_map ^ in_header)}")
    check(in_map == in_library, f"map and library differ in {sorted(in_map ^ in_library)}")
    for name in in_library:
        check(versions[name].startswith("SNAPVAULT_1."), f"{name} has version {versions[name]!r}")

    cxx = sorted(exported - in_library)
    check(cxx, "no C++ class is exported")
    plain = subprocess.run(["c++filt"], input="\n".join(cxx), check=True, capture_output=True,
                           text=True).stdout.splitlines()
    for name in plain:
        check(re.match(r"((vtable|VTT|typeinfo|typeinfo name) for |(non-)?virtual thunk to )?"
                       r"snapvault::", name), f"exports {name}")
        check(not re.search(rf"^[\w -]*snapvault::({LAYERS})::", name), f"exports inner {name}")

    undefined = {line.split()[-1].partition("@")[0]
                 for line in lines_of("nm", "-D", "--undefined-only", library)}
    check(not undefined & UNWANTED, f"calls {sorted(undefined & UNWANTED)}")

    for fault in faults:
        print(f"error: {fault}")
    print(f"{len(in_library)} C functions and {len(cxx)} C++ symbols are exported")
    print(f"{checks - len(faults)} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
