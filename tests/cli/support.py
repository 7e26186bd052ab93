"""What the tests of the program share: running it, images with known content, loop devices."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.path.abspath(os.environ.get("SNAPVAULT", "build/release/examples/snapvault"))
SOURCE = "node7/disk"
KIB, MIB = 1024, 1024 * 1024


class Answer:
    """What one run of the program left: its exit status and what it printed."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.raw = args, status, out
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")

    @property
    def data(self):
        return json.loads(self.raw)

    @property
    def reason(self):
        """The reason code of the error, from either form of the message."""
        first = self.err.strip().splitlines()[-1] if self.err.strip() else ""
        if first.startswith("{"):
            return json.loads(first)["error"]["reason"]
        for line in self.err.splitlines():
            if line.startswith("snapvault: ") and line.endswith(")"):
                return line[line.rindex("(") + 1:-1]
        return ""

    def __str__(self):
        return f"{' '.join(self.args)}\nexit {self.status}\n{self.out[-2000:]}{self.err[-2000:]}"


class Case(unittest.TestCase):
    """A directory of its own, with a raw key; `self.repo` is not made yet."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="snapvault-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.repo = self.dir / "repo"
        self.key = self.dir / "key"
        self.key.write_bytes(random.Random(1).randbytes(32))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def command(self, *args, key=True, repo=None):
        """The words that run the program on this repository."""
        words = [PROGRAM, "--repo", str(repo or self.repo)]
        return words + (["--key-file", str(self.key)] if key else []) + [str(a) for a in args]

    def sv(self, *args, status=0, key=True, repo=None, env=None, **more):
        """Runs the program; `status` is what it must exit with, or None for anything."""
        words = self.command(*args, key=key, repo=repo)
        more.setdefault("stdin", None if "input" in more else subprocess.DEVNULL)
        if "input" in more:
            more.pop("stdin")
        done = subprocess.run(words, capture_output=True, timeout=120, cwd=self.dir,
                              env={**self.env, **(env or {})}, start_new_session=True, **more)
        answer = Answer(words, done.returncode, done.stdout, done.stderr)
        if status is not None:
            self.assertEqual(answer.status, status, str(answer))
        return answer

    def start(self, *args, **more):
        """Starts the program and returns its process, which the test ends or waits for."""
        process = subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, cwd=self.dir,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
                                   **more)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        return process

    def init(self, *args, **more):
        return self.sv("init", "--json", *args, **more).data

    def backup(self, path, *args, source=SOURCE, **more):
        return self.sv("backup", "volume", path, "--source", source, "--json", *args, **more).data

    def restore(self, snapshot=SOURCE + "@latest", *args, **more):
        """What a snapshot restores to, as bytes."""
        target = self.dir / "restored"
        target.unlink(missing_ok=True)
        self.sv("restore", snapshot, "--to", target, "--quiet", *args, **more)
        return target.read_bytes()

    def check_restores(self, path, snapshot=SOURCE + "@latest"):
        self.assertTrue(self.restore(snapshot) == pathlib.Path(path).read_bytes(),
                        f"{snapshot} does not restore to {path}")

    def image(self, size, pieces=None, name="disk.img", seed=1):
        """A sparse file; `pieces` are (offset, length) of noise, everything if left out."""
        path = self.dir / name
        noise = random.Random(seed)
        with open(path, "wb") as file:
            file.truncate(size)
            for offset, length in [(0, size)] if pieces is None else pieces:
                file.seek(offset)
                file.write(noise.randbytes(length))
        return path

    def write(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def files(self, under=None):
        return sorted(p for p in (under or self.repo).rglob("*") if p.is_file())


def noise(length, seed):
    return random.Random(seed).randbytes(length)


def system(*words):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60).stdout.decode().strip()


def _can_loop():
    if os.geteuid() != 0 or not shutil.which("losetup"):
        return False
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(MIB)
        try:
            system("losetup", "-d", system("losetup", "-f", "--show", file.name))
        except (subprocess.CalledProcessError, OSError):
            return False
    return True


needs_root = unittest.skipUnless(os.geteuid() == 0, "mounts need root")
needs_loop = unittest.skipUnless(_can_loop(), "there are no loop devices here")


@contextlib.contextmanager
def loop_device(path):
    device = system("losetup", "-f", "--show", path)
    try:
        yield device
    finally:
        system("losetup", "-d", device)


@contextlib.contextmanager
def mounted(*words):
    """`words` are mount's; the last one is where."""
    system("mount", *words)
    try:
        yield pathlib.Path(words[-1])
    finally:
        system("umount", words[-1])
