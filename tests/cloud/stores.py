"""The stores of these tests: how each real server is started, and the address by which the program
reaches it. The scripts in tests/servers do the starting and tell what each server does not check.
"""
import os
import pathlib
import subprocess
import uuid

SERVERS = pathlib.Path(__file__).resolve().parents[1] / "servers"


class Store:
    """One kind of server. `kind` is the scheme; `weak` that racing creates may all win."""

    def __init__(self, name, script, kind, weak=False, start=None, **options):
        self.name, self.script, self.kind, self.weak = name, SERVERS / script, kind, weak
        self.start_env = start or {}
        self.options = options
        self.said = {}
        self.tls = self.start_env.get("TLS") == "1"

    def start(self, directory, port):
        """Starts the server, or finds it started; what it says of itself is kept."""
        self.directory, self.port = pathlib.Path(directory), port
        done = subprocess.run([self.script, "start", directory, str(port)], check=True,
                              stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **self.start_env})
        self.said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def stop(self):
        subprocess.run([self.script, "stop", self.directory], check=False,
                       env={**os.environ, **self.start_env})

    # What the program needs in its environment, and its address. `via` is the port of a proxy.

    def environment(self):
        said = self.said
        if self.kind == "s3":
            return {name: said[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                                  "AWS_REGION")}
        if self.kind == "azure":
            if self.options.get("oauth"):
                return {}
            return {"AZURE_STORAGE_KEY": said["AZURE_STORAGE_KEY"]}
        if self.kind == "gs":
            return {name: said[name] for name in ("GOOGLE_APPLICATION_CREDENTIALS",
                                                  "GOOGLE_CLOUD_PROJECT")}
        return {name: value for name, value in said.items() if name.startswith(("ST_", "OS_"))}

    def address(self, container, prefix="", via=None):
        host = f"127.0.0.1:{via or self.port}"
        options = [] if self.kind == "swift" else [f"endpoint={host}"]
        if self.kind == "azure":
            options += [f"account={self.said['AZURE_STORAGE_ACCOUNT']}", "path_style=true"]
        if self.tls:
            options.append(f"ca={self.said['CA_FILE']}")
        else:
            options.append("ssl=false")
        if self.kind == "swift" and via:
            options.append(f"endpoint={host}")
        scheme = f"{self.kind}://{container}"
        return f"{scheme}{'/' + prefix if prefix else ''}?{'&'.join(options)}"

    def new_container(self):
        return f"test-{uuid.uuid4().hex[:12]}"


# Those that take longest come first, so that all end at about the same time.
STORES = {store.name: store for store in [
    Store("swift", "swift.sh", "swift", weak=True),
    Store("fake-gcs", "fake-gcs.sh", "gs", start={"TOKEN_TTL": "8"}),
    Store("swift-keystone", "swift.sh", "swift", weak=True, start={"AUTH": "keystone"}),
    Store("azurite", "azurite.sh", "azure"),
    Store("ceph", "ceph.sh", "s3", start={"CEPH_STORE": "memstore"}),
    Store("versitygw", "versitygw.sh", "s3"),
    Store("rclone", "rclone-s3.sh", "s3", weak=True),
    Store("minio", "minio.sh", "s3"),
    Store("azurite-tls", "azurite.sh", "azure", start={"TLS": "1"}),
    Store("azurite-oauth", "azurite.sh", "azure", start={"TLS": "1", "OAUTH": "1"}, oauth=True),
    Store("minio-tls", "minio.sh", "s3", start={"TLS": "1"}),
]}
# Takes 20 minutes to build: behind the long form (tests/TESTING.md).
LONG = {"garage": Store("garage", "garage.sh", "s3", weak=True)}
