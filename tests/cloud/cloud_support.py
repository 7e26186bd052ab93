"""What the tests of the stores share: the store under test, its addresses, the proxy that fails."""
import atexit
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

BUILD = pathlib.Path(os.environ["SNAPVAULT_BUILD"])
os.environ["SNAPVAULT"] = str(BUILD / "examples/snapvault")

import stores  # noqa: E402
import support  # noqa: E402 (it reads SNAPVAULT)

HERE = pathlib.Path(__file__).resolve().parent
STORE = {**stores.STORES, **stores.LONG}[os.environ["SNAPVAULT_STORE"]]
PORT = int(os.environ["SNAPVAULT_STORE_PORT"])
DIR = pathlib.Path(os.environ["SNAPVAULT_STORE_DIR"])
# Of the ports of a store the last ones belong to the proxy and to fakes.
PROXY_PORT, CONTROL_PORT, FAKE_PORT = PORT + 90, PORT + 91, PORT + 92
MIB = support.MIB
processes = []


def start():
    STORE.start(DIR, PORT)
    if STORE.options.get("oauth"):
        tls = DIR / "tls"
        start_fake("azure_oauth.py", FAKE_PORT, tls / "cert.pem", tls / "key.pem")
        wait_for_port(FAKE_PORT)


def start_fake(name, *arguments):
    """One of our own fakes (fakes/), until the tests end."""
    spawn([sys.executable, "-B", HERE / "fakes" / name, *map(str, arguments)])


def spawn(words):
    log = open(DIR / f"{pathlib.Path(words[2]).stem}.log", "ab")
    process = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log,
                               stdin=subprocess.DEVNULL)
    processes.append(process)
    return process


def stop():
    while processes:
        process = processes.pop()
        process.kill()
        process.wait()
    STORE.stop()


atexit.register(stop)


def wait_for_port(port, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Proxy:
    """The proxy that fails on purpose (fault_proxy.py), between the program and the store."""

    def __init__(self):
        spawn([sys.executable, "-B", HERE / "fault_proxy.py", PROXY_PORT, f"127.0.0.1:{PORT}",
               CONTROL_PORT])
        wait_for_port(CONTROL_PORT)
        wait_for_port(PROXY_PORT)
        self.control = socket.create_connection(("127.0.0.1", CONTROL_PORT)).makefile("rw")

    def say(self, **what):
        self.control.write(json.dumps(what) + "\n")
        self.control.flush()
        return json.loads(self.control.readline())

    def rules(self, *rules):
        return self.say(rules=list(rules))

    def counts(self):
        return self.say(counts=True)


_proxy = None


def proxy():
    global _proxy
    if _proxy is None:
        _proxy = Proxy()
    return _proxy


class Case(support.Case):
    """A prefix of its own in a container that all tests of a store share."""

    container = None

    @classmethod
    def shared_container(cls):
        if Case.container is None:
            Case.container = STORE.new_container()
        return Case.container

    def setUp(self):
        super().setUp()
        name = self.id().rsplit(".", 1)[1].lower()[:40].strip("_")
        self.prefix = f"{name}-{os.urandom(4).hex()}"
        self.env.update(STORE.environment())
        self.repo = STORE.address(self.shared_container(), self.prefix)
        if STORE.options.get("oauth"):
            self.env.update(oauth_environment())

    def via_proxy(self):
        """The same repository, by way of the proxy."""
        return STORE.address(self.shared_container(), self.prefix, via=PROXY_PORT)

    def init(self, *args, **more):
        return super().init("--create-bucket", *args, **more)

    def check_answer(self, answer, *reasons):
        """The program failed for one of these reasons, and says what to do about it."""
        self.assertNotIn(answer.status, (0, None), str(answer))
        self.assertIn(answer.reason, reasons, str(answer))


def oauth_environment():
    """A service principal, whose tokens our own fake of the login service makes."""
    return {"AZURE_TENANT_ID": "fake-tenant", "AZURE_CLIENT_ID": "fake-client",
            "AZURE_CLIENT_SECRET": "fake-client-secret-canary",
            "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{FAKE_PORT}"}
