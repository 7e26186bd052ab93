"""Each public header compiles alone, drags in no third party, and costs little.

  headers.py          every header of include/snapvault, and capi/*.h as C99

Alone: g++ and clang++ accept it twice in one file, with all warnings as errors. No third party:
`-H` names no Boost, OpenSSL, zstd or xxHash file. Little: CPU time of at most 1.3 times that of a
file with the standard includes it and our headers under it name: the least of 5 runs each, taken in
turn. A neighbour on the machine only ever adds to such a time, so what looks too much is run again,
up to 30 times, before it is believed.
"""

import math
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion",
         "-Werror", "-pedantic", f"-I{ROOT / 'include'}", "-fsyntax-only"]
COMPILERS = [["g++", "-fcoroutines"], ["clang++-14"]]
FOREIGN = re.compile(r"/(boost|openssl|CLI|fmt)/|/(zstd|zdict|xxhash|xxh3)\.h")
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<([^>]+)>", re.M)
TIMES_MAX = 1.3
RUNS = 5
RUNS_MAX = 30


def standard_includes(header, seen):
    """The standard headers that `header` and our headers under it name, in order."""
    found = []
    for name in INCLUDE.findall(header.read_text()):
        if not name.startswith("snapvault/"):
            found.append(name)
        elif name not in seen:
            seen.add(name)
            found += standard_includes(ROOT / "include" / name, seen)
    return list(dict.fromkeys(found))


def compile_file(command, path):
    """(CPU seconds, what the compiler said or "") of one compilation."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stderr if done.returncode else ""


def times_of_standard(folder, name, standard):
    alone, base = folder / "alone.cpp", folder / "base.cpp"
    alone.write_text(f"#include <{name}>\n")
    base.write_text("".join(f"#include <{include}>\n" for include in standard))
    command = [*COMPILERS[0], *FLAGS]
    mine = theirs = math.inf
    for run in range(RUNS_MAX):
        if run >= RUNS and mine <= TIMES_MAX * theirs:
            break
        mine = min(mine, compile_file(command, alone)[0])
        theirs = min(theirs, compile_file(command, base)[0])
    return mine, theirs


def faults_of(folder, name):
    """What is wrong with one header; also prints its compile time."""
    faults = []
    twice = folder / "twice.cpp"
    twice.write_text(f"#include <{name}>\n#include <{name}>\nint used;\n")
    for compiler in COMPILERS:
        said = compile_file([*compiler, *FLAGS], twice)[1]
        if said:
            faults.append(f"{compiler[0]} does not take it alone:\n{said}")
    tree = subprocess.run(["g++", "-fcoroutines", *FLAGS, "-H", str(twice)], capture_output=True,
                          text=True).stderr
    faults += [f"it drags in {line.strip('. ')}" for line in tree.splitlines()
               if FOREIGN.search(line)]
    standard = standard_includes(ROOT / "include" / name, set())
    if standard and not faults:
        mine, theirs = times_of_standard(folder, name, standard)
        print(f"{name:36} {mine:6.3f} s  {mine / theirs:5.2f} x its standard includes")
        if mine > TIMES_MAX * theirs:
            faults.append(f"compiles in {mine / theirs:.2f} x the time of its standard includes")
    return faults


def faults_of_c(header):
    faults = []
    for command in (["gcc", "-std=c99", "-x", "c"], ["clang-14", "-std=c99", "-x", "c"],
                    ["g++", "-std=c++17", "-x", "c++"]):
        done = subprocess.run([*command, "-pedantic", "-Wall", "-Wextra", "-Werror",
                               "-fsyntax-only", "-include", str(header), "-"],
                              input="int used;\n", capture_output=True, text=True)
        if done.returncode:
            faults.append(f"{command[0]} does not take it:\n{done.stderr}")
    return faults


def main():
    failed = passed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checked = [(f"snapvault/{header.name}", faults_of(folder, f"snapvault/{header.name}"))
                   for header in sorted((ROOT / "include/snapvault").glob("*.hpp"))]
        checked += [(header.name, faults_of_c(header))
                    for header in sorted((ROOT / "capi").glob("*.h"))]
    for header, faults in checked:
        passed, failed = passed + (not faults), failed + bool(faults)
        for fault in faults:
            print(f"{header}: error: {fault}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
