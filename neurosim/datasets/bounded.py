"""Reading files that may be larger than they look: gzip is undone as a stream, and nothing is read past a bound.

8 MB of gzip can hold 8 GB.  A reader asks for what the file's header declares, after it has seen that a data set may have that
much; it never asks for "everything".
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from neurosim.errors import DataError

LARGEST = 2**28  # values in one array, where no data set says less; the largest of the registry has 184 million
GZIP = b"\x1f\x8b"
PIECE = 2**20  # bytes read and unpacked at once
LAYERS = 2  # a file that was gzipped twice is read; more is no accident
SLACK = 2**16  # bytes that a file may have beside its values: headers, checksums


class _Bounded(io.RawIOBase):
    """A stream that ends in a DataError after ``most`` bytes: its content is compressed, and may be a flood of nothing."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream, self.left = stream, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self.stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.left -= len(chunk)
        if self.left < 0:
            raise DataError("more compressed bytes than a data set of this name has: expected a smaller file; check what it is")
        return len(chunk)


@contextmanager
def opened(path: Path, most: int) -> Iterator[BinaryIO]:
    """Yield a stream of the file's content, with gzip undone wherever the content says so, whatever the name says.

    most : how many bytes of content the reader may ask for; compressed content may not be longer than that either

    Raises
    ------
    DataError
        The file cannot be read, its gzip is damaged or cut short, or compressed content is too long; also while reading.
    """
    zipped = path.suffix == ".gz"
    try:
        with path.open("rb") as file:
            stream = cast(BinaryIO, file)
            for _ in range(LAYERS):
                if cast(io.BufferedReader, stream).peek(2)[:2] != GZIP:
                    break
                zipped = True
                layer = gzip.GzipFile(fileobj=io.BufferedReader(_Bounded(stream, most + SLACK), PIECE))
                stream = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, layer), PIECE))
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        kind = "a complete gzip file" if zipped else "a readable file"
        raise DataError(f"file {path}: {error}: expected {kind}; fetch it again") from None
