"""A checkpoint that the disk refuses any part of is told of."""

import io
from contextlib import suppress

import h5py
import numpy as np
import pytest

from neurosim.runfile import Layout, checkpoints

LAYOUT = Layout({0: {"network|w": ((3,), np.dtype(np.float64))}}, keep=1)


class Disk(io.BytesIO):
    """Refuses one write, after ``left`` more."""

    left = -1

    def write(self, data):
        self.left -= 1
        if self.left == -1:
            raise OSError(5, "Input/output error")
        return super().write(data)


ALIVE: list[Disk] = []  # HDF5 goes on with a disk that refused to close, however many tests later


def checkpoint(file, epoch):
    checkpoints.write(file["checkpoints/0"], epoch, epoch, {"network|w": np.full(3, float(epoch))}, file.flush)


@pytest.mark.parametrize("left", range(5))
def test_every_write_that_fails_is_told(left):
    """h5py passes over what HDF5 says when it closes a dataset, which then writes what it still holds."""
    disk = Disk()
    ALIVE.append(disk)
    file = h5py.File(disk, "w")
    checkpoints.lay_out(file, LAYOUT)
    checkpoint(file, 0)
    checkpoint(file, 1)
    disk.left = left
    with pytest.raises((OSError, AttributeError)):  # the second where h5py stumbles over the first on its way up
        checkpoint(file, 2)
    with suppress(Exception):  # what HDF5 makes of the rest is no matter of this test
        file.close()
