"""Ctrl-C: at once, cleanly, and the next run goes on from there."""
import signal
import time

from support import MIB, SOURCE, Case


class Cancel(Case):
    def setUp(self):
        super().setUp()
        self.init("--pack-size", "1M", "--compression", "none")
        self.path = self.image(8 * MIB)

    def interrupt(self, process, which=signal.SIGINT):
        start = time.monotonic()
        process.send_signal(which)
        _, err = process.communicate(timeout=20)
        took = time.monotonic() - start
        self.assertEqual(process.returncode, 130, err)
        self.assertLess(took, 1.3)

    def wait_for(self, what, process):
        for _ in range(2000):
            if what():
                return
            self.assertIsNone(process.poll(), "the program ended too early")
            time.sleep(0.01)
        self.fail("the program never got there")

    def test_a_slow_backup_ends_within_a_second_and_the_next_run_succeeds_CI12(self):
        for which in (signal.SIGINT, signal.SIGTERM):
            process = self.start("--limit-read", "1M", "backup", "volume", self.path, "--source",
                                 SOURCE)
            known = len(self.files())
            self.wait_for(lambda: len(self.files()) > known, process)
            self.interrupt(process, which)
            self.assertEqual(self.sv("list", "--json").data, [])
        self.backup(self.path)
        self.check_restores(self.path)
        self.assertTrue(self.sv("verify", "--data", "--json").data["clean"])

    def test_what_was_uploaded_before_the_cancel_is_used_again_CI12(self):
        process = self.start("--limit-upload", "2M", "backup", "volume", self.path, "--source",
                             SOURCE)

        def packs():
            return [p for p in self.files() if p.name.startswith("d0000") and len(p.name) == 9]
        self.wait_for(lambda: len(packs()) >= 2, process)
        self.interrupt(process)
        report = self.backup(self.path)
        self.assertLess(report["new_bytes"], 7 * MIB)
        self.check_restores(self.path)

    def test_a_restore_leaves_a_partial_file_and_resumes_CI13(self):
        self.path = self.image(16 * MIB)
        self.backup(self.path)
        target, partial = self.dir / "out", self.dir / "out.partial"
        # With so little memory one request follows the other, so a part is written long before all.
        process = self.start("--limit-download", "2M", "--memory-max", "32M", "restore",
                             SOURCE + "@latest", "--to", target)
        self.wait_for(lambda: partial.exists() and partial.stat().st_blocks * 512 > MIB, process)
        self.interrupt(process)
        self.assertTrue(partial.exists())
        self.assertFalse(target.exists())
        report = self.sv("restore", SOURCE + "@latest", "--resume", "--to", target, "--json").data
        self.assertTrue(target.read_bytes() == self.path.read_bytes())
        self.assertFalse(partial.exists())
        self.assertGreater(report["unchanged_bytes"], 0)

    def test_a_second_interrupt_ends_the_program(self):
        process = self.start("--limit-read", "1M", "backup", "volume", self.path)
        known = len(self.files())
        self.wait_for(lambda: len(self.files()) > known, process)
        process.send_signal(signal.SIGINT)
        self.interrupt(process)
