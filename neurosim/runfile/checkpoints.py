"""Checkpoints within a run file: every array of the state has a row for each of a few slots, written in turn.

A slot counts when its number in ``written`` is not 0, and the highest number is the last checkpoint.  When that one lies on the
disk, another slot's number is set to 0, its arrays are written, and when they lie there too its number is set.  There is a slot
more than checkpoints are kept: what it holds until it is written again is no checkpoint any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import h5py
import numpy as np

from neurosim.errors import RunFileError, quoted, require
from neurosim.runfile.guard import children, direct, readable, whole
from neurosim.runfile.opening import reason
from neurosim.runfile.series import chunked

PLACE = "checkpoints"
CLOCK = ("written", "epoch", "step")
BETWEEN = ("position/phase", "position/position")  # above 0 where a checkpoint lies between two ends of epochs

State = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]  # flat group|name -> shape and dtype


@dataclass(frozen=True)
class Layout:
    """What checkpoints will hold.

    states : stage -> its state's shapes and dtypes; keep : how many of them stay, or None for all
    """

    states: Mapping[int, State]
    keep: int | None


def escaped(name: str) -> str:
    """Return ``name`` as one link of an HDF5 path, undone by ``urllib.parse.unquote``: no slash, NUL, or lone dot."""
    return "%2E" if name == "." else quote(name, safe=" :|,=()[]")


def lay_out(file: h5py.File, layout: Layout) -> None:
    """Make the datasets; a slot more than is kept, so that the last ones stay while the next is written."""
    slots = None if layout.keep is None else layout.keep + 1
    for stage, state in layout.states.items():
        group = file.create_group(f"{PLACE}/{stage}")
        for name in CLOCK:
            shapes: dict[str, Any] = {"shape": (0,), "maxshape": (slots,), "chunks": (slots or 64,)}
            group.create_dataset(name, dtype=np.int64, fletcher32=True, **shapes)
        for key, (shape, dtype) in state.items():
            options: dict[str, Any] = {"maxshape": (slots, *shape), "chunks": chunked(shape, dtype.itemsize), "fletcher32": True}
            group.create_dataset(place_of(key), (0, *shape), dtype, **options)


def place_of(key: str) -> str:
    group, _, name = key.partition("|")
    return f"{escaped(group)}/{escaped(name)}"


def write(
    group: h5py.Group,
    epoch: int,
    step: int,
    state: Mapping[str, np.ndarray],
    settle: Callable[[], None],
    number: int | None = None,
    passing: Callable[[int, int, bool], bool] = lambda epoch, step, within: False,
) -> None:
    """Write one checkpoint of the stage ``group``; ``settle`` returns when all that was written lies on the disk.

    What the layout has and ``state`` has not, as an optimiser's memory of what never changed, is zero.

    number : higher than that of any checkpoint before (None: the epoch's, counted from 1)
    passing : (epoch, step, whether it lies within an epoch) -> whether a checkpoint of then goes when this one is there
    """
    settle()  # the checkpoint before, whose number may still be on its way
    clock = {name: group[name] for name in CLOCK}  # open to the end: what fails to be written when one is closed is not told
    numbers = clock["written"][()]
    slots = clock["written"].maxshape[0]
    full = len(numbers) == slots
    slot = int(numbers.argmin()) if full or 0 in numbers else len(numbers)
    datasets = {key: dataset for key, dataset in _datasets(group).items() if key not in CLOCK}
    for dataset in (*datasets.values(), *clock.values()):
        if len(dataset) == slot:
            dataset.resize(slot + 1, axis=0)
    clock["written"][slot] = 0
    group.file.flush()
    unknown = set(state) - set(datasets)
    assert not unknown, unknown
    for key, dataset in datasets.items():
        dataset[slot] = state[key] if key in state else np.zeros(dataset.shape[1:], dataset.dtype)
    clock["epoch"][slot], clock["step"][slot] = epoch, step
    settle()
    clock["written"][slot] = epoch + 1 if number is None else number
    group.file.flush()
    clocks = [clock[name][()] for name in ("epoch", "step")]
    within = sum((group[name][()] != 0 for name in BETWEEN if name in group), np.zeros(len(clocks[0]), bool))
    gone = [k for k, other in enumerate(numbers) if other and k != slot and passing(*(column[k] for column in (*clocks, within)))]
    if gone:
        settle()
        for k in gone:
            clock["written"][k] = 0
        group.file.flush()


def _datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Return the arrays of a stage by their flat names."""
    found: dict[str, h5py.Dataset] = {}
    for name, own in children(group.file, group.name).items():
        if isinstance(own, h5py.Group):
            arrays = children(group.file, own.name)
            found |= {f"{unquote(name)}|{unquote(n)}": a for n, a in arrays.items() if isinstance(a, h5py.Dataset)}
    return found


# ---------------------------------------------------------------------- reading


@dataclass(frozen=True, order=True)
class Held:
    """A checkpoint that counts.

    number : the highest is the last one's; stage, slot : where it lies
    epoch, step : of the whole run, both of which were done; within : whether steps of the next epoch were among them
    """

    number: int
    stage: int
    slot: int
    epoch: int
    step: int
    within: bool

    @property
    def group(self) -> str:
        """The path of its stage."""
        return f"{PLACE}/{self.stage}"


def written(file: h5py.File) -> list[Held]:
    """Return the checkpoints that count, in order: as many of the newest as are kept."""
    found: list[Held] = []
    keep: int | None = None
    for name in children(file, PLACE) if PLACE in file else ():
        told = f"run file {file.filename}: {quoted(f'{PLACE}/{name}')} is no stage: expected a number; do not trust it"
        group = f"{PLACE}/{name}"
        numbers = whole(direct(file, f"{group}/written"))
        if numbers.any():
            require(name.isdecimal(), told, RunFileError)
            columns = [_column(file, f"{group}/{column}", len(numbers)) for column in ("epoch", "step", *BETWEEN)]
            for slot, (number, epoch, step, *between) in enumerate(zip(numbers, *columns, strict=True)):
                if number > 0:
                    found.append(Held(int(number), int(name), slot, int(epoch), int(step), any(between)))
        slots = file[f"{group}/written"].maxshape[0]
        keep = None if slots is None else max(1, slots - 1)
    return sorted(found)[-(keep or len(found)) :]


def _column(file: h5py.File, path: str, rows: int) -> np.ndarray:
    """Return one number for each slot; 0 where there is none: in a file of before, or for a slot that is being made."""
    found = np.zeros(rows, np.int64)
    if path in file:
        values = whole(direct(file, path))
        fits = values.ndim == 1 and values.dtype.kind == "i" and not (values < 0).any()
        told = f"run file {file.filename}: {quoted(path)}: expected whole numbers of 0 or more; do not trust it"
        require(fits, told, RunFileError)
        found[: len(values)] = values[:rows]
    return found


def last_moment(file: h5py.File) -> tuple[int, int] | None:
    """Return epoch and step of the last checkpoint; None where there is none but from before training: all is recorded again."""
    found = written(file)
    if not found or found[-1].epoch == found[-1].step == 0:
        return None
    return found[-1].epoch, found[-1].step


def last(file: h5py.File, path: Path) -> dict[str, np.ndarray]:
    """Return the state of the last checkpoint, with ``position|stage``; empty where there is none."""
    found = written(file)
    return state(file, path, found[-1]) if found else {}


def chosen(file: h5py.File, path: Path, epoch: int | None = None, step: int | None = None) -> Held:
    """Return the checkpoint after so many epochs, or so many steps, of the whole run (None of both: the last one).

    Raises RunFileError where there is none such.
    """
    found = written(file)
    require(bool(found), f"run file {path}: no checkpoint yet; let it run for an epoch", RunFileError)
    if epoch is None and step is None:
        return found[-1]
    unit, asked = ("epoch", epoch) if step is None else ("step", step)
    there = {one.step if unit == "step" else one.epoch: one for one in found if unit == "step" or not one.within}
    known = ", ".join(map(str, there)) or "none"
    told = f"run file {path}: no checkpoint of {unit} {quoted(asked)}: expected one of {known}; change it"
    require(asked in there, told, RunFileError)
    assert asked is not None
    return there[asked]


def state(file: h5py.File, path: Path, held: Held) -> dict[str, np.ndarray]:
    """Return the state that a checkpoint holds, flat ``group|name`` -> array, with ``position|stage``.

    Raises RunFileError where it is damaged.
    """
    group = direct(file, held.group)
    try:
        values = {key: readable(dataset, 1)[held.slot] for key, dataset in _datasets(group).items()}
    except OSError as cause:
        raise RunFileError(f"run file {path}: checkpoint damaged ({reason(cause)}); run the model again") from cause
    if int(group["written"][held.slot]) != held.number:  # it was overwritten while it was read
        return state(file, path, written(file)[-1])
    for name in (name for name in values if name.startswith("position|")):
        most = held.epoch if name == "position|epoch" else np.iinfo(np.int64).max
        fits = values[name].shape == () and values[name].dtype.kind == "i" and 0 <= values[name] <= most
        require(fits, f"run file {path}: checkpoint: {name} is {quoted(values.get(name))}; do not trust it", RunFileError)
    return values | {"position|stage": np.int64(held.stage)}


def renew(file: h5py.File, path: Path, layout: Layout, renamed: Callable[[int, Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Lay a file's checkpoints out anew where an earlier version of the package named or shaped its arrays otherwise.

    The last checkpoint stays, as ``renamed(stage, state)`` makes it.  Where even that is not what the layout asks for, nothing
    is done.
    """
    _add_positions(file, layout)
    found = written(file)
    if not found or all(f"{PLACE}/{stage}/{place_of(key)}" in file for stage, held in layout.states.items() for key in held):
        return
    newest = found[-1]
    values = state(file, path, newest)
    held = layout.states.get(newest.stage, {})
    arrays = {key: np.asarray(value) for key, value in renamed(newest.stage, values).items() if key in held}
    asked = {key: shape for key, (shape, _) in held.items() if key.startswith(("network|", "pathway|"))}
    if not asked or any(key not in arrays or arrays[key].shape != shape for key, shape in asked.items()):
        return
    del file[PLACE]
    lay_out(file, layout)
    write(file[newest.group], newest.epoch, newest.step, arrays, lambda: None, newest.number)


def _add_positions(file: h5py.File, layout: Layout) -> None:
    """Add to the checkpoints of an earlier version, all of them of ends of epochs, how far within an epoch they are."""
    for stage, held in layout.states.items():
        for place in map(f"{PLACE}/{stage}/{{}}".format, BETWEEN):
            clock = file.get(f"{PLACE}/{stage}/written")
            if place not in file and clock is not None and {place_of(key) for key in held}.issuperset(BETWEEN):
                zeros = np.zeros(clock.shape, np.int64)
                file.create_dataset(place, data=zeros, maxshape=clock.maxshape, chunks=chunked((), 8), fletcher32=True)


def first_schema(file: h5py.File) -> dict[str, np.ndarray]:
    """Return the one checkpoint that a file of the first schema version holds."""
    groups = children(file, "checkpoint")
    found = {unquote(name): children(file, f"checkpoint/{name}") for name in groups}
    return {f"{group}|{unquote(n)}": whole(array) for group, arrays in found.items() for n, array in arrays.items()}
