"""Data, classes and options that a user gives in Python, as files have them."""

from __future__ import annotations

import os
from typing import Any

from neurosim.catalogue import Imports
from neurosim.datasets import DataSet, from_arrays
from neurosim.errors import InputError, quoted, require
from neurosim.modelfile.description import state


def given_data(data: Any, imports: Imports) -> DataSet | str | None:
    """Return data as a data set, or as the name of what will be loaded.

    data : (x, y) or (x_train, y_train, x_test, y_test), a DataSet, a function that returns one, a name, or a path

    Raises InputError where it is none of these; DataError where arrays make no data set.
    """
    if data is None or isinstance(data, DataSet | str):
        return data
    if isinstance(data, os.PathLike):
        return os.path.join(os.curdir, data) if os.sep not in os.fspath(data) else os.fspath(data)
    if callable(data):
        return imports.state(data)
    pair = isinstance(data, tuple | list) and len(data) in (2, 4)
    expected = "expected (x, y), (x_train, y_train, x_test, y_test), a DataSet, a name or a path"
    require(pair, f"data {quoted(data)}: {expected}; change it")
    return from_arrays(*data)


def stated(what: str, value: Any, imports: Imports) -> Any:
    """Return what was given in Python as a model file has it; raise InputError, of ``what``, where no file can."""
    try:
        return state(value, imports)
    except TypeError as cause:
        raise InputError(f"{what} {quoted(value)}: {cause}; change it") from cause
