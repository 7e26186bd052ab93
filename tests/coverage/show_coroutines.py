"""show_coroutines.py FOLDER: lets gcov see the bodies of coroutines.

g++ 12 marks the function it makes of a coroutine's body as artificial, and gcov leaves artificial
functions out: the body would count as having no branch at all. This clears the mark in each .gcno
file below FOLDER; counters and checksums stay as they are.
"""

import pathlib
import struct
import sys

FUNCTION = 0x01000000  # the tag of a function's record, see gcc's gcov-io.h


def show(data):
    """The bytes of a .gcno file of gcc 12 with no function marked artificial."""
    if data[:6] != b"oncg*2":  # little endian, "B22*": gcc 12
        raise ValueError("not a .gcno file of gcc 12")
    data = bytearray(data)

    def number(at):
        return struct.unpack_from("<I", data, at)[0]

    def behind_string(at):
        return at + 4 + number(at)

    at = behind_string(16) + 4  # magic, version, stamp, checksum, folder, one flag
    while at + 8 <= len(data):
        tag, length = number(at), number(at + 4)
        if tag == FUNCTION:
            mark = behind_string(at + 8 + 12)
            data[mark:mark + 4] = bytes(4)
        at += 8 + length
    return bytes(data)


def main():
    for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.gcno")):
        before = path.read_bytes()
        after = show(before)
        if after != before:
            path.write_bytes(after)


if __name__ == "__main__":
    main()
