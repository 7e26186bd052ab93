"""Runs `upload` against `sink.py` and judges what both say."""
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
# RuntimeOptions::memory_max, and what a process may have besides.
MEMORY_MOST = (256 + 64) * MIB


def refuses_unsigned(port):
    """The sink's own test: it would see a body that nobody signed."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/sink/r/packs/x", b"x", method="PUT",
                                     headers={"x-amz-content-sha256": "0" * 64})
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        return error.code == 403
    return False


def main():
    gib = float(os.environ.get("SNAPVAULT_UPLOAD_GIB", "4"))
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "sink", "AWS_SECRET_ACCESS_KEY": "sink-secret",
           "AWS_REGION": "us-east-1"}
    with subprocess.Popen([sys.executable, "-B", HERE / "sink.py"], stdout=subprocess.PIPE,
                          text=True) as sink:
        try:
            port = sink.stdout.readline().strip()
            judges = refuses_unsigned(port)
            done = subprocess.run([pathlib.Path(sys.argv[1]) / "tests/upload",
                                   f"s3://sink/r?endpoint=127.0.0.1:{port}&ssl=false", str(gib)],
                                  stdout=subprocess.PIPE, text=True, check=True, env=env)
            said = json.loads(done.stdout)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/?count") as answer:
                count = json.load(answer)
        finally:
            sink.kill()
    print(f"upload: {said}\nsink:   {count}")
    first, *_, last = said["resident"]
    # Making the repository, and finding out that racing creates have one winner.
    before = count["bytes"] - said["bytes_up"]
    checks = {
        "the sink refuses what is not signed": judges,
        "everything arrived": count["bytes"] >= gib * 2**30,
        "every signature and every body was right": count["bad"] == 1,
        "what was counted was sent": 0 <= before < 1 * MIB,
        "memory is bounded": max(said["resident"]) <= MEMORY_MOST,
        "memory is flat": last <= first + 32 * MIB,
        "no request for each block": said["puts"] <= gib * 34 + 20,
    }
    for name, holds in checks.items():
        print(f"{'ok    ' if holds else 'FAILED'} {name}")
    failed = list(checks.values()).count(False)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
