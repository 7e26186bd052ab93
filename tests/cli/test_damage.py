"""Damaged repositories: detected or harmless, never wrong bytes; named by verify; healed.

tests/damage does every bit, length and exchange inside one process; here are a few of each, to see
what the program makes of them.
"""
import itertools
import random
import shutil

from support import KIB, SOURCE, Case, noise

BITS, CUTS, SWAPS = 24, 16, 12  # how many are tried


def kind_of(path):
    name = path.name
    for suffix in (".begin", ".commit", ".tomb"):
        if name.endswith(suffix):
            return suffix
    return name[:3] if path.parent.parent.name == "ctl" else name[:1]


class Damage(Case):
    def small(self):
        """Two snapshots in a repository of at most 24 KiB; the id and bytes of the newer."""
        self.init()
        path = self.image(32 * KIB, [(0, 6000), (20_000, 3000)])
        self.backup(path, "--block-size", "4K")
        self.write(path, 5000, noise(4000, 3))
        newest = self.backup(path)["snapshot"]
        self.assertLessEqual(sum(p.stat().st_size for p in self.files()), 24 * KIB)
        return newest, path.read_bytes()

    def never_wrong(self, snapshot, want, what):
        answer = self.sv("restore", snapshot, "--to", "-", "--quiet", status=None)
        self.assertIn(answer.status, (0, 1, 4), f"{what}: {answer.err}")
        self.assertTrue(want.startswith(answer.raw), f"{what}: wrong bytes")
        if answer.status == 0:
            self.assertEqual(len(answer.raw), len(want), what)
        else:
            self.assertIn("snapvault: ", answer.err, what)
        return answer.status != 0

    def test_flipped_bits_are_detected_or_harmless(self):
        snapshot, want = self.small()
        bits = [(p, n) for p in self.files() for n in range(8 * p.stat().st_size)]
        detected = 0
        for path, bit in random.Random(7).sample(bits, BITS):
            good = path.read_bytes()
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bad)
            detected += self.never_wrong(snapshot, want, f"{path.name}, bit {bit}")
            path.write_bytes(good)
        self.assertGreater(detected, BITS // 10)

    def test_truncated_files_are_detected_or_harmless(self):
        snapshot, want = self.small()
        cuts = [(p, n) for p in self.files() for n in range(p.stat().st_size)]
        for path, length in random.Random(8).sample(cuts, CUTS):
            good = path.read_bytes()
            path.write_bytes(good[:length])
            self.never_wrong(snapshot, want, f"{path.name} cut to {length}")
            path.write_bytes(good)

    def test_swapped_and_missing_files_are_detected_or_harmless(self):
        snapshot, want = self.small()
        pairs = [(a, b) for a, b in itertools.combinations(self.files(), 2)
                 if kind_of(a) == kind_of(b)]
        self.assertGreater(len(pairs), 3)
        for a, b in pairs[:SWAPS]:
            first, second = a.read_bytes(), b.read_bytes()
            a.write_bytes(second)
            b.write_bytes(first)
            self.never_wrong(snapshot, want, f"{a.name} for {b.name}")
            a.write_bytes(first)
            b.write_bytes(second)
        for path in self.files():
            good = path.read_bytes()
            path.unlink()
            self.never_wrong(snapshot, want, f"without {path.name}")
            path.write_bytes(good)
        self.assertFalse(self.never_wrong(snapshot, want, "all is as it was"))

    def data_pack(self):
        return next(p for p in (self.repo / "packs").rglob("d????????") if p.is_file())

    def flip(self, path, at):
        data = bytearray(path.read_bytes())
        data[at] ^= 0x10
        path.write_bytes(data)

    def test_verify_names_the_objects_snapshots_and_extents_that_are_hit_BT05(self):
        self.init("--compression", "none")
        path = self.image(256 * KIB)
        report = self.backup(path)
        pack = self.data_pack()
        self.flip(pack, pack.stat().st_size // 2)
        self.sv("verify", "--structure")  # does not read data
        told = self.sv("verify", "--data", "--read-only", "--json", status=4).data
        self.assertFalse(told["clean"])
        self.assertIn(str(pack.relative_to(self.repo)),
                      [o["key"] for o in told["damaged_objects"]])
        hit = told["affected"][0]
        self.assertEqual(hit["name"], report["name"])
        self.assertFalse(hit["unreadable"])
        self.assertGreater(sum(e["length"] for e in hit["extents"]), 0)
        self.assertIn("damage found", self.sv("verify", "--data", "--read-only", status=4).out)

    def test_verify_names_a_missing_pack_and_a_damaged_commit_BT05(self):
        self.init()
        path = self.image(256 * KIB)
        self.backup(path)
        shutil.copytree(self.repo, self.dir / "copy")
        pack = self.data_pack()
        pack.unlink()
        told = self.sv("verify", "--json", status=4).data
        self.assertIn(str(pack.relative_to(self.repo)),
                      [o["key"] for o in told["damaged_objects"]])
        shutil.rmtree(self.repo)
        (self.dir / "copy").rename(self.repo)
        commit = next(p for p in self.files() if p.name.endswith(".commit"))
        self.flip(commit, commit.stat().st_size // 2)
        told = self.sv("verify", "--json", status=4).data
        self.assertTrue(any(o["key"].endswith(commit.name) for o in told["damaged_objects"]))
        self.assertEqual(self.sv("info", "--json").data["damaged_commits"], 1)

    def test_the_next_incremental_heals_old_and_new_snapshots(self):
        self.init("--compression", "none")
        path = self.image(2 * 1024 * KIB)
        old = self.backup(path)["snapshot"]
        before = path.read_bytes()
        self.write(path, 0, noise(1000, 2))
        self.backup(path)
        pack = max((p for p in (self.repo / "packs").rglob("d????????") if p.is_file()),
                   key=lambda p: p.stat().st_size)
        self.flip(pack, pack.stat().st_size - 100_000)
        self.sv("restore", old, "--to", "lost", status=4)
        self.assertEqual(list(self.dir.glob("lost")), [])
        self.sv("verify", "--data", "--quiet", status=4)
        self.assertGreater(self.sv("info", "--json").data["damaged_frames"], 0)
        healing = self.backup(path)
        self.assertTrue(healing["is_incremental"])
        self.assertGreater(healing["new_bytes"], 0)
        self.assertTrue(self.restore(old) == before)
        self.check_restores(path)

    def test_keep_going_returns_the_good_data_and_lists_the_bad(self):
        self.init("--compression", "none", "--pack-size", "1M")
        path = self.image(3 * 1024 * KIB)
        self.backup(path)
        pack = self.data_pack()
        self.flip(pack, pack.stat().st_size // 2)
        done = self.sv("restore", SOURCE + "@latest", "--to", "out", "--keep-going", "--json",
                       status=3).data
        self.assertGreater(len(done["marked"]), 0)
        got, want = bytearray((self.dir / "out").read_bytes()), bytearray(path.read_bytes())
        for bad in done["marked"]:
            span = slice(bad["offset"], bad["offset"] + bad["length"])
            self.assertTrue(got[span] != want[span])
            got[span] = want[span] = bytes(bad["length"])
        self.assertTrue(got == want)
