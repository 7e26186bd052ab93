"""A store that fails: at least 12 faults x backup, restore, verify, resume. Nothing wrong is ever
restored, nothing acknowledged is lost, nothing hangs. DE-05, PX-11.

SNAPVAULT_FAULT_RUNS=N makes N runs with random faults besides (default 0).
"""
import os
import random
import subprocess
import time
import unittest

import cloud_support
from cloud_support import MIB, STORE
from support import SOURCE

PACKS = "packs(/|%2F)"
# Not the creates by which a store is tried.
OBJECTS = "(packs|src|index|refs)(/|%2F)"
# What happens to which requests. Where `skip` is a range one is drawn; `count` 0 is for ever.
FAULTS = {
    "reset before the request": dict(fault="reset_before", skip=3, count=2),
    "closed before the request": dict(fault="close_before", skip=2, count=2),
    "reset in a body": dict(fault="reset_in_request", method="PUT|POST", arg=4096, count=2),
    "lost answer to a put": dict(fault="lost_answer", method="PUT|POST", match=OBJECTS, count=3),
    "closed instead of an answer": dict(fault="closed_answer", skip=1, count=3),
    "reset in an answer": dict(fault="reset_in_answer", method="GET", skip=2, count=2, arg=100),
    "truncated answer": dict(fault="truncated_answer", method="GET", skip=3, count=2, arg=50),
    "half an answer, then silence": dict(fault="half_close", method="GET", skip=4, count=1),
    "slow answers": dict(fault="slow_answer", skip=2, count=2, arg=65536),
    "late answers": dict(fault="delay", arg=150, count=5),
    "answers in another order": dict(fault="jitter", arg=60, count=0),
    "nothing, then closed": dict(fault="stall", skip=2, count=1, arg=400),
    "stuck keep-alive": dict(fault="stuck_keep_alive", skip=3, count=1, arg=300),
    "keep-alive closed unannounced": dict(fault="closed_keep_alive", count=0),
    "burst of 500": dict(fault="status", arg=500, skip=3, count=4),
    "burst of 503": dict(fault="busy", arg=0, skip=2, count=6),
    "429 now and then": dict(fault="status", arg=429, skip=5, count=2),
    "502 after it was done": dict(fault="status_after", arg=502, method="PUT|POST",
                                  match=OBJECTS, count=2),
    "504 after it was done": dict(fault="status_after", arg=504, skip=4, count=2),
    "an error inside a 200": dict(fault="error_inside", method="GET|POST", skip=1, count=2),
    "no HTTP": dict(fault="garbage", skip=2, count=2),
    "the answer twice": dict(fault="doubled_answer", skip=1, count=4),
    "the request twice": dict(fault="doubled_request", method="PUT|POST", match=OBJECTS, count=9),
    "a request that arrives late": dict(fault="late_request", method="PUT|POST", match=OBJECTS,
                                        arg=50, count=2),
    "too short a length": dict(fault="short_length", method="GET", skip=2, count=2),
    "too long a length": dict(fault="long_length", method="GET", skip=2, count=2),
    "a huge header": dict(fault="huge_header", skip=2, count=1),
    "endless 100 Continue": dict(fault="endless_interim", skip=2, count=1),
    "an empty answer": dict(fault="empty_answer", method="GET", skip=3, count=1),
    "a wrong bit": dict(fault="flipped_bit", method="GET", match=PACKS, count=1),
    "a redirect elsewhere": dict(fault="redirect", skip=3, count=1),
    "a page cut short": dict(fault="short_list", method="GET", match="prefix=", count=1),
    "a page out of order": dict(fault="unordered_list", method="GET", match="prefix=", count=1),
    "an entry twice": dict(fault="doubled_list", method="GET", match="prefix=", count=1),
    "the same page again": dict(fault="endless_list", method="GET", match="prefix=", count=3),
}
# These every store goes through, the others only one of each kind of store.
EVERYWHERE = ["reset before the request", "reset in a body", "lost answer to a put",
              "reset in an answer", "truncated answer", "nothing, then closed", "burst of 503",
              "502 after it was done", "no HTTP", "the request twice", "too long a length",
              "a wrong bit", "a page out of order", "keep-alive closed unannounced"]
THOROUGH = ("versitygw", "azurite", "fake-gcs", "swift")
# A store may lie so that a backup, a restore or a verify cannot succeed, but is told apart from a
# good one by the keys; with all others each of them must succeed.
LIES = ("page", "entry", "bit", "redirect", "empty", "answer twice", "short a length")
SURMOUNTABLE = {name for name in FAULTS if not any(lie in name for lie in LIES)}
SECONDS_MAX = 60


def chosen():
    return [name for name in FAULTS if STORE.name in THOROUGH or name in EVERYWHERE]


@unittest.skipIf(STORE.tls, "the proxy speaks plain HTTP")
class Faults(cloud_support.Case):
    def setUp(self):
        super().setUp()
        self.proxy = cloud_support.proxy()
        self.proxy.rules()

    def run_under(self, name, *args, statuses=(0,)):
        """Runs the program by way of the proxy while the fault happens."""
        if isinstance(name, str):
            self.proxy.rules(FAULTS[name])
        began = time.monotonic()
        words = self.command(*args, repo=self.via_proxy())
        done = subprocess.run(words, capture_output=True, timeout=SECONDS_MAX, cwd=self.dir,
                              env=self.env, stdin=subprocess.DEVNULL)
        text = f"{name}: {' '.join(map(str, args))}\n{done.stdout.decode()}{done.stderr.decode()}"
        self.assertLess(time.monotonic() - began, SECONDS_MAX - 1, text)
        # Failing is allowed where the fault leaves no way; dying and lying is not.
        allowed = statuses if name in SURMOUNTABLE else {*statuses, 1, 2, 4}
        self.assertIn(done.returncode, allowed, text)
        if done.returncode in (1, 2):
            self.assertIn(b"snapvault: ", done.stderr, text)
        fired = self.proxy.counts()["fired"]
        self.proxy.rules()
        return done.returncode, fired

    def check_whole(self, images):
        """Without faults: what was acknowledged restores, and nothing is damaged."""
        for snapshot, content in images:
            self.assertEqual(self.restore(snapshot), content, f"{snapshot} is lost or wrong")

    def one_fault(self, name):
        self.init()
        image = self.image(3 * MIB, seed=2)
        acknowledged, fired = [], 0
        kept = self.backup(image)["name"]
        acknowledged.append((kept, image.read_bytes()))
        self.write(image, MIB, os.urandom(100_000))
        status, counts = self.run_under(name, "backup", "volume", image, "--source", SOURCE,
                                        "--quiet")
        fired += sum(counts.values())
        if status == 0:
            acknowledged.append((SOURCE + "@latest", image.read_bytes()))
        status, counts = self.run_under(name, "verify", "--data", "--read-only", "--quiet")
        fired += sum(counts.values())
        target = self.dir / "out.img"
        status, counts = self.run_under(name, "restore", kept, "--to", target, "--quiet")
        fired += sum(counts.values())
        if status == 0:
            self.assertEqual(target.read_bytes(), acknowledged[0][1], name)
        else:  # and goes on where it stopped
            self.assertFalse(target.exists(), f"{name}: an unfinished restore shows as whole")
        self.write_garbage(target)
        status, counts = self.run_under(name, "restore", kept, "--to", target, "--in-place",
                                        "--quiet")
        fired += sum(counts.values())
        if status == 0:
            self.assertEqual(target.read_bytes(), acknowledged[0][1], name)
        self.check_whole(acknowledged)
        verified = self.sv("verify", "--data", "--json").data
        self.assertTrue(verified["clean"], f"{name}: {verified}")
        self.assertGreater(fired, 0, f"{name} met no request")

    def write_garbage(self, target):
        if not target.exists():
            target.write_bytes(os.urandom(MIB))
        self.write(target, 0, os.urandom(4096))

    def test_random_faults_lose_nothing(self):
        """The long form: SNAPVAULT_FAULT_RUNS runs with three random faults each."""
        runs = int(os.environ.get("SNAPVAULT_FAULT_RUNS", "0"))
        seed = int(os.environ.get("SNAPVAULT_SEED", str(random.SystemRandom().getrandbits(32))))
        chance = random.Random(seed)
        if runs:
            self.init()
        for run in range(runs):
            image = self.image(MIB, seed=seed + run)
            rules = [{**FAULTS[name], "skip": chance.randrange(12), "count": chance.randrange(1, 3)}
                     for name in chance.sample(sorted(SURMOUNTABLE), 3)]
            self.proxy.rules(*rules)
            status, _ = self.run_under(None, "backup", "volume", image, "--source", SOURCE,
                                       "--quiet")
            if status == 0:
                self.check_whole([(SOURCE + "@latest", image.read_bytes())])


def add_test(name):
    def test(self):
        self.one_fault(name)
    test.__name__ = "test_DE_05_" + name.replace(" ", "_").replace(",", "")
    test.__doc__ = f"{name}: {cloud_support.STORE.name}"
    setattr(Faults, test.__name__, test)


for fault in chosen():
    add_test(fault)
