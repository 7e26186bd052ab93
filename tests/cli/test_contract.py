"""The contract with scripts: commands, JSON fields, exit statuses, messages, help."""
import json
import pathlib
import subprocess

from support import KIB, MIB, PROGRAM, SOURCE, Case, noise

COMMANDS = ["init", "set", "info", "key", "key list", "key add", "key remove", "key passphrase",
            "backup", "backup volume", "restore", "list", "show", "catalog", "diff", "delete",
            "verify", "completion"]
BACKUP_FIELDS = {"snapshot", "source", "kind", "parent", "is_incremental", "started", "finished",
                 "mode", "mode_reason", "logical_bytes", "read_bytes", "changed_bytes",
                 "new_bytes", "stored_bytes", "blocks", "dedup", "requests", "marked", "seconds"}


class Contract(Case):
    def test_version_names_what_is_linked(self):
        out = self.sv("--version").out
        self.assertRegex(out, r"^snapvault \d+\.\d+\.\d+\n")
        for library in ("OpenSSL", "zstd", "xxHash"):
            self.assertIn(library, out)

    def test_every_command_has_help_with_an_example(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertIn("Example: snapvault ", self.sv(*command.split(), "--help").out)

    def test_global_options_stand_anywhere(self):
        self.init()
        for words in (["--json", "key", "list"], ["key", "--json", "list"],
                      ["key", "list", "--json"]):
            self.assertEqual(len(self.sv(*words).data["keys"]), 1, words)

    def test_completion_is_valid_bash_and_knows_every_command(self):
        script = self.sv("completion", "bash").out
        subprocess.run(["bash", "-n"], input=script.encode(), check=True)
        probe = script + '\nCOMP_WORDS=(snapvault backup volume --ful); COMP_CWORD=3\n' \
                         '_snapvault; echo "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", probe], capture_output=True, check=True)
        self.assertIn("--full", done.stdout.decode().split())
        for command in COMMANDS:
            self.assertIn(f"'{command}'", script)
        self.assertIn("complete -c snapvault", self.sv("completion", "fish").out)
        self.assertIn("bashcompinit", self.sv("completion", "zsh").out)

    def test_backup_json_has_the_promised_fields(self):
        self.init()
        path = self.image(MIB, [(0, 200_000)])
        report = self.backup(path, "--tag", "why=test")
        self.assertLessEqual(BACKUP_FIELDS, report.keys())
        self.assertLessEqual({"total", "zero", "unchanged", "duplicate", "new"},
                             report["blocks"].keys())
        self.assertEqual((report["source"], report["kind"], report["parent"]),
                         (SOURCE, "volume", None))
        self.assertEqual(report["logical_bytes"], MIB)
        self.assertEqual(report["blocks"]["total"], 16)
        self.assertEqual(report["blocks"]["zero"], 12)
        self.assertEqual(report["blocks"]["new"], 4)
        self.assertEqual(report["marked"], [])
        self.assertIn(report["mode"], ("changed", "allocated", "scan"))
        self.assertRegex(report["finished"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        shown = self.sv("show", SOURCE + "@latest", "--json").data
        self.assertEqual(shown["snapshot"], report["snapshot"])
        self.assertEqual(shown["tags"], {"why": "test"})
        self.assertFalse(shown["has_dependent_backups"])

    def test_list_filters_and_is_newest_first(self):
        self.init()
        path = self.image(64 * KIB)
        ids = [self.backup(path, "--tag", f"n={n}")["snapshot"] for n in range(3)]
        self.backup(path, source="other")
        listed = self.sv("list", "--source", SOURCE, "--json").data
        self.assertEqual([s["snapshot"] for s in listed], ids[::-1])
        self.assertEqual(len(self.sv("list", "--json").data), 4)
        tagged = self.sv("list", "--tag", "n=1", "--json").data
        self.assertEqual([s["snapshot"] for s in tagged], [ids[1]])
        limited = self.sv("list", "--source", SOURCE, "--limit", 1, "--json").data
        self.assertEqual([s["snapshot"] for s in limited], [ids[2]])
        self.assertEqual(self.sv("list", "--since", "2999-01-01", "--json").data, [])
        self.assertEqual(self.sv("list", "--status", "stale", "--json").data, [])
        # CI-03: both directions of the relation are shown.
        self.assertTrue(listed[2]["has_dependent_backups"])
        self.assertEqual(listed[0]["parent"], ids[1])

    def test_names_of_snapshots(self):
        self.init()
        path = self.image(64 * KIB)
        ids = [self.backup(path)["snapshot"] for _ in range(2)]
        for name, want in ((SOURCE + "@latest", 1), (SOURCE + "@latest~1", 0), (ids[0], 0),
                           (ids[1][:12], 1), (f"{SOURCE}-{ids[0][:12]}", 0)):
            self.assertEqual(self.sv("show", name, "--json").data["snapshot"], ids[want], name)
        self.assertEqual(self.sv("show", SOURCE + "@latest~2", status=1).reason, "no_snapshot")
        self.assertEqual(self.sv("show", "f" * 32, status=1).reason, "no_snapshot")

    def test_info_tells_keys_sizes_and_policies(self):
        made = self.init("--pack-size", "2M", "--compression", "none", "--full-every", 5)
        self.backup(self.image(128 * KIB))
        info = self.sv("info", "--json").data
        self.assertEqual(info["id"], made["id"])
        self.assertEqual((info["snapshots"], info["sources"], info["format"]), (1, 1, 1))
        self.assertEqual((info["pack_size"], info["compression"], info["full_every"]),
                         (2 * MIB, "none", 5))
        self.assertEqual(info["logical_bytes"], 128 * KIB)
        self.assertEqual(info["stored_bytes"], sum(p.stat().st_size for p in self.files()))
        self.assertEqual(info["objects"], len(self.files()))
        self.assertEqual([k["kind"] for k in info["keys"]], ["raw"])
        self.assertFalse(info["weak"])
        self.assertIn("no damage known", self.sv("info").out)

    def test_set_changes_policies(self):
        self.init()
        done = self.sv("set", "full-every=3", "protect-parents=on", "--json").data
        self.assertEqual((done["full_every"], done["protect_parents"]), (3, True))
        self.sv("set", "full-every=many", status=2)
        self.sv("set", "colour=blue", status=2)

    def test_catalog_and_diff_from_maps_alone(self):
        self.init()
        path = self.image(MIB, [(128 * KIB, 64 * KIB)])
        self.backup(path)
        self.write(path, 640 * KIB, noise(64 * KIB, 2))
        self.backup(path)
        extents = self.sv("catalog", SOURCE + "@latest", "--json").data
        self.assertEqual([(e["offset"], e["length"]) for e in extents if not e["zero"]],
                         [(128 * KIB, 64 * KIB), (640 * KIB, 64 * KIB)])
        self.assertEqual(sum(e["length"] for e in extents), MIB)
        for pack in (self.repo / "packs").rglob("d*"):
            if pack.is_file():
                pack.unlink()  # maps alone: no data is there any more
        ranges = self.sv("diff", SOURCE + "@latest~1", SOURCE + "@latest", "--json").data
        self.assertEqual(ranges, [{"offset": 640 * KIB, "length": 64 * KIB}])

    def test_verify_json_and_depths(self):
        self.init()
        self.backup(self.image(300_000))
        for depth, frames in (("--structure", 0), ("--sample=100%", 1), ("--data", 1)):
            report = self.sv("verify", depth, "--json").data
            self.assertTrue(report["clean"])
            self.assertEqual(report["snapshots"], 1)
            self.assertGreaterEqual(report["frames"], frames)
        self.assertEqual(report["blocks"], 5)
        self.sv("verify", SOURCE + "@latest", "--data", "--quiet")

    def test_restore_json_has_what_was_done(self):
        self.init()
        path = self.image(MIB, [(0, 256 * KIB)])
        self.backup(path)
        done = self.sv("restore", SOURCE + "@latest", "--to", "out", "--json").data
        self.assertEqual(done["bytes_total"], MIB)
        self.assertEqual(done["written_bytes"], 256 * KIB)
        self.assertEqual((done["size"], done["block_size"], done["marked"]),
                         (MIB, 64 * KIB, []))
        self.assertEqual((self.dir / "out").read_bytes(), path.read_bytes())

    def test_quiet_prints_the_id_alone(self):
        self.init()
        answer = self.sv("backup", "volume", self.image(64 * KIB), "--source", SOURCE, "--quiet")
        self.assertRegex(answer.out, rf"^{SOURCE}-[0-9a-f]{{12}}\n$")
        self.assertEqual(answer.err, "")
        answer = self.sv("restore", SOURCE + "@latest", "--to", "out", "--quiet")
        self.assertEqual((answer.out, answer.err), ("", ""))

    def test_progress_json_is_one_object_per_line_and_ends_done(self):
        self.init()
        path = self.image(8 * MIB)
        for words in (["backup", "volume", path, "--source", SOURCE],
                      ["restore", SOURCE + "@latest", "--to", "out"], ["verify", "--data"]):
            answer = self.sv(*words, "--json", "--progress=json")
            lines = [json.loads(line) for line in answer.err.splitlines()]
            self.assertEqual(lines[-1]["phase"], "done")
            self.assertEqual(lines[-1]["job"], words[0])
            self.assertEqual(lines[-1]["bytes_done"], lines[-1]["bytes_total"])
            done = [line["bytes_done"] for line in lines]
            self.assertEqual(done, sorted(done))
            self.assertIsInstance(answer.data, dict)

    def test_usage_errors_exit_2(self):
        self.init()
        path = self.image(64 * KIB)
        for words in (["nonsense"], [], ["backup"], ["backup", "volume"], ["restore", "a"],
                      ["backup", "volume", path, "--tag", "novalue"],
                      ["backup", "volume", path, "--full=maybe"],
                      ["backup", "volume", path, "--full", "--incremental"],
                      ["backup", "volume", path, "--changed", "x"],
                      ["backup", "volume", path, "--audit", "101%"],
                      ["backup", "volume", path, "--compression", "bz2"],
                      ["restore", SOURCE + "@latest", "--to", "x", "--range", "5"],
                      ["restore", SOURCE + "@latest", "--to", "x", "--in-place", "--overwrite"],
                      ["verify", "--sample", "x%"], ["verify", "--data", "--structure"],
                      ["list", "--since", "soon"], ["--memory-max", "lots", "info"],
                      ["--progress", "xml", "info"], ["completion", "tcsh"]):
            with self.subTest(words=words):
                self.assertTrue(self.sv(*words, status=2).err)
        bare = subprocess.run([PROGRAM, "info"], capture_output=True, env=self.env)
        self.assertEqual(bare.returncode, 2)
        self.assertIn(b"SNAPVAULT_REPO", bare.stderr)

    def test_errors_are_a_sentence_with_a_code_and_a_hint_PX11(self):
        self.init()
        answer = self.sv("restore", SOURCE + "@latest", "--to", "x", status=1)
        self.assertRegex(answer.err, r"^snapvault: restore: .+ \(no_snapshot\)\n")
        path = self.image(64 * KIB)
        self.backup(path)
        answer = self.sv("restore", SOURCE + "@latest", "--to", path, status=5)
        self.assertRegex(answer.err, r"^snapvault: restore: .+ \(target_exists\)\nhint: .+\n$")
        told = self.sv("restore", SOURCE + "@latest", "--to", path, "--json", status=5)
        error = json.loads(told.err)["error"]
        self.assertLessEqual({"what", "code", "reason", "message", "hint", "request_id"},
                             error.keys())
        self.assertEqual((error["code"], error["reason"]), ("already_exists", "target_exists"))
        self.assertEqual(told.out, "")

    def test_repository_and_key_from_the_environment_and_a_file_url(self):
        self.init(repo=f"file://{self.repo}")
        words = [PROGRAM, "--key-file", str(self.key), "info", "--json"]
        done = subprocess.run(words, capture_output=True,
                              env={**self.env, "SNAPVAULT_REPO": str(self.repo)}, check=True)
        self.assertEqual(json.loads(done.stdout)["format"], 1)

    def test_source_left_out_is_host_and_file_name(self):
        self.init()
        path = self.image(64 * KIB)
        report = self.sv("backup", "volume", path, "--json").data
        host = pathlib.Path("/proc/sys/kernel/hostname").read_text().strip()
        self.assertEqual(report["source"], f"{host}/disk.img")

    def test_delete_leaves_every_other_snapshot_whole_CI03(self):
        self.init()
        path = self.image(256 * KIB)
        first = self.backup(path)
        before = path.read_bytes()
        self.write(path, 64 * KIB, noise(64 * KIB, 5))
        second = self.backup(path)
        would = self.sv("delete", first["snapshot"], "--dry-run", "--json").data
        self.assertEqual([s["snapshot"] for s in would], [first["snapshot"]])
        self.assertTrue(self.restore(first["snapshot"]) == before)
        self.sv("delete", first["snapshot"])
        self.assertEqual(self.sv("show", first["snapshot"], status=1).reason, "no_snapshot")
        self.check_restores(path, second["snapshot"])
        self.assertTrue(self.sv("verify", "--data", "--json").data["clean"])

    def test_delete_is_all_or_nothing_when_a_name_is_unknown(self):
        self.init()
        self.backup(self.image(64 * KIB))
        self.sv("delete", SOURCE + "@latest", "f" * 32, status=1)
        self.assertEqual(len(self.sv("list", "--json").data), 1)

    def test_protected_parents_are_not_deleted_CI03(self):
        self.init("--protect-parents")
        path = self.image(64 * KIB)
        self.backup(path)
        self.backup(path)
        refused = self.sv("delete", SOURCE + "@latest~1", status=5)
        self.assertEqual(refused.reason, "has_dependents")
        self.sv("delete", SOURCE + "@latest")
        self.sv("delete", SOURCE + "@latest")
        self.assertEqual(self.sv("list", "--json").data, [])

    def test_a_repository_is_one_directory_that_can_be_moved_away_BT03_DE07(self):
        self.init()
        path = self.image(256 * KIB)
        self.backup(path)
        moved = self.dir / "elsewhere"
        self.repo.rename(moved)
        out = self.dir / "out"
        self.sv("restore", SOURCE + "@latest", "--to", out, repo=moved,
                env={"HOME": "/nonexistent"})
        self.assertEqual(out.read_bytes(), path.read_bytes())
