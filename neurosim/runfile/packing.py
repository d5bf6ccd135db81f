"""Chunks packed as HDF5's own filters would pack them, and three to four times as fast (``python -m benchmarks.recording``).

HDF5 compresses with zlib: recording every hidden rate of a small network then slowed its run by a tenth (2026-11-24).  ISA-L writes
the same format, so chunks are packed here and handed to HDF5 as they lie on the disk.  Any HDF5 reads them: shuffle, deflate and
Fletcher's checksum are its standard filters.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import h5py
import numpy as np
from isal import isal_zlib

FILTERS = {"shuffle": True, "compression": "gzip", "compression_opts": 1, "fletcher32": True}
LEVEL = 1  # of ISA-L's 0 to 3


def packed(chunk: np.ndarray) -> bytes:
    """Return a chunk's bytes as FILTERS, in HDF5's order, make them: shuffled, deflated, with a checksum behind."""
    deflated: bytes = isal_zlib.compress(shuffled(chunk), LEVEL)
    return deflated + fletcher32(deflated).to_bytes(4, "little")


def shuffled(chunk: np.ndarray) -> np.ndarray:
    """Return the first bytes of all values, then the second ones, and so on: (itemsize, values)."""
    values = np.ascontiguousarray(chunk).reshape(-1, 1).view(np.uint8)
    found = np.empty(values.shape[::-1], np.uint8)
    for place in range(len(found)):  # one transposed copy would go through them value by value, which is slow
        found[place] = values[:, place]
    return found


def fletcher32(data: bytes) -> int:
    """Return Fletcher's checksum of 32 bits as HDF5 takes it: over big-endian words of 16 bits, an odd last byte the high one.

    The sums are ones' complement: a multiple of 65535 is 65535, and only nothing but zeros is 0.
    """
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    first, second = _folded(int(words.sum())), _folded(int(words @ _counts_down(len(words))))
    return second << 16 | first


@functools.lru_cache(maxsize=64)
def _counts_down(count: int) -> np.ndarray:
    """Return count, count - 1, ..., 1: how often a word is in the sum of sums."""
    return np.arange(count, 0, -1, dtype=np.uint64)


def _folded(total: int) -> int:
    return (total - 1) % 65535 + 1 if total else 0


class GrowingDataset:
    """A dataset that grows by rows; a chunk is written when it is full, or as far as it is filled when it is flushed.

    dataset : chunked; packed here where it is compressed, which it then is with FILTERS
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset = dataset
        self.rows = dataset.chunks[0]
        self.start = len(dataset) // self.rows * self.rows  # of the chunk that is being filled
        self.filling = np.zeros((self.rows, *dataset.shape[1:]), dataset.dtype)
        self.filled = self.written = len(dataset) - self.start
        self.filling[: self.filled] = dataset[self.start :]

    def extend(self, rows: np.ndarray) -> None:
        """Append rows, (n, *shape)."""
        taken = 0
        while taken < len(rows):
            part = rows[taken : taken + self.rows - self.filled]
            self.filling[self.filled : self.filled + len(part)] = part
            self.filled += len(part)
            taken += len(part)
            if self.filled == self.rows:
                self.flush()
                self.start, self.filled, self.written = self.start + self.rows, 0, 0
                self.filling[...] = 0

    def flush(self) -> None:
        """Hand to HDF5 what it has not got yet."""
        if self.filled == self.written:
            return
        self.dataset.resize(self.start + self.filled, axis=0)
        if self.dataset.compression:
            for corner, chunk in self._chunks():
                self.dataset.id.write_direct_chunk((self.start, *corner), packed(chunk))
        else:
            self.dataset[self.start + self.written :] = self.filling[self.written : self.filled]
        self.written = self.filled

    def _chunks(self) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield where each chunk of the rows begins, and its values; at the edges those beyond the dataset are 0."""
        shape, sizes = self.dataset.shape[1:], self.dataset.chunks[1:]
        for corner in itertools.product(*(range(0, n, size) for n, size in zip(shape, sizes, strict=True))):
            part = self.filling[(slice(None), *(slice(at, at + size) for at, size in zip(corner, sizes, strict=True)))]
            missing = [(0, whole - got) for whole, got in zip(self.dataset.chunks, part.shape, strict=True)]
            yield corner, np.pad(part, missing) if any(after for _, after in missing) else part
