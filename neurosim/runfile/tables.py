"""Datasets that grow together: the columns of a table, one row for each recording.

In a group of ``metrics``, ``tasks``, ``alignment``, ``gauss_newton`` or ``spikes``, and in ``step_effect``, all datasets are one
table, with ``step`` among them.  Elsewhere a variable is a table of its own: ``rate`` with ``rate.step`` and ``rate.epoch``, or,
where it was recorded in time, ``v`` with ``v.step``, the tick, and ``v.time``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from neurosim.errors import RunFileError, quoted, require
from neurosim.runfile.guard import children, whole

CLOCK = ("step", "epoch")
WHOLE = ("metrics", "tasks", "alignment", "gauss_newton", "step_effect", "spikes")  # where a group is one table
RECORDINGS = "recordings"  # of a simulation, in time
PLACES = (*WHOLE, "populations", "projections", "pathways", "responses", RECORDINGS)
TIMED = "simulator"  # an attribute of files whose steps are ticks: a row's is the tick in which it was


@dataclass(frozen=True)
class Table:
    """Columns of one group.

    path : of the group; variable : "" or the name whose ``.step`` and ``.epoch`` go with it
    """

    path: str
    variable: str
    columns: dict[str, h5py.Dataset]

    @property
    def step(self) -> h5py.Dataset:
        return self.columns["step"]

    @property
    def rows(self) -> int:
        """The rows that are whole: an interruption may have left the last one in some columns only."""
        for name, column in self.columns.items():
            if not (isinstance(column, h5py.Dataset) and column.shape):
                raise RunFileError(f"{self._told(self._place(name))} has no rows: expected some; do not trust it")
        return min(len(column) for column in self.columns.values())

    def numbers(self, *needed: str) -> dict[str, np.ndarray]:
        """Return every column but a variable's values, (rows,); epochs and steps are whole numbers.

        Raises RunFileError where that is not so, or one that is ``needed`` is missing.
        """
        missing = [name for name in needed if name not in self.columns]
        require(not missing, f"{self._told(self.path)} lacks {', '.join(missing)}; do not trust it", RunFileError)
        rows = self.rows
        return {name: self._column(name, rows) for name in self.columns if name != "values" or not self.variable}

    def _column(self, name: str, rows: int) -> np.ndarray:
        column = self.columns[name]
        clock = name in CLOCK
        place = self._told(self._place(name))
        where = f"{place} holds {quoted(str(column.dtype))[1:-1]} of {len(column.shape)} dimensions"
        fits = len(column.shape) == 1 and (not clock or column.dtype.kind in "iu")
        require(fits, f"{where}: expected one, of {'whole ' if clock else ''}numbers; do not trust it", RunFileError)
        values = whole(column, rows)
        require(not clock or not (values < 0).any(), f"{place} goes below 0; do not trust it", RunFileError)
        return values

    def _place(self, name: str) -> str:
        """Return where a column lies: ``rate.step`` beside ``rate``."""
        variable = self.variable if name == "values" else f"{self.variable}.{name}" if self.variable else name
        return f"{self.path}/{variable}"

    def _told(self, place: str) -> str:
        """Return a place as an error names it, on one line."""
        return f"run file {next(iter(self.columns.values())).file.filename}: {quoted(place)[1:-1]}"


def found(file: h5py.File) -> Iterator[Table]:
    """Yield every table of a file; links that lead elsewhere are refused."""
    for place in PLACES:
        if place in file:
            yield from _within(file, place)


def _within(file: h5py.File, path: str) -> Iterator[Table]:
    items = children(file, path)
    datasets = {name: item for name, item in items.items() if isinstance(item, h5py.Dataset)}
    if "step" in datasets and path.split("/")[0] in WHOLE:
        yield Table(path, "", datasets)
    for name in datasets:
        keys = ("step", "time") if path.startswith(RECORDINGS) else ("step", "epoch")
        if all(f"{name}.{key}" in datasets for key in keys):
            clock = {key: datasets[f"{name}.{key}"] for key in keys}
            yield Table(path, name, {"values": datasets[name], **clock})
    for name, item in items.items():
        if isinstance(item, h5py.Group):
            yield from _within(file, f"{path}/{name}")


def check(file: h5py.File) -> None:
    """Raise RunFileError for a column that has no rows."""
    for table in found(file):
        table.rows  # noqa: B018


def rewind(file: h5py.File, moment: tuple[int, int] | None) -> None:
    """Drop every row from after ``moment`` (epoch, step), and every half row: a resumed run writes them again.  None: drop all.

    In a simulation's file, steps are ticks, and a row's step is the tick in which it was: one less than are done after it.
    """
    for table in found(file):
        kept = 0 if moment is None else _until(table, *moment) if TIMED not in file.attrs else _before(table, moment[1])
        for column in table.columns.values():
            column.resize(kept, axis=0)


def _until(table: Table, epoch: int, step: int) -> int:
    """Return how many rows were there; of an epoch's last step there are rows from before and from after its evaluation."""
    steps = table.step[: table.rows]
    epochs = table.columns["epoch"][: table.rows] if "epoch" in table.columns else np.full(len(steps), epoch)
    return int(np.count_nonzero((steps < step) | (steps == step) & (epochs <= epoch)))


def _before(table: Table, tick: int) -> int:
    """Return how many rows were there when so many ticks were done; ticks do not go back."""
    return int(np.count_nonzero(table.step[: table.rows] < tick))
