"""Random numbers that every backend draws alike: Philox4x32-10, a function of a counter and a key.

A draw of 4 n words takes n blocks: word k n + i is word k of the block with counter (i, part, step, tick), so that neighbours are
written together; the key is a digest of seed and stream name.  Any draw can be had again from (seed, stream, step, tick) alone:
nothing has to be stored for a run to resume, streams never meet, and adding a population does not shift the numbers of the others.

Source: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"; tested against its published vectors.
"""

from __future__ import annotations

import hashlib

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)


def key_of(seed: int, stream: str) -> tuple[int, int]:
    """Return the two key words of a named stream."""
    words = np.frombuffer(hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest(), "<u4")
    return int(words[0]), int(words[1])


def blocks(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Return the four random words of each counter, both (4, n) uint32: the cipher as the paper has it."""
    c = counter.astype(np.uint64)
    k = [np.uint64(word) for word in key]
    for _ in range(ROUNDS):
        product = [np.uint64(MULTIPLIERS[0]) * c[0], np.uint64(MULTIPLIERS[1]) * c[2]]
        high, low = [p >> np.uint64(32) for p in product], [p & LOW for p in product]
        c = np.stack([high[1] ^ c[1] ^ k[0], low[1], high[0] ^ c[3] ^ k[1], low[0]])
        k = [(word + np.uint64(weyl)) & LOW for word, weyl in zip(k, WEYL, strict=True)]
    return c.astype(np.uint32)


def words(key: tuple[int, int], part: int, step: int, count: int, tick: int = 0) -> np.ndarray:
    """Return the ``count`` words of one draw, uint32."""
    n = -(-count // 4)
    counter = np.zeros((4, n), np.uint32)
    counter[0], counter[1], counter[2], counter[3] = np.arange(n), part, step, tick
    return blocks(counter, key).reshape(-1)[:count]


def unit(words: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return words as numbers in [0, 1): their upper 24 bits for float32, all 32 for float64."""
    if dtype == np.float32:
        return (words >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
    return words.astype(np.float64) * 2**-32
