"""Chunks packed here are what HDF5's own filters read, and what they would have written."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.runfile.packing import FILTERS, GrowingDataset, fletcher32, packed


def dataset(file, shape, chunks, dtype):
    return file.create_dataset("values", (0, *shape), dtype, maxshape=(None, *shape), chunks=chunks, **FILTERS)


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=3),
    st.integers(1, 5),
    st.sampled_from(["f4", "f8", "i8", "u1", "bool"]),
    st.lists(st.integers(0, 6), max_size=5),
    st.randoms(use_true_random=False),
)
def test_hdf5_reads_what_was_packed(shape, rows, dtype, portions, random):
    """Any shape, cut into any chunks, in any portions with a flush after each."""
    chunks = (rows, *(random.randint(1, n) for n in shape))
    draw = np.random.default_rng(random.randrange(2**32))
    with h5py.File("packed.h5", "w", driver="core", backing_store=False) as file:
        values = dataset(file, tuple(shape), chunks, dtype)
        growing, expected = GrowingDataset(values), np.zeros((0, *shape), dtype)
        for count in portions:
            more = (100 * draw.normal(size=(count, *shape))).astype(dtype)
            growing.extend(more)
            growing.flush()
            expected = np.concatenate([expected, more])
            np.testing.assert_array_equal(values[()], expected)
            if random.random() < 0.3:
                growing = GrowingDataset(values)  # as a resumed run finds it


@given(st.binary(min_size=1, max_size=2000))
def test_the_checksum_is_hdf5s(data):
    """HDF5 writes it behind a chunk whose only filter it is."""
    with h5py.File("checked.h5", "w", driver="core", backing_store=False) as file:
        values = file.create_dataset("values", data=np.frombuffer(data, np.uint8), chunks=(len(data),), fletcher32=True)
        file.flush()
        _, stored = values.id.read_direct_chunk((0,))
    assert int.from_bytes(stored[-4:], "little") == fletcher32(data)


@pytest.mark.parametrize("data", [b"\0" * 10, b"\xff" * 10, b"\xff\xff", b"\x80\0\x7f\xff", b"\xff"])
def test_the_checksum_of_ones_and_zeros(data):
    test_the_checksum_is_hdf5s.hypothesis.inner_test(data)


def test_a_flipped_bit_is_found():
    with h5py.File("flipped.h5", "w", driver="core", backing_store=False) as file:
        values = dataset(file, (10,), (1, 10), "f4")
        values.resize(1, axis=0)
        good = packed(np.arange(10, dtype="f4")[None])
        values.id.write_direct_chunk((0, 0), good)
        np.testing.assert_array_equal(values[0], np.arange(10))
        for at in range(len(good)):
            broken = bytearray(good)
            broken[at] ^= 4
            values.id.write_direct_chunk((0, 0), bytes(broken))
            file["values"].refresh()
            with pytest.raises(OSError):
                values[0]


def test_nothing_is_visible_before_it_is_flushed_but_full_chunks():
    with h5py.File("seen.h5", "w", driver="core", backing_store=False) as file:
        values = dataset(file, (3,), (4, 3), "f4")
        growing = GrowingDataset(values)
        growing.extend(np.ones((6, 3)))
        assert len(values) == 4
        growing.flush()
        assert len(values) == 6
