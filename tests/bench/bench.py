#!/usr/bin/env python3
"""Measures snapvault against the limit (limit.cpp) on one ext4 image, all in one run, and prints
the table of goals with what was reached. Wall medians; the ratio is limit / snapvault.

  bench.py --program build/release/examples/snapvault --limit build/release/tests/bench/limit
           [--gib 4] [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import time

BLOCK = 65536


def run(command, **options):
    return subprocess.run(command, check=True, **options)


def make_image(path, gib):
    """An ext4 image about 60 % full of real files: headers, programs, libraries, and noise."""
    files = path.parent / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    want, have, copy = int(gib * 0.58 * 2**30), 0, 0
    while have < want:
        for top in ("/usr/include", "/usr/lib/gcc", "/usr/bin", "/usr/share/perl",
                    "/usr/lib/python3"):
            for folder, _, names in os.walk(top):
                for name in names:
                    source = pathlib.Path(folder) / name
                    if have >= want or source.is_symlink() or not source.is_file():
                        continue
                    data = source.read_bytes()
                    if copy:  # a second copy must not deduplicate block by block
                        data = b"%d" % copy + data
                    target = files / str(copy) / source.relative_to("/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
                    have += len(data) + 512
        copy += 1
    path.unlink(missing_ok=True)
    run(["truncate", "-s", f"{gib}G", path])
    run(["/sbin/mkfs.ext4", "-q", "-F", "-d", files, path])
    shutil.rmtree(files)


def change(source, target, seed):
    """1 % of the 64 KiB regions get one write of 4 KiB; returns the extents."""
    run(["cp", "--sparse=always", source, target])
    rng, size, extents = random.Random(seed), os.path.getsize(source), []
    with open(target, "r+b") as out:
        for region in rng.sample(range(size // BLOCK), size // BLOCK // 100):
            offset = region * BLOCK + rng.randrange(16) * 4096
            out.seek(offset)
            out.write(rng.randbytes(4096))
            extents.append({"offset": offset, "length": 4096, "zero": False})
    return sorted(extents, key=lambda e: e["offset"])


class Bench:
    def __init__(self, options):
        self.o = options
        self.work = pathlib.Path(options.work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.key = self.work / "key"
        self.key.write_bytes(bytes(range(32)))
        self.repo = self.work / "repository"
        self.times, self.reports = {}, {}

    def snapvault(self, *words, **options):
        return run([self.o.program, "--json", "--repo", self.repo, "--key-file", self.key, *words],
                   stdout=subprocess.PIPE, **options).stdout

    def timed(self, name, *words, **options):
        os.sync()
        start = time.monotonic()
        out = self.snapvault(*words, **options)
        self.times.setdefault(name, []).append(time.monotonic() - start)
        self.reports[name] = json.loads(out) if out.strip().startswith(b"{") else None

    def limit(self, image):
        os.sync()
        out = run([self.o.limit, image, self.work / "scratch"], stdout=subprocess.PIPE).stdout
        for line in out.decode().splitlines():
            figure = json.loads(line)
            self.times.setdefault("limit " + figure["phase"], []).append(figure["seconds"])
            self.reports["limit " + figure["phase"]] = figure

    def round(self, image, changed, extents):
        shutil.rmtree(self.repo, ignore_errors=True)
        self.snapvault("init")
        self.limit(image)
        self.timed("full", "backup", "volume", image, "--source", "b/v")
        self.timed("again", "backup", "volume", image, "--source", "b/v")
        self.timed("changed, scan", "backup", "volume", changed, "--source", "b/v",
                   "--incremental")
        base = self.reports["again"]["snapshot"]
        lines = "\n".join(json.dumps(e) for e in extents).encode()
        self.timed("changed, given", "backup", "volume", changed, "--source", "b/v",
                   "--parent", base, "--changed", "-", input=lines)
        out = self.work / "restored.img"
        out.unlink(missing_ok=True)
        self.timed("restore", "restore", "b/v@latest", "--to", out)
        run(["cmp", out, changed])
        self.timed("in place", "restore", base, "--to", out, "--in-place")
        run(["cmp", out, image])
        out.unlink()
        shutil.rmtree(self.repo)
        self.snapvault("init")
        self.timed("full, metadata", "backup", "volume", image, "--source", "b/v",
                   "--verify-upload=metadata")

    def median(self, name):
        return statistics.median(self.times[name])

    def share(self, ours, limit):
        return f"{100 * self.median('limit ' + limit) / self.median(ours):.0f} %"

    def table(self):
        r = self.reports
        stored = r["full"]["stored_bytes"] / r["limit full"]["stored_bytes"]
        changed = r["changed, scan"]["stored_bytes"] / 2**20
        read, took = r["changed, given"]["read_bytes"] / 2**20, self.median("changed, given")
        written = r["in place"]["written_bytes"] / 2**20
        yield "F1", "full, every frame checked", self.share("full", "full"), ">= 90 % of the limit"
        yield ("F1", "full, metadata checked", self.share("full, metadata", "full_unchecked"),
               ">= 90 %")
        yield "F1", "stored / limit's stored", f"{stored:.3f}", ""
        yield "F2", "the same again", self.share("again", "scan"), ">= 70 %"
        yield "F3", "1 % changed, scan", self.share("changed, scan", "scan"), ">= 70 %"
        yield "F3", "1 % changed, stored", f"{changed:.1f} MiB", ""
        yield ("F4", "1 % changed, given: read", f"{read:.1f} MiB in {took:.2f} s",
               "changed blocks + 16 MiB")
        yield "F5", "restore to a new file, flushed", self.share("restore", "restore"), ">= 85 %"
        yield "F6", "in place over 1 % different", self.share("in place", "scan"), ">= 70 %"
        yield "F6", "in place: written", f"{written:.1f} MiB", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", required=True, type=os.path.abspath)
    parser.add_argument("--limit", required=True, type=os.path.abspath)
    parser.add_argument("--gib", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default="build/bench")
    options = parser.parse_args()
    bench = Bench(options)
    image, changed = bench.work / f"volume{options.gib}.img", bench.work / "changed.img"
    if not image.exists():
        make_image(image, options.gib)
    extents = change(image, changed, 1)
    for _ in range(options.rounds):
        bench.round(image, changed, extents)
    for name, seconds in bench.times.items():
        rounds = ", ".join(f"{s:.3f}" for s in seconds)
        print(f"{name:24} {statistics.median(seconds):8.3f} s  ({rounds})")
    print()
    for row, what, reached, goal in bench.table():
        print(f"{row:4} {what:34} {reached:28} {goal}")


if __name__ == "__main__":
    main()
