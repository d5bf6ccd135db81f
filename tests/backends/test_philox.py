"""The generator against the vectors its authors publish, and the compiled one against it."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.backends import NumpyBackend, llvm_loops, philox

# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, words
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_published_vectors(counter, key, words):
    found = philox.blocks(np.array(counter, np.uint32)[:, None], key)
    assert tuple(int(word) for word in found[:, 0]) == words


WORD = st.integers(0, 2**32 - 1)


@given(
    key=st.tuples(WORD, WORD), part=WORD, step=WORD, tick=st.integers(0, 2**31), by=st.integers(-5, 5), turn=st.integers(0, 5),
    count=st.integers(1, 300), parts=st.integers(1, 5),
)  # fmt: skip
def test_the_compiled_generator_is_the_same_function(key, part, step, tick, by, turn, count, parts):
    out, now, number = np.zeros(-(-count // 4) * 4, np.uint32), ctypes.c_uint32(), np.zeros((), np.int64)
    tick += 25
    function, calls = llvm_loops.random_calls(out[:count], (*key, part), now, number, (tick, by), parts)
    now.value, number[()] = step, turn  # what it reads may change after it is bound
    for words in reversed(calls):
        function(*words)
    np.testing.assert_array_equal(out[:count], philox.words(key, part, step, count, tick + by * turn))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_and_normal_numbers_have_their_moments(dtype):
    draws = NumpyBackend().draws(3, 5)
    uniform, normal = draws.uniform("a", (200, 1000), dtype), draws.normal("b", (200, 1000), dtype)
    assert uniform.dtype == normal.dtype == dtype
    assert 0 <= uniform.min() < 1e-4 and 1 - 1e-4 < uniform.max() < 1
    n = uniform.size
    assert abs(uniform.mean() - 0.5) < 5 / np.sqrt(12 * n)
    assert abs(uniform.var() - 1 / 12) < 5 / np.sqrt(180 * n)
    assert abs(normal.mean()) < 5 / np.sqrt(n)
    assert abs(normal.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((normal**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs(np.corrcoef(normal[:, :-1].ravel(), normal[:, 1:].ravel())[0, 1]) < 5 / np.sqrt(n)
    assert np.isfinite(normal).all()


def test_streams_parts_steps_and_seeds_differ():
    draws = NumpyBackend().draws(1, 2)
    first = draws.uniform("a", (50,), np.float64)
    others = [
        draws.uniform("b", (50,), np.float64),
        draws.uniform("a", (50,), np.float64, part=1),
        NumpyBackend().draws(1, 3).uniform("a", (50,), np.float64),
        NumpyBackend().draws(2, 2).uniform("a", (50,), np.float64),
    ]
    np.testing.assert_array_equal(first, NumpyBackend().draws(1, 2).uniform("a", (50,), np.float64))
    assert all(not np.isin(first, other).any() for other in others)
