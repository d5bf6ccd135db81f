"""Names for dimensions, as HDF5's dimension scales: what netCDF4, xarray (h5netcdf) and MATLAB show of a run file.

Which dataset is a scale follows from the names of datasets alone, so that a copy of a file is given the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import h5py

from neurosim.runfile.guard import SCALED
from neurosim.runfile.tables import RECORDINGS, Table, found

INDEX = {  # what tells the rows of a table apart
    **dict.fromkeys(("metrics", "tasks"), "epoch"),
    **dict.fromkeys(("alignment", "gauss_newton", "step_effect"), "step"),
    RECORDINGS: "time",
}


def lay_out(file: h5py.File) -> None:
    """Make the scales of all tables and join them to dimensions, in a file that is being made."""
    for table in found(file):
        place = table.path.split("/")[0]
        if table.variable or place in INDEX:
            clock = "step" if table.variable and place != RECORDINGS else INDEX[place]
            _join_rows(table, table.columns[clock], "recording" if table.variable and place != RECORDINGS else clock)
            for name, values in table.columns.items():
                _join_others(file, table, name, values)


def _join_rows(table: Table, scale: h5py.Dataset, label: str) -> None:
    """Join the first dimension of all columns, which is called ``label``, to the one that tells rows apart."""
    scale.make_scale(scale.name.rpartition("/")[2])
    for column in table.columns.values():
        column.dims[0].label = label
        if column != scale:
            column.dims[0].attach_scale(scale)


def _join_others(file: h5py.File, table: Table, name: str, values: h5py.Dataset) -> None:
    """Join the other dimensions of a column to the datasets that have their names."""
    for axis, dim in enumerate(_dims(values)):
        if axis:
            values.dims[axis].label = dim
            last = [f"{table.variable}.neurons"] if axis == len(values.shape) - 1 else []
            for place in (f"{table.path}/{one}" for one in (*last, f"{table.variable}.{dim}", dim)):
                scale = file.get(place)
                if isinstance(scale, h5py.Dataset) and scale.shape == values.shape[axis : axis + 1]:
                    if not scale.is_scale:
                        scale.make_scale(place.rpartition("/")[2])
                    values.dims[axis].attach_scale(scale)
                    break


def _dims(values: h5py.Dataset) -> list[str]:
    """Return the names of a dataset's dimensions; none where it does not tell them."""
    said = str(values.attrs.get("dims", "")).split()
    return said if len(said) == len(values.shape) else []


def lost(old: h5py.File, new: h5py.File) -> Iterator[str]:
    """Yield the places of datasets that have a scale, or are one, in one file and not in its copy."""
    scaled: dict[str, set[str]] = {}
    old.visititems(lambda name, item: scaled.update({name: SCALED & set(item.attrs)}))
    for name, attributes in scaled.items():  # a checkpoint's arrays have none, and may have other names in the copy
        if attributes and (name not in new or attributes - set(new[name].attrs)):
            yield name
