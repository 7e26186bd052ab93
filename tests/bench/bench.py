#!/usr/bin/env python3
"""Measures snapvault on one ext4 image against the limit (limit.cpp) and against its peers
(peers.py), all in one run, and prints the goals beside what was reached. Needs an idle machine.

  bench.py --program build/release/examples/snapvault --limit build/release/tests/bench/limit
           [--gib 4] [--rounds 3] [--peers restic,kopia,rustic,borg | --peers none]

A ratio is of median wall times: limit / snapvault, or fastest peer / snapvault. `key` is a
repository with a raw key, `passphrase` one that derives its key at each start. The page cache is
warm for all, and what a step wrote is flushed before the next begins.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

import image
import peers


def run(command, **options):
    return subprocess.run(command, check=True, **options)


def bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Bench:
    def __init__(self, options):
        self.o = options
        self.work = pathlib.Path(options.work).resolve()
        self.home = self.work / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        (self.work / "key").write_bytes(os.urandom(32))
        (self.work / "passphrase").write_text("bench\n")
        self.volume = self.work / "source" / "volume.img"
        self.volume.parent.mkdir(exist_ok=True)
        self.repo, self.out = self.work / "repository", self.work / "out"
        self.times, self.cpu, self.reports, self.stored, self.speed = {}, {}, {}, {}, {}

    def timed(self, name, command, **options):
        """Runs one step; the wall and CPU time of it and of its children count."""
        os.sync()
        before, start = os.times(), time.monotonic()
        out = run(command, stdout=subprocess.PIPE, **options).stdout
        took, after = time.monotonic() - start, os.times()
        cpu = sum(after[2:4]) - sum(before[2:4])
        self.times.setdefault(name, []).append(took)
        self.cpu.setdefault(name, []).append(cpu)
        return out

    def use(self, source):
        run(["cp", "--sparse=always", source, self.volume])
        run(["cat", self.volume], stdout=subprocess.DEVNULL)

    def fresh(self, *more):
        for path in (self.repo, self.out, *more):
            shutil.rmtree(path, ignore_errors=True)
        self.out.mkdir()

    # -- the limit ---------------------------------------------------------------------------
    def limit_round(self):
        self.use(self.image)
        run(["cat", self.changed], stdout=subprocess.DEVNULL)
        os.sync()
        out = run([self.o.limit, self.volume, self.changed, self.work / "scratch",
                   self.work / "sample"], stdout=subprocess.PIPE).stdout
        for line in map(json.loads, out.decode().splitlines()):
            if "primitive" in line:
                self.speed.setdefault(line["primitive"], []).append(line["mb_per_second"])
                continue
            self.times.setdefault("limit " + line["phase"], []).append(line["seconds"])
            self.cpu.setdefault("limit " + line["phase"], []).append(line["cpu_seconds"])
            self.reports["limit " + line["phase"]] = line

    def reference_speeds(self):
        """The same primitives as the tools of others measure them: name -> MB/s."""
        found = {}
        for name, words in (("hmac-sha256", ["-hmac", "sha256", "-bytes", "65536"]),
                            ("aes-256-gcm", ["-evp", "aes-256-gcm", "-bytes", "1048576"])):
            out = run(["openssl", "speed", "-seconds", "1", "-mr", *words],
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
            found[name] = float(re.findall(r"^\+F:.*:([\d.]+)$", out, re.M)[-1]) / 1e6
        out = run(["zstd", "-b3", "-B1048576", self.work / "sample"], stdout=subprocess.PIPE,
                  stderr=subprocess.STDOUT).stdout.decode()
        packed, unpacked = re.findall(r"([\d.]+) MB/s, *([\d.]+) MB/s", out)[-1]
        return {**found, "zstd-3": float(packed), "unzstd": float(unpacked)}

    # -- snapvault ---------------------------------------------------------------------------
    def snapvault(self, key, *words, step=None, **options):
        secret = {"key": "--key-file", "passphrase": "--passphrase-file"}[key]
        command = [self.o.program, "--json", "--repo", self.repo, secret, self.work / key, *words]
        if step is None:
            return run(command, stdout=subprocess.PIPE, **options).stdout
        out = self.timed(f"{key} {step}", command, **options)
        self.reports[f"{key} {step}"] = json.loads(out) if out.strip().startswith(b"{") else None

    def our_round(self, key):
        backup = ("backup", "volume", self.volume, "--source", "b/v")
        target = self.out / "volume.img"
        self.fresh()
        self.snapvault(key, "init")
        self.use(self.image)
        self.snapvault(key, *backup, step="full")
        self.stored[key] = [bytes_below(self.repo)]
        self.snapvault(key, *backup, step="again")
        base = self.reports[f"{key} again"]["snapshot"]
        self.use(self.changed)
        self.snapvault(key, *backup, "--incremental", step="changed")
        self.stored[key].append(bytes_below(self.repo) - self.stored[key][0])
        self.snapvault(key, "restore", "b/v@latest", "--to", target, step="restore")
        run(["cmp", target, self.changed])
        if key != "key":
            return
        self.snapvault(key, "restore", base, "--to", target, "--in-place", step="in place")
        run(["cmp", target, self.image])
        lines = "\n".join(map(json.dumps, self.extents)).encode()
        self.snapvault(key, *backup, "--parent", base, "--changed", "-", step="given", input=lines)
        self.fresh()
        self.snapvault(key, "init")
        self.use(self.image)
        self.snapvault(key, *backup, "--verify-upload=metadata", step="full, metadata")

    # -- peers -------------------------------------------------------------------------------
    def peer_round(self, name):
        env = peers.environment(self.home)
        self.fresh(self.home)
        self.home.mkdir()
        init, backup, restore = peers.commands(name, self.repo, self.volume, self.out)
        quiet = {"env": env, "stderr": subprocess.DEVNULL}
        run(["bash", "-c", init], stdout=subprocess.DEVNULL, **quiet)
        self.use(self.image)
        self.timed(f"{name} full", ["bash", "-c", backup], **quiet)
        self.stored[name] = [bytes_below(self.repo)]
        os.utime(self.volume)
        self.timed(f"{name} again", ["bash", "-c", backup], **quiet)
        self.use(self.changed)
        before = bytes_below(self.repo)
        self.timed(f"{name} changed", ["bash", "-c", backup], **quiet)
        self.stored[name].append(bytes_below(self.repo) - before)
        self.timed(f"{name} restore", ["bash", "-c", restore], **quiet)
        run(["cmp", next(self.out.rglob("volume.img")), self.changed])

    def measure(self):
        self.image = self.work / f"volume{self.o.gib}.img"
        self.changed = self.work / "changed.img"
        if not self.image.exists():
            image.make_image(self.image, self.o.gib)
        self.extents = image.change(self.image, self.changed, 1)
        work = [self.limit_round, lambda: self.our_round("key"),
                lambda: self.our_round("passphrase")]
        work += [lambda name=name: self.peer_round(name) for name in self.o.peers]
        for number in range(self.o.rounds):
            for one in work[number % len(work):] + work[:number % len(work)]:
                one()
        self.fresh()

    # -- the table ---------------------------------------------------------------------------
    def median(self, name):
        return statistics.median(self.times[name])

    def of_limit(self, ours, *phases):
        limit = sum(self.median("limit " + phase) for phase in phases)
        return f"{100 * limit / self.median(ours):.0f} % of the limit"

    def to_peers(self, ours, step):
        if not self.o.peers:
            return "no peer ran"
        fastest = min(self.o.peers, key=lambda name: self.median(f"{name} {step}"))
        return f"{self.median(f'{fastest} {step}') / self.median(ours):.1f} x {fastest}"

    def stored_share(self, which):
        if not self.o.peers:
            return f"{self.stored['key'][which] / 2**20:.1f} MiB"
        least = min(self.o.peers, key=lambda name: self.stored[name][which])
        return f"{self.stored['key'][which] / self.stored[least][which]:.3f} of {least}"

    def table(self):
        r = self.reports
        given, in_place = r["key given"], r["key in place"]
        yield "F1", "full, every frame checked", self.of_limit("key full", "full"), ">= 90 %"
        yield "F1", "full, metadata checked", self.of_limit("key full, metadata",
                                                            "full_unchecked"), ">= 90 %"
        yield "F1", "full", self.to_peers("passphrase full", "full"), ">= 1.8 x"
        metadata = self.to_peers("key full, metadata", "full")
        yield "F1", "full, metadata checked", metadata, ">= 2.2 x"
        yield "F1", "full, stored", self.stored_share(0), "<= 1.05"
        for row, step, limit in (("F2", "again", "scan"), ("F3", "changed", "changed")):
            yield row, f"{step}, raw key", self.of_limit(f"key {step}", limit), ">= 70 %"
            yield row, f"{step}, raw key", self.to_peers(f"key {step}", step), ">= 12 x"
            yield row, f"{step}, passphrase", self.to_peers(f"passphrase {step}", step), ">= 5 x"
        yield "F3", "changed, stored", self.stored_share(1), "<= 0.2"
        yield "F4", "changed extents given", self.to_peers("key given", "changed"), ">= 40 x"
        yield ("F4", "changed extents given, read", f"{given['read_bytes'] / 2**20:.1f} MiB",
               f"<= {len(self.extents) / 16 + 16:.1f} MiB: the changed blocks and the check sample")
        yield "F5", "restore, flushed", self.of_limit("key restore", "restore"), ">= 85 %"
        yield "F5", "restore, flushed", self.to_peers("passphrase restore", "restore"), ">= 2.5 x"
        in_place_share = self.of_limit("key in place", "scan", "restore_changed")
        yield "F6", "in place", in_place_share, ">= 70 %"
        yield "F6", "in place", self.to_peers("key in place", "restore"), ">= 5 x"
        yield ("F6", "in place, written", f"{in_place['written_bytes'] / 2**20:.1f} MiB",
               f"<= {len(self.extents) / 16:.1f} MiB: one block an extent")

    def print(self):
        for name, seconds in self.times.items():
            rounds = ", ".join(f"{s:.2f}" for s in seconds)
            cpu = statistics.median(self.cpu[name])
            print(f"{name:24} {self.median(name):8.3f} s {cpu:8.3f} cpu   ({rounds})")
        references = self.reference_speeds()
        print("\none core, MB/s: the limit's primitive beside openssl speed and zstd -b3")
        for name, speeds in self.speed.items():
            ours, theirs = statistics.median(speeds), references.get(name)
            verdict = "" if theirs is None else f"{theirs:8.0f}   {100 * ours / theirs:.0f} %"
            void = theirs is not None and ours < 0.9 * theirs
            verdict += "   VOID: the limit is too slow" if void else ""
            print(f"{name:24} {ours:8.0f} {verdict}")
        print()
        for row, what, reached, goal in self.table():
            print(f"{row:4} {what:30} {reached:26} {goal}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", required=True, type=os.path.abspath)
    parser.add_argument("--limit", required=True, type=os.path.abspath)
    parser.add_argument("--gib", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(peers.installed()))
    parser.add_argument("--work", default="build/bench")
    options = parser.parse_args()
    options.peers = [] if options.peers == "none" else [p for p in options.peers.split(",") if p]
    bench = Bench(options)
    bench.measure()
    bench.print()


if __name__ == "__main__":
    main()
