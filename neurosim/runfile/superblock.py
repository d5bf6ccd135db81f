"""The first bytes of a run file: where HDF5 marks it as being written, which a killed process leaves behind.

HDF5, and with it h5py, MATLAB and Julia, opens no file that is so marked.  Taking the mark away is what ``h5clear`` does; here it
is one write of 48 bytes, and nothing else of the file is read or believed.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SIZE = 48  # of a superblock of version 3 with addresses of 8 bytes
VERSION, FLAGS, END, CHECKSUM = 8, 11, slice(28, 36), slice(44, 48)  # where they lie in it
WRITING = 0b101  # the flags of a single writer whom many may read
WORD = 2**32 - 1


def marked(path: Path) -> bool:
    """Return whether the file says that it is being written."""
    with suppress(OSError), path.open("rb") as raw:
        block = raw.read(SIZE)
        return block[: len(SIGNATURE)] == SIGNATURE and block[FLAGS : FLAGS + 1] == bytes([WRITING])
    return False


def clear_mark(path: Path) -> bool:
    """Take away the mark that says "being written"; return whether the file had it.  Ask first whether a process writes it.

    The end of the file's contents is set to that of the file: what a killed process wrote last may lie behind the end it noted.
    A file that is not ours to write, or has another name under which it may be written, is left as it is.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                return False
            cleared = _cleared(os.read(descriptor, SIZE), state.st_size)
            if cleared:
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, cleared)
            return bool(cleared)
        finally:
            os.close(descriptor)
    return False


def _cleared(block: bytes, size: int) -> bytes:
    """Return the superblock without its mark; empty where it has none, or is not whole."""
    known = len(block) == SIZE and block[:FLAGS] == SIGNATURE + bytes([3, 8, 8]) and block[FLAGS] == WRITING
    if not known or lookup3(block[: CHECKSUM.start]) != int.from_bytes(block[CHECKSUM], "little"):
        return b""
    if int.from_bytes(block[END], "little") > size:
        return b""  # cut short: damaged, and HDF5 says so
    bare = block[:FLAGS] + b"\0" + block[FLAGS + 1 : END.start] + size.to_bytes(8, "little") + block[END.stop : CHECKSUM.start]
    return bare + lookup3(bare).to_bytes(4, "little")


def lookup3(data: bytes) -> int:
    """Return Bob Jenkins's hash ``lookup3`` of at least one byte, begun with 0: HDF5's checksum of its own structures."""
    a = b = c = (0xDEADBEEF + len(data)) & WORD
    padded = data + bytes(-len(data) % 12)
    words = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, len(padded), 4)]
    while words:
        a, b, c = ((value + word) & WORD for value, word in zip((a, b, c), words, strict=False))
        del words[:3]
        if words:
            for turn in (4, 6, 8, 16, 19, 4):
                a = (a - c & WORD) ^ _turned(c, turn)
                a, b, c = b, c + b & WORD, a
    for turn in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _turned(b, turn) & WORD
        a, b, c = b, c, a
    return b


def _turned(word: int, turn: int) -> int:
    """Return 32 bits rotated to the left."""
    return (word << turn | word >> 32 - turn) & WORD
