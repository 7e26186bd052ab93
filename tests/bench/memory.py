"""Keeps a virtual machine's memory its own while something is measured.

A host may take free pages back and give them again at first touch, which costs up to seven times
the write itself. Pages of the page cache are not free: so all memory is filled with the empty
pages of a sparse file, which the kernel gives up at once to whoever needs some.
"""
import os
import tempfile

PIECE = 8 << 20


class Ballast:
    def __init__(self):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self.file = tempfile.TemporaryFile(dir="/var/tmp")  # on a disk: tmpfs has no cache
        self.file.truncate(pages)

    def fill(self):
        """Takes all memory that is free now."""
        buffer, at = bytearray(PIECE), 0
        while free() > 1 << 30 and os.preadv(self.file.fileno(), [buffer], at):
            at += PIECE


def free():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemFree"))
