"""Runs the tests of this folder, or those named on the command line, and counts them."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

loader = unittest.defaultTestLoader
names = sys.argv[1:]
suite = (loader.loadTestsFromNames(names) if names
         else loader.discover(os.path.dirname(os.path.abspath(__file__))))
result = unittest.TextTestRunner(verbosity=2).run(suite)
failed = len(result.failures) + len(result.errors)
sys.stderr.flush()
print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed", flush=True)
sys.exit(failed != 0)
