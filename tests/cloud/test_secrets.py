"""DC-08: no secret in what the program prints, in its arguments, in a core file, or on the wire in
clear where TLS was asked for."""
import pathlib
import re
import resource
import signal
import socket
import threading
import time
import unittest

import cloud_support
from cloud_support import MIB, STORE
from support import SOURCE

# Names of variables whose value is a secret.
SECRET = re.compile(r"SECRET|KEY$|PASSWORD|ST_KEY|TOKEN")


class Secrets(cloud_support.Case):
    def secrets(self):
        found = {value for name, value in self.env.items()
                 if SECRET.search(name) and "ID" not in name and len(value) > 8}
        found.add(self.key.read_bytes().hex())
        credentials = self.env.get("GOOGLE_APPLICATION_CREDENTIALS")
        if credentials:
            text = pathlib.Path(credentials).read_text()
            found.add(text.split("-----\\n")[1].split("\\n")[3])  # a line of the private key
        return found

    def test_nothing_that_is_printed_holds_a_secret(self):
        self.init()
        image = self.image(MIB)
        said = []
        for args in (("backup", "volume", image, "--source", SOURCE, "--progress", "json"),
                     ("info",), ("list", "--json"), ("doctor", self.repo), ("info", "--json"),
                     ("restore", "none@latest", "--to", self.dir / "x")):
            answer = self.sv(*args, status=None)
            said.append(answer.out + answer.err)
        bad = {"AWS_ACCESS_KEY_ID": "AKIAcanarycanary"} if STORE.kind == "s3" else {}
        answer = self.sv("list", env=bad, status=None)
        said.append(answer.out + answer.err)
        for secret in self.secrets():
            for text in said:
                self.assertNotIn(secret, text)

    def test_no_secret_in_the_arguments_and_no_core_file(self):
        self.init()
        image = self.image(8 * MIB)
        process = self.start("--limit-upload", "1M", "backup", "volume", image, "--source",
                             SOURCE, "--quiet",
                             preexec_fn=lambda: resource.setrlimit(
                                 resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2))
        time.sleep(1.5)
        arguments = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
        for secret in self.secrets():
            self.assertNotIn(secret.encode(), arguments)
        process.send_signal(signal.SIGSEGV)
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGSEGV)
        cores = [path for path in self.dir.iterdir() if path.name.startswith("core")]
        self.assertEqual(cores, [])

    @unittest.skipIf(STORE.tls or STORE.kind == "swift", "a server without TLS")
    def test_nothing_is_sent_in_clear_where_tls_was_asked_for(self):
        """Whatever listens there gets the start of a TLS handshake, and no secret."""
        heard = []
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(20)
        port = listener.getsockname()[1]

        def listen():
            try:
                while True:
                    connection, _ = listener.accept()
                    heard.append(connection.recv(65536))
                    connection.close()
            except OSError:
                return
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        repo = self.repo.replace("&ssl=false", "").replace(str(STORE.port), str(port))
        if STORE.kind == "gs":  # a token service of plain HTTP is not even asked
            self.assertEqual(self.sv("list", repo=repo, status=None).reason, "tls")
            repo += "&credential=anonymous"
        answer = self.sv("list", repo=repo, status=None)
        listener.close()
        self.assertNotEqual(answer.status, 0)
        self.assertTrue(heard)
        for piece in heard:
            self.assertEqual(piece[:1], b"\x16", "no TLS handshake")
            for secret in self.secrets():
                self.assertNotIn(secret.encode(), piece)
