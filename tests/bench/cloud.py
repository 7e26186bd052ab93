#!/usr/bin/env python3
"""F7: a full backup and a restore on MinIO of this machine, and through a link with 50 ms of delay
(link.cpp), against restic and kopia and against the limit, all in one run. Needs an idle machine.

  cloud.py BUILD [--gib 4] [--rounds 1] [--delays 0,50] [--peers restic,kopia | --peers none]
           [--work /dev/shm]

The limit is what cannot be done without: the primitives (limit.cpp), and then, on the same
processors, rclone, which moves the stored bytes as 32 MiB objects, 32 at a time: `plain`, what a
store and its link can do at all. A ratio is of median wall times. All of it, the store's disk too,
lies in memory (about 10 GiB for a volume of 4): a disk here takes one and the same file in 1.5 or
in 6.7 seconds.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import image
import memory
import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = ROOT / "tests/servers"
PORT, LINK = 26500, 26600
PLAIN = ("--transfers 32 --checkers 32 --s3-chunk-size 16Mi --s3-upload-cutoff 64Mi "
         "--s3-no-check-bucket --ignore-checksum --multi-thread-streams 0 -q")


class Bench:
    def __init__(self, options, work):
        self.o, self.work = options, work
        self.build = pathlib.Path(options.build).resolve()
        said = subprocess.run([SERVERS / "minio.sh", "start", work / "minio", str(PORT)],
                              check=True, stdout=subprocess.PIPE, text=True).stdout
        said = dict(line.split("=", 1) for line in said.splitlines())
        self.env = peers.environment(work / "home")
        self.env.update({name: said[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                                       "AWS_REGION")})
        self.env["PATH"] = f"{peers.TOOLS / 'bin'}:{self.env['PATH']}"
        (work / "home").mkdir()
        (work / "key").write_bytes(os.urandom(32))
        self.volume = work / "source/volume.img"
        self.volume.parent.mkdir()
        self.times = {}
        self.ballast = memory.Ballast()

    def sh(self, command):
        subprocess.run(["bash", "-euc", command], check=True, env=self.env,
                       stdout=subprocess.DEVNULL, cwd=self.work)

    def timed(self, name, command):
        os.sync()
        self.ballast.fill()
        start = time.monotonic()
        self.sh(command)
        self.times.setdefault(name, []).append(time.monotonic() - start)
        print(f"  {name:<28} {self.times[name][-1]:7.2f} s", flush=True)

    def limit(self):
        self.ballast.fill()
        out = subprocess.run([self.build / "tests/bench/limit", self.volume, self.volume,
                              self.work / "scratch", self.work / "sample"], check=True,
                             stdout=subprocess.PIPE).stdout
        for line in map(json.loads, out.splitlines()):
            if line.get("phase") in ("full", "restore"):
                self.times.setdefault(f"limit {line['phase']}", []).append(line["seconds"])
                print(f"  limit {line['phase']:<22} {line['seconds']:7.2f} s", flush=True)
        for path in self.work.glob("s[ca][rm]*"):
            path.unlink()

    def restored(self, out):
        files = [path for path in pathlib.Path(out).rglob("*") if path.is_file()]
        assert len(files) == 1, files
        self.sh(f"cmp {files[0]} {self.volume}")
        shutil.rmtree(out)

    def ours(self, port, label):
        tool = f"{self.build / 'examples/snapvault'} -q --key-file {self.work / 'key'}"
        repo = f"'s3://{label}/r?endpoint=127.0.0.1:{port}&ssl=false'"
        out = self.work / "out"
        out.mkdir()
        self.sh(f"{tool} --repo {repo} init --create-bucket")
        self.timed(f"{label} full", f"{tool} --repo {repo} backup volume {self.volume} --source v")
        self.timed(f"{label} restore",
                   f"{tool} --repo {repo} restore v@latest --to {out}/volume.img")
        self.restored(out)
        self.timed(f"{label} verify", f"{tool} --repo {repo} verify")

    def peer(self, name, port, label):
        out = self.work / "out"
        out.mkdir()
        tool = peers.BIN / name
        if name == "restic":
            repo = f"-r s3:http://127.0.0.1:{port}/{label}"
            steps = (f"{tool} -q init {repo}",
                     f"cd {self.volume.parent} && {tool} -q backup {repo} volume.img",
                     f"{tool} -q restore {repo} --sparse latest --target {out}")
        else:
            config = f"--config-file {self.work}/{label}.config"
            last = "import json,sys; print(json.load(sys.stdin)[-1]['id'])"
            newest = (f"$({tool} {config} snapshot list --json {self.volume.parent} | "
                      f"python3 -c \"{last}\")")
            steps = (f"{tool} {config} repository create s3 --bucket {label} --disable-tls "
                     f"--endpoint 127.0.0.1:{port} --access-key $AWS_ACCESS_KEY_ID "
                     f"--secret-access-key $AWS_SECRET_ACCESS_KEY && "
                     f"{tool} {config} policy set --global --compression zstd",
                     f"{tool} {config} snapshot create {self.volume.parent}",
                     f"{tool} {config} restore {newest} {out} --write-sparse-files")
        self.rclone(PORT, f"mkdir m:{label}")
        self.sh(steps[0])
        self.timed(f"{label} full", steps[1])
        self.timed(f"{label} restore", steps[2])
        self.restored(out)

    def rclone_command(self, port, arguments):
        return ("RCLONE_CONFIG_M_TYPE=s3 RCLONE_CONFIG_M_PROVIDER=Minio "
                "RCLONE_CONFIG_M_ENV_AUTH=true RCLONE_CONFIG_M_ENDPOINT=http://127.0.0.1:"
                f"{port} rclone {arguments}")

    def rclone(self, port, arguments):
        self.sh(self.rclone_command(port, arguments))

    def plain(self, port, label, stored):
        """Moves as many bytes as ours stored."""
        up, down = self.work / "up", self.work / "down"
        up.mkdir()
        for number in range(max(1, stored // (32 << 20))):
            (up / f"{number}").write_bytes(os.urandom(32 << 20))
        self.rclone(PORT, f"mkdir m:{label}")
        self.timed(f"{label} full",
                   self.rclone_command(port, f"copy {up} m:{label} {PLAIN}"))
        self.timed(f"{label} restore",
                   self.rclone_command(port, f"copy m:{label} {down} {PLAIN}"))
        shutil.rmtree(up)
        shutil.rmtree(down)

    def round_trip(self, port, delay):
        """The link is what it says: a small request takes its delay, 10 % more or less."""
        line, took = http.client.HTTPConnection("127.0.0.1", port), []
        for _ in range(21):
            start = time.monotonic()
            line.request("GET", "/minio/health/live")
            line.getresponse().read()
            took.append(1000 * (time.monotonic() - start))
        middle = statistics.median(took[1:])  # the first one connects
        print(f"  a small request takes {middle:.1f} ms", flush=True)
        assert not delay or abs(middle - delay) <= delay / 10, took

    def one(self, delay, round_number):
        port = PORT
        link = None
        if delay:
            port = LINK + delay
            link = subprocess.Popen([self.build / "tests/bench/link", str(port),
                                     f"127.0.0.1:{PORT}", str(delay)])
            time.sleep(0.3)
        try:
            self.round_trip(port, delay)
            label = f"d{delay}-r{round_number}"
            self.ours(port, f"snapvault-{label}")
            stored = sum(path.stat().st_size for path in
                         (self.work / "minio").rglob(f"snapvault-{label}/r/packs/**/part.1"))
            self.plain(port, f"plain-{label}", stored)
            for name in self.o.peers:
                self.peer(name, port, f"{name}-{label}")
        finally:
            if link:
                link.terminate()

    def print_ratios(self, delay):
        def median(who, step):
            values = [value for name, times in self.times.items() for value in times
                      if name.startswith(f"{who}-d{delay}-") and name.endswith(step)]
            return statistics.median(values) if values else None
        for step, peer_goal in (("full", 1.8), ("restore", 2.5)):
            ours, plain = median("snapvault", step), median("plain", step)
            limit = plain + statistics.median(self.times[f"limit {step}"])
            print(f"F7 {delay} ms {step}: {ours:.2f} s, {100 * limit / ours:.0f} % of the limit "
                  f"(90), plain alone {plain:.2f} s", end="")
            for name in self.o.peers:
                print(f", {median(name, step) / ours:.1f} x {name} ({peer_goal})", end="")
            print(flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--delays", default="0,50")
    parser.add_argument("--peers", default="restic,kopia")
    parser.add_argument("--work", default="/dev/shm")
    options = parser.parse_args()
    there = peers.installed()
    options.peers = [name for name in options.peers.split(",") if name in there]
    delays = [int(delay) for delay in options.delays.split(",")]
    work = pathlib.Path(tempfile.mkdtemp(prefix="snapvault-bench-", dir=options.work))
    bench = Bench(options, work)
    try:
        image.make_image(bench.volume, options.gib)
        bench.sh(f"cat {bench.volume} >/dev/null")
        for number in range(options.rounds):
            bench.limit()
            for delay in delays:
                print(f"round {number}, {delay} ms", flush=True)
                bench.one(delay, number)
        for delay in delays:
            bench.print_ratios(delay)
    finally:
        subprocess.run([SERVERS / "minio.sh", "stop", work / "minio"], check=False)
        shutil.rmtree(work, ignore_errors=True)


main()
