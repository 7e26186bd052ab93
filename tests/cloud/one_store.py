"""Runs the tests of this folder on the store that SNAPVAULT_STORE names, and counts them."""
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../cli")]
sys.dont_write_bytecode = True

import support  # noqa: E402 (the path is set first)


class Timed(unittest.TextTestResult):
    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.stream.writeln(f"        {time.monotonic() - self.began:.1f} s")


support_started = time.monotonic()
import cloud_support  # noqa: E402

try:
    cloud_support.start()
except Exception as error:  # a server that cannot be started is a failure
    print(f"{cloud_support.STORE.name} cannot be started: {error}\n0 passed, 1 failed")
    sys.exit(1)
print(f"started in {time.monotonic() - support_started:.1f} s", flush=True)
loader = unittest.defaultTestLoader
names = sys.argv[1:]
suite = loader.loadTestsFromNames(names) if names else loader.discover(HERE)
result = unittest.TextTestRunner(verbosity=2, resultclass=Timed).run(suite)
cloud_support.stop()
failed = len(result.failures) + len(result.errors)
sys.stderr.flush()
print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed", flush=True)
sys.exit(failed != 0)
