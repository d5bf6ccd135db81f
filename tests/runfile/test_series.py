"""Chunks: no larger than was meant, cut along neurons first, whole when they are flushed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.runfile.series import CHUNK, Series, chunked

FLOAT = np.dtype(np.float32)


@pytest.mark.parametrize(
    ("shape", "rows", "chunks"),
    [
        ((), 1, (64,)),
        ((100, 512), 1, (1, 100, 128)),
        ((1000, 512), 1, (1, 1000, 16)),
        ((1000, 512), 50, (1, 1000, 16)),
        ((10, 20), 50, (50, 10, 20)),
        ((10, 20), 5000, (81, 10, 20)),
        ((784, 1024), 1, (1, 784, 20)),
        ((200_000, 3), 1, (1, 15_385, 1)),
    ],
)
def test_chunks_by_hand(shape, rows, chunks):
    assert Series("a", shape, FLOAT, rows=rows).chunks == chunks


@given(st.lists(st.integers(1, 3000), max_size=3), st.integers(1, 5000))
def test_a_chunk_is_bounded_and_fits(shape, rows):
    chunks = Series("a", tuple(shape), FLOAT, rows=rows).chunks
    assert len(chunks) == 1 + len(shape) and all(1 <= c <= n for c, n in zip(chunks[1:], shape, strict=True))
    assert math.prod(chunks) * 4 <= max(CHUNK, 4) or not shape
    assert not shape or chunks[0] <= rows


@given(st.lists(st.integers(1, 3000), max_size=3))
def test_a_checkpoints_chunk_is_bounded(shape):
    chunks = chunked(tuple(shape), 4)
    assert chunks[0] == 1 and math.prod(chunks[:2]) * 4 <= max(2**20, 8 * math.prod(shape[1:]))
    assert all(1 <= c <= n for c, n in zip(chunks[1:], shape, strict=True))
