"""Targets of a restore: new, stdout, device, in place, overwritten, ranges, resumed."""
import os
import pathlib
import subprocess

from support import KIB, MIB, SOURCE, Case, loop_device, needs_loop, noise, system


class Restore(Case):
    SIZE = 2 * MIB + 5000

    def setUp(self):
        super().setUp()
        self.init()
        self.path = self.image(self.SIZE, [(0, 300_000), (MIB, 200_000), (2 * MIB, 5000)])
        self.backup(self.path)
        self.target = self.dir / "out"

    def to(self, *args, status=0):
        return self.sv("restore", SOURCE + "@latest", "--to", self.target, *args, status=status)

    def check(self):
        self.assertTrue(self.target.read_bytes() == self.path.read_bytes())
        self.assertFalse((self.dir / "out.partial").exists())

    def test_new_file_keeps_its_holes(self):
        self.to()
        self.check()
        self.assertLess(self.target.stat().st_blocks * 512, MIB)
        self.assertEqual(self.target.stat().st_mode & 0o077, 0)

    def test_stdout_has_the_volume_and_nothing_else(self):
        for quiet in ([], ["--quiet"], ["--json"]):
            answer = self.sv("restore", SOURCE + "@latest", "--to", "-", *quiet)
            self.assertTrue(answer.raw == self.path.read_bytes())
        self.sv("restore", SOURCE + "@latest", "--to", "-", "--resume", status=2)

    def test_a_reader_of_stdout_that_goes_away_is_an_error(self):
        process = subprocess.Popen(self.command("restore", SOURCE + "@latest", "--to", "-"),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                                   cwd=self.dir)
        process.stdout.close()
        error = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(60), 1, error)
        self.assertIn("snapvault: restore: ", error)

    def test_an_existing_target_is_refused_and_left_alone_DC07(self):
        self.target.write_bytes(b"precious")
        self.assertEqual(self.to(status=5).reason, "target_exists")
        self.assertEqual(self.target.read_bytes(), b"precious")
        self.target.unlink()
        self.target.symlink_to("nowhere")
        self.assertEqual(self.to(status=5).reason, "target_exists")
        self.target.unlink()
        self.target.mkdir()
        self.to(status=5)

    def test_in_place_writes_only_what_differs_PX04(self):
        dirty = bytearray(self.path.read_bytes())
        dirty[70_000:70_010] = noise(10, 3)       # one data block
        dirty[600_000:600_001] = b"x"             # one block of zeros
        self.target.write_bytes(dirty)
        inode = self.target.stat().st_ino
        report = self.sv("restore", SOURCE + "@latest", "--to", self.target, "--in-place",
                         "--json").data
        self.check()
        self.assertEqual(self.target.stat().st_ino, inode)
        self.assertEqual(report["written_bytes"], 64 * KIB)
        self.assertLessEqual(report["zeroed_bytes"], 64 * KIB)

    def test_in_place_over_larger_smaller_and_dirty_files(self):
        for size in (0, 100, self.SIZE + MIB):
            self.target.write_bytes(noise(size, 4))
            self.to("--in-place")
            self.check()

    def test_overwrite_replaces_what_is_there_DC07(self):
        for size in (0, 100, self.SIZE + MIB):
            self.target.write_bytes(noise(size, 4))
            self.to("--overwrite")
            self.check()

    def test_range_writes_only_that(self):
        self.to("--range", "1M+100K")
        got, want = self.target.read_bytes(), self.path.read_bytes()
        end = MIB + 100 * KIB
        self.assertTrue(got[MIB:end] == want[MIB:end])
        self.assertEqual(got[:MIB], bytes(MIB))
        self.target.write_bytes(noise(self.SIZE, 5))
        before = self.target.read_bytes()
        self.to("--range", "4096+5000", "--in-place")
        got = self.target.read_bytes()
        self.assertTrue(got == before[:4096] + want[4096:9096] + before[9096:])

    def test_range_to_stdout_is_that_part_of_the_volume(self):
        want = self.path.read_bytes()
        parts = [(0, 100 * KIB), (MIB, 100 * KIB), (4096, 5000), (300_001, MIB), (0, self.SIZE),
                 (self.SIZE - 1, 1), (2 * MIB - 7, 5007)]
        for offset, length in parts:
            answer = self.sv("restore", SOURCE + "@latest", "--to", "-", "--range",
                             f"{offset}+{length}")
            self.assertTrue(answer.raw == want[offset:offset + length], (offset, length))
        for text in ("1G+1M", "2M+1M", "18446744073709551615+2"):
            answer = self.sv("restore", SOURCE + "@latest", "--to", "-", "--range", text, status=2)
            self.assertEqual(answer.raw, b"")

    def test_range_outside_the_volume_is_refused(self):
        for text in ("1G+1M", "2M+1M", "18446744073709551615+2"):
            answer = self.to("--range", text, status=2)
            self.assertFalse(self.target.exists(), answer)

    def test_resume_goes_on_with_a_partial_file_CI13(self):
        want = self.path.read_bytes()
        partial = self.dir / "out.partial"
        partial.write_bytes(want[:MIB] + noise(self.SIZE - MIB, 6))
        report = self.sv("restore", SOURCE + "@latest", "--to", self.target, "--resume",
                         "--json").data
        self.check()
        self.assertGreater(report["unchanged_bytes"], 0)
        self.assertLess(report["written_bytes"], 300_000)

    def test_a_partial_file_of_a_dead_restore_is_replaced(self):
        (self.dir / "out.partial").write_bytes(noise(self.SIZE + MIB, 6))
        self.to()
        self.check()

    def test_snapshot_that_is_missing_leaves_no_target(self):
        self.sv("restore", "f" * 32, "--to", self.target, status=1)
        self.assertEqual([p.name for p in self.dir.glob("out*")], [])

    def test_check_ids_restores_the_same(self):
        self.to("--check-ids")
        self.check()

    @needs_loop
    def test_device_dirty_or_larger_PX04(self):
        image = self.image(4 * MIB, name="device", seed=9)
        with loop_device(image) as device:
            self.sv("restore", SOURCE + "@latest", "--to", device, status=5)
            for mode in ("--overwrite", "--in-place"):
                system("dd", "if=/dev/urandom", f"of={device}", "bs=1M", "count=3",
                       "conv=fsync")
                self.sv("restore", SOURCE + "@latest", "--to", device, mode)
                with open(device, "rb") as file:
                    self.assertTrue(file.read(self.SIZE) == self.path.read_bytes(), mode)

    @needs_loop
    def test_file_system_survives_with_size_label_and_block_size_PX04(self):
        image = self.image(8 * MIB, [], name="ext4.img")
        system("mkfs.ext4", "-q", "-F", "-b", "1024", "-L", "precious", image)
        report = self.backup(image, source="fs")
        self.assertEqual(report["file_system"], "ext4")
        self.sv("restore", "fs@latest", "--to", self.target)
        self.assertTrue(self.target.read_bytes() == image.read_bytes())
        system("e2fsck", "-fn", self.target)
        told = system("dumpe2fs", "-h", self.target)
        self.assertIn("precious", told)
        self.assertRegex(told, r"Block size:\s+1024")
        shown = self.sv("show", "fs@latest", "--json").data
        self.assertEqual(shown["file_system"], "ext4")
        self.assertEqual(pathlib.Path(self.target).stat().st_size, os.stat(image).st_size)
