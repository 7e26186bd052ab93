"""Runs the tests of this folder on each store, three at a time, and adds up what they say."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

import stores

HERE = pathlib.Path(__file__).resolve().parent
LOGS = HERE.parents[1] / "build/logs"
# Two runs at once need ports of their own.
PORT_FIRST, PORTS_EACH = int(os.environ.get("SNAPVAULT_PORTS", "23000")), 100
# More than there are cores: most of the time one waits for an answer, or a fault to pass.
AT_ONCE = 3
# No store may take longer; the slowest takes a quarter of it. Each random run of the long form has
# a few seconds more.
SECONDS_MAX = 1500 + 5 * int(os.environ.get("SNAPVAULT_FAULT_RUNS", "0"))


def run_store(name, tests, index, root):
    """The tests of one store: (passed, failed, seconds)."""
    started = time.monotonic()
    log = LOGS / f"cloud-{name}.log"
    everything = {**stores.STORES, **stores.LONG}
    store = everything[name]
    env = {**os.environ, "SNAPVAULT_STORE": name, "SNAPVAULT_STORE_DIR": str(root / name),
           "SNAPVAULT_STORE_PORT": str(PORT_FIRST + PORTS_EACH * index)}
    with open(log, "wb") as out:
        try:
            subprocess.run([sys.executable, "-B", HERE / "one_store.py", *tests], stdout=out,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env,
                           timeout=SECONDS_MAX, check=False)
        except subprocess.TimeoutExpired:
            out.write(b"\nthe tests of this store took too long\n")
        store.directory = root / name
        store.stop()
    text = log.read_text(errors="replace")
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", text, re.M)
    passed, failed = map(int, counts[-1]) if counts else (0, 1)
    if failed or not counts:
        # Set in, or tests/run would count the summary of this store twice.
        print(f"== {name}: the end of {log}:\n" + textwrap.indent(text[-8000:], "  "))
    return passed, failed, time.monotonic() - started


def main():
    chosen = {}
    for word in sys.argv[1:] or stores.STORES:
        name, _, test = word.partition(":")
        if name not in stores.STORES and name not in stores.LONG:
            sys.exit(f"tests/cloud: no store is named {name}; they are: {' '.join(stores.STORES)}")
        chosen.setdefault(name, []).extend([test] if test else [])
    if os.environ.get("SNAPVAULT_TEST_LENGTH") == "long" and not sys.argv[1:]:
        chosen["garage"] = []
    LOGS.mkdir(parents=True, exist_ok=True)
    # Swift and versitygw want extended attributes, which some file systems in memory lack.
    root = pathlib.Path(tempfile.mkdtemp(prefix="snapvault-cloud-", dir="/var/tmp"))
    total_passed = total_failed = 0
    try:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            running = {name: pool.submit(run_store, name, tests, index, root)
                       for index, (name, tests) in enumerate(chosen.items())}
            for name, one in running.items():
                passed, failed, seconds = one.result()
                total_passed, total_failed = total_passed + passed, total_failed + failed
                print(f"{name:<16} {passed:4} passed, {failed} failed, {seconds:.0f} s", flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(f"{total_passed} passed, {total_failed} failed", flush=True)
    sys.exit(total_failed != 0)


main()
