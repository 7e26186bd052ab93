"""PX-01, CI-10, DE-01, DE-07: every command that works on a file repository works on each store."""
import os
import subprocess

import cloud_support
from cloud_support import BUILD, MIB, STORE
from support import SOURCE


class Life(cloud_support.Case):
    def test_PX_01_a_repository_lives_on_the_store(self):
        self.init()
        image = self.image(12 * MIB, [(0, 3 * MIB), (5 * MIB, MIB), (11 * MIB, MIB)])
        first = self.backup(image)
        self.assertGreater(first["traffic"]["puts"], 0)
        self.assertGreater(first["traffic"]["bytes_up"], 4 * MIB)
        self.write(image, 6 * MIB, b"changed" * 1000)
        second = self.backup(image, "--incremental")
        self.assertTrue(second["is_incremental"])
        self.assertLess(second["stored_bytes"], MIB)
        self.check_restores(image)
        listed = self.sv("list", "--json").data
        self.assertEqual([s["snapshot"] for s in listed],
                         [second["snapshot"], first["snapshot"]])
        verified = self.sv("verify", "--data", "--json").data
        self.assertTrue(verified["clean"])
        self.assertGreater(verified["traffic"]["gets"], 0)
        diff = self.sv("diff", f"{SOURCE}@latest~1", f"{SOURCE}@latest", "--json").data
        self.assertTrue(any(r["offset"] <= 6 * MIB < r["offset"] + r["length"] for r in diff))
        self.sv("delete", first["name"])
        self.check_restores(image)
        self.assertEqual(len(self.sv("list", "--json").data), 1)

    def test_PX_01_the_smallest_embedder_needs_no_change_but_the_address(self):
        self.init()  # and so the container
        image = self.image(2 * MIB, [(0, MIB)])
        repo = STORE.address(self.shared_container(), f"minimal-{os.getpid()}")
        for number in range(2):  # makes the repository, then finds it
            out = self.dir / f"minimal-{number}"
            subprocess.run([BUILD / "examples/minimal", repo, image, out], check=True,
                           env={**self.env, "SNAPVAULT_PASSPHRASE": "x"}, timeout=300,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            self.assertEqual(out.read_bytes(), image.read_bytes())

    def test_PX_01_restore_in_place_writes_only_what_differs(self):
        self.init()
        image = self.image(4 * MIB)
        self.backup(image)
        target = self.dir / "target.img"
        target.write_bytes(image.read_bytes())
        self.write(target, MIB, b"\0" * 1000)
        report = self.sv("restore", SOURCE + "@latest", "--to", target, "--in-place",
                         "--json").data
        self.assertEqual(target.read_bytes(), image.read_bytes())
        self.assertLess(report["written_bytes"], MIB)

    def test_init_refuses_where_a_repository_is(self):
        self.init()
        answer = self.sv("init", "--json", status=5)
        self.assertEqual(answer.reason, "repository_exists")

    def test_DE_07_the_passphrase_and_a_credential_are_enough(self):
        passphrase = self.dir / "pass"
        passphrase.write_text("correct horse battery staple\n")
        options = ("--passphrase-file", passphrase)
        self.sv("init", "--create-bucket", *options, key=False)
        image = self.image(MIB)
        self.sv("backup", "volume", image, "--source", SOURCE, *options, key=False)
        (self.dir / "elsewhere").mkdir()
        target = self.dir / "elsewhere/restored.img"
        self.sv("restore", SOURCE + "@latest", "--to", target, *options, key=False)
        self.assertEqual(target.read_bytes(), image.read_bytes())
        passphrase.write_text("wrong\n")
        answer = self.sv("list", *options, key=False, status=None)
        self.check_answer(answer, "wrong_passphrase")

    def test_a_weak_store_says_so_and_an_exclusive_one_does_not(self):
        self.init()
        info = self.sv("info", "--json").data
        self.assertEqual(info["weak"], STORE.weak, info["weak_because"])
        image = self.image(MIB)
        answer = self.sv("backup", "volume", image, "--source", SOURCE)
        self.assertEqual("weak store" in answer.err, STORE.weak, str(answer))

    def test_DE_06_large_objects_go_up_in_parts_and_come_back(self):
        repo = self.repo + "&part_mib=5"
        self.sv("init", "--create-bucket", repo=repo)
        image = self.image(24 * MIB)
        self.sv("backup", "volume", image, "--source", SOURCE, repo=repo)
        self.check_restores(image)
        self.assertTrue(self.sv("verify", "--data", "--json").data["clean"])
        self.sv("delete", SOURCE + "@latest", repo=repo)

    def test_doctor_finds_everything_good(self):
        self.init()
        report = self.sv("doctor", self.repo, "--json").data
        self.assertTrue(report["good"], report)
        topics = {finding["topic"] for finding in report["findings"]}
        self.assertLessEqual({"credentials", "clock", "rights", "capabilities", "throughput"},
                             topics, report)
        for secret in self.env.values():
            if len(secret) > 12 and "/" not in secret:
                self.assertNotIn(secret, str(report))

    def test_two_writers_at_once(self):
        """Racing backups of two sources both succeed where the store settles races."""
        if STORE.weak:
            return
        self.init()
        images = [self.image(4 * MIB, name=f"{n}.img", seed=n) for n in range(2)]
        started = [self.start("backup", "volume", image, "--source", f"node/{n}", "--quiet")
                   for n, image in enumerate(images)]
        for process in started:
            process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0)
        for n, image in enumerate(images):
            self.check_restores(image, f"node/{n}@latest")
