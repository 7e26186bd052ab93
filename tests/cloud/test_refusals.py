"""PX-11: each thing that can be wrong has its own reason, a hint, and the store's request id."""
import datetime
import json
import subprocess
import unittest

import cloud_support
from cloud_support import MIB, STORE
from support import SOURCE
from test_clients import client

# The servers whose answers have no id of the request.
WITHOUT_ID = ("gs", "rclone")


def of(*names):
    return unittest.skipUnless(STORE.name in names or STORE.kind in names,
                               f"for {' and '.join(names)}")


class Refusals(cloud_support.Case):
    def refused(self, *reasons, env=None, repo=None, args=("list", "--json"), hint=True):
        answer = self.sv(*args, status=None, env=env, repo=repo)
        self.check_answer(answer, *reasons)
        error = json.loads(answer.err.strip().splitlines()[-1])["error"]
        if hint:
            self.assertTrue(error["hint"], f"no hint: {error}")
        if error["native"] >= 400 and STORE.name not in WITHOUT_ID and STORE.kind not in WITHOUT_ID:
            self.assertTrue(error["request_id"], f"no request id: {error}")
        for value in (env or {}).values():
            if len(value) > 12 and "canary" in value:
                self.assertNotIn(value, answer.err)
        return error

    def test_a_wrong_secret_is_told_apart(self):
        self.init()
        wrong = {"s3": {"AWS_SECRET_ACCESS_KEY": "wrong-secret-canary"},
                 "azure": {"AZURE_STORAGE_KEY": "d3Jvbmctc2VjcmV0LWNhbmFyeQ=="},
                 "gs": {"GOOGLE_APPLICATION_CREDENTIALS": str(self.other_service_account())},
                 "swift": {"ST_KEY": "wrong-secret-canary", "OS_PASSWORD": "wrong-secret-canary"}}
        env = wrong[STORE.kind]
        if STORE.options.get("oauth"):
            env = {"AZURE_CLIENT_SECRET": "wrong-secret-canary"}
        if STORE.kind == "swift":
            env = {name: value for name, value in env.items() if name in STORE.said}
        self.refused("bad_credential", env=env)

    def other_service_account(self):
        """The same account with another key."""
        if STORE.kind != "gs":
            return self.dir
        path = self.dir / "other.json"
        key = subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA"], check=True,
                             capture_output=True, text=True).stdout
        account = json.loads(open(STORE.said["GOOGLE_APPLICATION_CREDENTIALS"]).read())
        path.write_text(json.dumps({**account, "private_key": key}))
        path.chmod(0o600)
        return path

    @of("s3")
    def test_an_unknown_access_key_is_told_apart(self):
        self.init()
        self.refused("bad_credential", env={"AWS_ACCESS_KEY_ID": "nobody"})

    def test_no_credential_at_all_names_where_it_looked(self):
        env = {name: "" for name in self.env if name.startswith(("AWS_A", "AWS_S", "AZURE_", "GOOG",
                                                                 "ST_", "OS_"))}
        env["AWS_EC2_METADATA_DISABLED"] = "true"
        env["GCE_METADATA_HOST"] = "127.0.0.1:9"
        env["IDENTITY_ENDPOINT"], env["IDENTITY_HEADER"] = "http://127.0.0.1:9/none", "none"
        self.refused("no_credential", "unreachable", env=env)

    def test_a_wrong_bucket_is_told_apart_and_how_to_make_it(self):
        error = self.refused("no_bucket", repo=STORE.address(STORE.new_container(), "x"))
        self.assertIn("create-bucket", error["hint"])
        error = self.refused("no_bucket", args=("init", "--json"),
                             repo=STORE.address(STORE.new_container(), "x"))
        self.assertIn("create-bucket", error["hint"])

    def test_nothing_listens_there(self):
        store = self.repo.replace(f"127.0.0.1:{STORE.port}", "127.0.0.1:9")
        env = {name: value.replace(f":{STORE.port}/", ":9/") for name, value in self.env.items()}
        if STORE.name == "swift-keystone":
            env["OS_AUTH_URL"] = "http://127.0.0.1:9/v3"
        began = datetime.datetime.now()
        self.refused("unreachable", env=env, repo=store)
        self.assertLess((datetime.datetime.now() - began).seconds, 60)

    def test_no_repository_there(self):
        self.init()
        answer = self.sv("list", repo=STORE.address(self.shared_container(), "elsewhere"),
                         status=None)
        self.check_answer(answer, "not_a_repository")

    def test_DC_08_plain_http_only_if_ssl_was_turned_off_by_name(self):
        """Without ssl=false the program speaks TLS, and so fails at a server that has none."""
        if STORE.tls:
            repo = self.repo.split("&ca=")[0].split("?ca=")[0]
            self.refused("tls", repo=repo)  # the CA is not trusted unless it is named
        elif STORE.kind != "swift":
            self.refused("tls", "unreachable", "lost_answer",
                         repo=self.repo.replace("&ssl=false", ""))

    def test_a_secret_in_the_address_is_refused_and_not_repeated(self):
        for bad in ("secret=canary-in-url", "key=canary-in-url", "sig=canary-in-url"):
            answer = self.sv("list", repo=f"{self.repo}&{bad}", status=2)
            self.assertNotIn("canary", answer.err)

    @of("s3")
    def test_a_wrong_region_is_corrected(self):
        self.init()
        self.sv("list", env={"AWS_REGION": "eu-nowhere-7"})

    @of("minio", "versitygw", "ceph")
    def test_a_skewed_clock_is_corrected_and_the_doctor_says_it(self):
        """libfaketime on the program: the server refuses the signature, we take its time."""
        self.init()
        faked = ["faketime", "-f", "-3h"]
        words = faked + self.command("list")
        done = subprocess.run(words, capture_output=True, text=True, env=self.env, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        words = faked + self.command("doctor", self.repo, "--json")
        done = subprocess.run(words, capture_output=True, text=True, env=self.env, timeout=60)
        clock = [f for f in json.loads(done.stdout)["findings"] if f["topic"] == "clock"]
        self.assertNotEqual(clock[0]["state"], "good", done.stdout)
        self.assertTrue(clock[0]["hint"])

    @of("minio")
    def test_denied_rights_are_told_apart(self):
        self.init()
        self.backup(self.image(MIB))
        env = json.loads(client("session", self.shared_container()))
        self.sv("list", env=env)
        error = self.refused("permission", env=env, args=(
            "backup", "volume", self.dir / "disk.img", "--source", SOURCE, "--json"))
        self.assertEqual(error["code"], "permission_denied")

    @of("minio", "minio-tls")
    def test_a_session_token_that_is_not_valid(self):
        self.init()
        env = {**json.loads(client("session", self.shared_container())),
               "AWS_SESSION_TOKEN": "not-a-token-canary"}
        self.refused("expired_credential", "bad_credential", env=env)

    @unittest.skipUnless(STORE.kind == "azure" and not STORE.options.get("oauth"), "for SAS")
    def test_DC_03_a_sas_works_and_its_end_and_its_rights_are_told_apart(self):
        self.init()
        self.backup(self.image(MIB))
        container = self.shared_container()

        def sas(permissions, seconds):
            token = json.loads(client("sas", container, permissions, seconds))
            return {"AZURE_STORAGE_KEY": "", "AZURE_STORAGE_SAS_TOKEN": token}
        self.sv("list", env=sas("rl", 600))
        self.sv("backup", "volume", self.dir / "disk.img", "--source", SOURCE,
                env=sas("rlwcd", 600))
        self.refused("expired_credential", "bad_credential", env=sas("rl", -600))
        self.refused("permission", "bad_credential", env=sas("rl", 600), args=(
            "backup", "volume", self.dir / "disk.img", "--source", SOURCE, "--json"))

    @of("swift")
    def test_denied_rights_at_swift_are_told_apart(self):
        if "ST_USER" not in STORE.said:
            return
        self.init()
        self.refused("permission", env={"ST_USER": "backups:reader", "ST_KEY": "reader-secret"})

    @of("ceph")
    def test_a_full_bucket_is_told_apart(self):
        self.init()
        conf = STORE.said["CEPH_CONF"]

        def admin(*words):
            subprocess.run(["radosgw-admin", "-c", conf, "quota", *words, "--quota-scope=user",
                            "--uid=snapvault"], check=True, capture_output=True)
        self.backup(self.image(MIB))
        admin("set", "--max-size=1024")
        admin("enable")
        self.addCleanup(admin, "disable")
        error = self.refused("no_space", args=(
            "backup", "volume", self.image(8 * MIB, seed=9, name="new.img"), "--source", "full",
            "--json"))
        self.assertEqual(error["code"], "resource_exhausted")

    @of("fake-gcs")
    def test_tokens_that_expire_during_a_job_are_renewed(self):
        """The server's tokens live for five seconds here (TOKEN_TTL); the upload takes longer."""
        self.init()
        image = self.image(12 * MIB, seed=11)
        answer = self.sv("--limit-upload", "1M", "backup", "volume", image, "--source", SOURCE)
        self.assertEqual(answer.status, 0)
        self.check_restores(image)


