"""Objects that we write are read by the vendor's own client, and theirs by us, odd names too."""
import json
import os
import pathlib
import subprocess

import cloud_support
from cloud_support import MIB, STORE
from support import SOURCE, noise

TOOLS = pathlib.Path(os.environ.get("SNAPVAULT_TOOLS",
                                    os.path.expanduser("~/.cache/snapvault-tools")))
ODD = ["sp ace", "plus+plus", "per%20cent%", "ünïcödé/π", "a//b", "q?x=1&y#z", "'quotes\"",
       "x" * 900]


def client(action, container, *rest, data=None):
    """What the vendor's client answers, as bytes."""
    env = {**os.environ, **STORE.said, "LC_ALL": "C.UTF-8"}
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        env.pop(name, None)
    words = [TOOLS / "venv/bin/python", pathlib.Path(__file__).with_name("clients.py"), STORE.kind,
             action, container, *map(str, rest)]
    done = subprocess.run(words, input=data or b"", capture_output=True, env=env, timeout=120,
                          check=False)
    if done.returncode:
        raise AssertionError(f"{action}: {done.stderr.decode()[-2000:]}")
    return done.stdout


class Clients(cloud_support.Case):
    def test_the_vendors_client_reads_a_repository_that_restores_from_its_copies(self):
        self.init()
        image = self.image(4 * MIB, seed=5)
        self.backup(image)
        container = self.shared_container()
        names = json.loads(client("list", container))
        # rclone goes on listing what was removed a moment ago, such as probes.
        ours = {n: size for n, size in names.items()
                if n.startswith(self.prefix + "/") and "/doctor/" not in n}
        self.assertGreater(len(ours), 6)
        copy = self.dir / "copy"
        for name, size in ours.items():
            path = copy / name[len(self.prefix) + 1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client("get", container, name))
            self.assertEqual(path.stat().st_size, size)
        target = self.dir / "from-copy.img"
        self.sv("restore", SOURCE + "@latest", "--to", target, repo=copy)
        self.assertEqual(target.read_bytes(), image.read_bytes())

    def test_we_read_a_repository_that_the_vendors_client_uploaded(self):
        local = self.dir / "local"
        image = self.image(2 * MIB, seed=6)
        self.sv("init", repo=local)
        self.sv("backup", "volume", image, "--source", SOURCE, repo=local)
        container = self.shared_container()
        if not self.container_made:
            self.sv("init", "--create-bucket", repo=STORE.address(container, "makes-container"))
            type(self).container_made = True
        for path in self.files(local):
            client("put", container, f"{self.prefix}/{path.relative_to(local)}",
                   data=path.read_bytes())
        self.check_restores(image)
        self.assertTrue(self.sv("verify", "--data", "--json").data["clean"])

    container_made = False

    def test_odd_names_of_others_beside_ours_do_no_harm(self):
        self.init()
        image = self.image(MIB, seed=7)
        self.backup(image)
        container = self.shared_container()
        taken = 0
        for name in ODD:
            for folder in ("", "src/"):
                try:
                    client("put", container, f"{self.prefix}/{folder}{name}", data=noise(100, 1))
                    taken += 1
                except AssertionError as refused:  # some servers keep them in files
                    print(f"{STORE.name} takes no {name[:20]!r}: {str(refused)[-200:]}")
        self.assertGreaterEqual(taken, 8)
        self.check_restores(image)
        self.assertEqual(self.backup(image)["mode"], "scan")
        self.assertTrue(self.sv("verify", "--json").data["clean"])


