"""A table in a .csv file: a line of names, then one sample a line; numbers separated by commas, and the target in one column."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.datasets.bounded import LARGEST
from neurosim.errors import DataError, quoted, require

if TYPE_CHECKING:
    import pandas

TARGETS = ("label", "target")  # names of the target's column, in upper or lower case; otherwise it is the last
MOST_COLUMNS = 2**16
LONGEST_LINE = 2**22  # characters of the line of names
WIDEST = 32  # bytes of the file for each value that may be there


def read_table(path: Path, most: int = LARGEST) -> dict[str, NDArray[Any]]:
    """Return the table at ``path`` as x, (n, n_features), and y, (n,): texts, truth values or numbers.

    most : how many values it may have

    Raises
    ------
    DataError
        The file cannot be read, is damaged or too large, has no line of names, or holds anything but numbers beside the target.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            size = path.stat().st_size
            require(size <= WIDEST * most, f"{size:,} bytes: expected at most {WIDEST * most:,}; check what it is", DataError)
            names = _names(file)
            file.seek(0)
            frame = _parsed(file, names, most)
        at = _target(names)
        others = [k for k in range(len(names)) if k != at]
        features = [_feature(frame.iloc[:, k], names[k]) for k in others]
        return {"x": np.stack(features, axis=1), "y": _labels(frame.iloc[:, at], names[at])}
    except DataError as error:
        raise DataError(f"file {path}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # the parser, the decoder and the file system each have their own way to fail
        reason = quoted(str(error))[1:-1] or type(error).__name__
        raise DataError(f"file {path}: {reason}: expected a table of numbers, separated by commas; correct the file") from None


def _names(file: IO[str]) -> list[str]:
    """Return the names in the first line of ``file``; a line of numbers is no such line."""
    line = file.readline(LONGEST_LINE + 1)
    require(bool(line.strip()), "nothing in the first line: expected the names of the columns; write them there", DataError)
    require(len(line) <= LONGEST_LINE, f"a first line of over {LONGEST_LINE:,} characters: expected names; check it", DataError)
    names = next(csv.reader([line], strict=True))
    advice = "expected a column for each feature and one for the target, separated by commas; correct it"
    require(len(names) >= 2, f"first line {quoted(line.strip())}: {advice}", DataError)
    require(len(names) <= MOST_COLUMNS, f"{len(names):,} columns: expected at most {MOST_COLUMNS:,}; check what it is", DataError)
    nameless = [k for k, name in enumerate(names) if not name.strip()]
    require(
        not nameless,
        f"column {(nameless or [0])[0] + 1} has no name: expected one for each; name it, or leave row numbers out "
        "(pandas: index=False)",
        DataError,
    )
    numbers = [name for k, name in enumerate(names) if _is_number(name) and name.strip() != str(k)]  # pandas counts columns
    require(
        not numbers,
        f"first line with {quoted((numbers or [''])[0])}: expected the names of the columns, not a sample; write them above it",
        DataError,
    )
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _target(names: list[str]) -> int:
    """Return which column holds the target."""
    called = [k for k, name in enumerate(names) if name.strip().lower() in TARGETS]
    require(
        len(called) <= 1,
        f"columns {quoted([names[k] for k in called])}: expected one column called {' or '.join(TARGETS)}; rename the other",
        DataError,
    )
    return called[0] if called else len(names) - 1


def _parsed(file: IO[str], names: list[str], most: int) -> pandas.DataFrame:
    """Return the table below the line of names; its columns are numbered."""
    import pandas as pd

    lines = most // len(names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a line that is longer than the first one
        frame = pd.read_csv(
            file, header=None, skiprows=1, names=range(len(names)), index_col=False, nrows=lines + 1,
            keep_default_na=False, low_memory=False, skipinitialspace=True,
        )  # fmt: skip
    require(len(frame) > 0, "no line below the first: expected one for each sample; add some", DataError)
    found = f"over {lines:,} lines of {len(names):,} columns"
    require(len(frame) <= lines, f"{found}: expected at most {most:,} values; check what it is", DataError)
    return frame


def _feature(column: pandas.Series[Any], name: str) -> NDArray[np.float64]:
    """Return a column's numbers, or say which of its values is none."""
    if column.dtype.kind in "buif":
        return column.to_numpy(np.float64)
    at = int(np.flatnonzero(~_numeric(column))[0])
    raise DataError(
        f"column {quoted(name)} holds {quoted(column.iloc[at])} in sample {at}: expected numbers in all columns but the target's "
        "(called label or target, or the last); encode it as numbers, or leave the column or the sample out"
    )


def _labels(column: pandas.Series[Any], name: str) -> NDArray[Any]:
    """Return the target's column: numbers, truth values, or texts none of which is a number (a missing number is no class)."""
    if column.dtype.kind in "buif":
        return column.to_numpy()
    numeric = _numeric(column)
    if numeric.any():
        at = int(np.flatnonzero(~numeric)[0])
        raise DataError(
            f"column {quoted(name)} holds {quoted(column.iloc[at])} in sample {at} beside numbers: expected numbers only or texts "
            "only; leave the sample out, or write the classes as texts"
        )
    return column.to_numpy(object)


def _numeric(column: pandas.Series[Any]) -> NDArray[np.bool_]:
    """Return which values of a column that is not numeric as a whole can be read as numbers, (n,)."""
    import pandas as pd

    numbers: NDArray[np.bool_] = pd.to_numeric(column, errors="coerce").notna().to_numpy()
    return numbers if not numbers.all() else np.zeros(len(column), bool)  # too large for any type of number
