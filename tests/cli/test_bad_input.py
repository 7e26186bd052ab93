"""Bad input is answered in words, and nothing is left behind or lost."""
import os
import pathlib
import pty
import select
import subprocess
import time

from support import (KIB, MIB, PROGRAM, SOURCE, Case, loop_device, mounted, needs_loop, needs_root,
                     noise, system)

CANARY = "canary-W7xq-passphrase"


class BadInput(Case):
    def test_not_a_repository(self):
        (self.dir / "empty").mkdir()
        for repo in (self.dir / "empty", self.dir / "missing"):
            answer = self.sv("list", repo=repo, status=1)
            self.assertEqual(answer.reason, "not_a_repository")
        self.assertEqual(list((self.dir / "empty").iterdir()), [])
        self.assertFalse((self.dir / "missing").exists())

    def test_repository_path_is_a_file(self):
        file = self.dir / "file"
        file.write_bytes(b"precious")
        for words in (["init"], ["list"], ["backup", "volume", file]):
            answer = self.sv(*words, repo=file, status=None)
            self.assertIn(answer.status, (1, 2, 5))
            self.assertRegex(answer.err, r"snapvault: .+ \(\w+\)")
        self.assertEqual(file.read_bytes(), b"precious")

    def test_init_where_a_repository_is(self):
        made = self.init()
        self.assertEqual(self.sv("init", status=5).reason, "repository_exists")
        self.assertEqual(self.sv("info", "--json").data["id"], made["id"])

    def test_two_inits_at_once_have_one_winner(self):
        for number in range(3):
            repo = self.dir / f"race{number}"
            racers = [subprocess.Popen(self.command("init", "--quiet", repo=repo), env=self.env,
                                       stderr=subprocess.PIPE) for _ in range(3)]
            errors = [racer.communicate(timeout=60)[1] for racer in racers]
            self.assertEqual(sorted(r.returncode for r in racers), [0, 5, 5], errors)
            self.assertEqual(self.sv("info", "--json", repo=repo).data["snapshots"], 0)

    def test_two_backups_of_one_source_at_once_both_succeed(self):
        self.init()
        path = self.image(4 * MIB)
        self.backup(path)
        self.write(path, MIB, noise(MIB, 2))
        racers = [self.start("backup", "volume", path, "--source", SOURCE) for _ in range(2)]
        for racer in racers:
            _, err = racer.communicate(timeout=60)
            self.assertEqual(racer.returncode, 0, err)
        for n in range(2):
            self.check_restores(path, f"{SOURCE}@latest~{n}")
        self.assertEqual(len(self.sv("list", "--json").data), 3)
        self.assertTrue(self.sv("verify", "--data", "--json").data["clean"])

    def test_wrong_keys_are_told_apart(self):
        self.init()
        other = self.dir / "other"
        other.write_bytes(noise(32, 9))
        self.assertEqual(self.sv("--key-file", other, "list", key=False, status=1).reason,
                         "wrong_key")
        for size in (0, 31, 33):
            other.write_bytes(noise(size, 9))
            answer = self.sv("--key-file", other, "list", key=False, status=2)
            self.assertIn("32 bytes", answer.err)
        self.assertEqual(self.sv("list", key=False, status=1).reason, "key_required")

    def test_passphrases_from_file_command_and_environment_and_wrong_ones_PX10(self):
        right, wrong = self.dir / "right", self.dir / "wrong"
        right.write_text(CANARY + "\n")
        wrong.write_text(CANARY + "x\n")
        outputs = []

        def sv(*args, status=0, env=None):
            answer = self.sv(*args, key=False, status=status, env=env)
            outputs.append(answer.out + answer.err)
            return answer
        sv("--passphrase-file", right, "init")
        path = self.image(64 * KIB)
        sv("--passphrase-command", f"cat {right}", "backup", "volume", path)
        sv("list", "--json", env={"SNAPVAULT_PASSPHRASE": CANARY})
        self.assertEqual(sv("--passphrase-file", wrong, "list", status=1).reason,
                         "wrong_passphrase")
        sv("--passphrase-file", self.dir / "none", "list", status=1)
        sv("--passphrase-command", "false", "list", status=1)
        for text in outputs:
            self.assertNotIn(CANARY, text)
        for file in self.files():
            self.assertNotIn(CANARY.encode(), file.read_bytes())

    def test_the_passphrase_is_on_no_command_line(self):
        (self.dir / "pass").write_text(CANARY)
        process = subprocess.Popen([PROGRAM, "--repo", str(self.repo), "--passphrase-file",
                                    str(self.dir / "pass"), "init", "--quiet"], env=self.env)
        seen = b""
        while process.poll() is None:
            try:
                seen += pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
            except OSError:
                pass
            time.sleep(0.01)
        self.assertEqual(process.returncode, 0)
        self.assertIn(b"init", seen)
        self.assertNotIn(CANARY.encode(), seen)

    def on_terminal(self, words, answers):
        """Runs the program on a terminal of its own and types `answers`; what was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, "--repo", str(self.repo), *words], self.env)
        shown, waiting = b"", list(answers)
        while select.select([terminal], [], [], 30)[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            shown += part
            if not part:
                break
            if part.endswith(b": ") and waiting:
                time.sleep(0.05)
                os.write(terminal, waiting.pop(0).encode() + b"\n")
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.assertEqual(waiting, [])
        return status, shown.decode()

    def test_a_new_passphrase_is_asked_twice_without_echo_and_once_later_BT02(self):
        status, shown = self.on_terminal(["init"], [CANARY, CANARY + "x"])
        self.assertEqual(status, 2)
        self.assertIn("differ", shown)
        self.assertFalse((self.repo / "repo").exists())
        status, shown = self.on_terminal(["init"], [CANARY, CANARY])
        self.assertEqual(status, 0, shown)
        self.assertNotIn(CANARY, shown)
        start = time.monotonic()
        status, shown = self.on_terminal(["info"], [CANARY])
        self.assertEqual(status, 0, shown)
        self.assertEqual(shown.count("passphrase: "), 1)
        self.assertGreater(time.monotonic() - start, 0.1)  # guessing is dear
        self.assertNotIn(CANARY, shown)

    def test_keys_are_added_changed_and_removed_but_not_the_last(self):
        (self.dir / "a").write_text("first")
        (self.dir / "b").write_text("second")
        (self.dir / "raw").write_bytes(noise(32, 5))
        first, second = ["--passphrase-file", "a"], ["--passphrase-file", "b"]
        self.sv(*first, "init", key=False)
        self.sv(*first, "key", "passphrase", "--new-passphrase-file", "b", key=False)
        self.assertEqual(self.sv(*first, "list", key=False, status=1).reason, "wrong_passphrase")
        slot = self.sv(*second, "--json", "key", "list", key=False).data["keys"][0]["slot"]
        self.assertEqual(self.sv(*second, "key", "remove", slot, key=False, status=5).reason,
                         "last_key")
        self.sv(*second, "key", "add", "--new-key-file", "raw", "--label", "machine", key=False)
        keys = self.sv("--key-file", "raw", "--json", "key", "list", key=False).data["keys"]
        self.assertIn(("raw", "machine"), [(k["kind"], k["label"]) for k in keys])
        self.sv("--key-file", "raw", "key", "remove", slot, key=False)
        self.sv(*second, "list", key=False, status=1)
        self.sv("--key-file", "raw", "list", key=False)

    def test_a_key_for_a_repository_that_needs_none_is_warned_of(self):
        self.sv("init", "--no-passphrase", key=False)
        answer = self.sv("key", "add", "--new-key-file", self.key, key=False)
        self.assertIn("warning: this repository was made with --no-passphrase", answer.err)
        answer = self.sv("key", "passphrase", key=False, env={"SNAPVAULT_NEW_PASSPHRASE": "x"})
        self.assertIn("warning: ", answer.err)
        answer = self.sv("--quiet", "key", "add", "--new-key-file", self.key, key=False)
        self.assertEqual(answer.err, "")

    def test_no_passphrase_is_possible_and_warned_of_PX10(self):
        answer = self.sv("init", "--no-passphrase", key=False)
        self.assertIn("warning", answer.err)
        path = self.image(64 * KIB)
        self.backup(path, key=False)
        self.assertTrue(self.sv("info", "--json", key=False).data["no_passphrase"])
        self.assertTrue(self.restore(key=False) == path.read_bytes())

    def test_block_sizes_that_are_none_CI04(self):
        self.init()
        path = self.image(64 * KIB)
        for size in ("5000", "2K", "8M", "1", "0", "64Q", "-4096"):
            answer = self.sv("backup", "volume", path, "--block-size", size, status=2)
            self.assertTrue(answer.err)
        self.assertEqual(self.sv("list", "--json").data, [])

    def test_hostile_names_are_refused_or_shown_harmlessly(self):
        self.init()
        path = self.image(64 * KIB)
        taken = 0
        for name in ("../../evil", "/etc/passwd", "a\nb", "\x1b[31mred", "x" * 5000, "a@latest",
                     "..", ".", "a/b/c/d", "\u202eevil", " ", "-rf", "%s%n", "a\tb", "a\x7f"):
            answer = self.sv("backup", "volume", path, f"--source={name}", "--quiet", status=None)
            self.assertIn(answer.status, (0, 2), f"{name!r}: {answer.err}")
            self.assertFalse(set(answer.err) & set("\x1b\x7f\t"), repr(answer.err))
            taken += answer.status == 0
        shown = self.sv("list").out
        self.assertEqual(len(shown.splitlines()), taken + 1 if taken else 0)
        self.assertFalse(set(shown) & set("\x1b\x7f\t"))
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["disk.img", "key", "repo"])

    def test_sources_that_are_no_volume(self):
        self.init()
        for path in (self.dir, self.dir / "missing", "/dev/null", "/dev/tty"):
            answer = self.sv("backup", "volume", path, "--source", SOURCE, status=None)
            self.assertIn(answer.status, (1, 2), str(answer))
            self.assertRegex(answer.err, r"snapvault: backup: .+ \(\w+\)")
        self.assertEqual(self.sv("list", "--json").data, [])

    @needs_loop
    def test_a_target_that_is_too_small_or_mounted_is_left_alone(self):
        self.init()
        self.backup(self.image(2 * MIB))
        small = self.image(MIB, name="small", seed=4)
        before = small.read_bytes()
        restore = ["restore", SOURCE + "@latest", "--to"]
        with loop_device(small) as device:
            answer = self.sv(*restore, device, "--overwrite", status=None)
            self.assertEqual((answer.reason, answer.status in (1, 2)), ("target_too_small", True))
        self.assertTrue(small.read_bytes() == before)
        system("mkfs.ext4", "-q", "-F", self.image(4 * MIB, [], name="fs"))
        where = self.dir / "mnt"
        where.mkdir()
        with loop_device(self.dir / "fs") as device, mounted(device, where):
            for mode in ("--overwrite", "--in-place"):
                answer = self.sv(*restore, device, mode, status=5)
                self.assertEqual(answer.reason, "target_busy")
        system("e2fsck", "-fn", self.dir / "fs")

    @needs_root
    def test_a_full_disk_is_told_and_nothing_is_listed_until_there_is_room(self):
        self.repo.mkdir()
        with mounted("-t", "tmpfs", "-o", "size=1M", "tmpfs", self.repo):
            self.init("--pack-size", "1M")
            path = self.image(3 * MIB)
            answer = self.sv("backup", "volume", path, "--source", SOURCE, status=1)
            self.assertEqual(answer.reason, "no_space")
            self.assertEqual(self.sv("list", "--json").data, [])
            system("mount", "-o", "remount,size=16M", self.repo)
            self.backup(path)
            self.check_restores(path)
            self.assertTrue(self.sv("verify", "--data", "--json").data["clean"])

    @needs_root
    def test_a_full_target_disk_is_told_and_leaves_no_target(self):
        self.init()
        self.backup(self.image(3 * MIB))
        where = self.dir / "mnt"
        where.mkdir()
        with mounted("-t", "tmpfs", "-o", "size=1M", "tmpfs", where):
            answer = self.sv("restore", SOURCE + "@latest", "--to", where / "out", status=1)
            self.assertEqual(answer.reason, "no_space")
            self.assertFalse((where / "out").exists())

    @needs_root
    def test_a_read_only_repository_restores_and_refuses_backups(self):
        self.init()
        path = self.image(64 * KIB)
        self.backup(path)
        with mounted("--bind", self.repo, self.repo):
            system("mount", "-o", "remount,ro,bind", self.repo)
            self.check_restores(path)
            self.assertEqual(len(self.sv("list", "--json").data), 1)
            answer = self.sv("backup", "volume", path, "--source", SOURCE, status=5)
            self.assertEqual(answer.reason, "read_only")
        self.backup(path)
