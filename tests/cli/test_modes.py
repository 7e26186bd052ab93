"""Modes of a backup: full and incremental, change information, sizes, blocks, compression."""
import json
import os
import pathlib
import re
import time

from support import KIB, MIB, SOURCE, Case, loop_device, mounted, needs_loop, noise, system


class Modes(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def changed(self, *extents, name="changed"):
        """A file for --changed."""
        path = self.dir / name
        path.write_text("".join(json.dumps({"offset": o, "length": n, "zero": zero}) + "\n"
                                for o, n, zero in extents))
        return path

    def test_first_full_six_incrementals_then_full_PX02(self):
        path = self.image(256 * KIB)
        kinds = []
        for n in range(9):
            self.write(path, 0, noise(100, n))
            kinds.append(self.backup(path)["is_incremental"])
        self.assertEqual(kinds, [False] + 6 * [True] + [False, True])
        self.check_restores(path)

    def test_full_every_is_a_policy_and_0_is_never_PX02(self):
        path = self.image(64 * KIB)
        self.sv("set", "full-every=2")
        kinds = [self.backup(path)["is_incremental"] for _ in range(4)]
        self.assertEqual(kinds, [False, True, False, True])
        self.sv("set", "full-every=0")
        kinds = [self.backup(path, source="never")["is_incremental"] for _ in range(9)]
        self.assertEqual(kinds, [False] + 8 * [True])

    def test_full_reads_everything_and_stores_nothing_twice_PX02(self):
        path = self.image(MIB)
        self.backup(path)
        full = self.backup(path, "--full")
        self.assertFalse(full["is_incremental"])
        self.assertEqual((full["read_bytes"], full["new_bytes"]), (MIB, 0))
        self.assertLess(full["stored_bytes"], 64 * KIB)

    def test_full_physical_stores_everything_anew_PX02(self):
        path = self.image(MIB)
        first = self.backup(path)
        packs = [p for p in self.files() if p.name.startswith(("d0", "m0"))]
        full = self.backup(path, "--full=physical")
        self.assertEqual((full["new_bytes"], full["is_incremental"]), (MIB, False))
        self.assertGreaterEqual(full["stored_bytes"], MIB)
        for pack in packs:
            pack.unlink()
        self.check_restores(path, full["snapshot"])
        self.check_restores(path, first["snapshot"])  # by the index, from the new copies

    def test_incremental_takes_the_latest_or_a_named_parent_PX03_CI02(self):
        path = self.image(512 * KIB)
        ids = [self.backup(path)["snapshot"]]
        for n in range(2):
            self.write(path, n * 64 * KIB, noise(64 * KIB, 10 + n))
            report = self.backup(path)
            self.assertEqual(report["parent"], ids[-1])
            self.assertEqual((report["changed_bytes"], report["new_bytes"]), (64 * KIB, 64 * KIB))
            self.assertEqual(report["blocks"]["unchanged"], 7)
            ids.append(report["snapshot"])
        named = self.backup(path, "--parent", ids[0])
        self.assertEqual((named["parent"], named["changed_bytes"]), (ids[0], 128 * KIB))
        self.assertEqual(named["new_bytes"], 0)
        self.assertEqual(self.backup(path)["parent"], named["snapshot"])
        self.check_restores(path)

    def test_every_snapshot_of_a_chain_restores_alone_PX02_CI07(self):
        path = self.image(2 * MIB, [(0, 640 * KIB)])
        states = {}
        for n in range(5):
            states[self.backup(path)["snapshot"]] = path.read_bytes()
            self.write(path, n * 300_000, noise(70_000, n) if n % 2 else bytes(70_000))
        for snapshot, state in states.items():
            self.assertTrue(self.restore(snapshot) == state)
        done = self.sv("restore", list(states)[-1], "--to", "once", "--json").data
        blocks = [state[at:at + 64 * KIB] for at in range(0, len(state), 64 * KIB)]
        data = sum(len(block) for block in blocks if block.count(0) != len(block))
        self.assertEqual(done["written_bytes"], data)  # each block once, no replay
        self.sv("delete", *list(states)[:-1])
        self.assertTrue(self.restore(list(states)[-1]) == list(states.values())[-1])

    def test_strict_incremental_needs_a_parent_CI01(self):
        path = self.image(64 * KIB)
        refused = self.sv("backup", "volume", path, "--source", SOURCE, "--incremental", status=1)
        self.assertEqual(refused.reason, "no_parent")
        self.assertEqual(self.sv("list", "--json").data, [])
        self.backup(path)
        self.assertTrue(self.backup(path, "--incremental")["is_incremental"])
        self.sv("set", "full-every=1")
        self.assertTrue(self.backup(path, "--incremental")["is_incremental"])

    def test_changed_extents_are_all_that_is_read_besides_the_audit(self):
        size = 32 * MIB
        path = self.image(size)
        parent = self.backup(path, "--block-size", "4K")["snapshot"]
        self.write(path, 5 * MIB + 100, noise(2000, 2))
        self.write(path, 9 * MIB, bytes(MIB))
        file = self.changed((5 * MIB + 100, 2000, False), (9 * MIB, MIB, True))
        report = self.backup(path, "--parent", parent, "--changed", file)
        self.assertEqual((report["mode"], report["parent"]), ("changed", parent))
        self.assertLess(report["read_bytes"], size // 4)
        self.assertEqual(report["new_bytes"], 4 * KIB)
        self.assertEqual(report["blocks"]["zero"], 256)
        self.check_restores(path)

    def test_changed_extents_from_stdin(self):
        path = self.image(MIB)
        parent = self.backup(path)["snapshot"]
        self.write(path, 0, noise(10, 2))
        report = self.backup(path, "--parent", parent, "--changed", "-",
                             input=b'{"offset":0,"length":10}\n')
        self.assertEqual((report["mode"], report["new_bytes"]), ("changed", 64 * KIB))
        self.check_restores(path)

    def test_changed_extents_count_only_against_exactly_that_snapshot(self):
        path = self.image(MIB)
        first = self.backup(path)["snapshot"]
        self.write(path, 0, noise(64 * KIB, 2))
        self.backup(path)
        self.write(path, 512 * KIB, noise(64 * KIB, 3))
        # The list is right against the second snapshot; the caller names the first and says so.
        file = self.changed((0, 64 * KIB, False), (512 * KIB, 64 * KIB, False))
        report = self.backup(path, "--parent", first, "--changed", file)
        self.assertEqual((report["mode"], report["parent"]), ("changed", first))
        self.check_restores(path)

    def test_changed_against_a_parent_that_is_gone_reads_everything_and_says_so(self):
        path = self.image(MIB)
        gone = self.backup(path)["snapshot"]
        self.write(path, 0, noise(64 * KIB, 2))
        self.backup(path)
        self.sv("delete", gone)
        self.write(path, 512 * KIB, noise(64 * KIB, 3))
        report = self.backup(path, "--parent", gone, "--changed", self.changed())
        self.assertNotEqual(report["mode"], "changed")
        self.assertEqual((report["mode_reason"], report["read_bytes"]), ("base_lost", MIB))
        self.assertTrue(report["warnings"])
        self.check_restores(path)

    def test_changed_against_a_parent_of_another_source_reads_everything(self):
        path = self.image(MIB)
        self.backup(path)
        other = self.backup(self.image(MIB, name="other", seed=7), source="other")["snapshot"]
        self.write(path, 0, noise(64 * KIB, 2))
        report = self.backup(path, "--parent", other, "--changed", self.changed())
        self.assertNotEqual(report["mode"], "changed")
        self.assertEqual(report["read_bytes"], MIB)
        self.check_restores(path)

    def test_wrong_lines_of_changed_extents_are_named(self):
        path = self.image(64 * KIB)
        parent = self.backup(path)["snapshot"]
        for text in ("x", "[]", "{}", '{"offset":-1,"length":5}', '{"offset":0}',
                     '{"offset":0,"length":5,"zero":1}', '{"offset":1e99,"length":1}'):
            answer = self.sv("backup", "volume", path, "--source", SOURCE, "--parent", parent,
                             "--changed", "-", input=f"\n{text}\n".encode(), status=2)
            self.assertIn("line 2", answer.err)

    def test_hidden_changes_are_found_by_a_full_audit(self):
        path = self.image(4 * MIB)
        parent = self.backup(path)["snapshot"]
        self.write(path, 3 * MIB, noise(64 * KIB, 2))
        report = self.backup(path, "--parent", parent, "--changed", self.changed(),
                             "--audit", "100%")
        self.assertTrue(report["audit_failed"])
        self.check_restores(path)

    def test_volumes_grow_and_shrink(self):
        path = self.image(300_000)
        sizes = (300_000, 5 * MIB + 1, 4096, 1, 900_000, 0)
        states = {}
        for size in sizes:
            os.truncate(path, size)
            if size > 4096:
                self.write(path, size - 100, noise(100, size))
            report = self.backup(path)
            self.assertEqual(report["size"], size)
            states[report["snapshot"]] = path.read_bytes()
        for snapshot, state in states.items():
            self.assertTrue(self.restore(snapshot) == state)

    def test_block_sizes_from_4K_to_4M_CI04(self):
        path = self.image(16 * MIB + 5000, [(MIB, 70_000), (16 * MIB, 5000)])
        for size in (4 * KIB, 64 * KIB, MIB, 4 * MIB):
            source = f"by{size}"
            report = self.backup(path, "--block-size", size, source=source)
            self.assertEqual(report["block_size"], size)
            self.assertEqual(report["blocks"]["total"], -(-(16 * MIB + 5000) // size))
            self.write(path, MIB + 5, noise(5, size))
            again = self.backup(path, source=source)  # left out: the parent's
            self.assertEqual((again["block_size"], again["is_incremental"]), (size, True))
            self.assertEqual(again["blocks"]["new"], 1)
            self.check_restores(path, source + "@latest")

    def test_another_block_size_is_a_full_backup_CI04(self):
        path = self.image(256 * KIB)
        self.backup(path)
        self.sv("backup", "volume", path, "--source", SOURCE, "--block-size", "4K",
                "--incremental", status=2)
        report = self.backup(path, "--block-size", "4K")
        self.assertEqual((report["is_incremental"], report["mode_reason"]), (False, "block_size"))
        self.check_restores(path)

    def test_pack_size_in_force_is_bounded_by_memory_and_reported_CI04(self):
        path = self.image(64 * KIB)
        self.init("--pack-size", "512M", repo=self.dir / "big")
        report = self.backup(path, "--memory-max", "64M", repo=self.dir / "big")
        self.assertEqual(report["pack_size"], 8 * MIB)
        for size in ("512K", "1000M"):
            self.assertEqual(self.sv("init", "--pack-size", size, repo=self.dir / "no",
                                     status=2).reason, "bad_pack_size")

    def test_compression_levels_and_none_CI05(self):
        path = self.image(MIB)
        path.write_bytes(b"all work and no play " * 50_000)
        stored = {}
        for level in ("none", "zstd:1", "zstd:19"):
            report = self.backup(path, "--full=physical", "--compression", level, source=level)
            stored[level] = report["stored_bytes"]
            self.check_restores(path, level + "@latest")
        self.assertGreater(stored["none"], 1_000_000)
        self.assertLess(stored["zstd:1"], 100_000)
        self.assertLess(stored["zstd:19"], 100_000)
        noisy = self.backup(self.image(MIB), "--compression", "zstd:19", source="noise")
        self.assertLess(noisy["stored_bytes"], MIB + 16 * KIB)  # stored as it is

    def test_nothing_is_staged_on_local_disk_and_memory_is_bounded_DC04(self):
        path = self.image(96 * MIB)
        process = self.start("--memory-max", "32M", "--limit-read", "100M", "--progress=json",
                             "backup", "volume", path)
        about = pathlib.Path(f"/proc/{process.pid}")
        seen, written, peak = set(), set(), 0
        while process.poll() is None:
            try:
                for entry in (about / "fd").iterdir():
                    name = os.readlink(entry)
                    seen.add(name)
                    flags = (about / "fdinfo" / entry.name).read_text().split("flags:")[1]
                    if int(flags.split()[0], 8) & (os.O_WRONLY | os.O_RDWR):
                        written.add(name)
                told = re.search(r"VmHWM:\s+(\d+) kB", (about / "status").read_text())
                peak = max(peak, int(told[1]) if told else 0)
            except OSError:
                pass
            time.sleep(0.005)
        self.assertEqual(process.returncode, 0)
        self.assertIn(str(path), seen)
        self.assertLess(peak, 96 * KIB)  # the budget and 64 MiB
        elsewhere = [name for name in written if name.startswith("/")
                     and not name.startswith((str(self.repo), "/dev/", "/proc/"))]
        self.assertEqual(elsewhere, [])
        self.assertTrue([name for name in written if name.startswith(str(self.repo))])
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()),
                         ["disk.img", "key", "repo"])

    @needs_loop
    def test_a_mounted_device_needs_force_and_is_marked_crash_consistent_CI01(self):
        image = self.image(4 * MIB, [])
        system("mkfs.ext4", "-q", "-F", image)
        where = self.dir / "mnt"
        where.mkdir()
        with loop_device(image) as device:
            with mounted(device, where):
                refused = self.sv("backup", "volume", device, "--source", SOURCE, status=5)
                self.assertEqual(refused.reason, "source_busy")
                report = self.backup(device, "--force")
                self.assertTrue(report["crash_consistent"])
            report = self.backup(device)
            self.assertFalse(report["crash_consistent"])
            self.assertEqual(report["file_system"], "ext4")
            self.assertEqual(self.restore(), pathlib.Path(device).read_bytes())
