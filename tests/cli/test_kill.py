"""kill -9 at random moments: what was acknowledged stays, what was uploaded is used again."""
import hashlib
import os
import random
import shutil
import subprocess
import time

from support import KIB, MIB, SOURCE, Case

KILLS = int(os.environ.get("SNAPVAULT_KILLS", "200"))
SEED = int(os.environ.get("SNAPVAULT_SEED", "1"))
SIZE, CHANGE, FRAME = 8 * MIB, 3 * MIB, 64 * KIB
ROUNDS = 40  # then a new repository, so that the disk does not fill


class Kill(Case):
    def killed(self, *args, within):
        """Starts the program and kills it at a random moment; whether it was still running."""
        process = subprocess.Popen(self.command(*args), stdout=subprocess.DEVNULL, cwd=self.dir,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                   env=self.env)
        time.sleep(self.random.random() * within)
        running = process.poll() is None
        process.kill()
        process.wait()
        return running

    def begin(self):
        shutil.rmtree(self.repo, ignore_errors=True)
        self.init("--pack-size", "1M", "--compression", "none", "--full-every", 0)
        self.acknowledged = {}

    def acknowledge(self, report):
        digest = hashlib.sha256(self.path.read_bytes()).digest()
        self.acknowledged[report["snapshot"]] = digest

    def check(self, snapshots):
        for snapshot in snapshots:
            got = hashlib.sha256(self.restore(snapshot)).digest()
            self.assertEqual(got, self.acknowledged[snapshot], snapshot)

    def packs(self):
        return {p for p in (self.repo / "packs").rglob("d????????") if p.is_file()}

    def one_backup(self, within):
        self.write(self.path, self.random.randrange(0, SIZE - CHANGE, FRAME),
                   self.random.randbytes(CHANGE))
        before = self.packs()
        hit = self.killed("backup", "volume", self.path, "--source", SOURCE, within=within)
        if self.acknowledged:
            self.check(self.random.sample(sorted(self.acknowledged), 1))
        sent = sum(p.stat().st_size // (FRAME + KIB) * FRAME for p in self.packs() - before)
        report = self.backup(self.path)
        # Whatever is in the store was neither open nor in flight, and is not sent again.
        limit = max(0, CHANGE - sent)
        self.assertLessEqual(report["new_bytes"], limit)
        self.assertLessEqual(report["stored_bytes"], limit + limit // 8 + 128 * KIB)
        self.acknowledge(report)
        return hit

    def test_backups_killed_at_random_moments(self):
        self.random = random.Random(SEED)
        self.path = self.image(SIZE)
        hits, count, within = 0, -(-KILLS * 2 // 3), 0.0
        for number in range(count):
            if number % ROUNDS == 0:
                if number:
                    self.check(self.acknowledged)
                self.begin()
                start = time.monotonic()
                self.acknowledge(self.backup(self.path))
                within = min(time.monotonic() - start, 1.0)
            hits += self.one_backup(within)
        self.check(self.acknowledged)
        report = self.sv("verify", "--data", "--json").data
        self.assertTrue(report["clean"], report)
        self.assertEqual(report["snapshots"], len(self.sv("list", "--json").data))
        self.assertGreater(hits, count // 8, "hardly any run was killed while it ran")

    def test_restores_killed_at_random_moments(self):
        self.random = random.Random(SEED)
        self.path = self.image(SIZE)
        self.begin()
        self.backup(self.path)
        want = self.path.read_bytes()
        target, partial = self.dir / "out", self.dir / "out.partial"
        start = time.monotonic()
        self.restore()
        within = min(time.monotonic() - start, 1.0)
        restore = ["restore", SOURCE + "@latest", "--to", target]
        for number in range(KILLS // 3):
            if number % 4 == 3:  # over a dirty file
                target.write_bytes(self.random.randbytes(SIZE + 5))
                self.killed(*restore, "--in-place", within=within)
                self.sv(*restore, "--in-place")
            else:
                self.killed(*restore, within=within)
                if target.exists():  # whole, or not there
                    self.assertTrue(target.read_bytes() == want)
                    continue_with = ["--in-place"]
                else:
                    continue_with = ["--resume"] if partial.exists() else []
                self.sv(*restore, *continue_with)
            self.assertTrue(target.read_bytes() == want)
            self.assertFalse(partial.exists())
            target.unlink()
