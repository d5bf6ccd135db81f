from __future__ import annotations

import io
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.datasets.plain_pickle import as_array, unpickled
from neurosim.errors import DataError

DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.floats(allow_nan=False) | st.binary(max_size=9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(DATA, st.sampled_from([2, 3, 4, 5]))
def test_plain_data_come_back(data: Any, protocol: int) -> None:
    assert unpickled(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i8", ">u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_whole_numbers_come_back(protocol: int, dtype: str, order: Any) -> None:
    values = np.array([[1, 2, 3], [4, 5, 200]], dtype, order=order)
    found = as_array(unpickled(pickle.dumps(values, protocol)))
    assert found is not None
    assert found.dtype.itemsize == values.dtype.itemsize
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    "content",
    [
        b"cposix\nsystem\n(U\x04trueo.",
        b"iposix\nsystem\n.",
        b"\x80\x02cbuiltins\neval\nU\x011\x85R.",
        b"\x80\x02cnumpy\ndtype\n}U\x0c__defaults__)sb.",  # would set an attribute of what stands for numpy.dtype
        b"\x80\x02Nb.",
        b"\x80\x04\x8f.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02Pname\n.",
        b"\x80\x05\x97.",
        pickle.dumps({("a",): 1}),
        pickle.dumps({1: 1}),
        pickle.dumps({"a"}),
        pickle.dumps(io.BytesIO),
        b"\x80\x02(lp0\n.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x80\x05\x96\x00\x00\x00\x00\x00\x01\x00\x00abc.",
        b"",
    ],
)
def test_whatever_else_a_pickle_can_ask_for_is_refused(content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        unpickled(content)
    assert "\n" not in str(caught.value)


def test_only_arrays_are_filled() -> None:
    with pytest.raises(DataError, match="fills what is no array, refused"):
        unpickled(b"\x80\x02cnumpy\ndtype\n}U\x0c__defaults__)sb.")


def test_nothing_that_a_pickle_asks_for_takes_memory() -> None:
    """A place in the memo far away, text encoded again and again, a million lists, tuples too deep to be hashed."""
    far = b"\x80\x02Nr\xff\xff\xff\x7f."
    again = b"\x80\x02]c_codecs\nencode\nq\x00X\x00\x00\x10\x00" + b"a" * 2**20 + b"q\x01X\x06\x00\x00\x00latin1q\x02000"
    again += b"(" + b"h\x00h\x01h\x02\x86R" * 1000 + b"e."
    tracemalloc.start()
    try:
        assert unpickled(far) is None
        with pytest.raises(DataError, match="encodes to 'latin1', refused: expected latin1, once"):
            unpickled(again)
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()
    with pytest.raises(DataError, match="over 1,000,000 instructions"):
        unpickled(b"\x80\x02(" + b"]" * 1_000_001 + b"t.")
    with pytest.raises(DataError, match="holds a tuple as a key"):
        unpickled(b"\x80\x02})" + b"\x85" * 200_000 + b"Ns.")  # to hash it would end the process


@pytest.mark.parametrize(
    "state",
    [
        (1, (2, 3), "dtype", False, b"123456"),
        (1, (2, 4), None, False, b"123456"),
        (1, (2, -3), None, False, b"123456"),
        (1, [6], None, False, b"123456"),
        (1, (6,), None, False, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_an_arrays_parts_have_to_fit(state: Any) -> None:
    """The state that a pickle gives an array is looked at here, and never NumPy's own to believe."""
    buffer = io.BytesIO()
    pickler = pickle._Pickler(buffer, 2)
    buffer.write(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(")
    for part in state:
        if part is None:
            buffer.write(b"cnumpy\ndtype\nU\x02u1\x85R")
        else:
            pickler.save(part)
    buffer.write(b"tb.")
    assert as_array(unpickled(buffer.getvalue())) is None


@pytest.mark.parametrize("value", [None, [1, 256], [1, -1], [1.0], [True], "abc", {"a": 1}, b"abc"])
def test_other_values_are_no_arrays(value: Any) -> None:
    assert as_array(value) is None
