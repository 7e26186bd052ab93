#!/usr/bin/env python3
"""The programs snapvault is measured against: how each is built and driven.

  peers.py install      builds restic, kopia and rustic (25 minutes on 2 cores, once); borg comes
                        from the distribution

Each runs in its best documented setting. They live in $SNAPVAULT_TOOLS/peers, by default
~/.cache/snapvault-tools/peers.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

TOOLS = pathlib.Path(os.environ.get("SNAPVAULT_TOOLS",
                                    pathlib.Path.home() / ".cache/snapvault-tools"))
BIN = TOOLS / "peers" / "bin"
GO = {"restic": ("github.com/restic/restic", "v0.18.1", "./cmd/restic"),
      "kopia": ("github.com/kopia/kopia", "v0.22.3", ".")}
RUSTIC = "0.11.4"
PASSWORD = "bench"


def shell(command, **options):
    return subprocess.run(["bash", "-c", command], check=True, **options)


def install():
    BIN.mkdir(parents=True, exist_ok=True)
    for name, (module, version, package) in GO.items():
        if (BIN / name).exists():
            continue
        found = subprocess.check_output(["go", "mod", "download", "-json", f"{module}@{version}"])
        source = TOOLS / "peers" / f"source-{name}"
        shutil.rmtree(source, ignore_errors=True)
        shell(f"cp -r {json.loads(found)['Dir']} {source} && chmod -R u+w {source} && "
              f"cd {source} && go build -trimpath -ldflags='-s -w' -o {BIN}/{name} {package}")
        shutil.rmtree(source)
    if not (BIN / "rustic").exists():
        shell(f"cargo install --locked --root {TOOLS}/peers rustic-rs --version {RUSTIC}")
    if not shutil.which("borg"):
        shell("apt-get update -qq && apt-get install -y -qq borgbackup")


def installed():
    """The names of the peers that can run here."""
    return [name for name in ("restic", "kopia", "rustic", "borg")
            if (BIN / name).exists() or (name == "borg" and shutil.which("borg"))]


def environment(home):
    names = ("RESTIC_PASSWORD", "BORG_PASSPHRASE", "KOPIA_PASSWORD", "RUSTIC_PASSWORD")
    return dict(os.environ, HOME=str(home), KOPIA_CHECK_FOR_UPDATES="false",
                **{name: PASSWORD for name in names})


def commands(name, repo, volume, out):
    """Shell commands of one peer: to create a repository, to back `volume` up, to restore it."""
    source, file = volume.parent, volume.name
    tool, config = BIN / name, f"--config-file {repo}.config"
    if name == "restic":
        return (f"{tool} -q init -r {repo}", f"cd {source} && {tool} -q backup -r {repo} {file}",
                f"{tool} -q restore -r {repo} --sparse latest --target {out}")
    if name == "kopia":
        last = "import json,sys; print(json.load(sys.stdin)[-1]['id'])"
        newest = f"$({tool} {config} snapshot list --json {source} | python3 -c \"{last}\")"
        return (f"{tool} {config} repository create filesystem --path {repo} && "
                f"{tool} {config} policy set --global --compression zstd",
                f"{tool} {config} snapshot create {source}",
                f"{tool} {config} restore {newest} {out} --write-sparse-files")
    if name == "rustic":
        return (f"{tool} -r {repo} init",
                f"cd {source} && {tool} -r {repo} --no-progress backup {file}",
                f"{tool} -r {repo} --no-progress restore latest {out}")
    newest = f"$(borg list --last 1 --short {repo})"
    return (f"borg init -e repokey-blake2 {repo}",
            f"cd {source} && borg create --compression zstd,3 {repo}::$(date +%s%N) {file}",
            f"cd {out} && borg extract --sparse {repo}::{newest}")


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        sys.exit(__doc__)
    install()
    print(", ".join(installed()))
