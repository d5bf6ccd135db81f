"""Checkpoints within a run file: every array of the state has a row for each of a few slots, written in turn.

A slot counts when its number in ``written`` is not 0, and the highest number is the last checkpoint.  When that one lies on the
disk, another slot's number is set to 0, its arrays are written, and when they lie there too its number is set.
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


def write(group: h5py.Group, epoch: int, step: int, state: Mapping[str, np.ndarray], settle: Callable[[], None]) -> None:
    """Write one checkpoint of the stage ``group``; ``settle`` returns when all that was written lies on the disk.

    What the layout has and ``state`` has not, as an optimiser's memory of what never changed, is zero.
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
    clock["written"][slot] = epoch + 1
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


def written(file: h5py.File) -> dict[int, tuple[int, int]]:
    """Return the checkpoints that count: epoch of the whole run -> (stage, slot), in order."""
    found: dict[int, tuple[int, int]] = {}
    for name in children(file, PLACE) if PLACE in file else ():
        for slot, number in enumerate(whole(direct(file, f"{PLACE}/{name}/written"))):
            if number > 0:
                told = f"run file {file.filename}: {quoted(f'{PLACE}/{name}')} is no stage: expected a number; do not trust it"
                require(name.isdecimal(), told, RunFileError)
                found[int(number) - 1] = int(name), slot
    return dict(sorted(found.items()))


def last_step(file: h5py.File) -> int:
    """Return the step of the last checkpoint, or -1 where there is none, or one from before training: all is recorded again."""
    found = written(file)
    if not any(found):
        return -1
    stage, slot = list(found.values())[-1]
    return int(readable(direct(file, f"{PLACE}/{stage}/step"))[slot])


def last(file: h5py.File, path: Path) -> dict[str, np.ndarray]:
    """Return the state of the last checkpoint, with ``position|stage``; empty where there is none."""
    found = written(file)
    return state(file, path, list(found)[-1]) if found else {}


def state(file: h5py.File, path: Path, epoch: int) -> dict[str, np.ndarray]:
    """Return the state after ``epoch`` epochs of the whole run, flat ``group|name`` -> array, with ``position|stage``.

    Raises RunFileError where there is no such checkpoint, or it is damaged.
    """
    found = written(file)
    known = ", ".join(map(str, found)) or "none"
    require(epoch in found, f"run file {path}: no checkpoint of epoch {epoch}: expected one of {known}; change it", RunFileError)
    stage, slot = found[epoch]
    group = direct(file, f"{PLACE}/{stage}")
    try:
        values = {key: readable(dataset, 1)[slot] for key, dataset in _datasets(group).items()}
    except OSError as cause:
        raise RunFileError(f"run file {path}: checkpoint damaged ({reason(cause)}); run the model again") from cause
    if int(group["written"][slot]) != epoch + 1:  # it was overwritten while it was read
        return state(file, path, list(written(file))[-1])
    for name in ("position|epoch", "position|steps"):
        most = epoch if name == "position|epoch" else np.iinfo(np.int64).max
        fits = name not in values or values[name].shape == () and values[name].dtype.kind == "i" and 0 <= values[name] <= most
        require(fits, f"run file {path}: checkpoint: {name} is {quoted(values.get(name))}; do not trust it", RunFileError)
    return values | {"position|stage": np.int64(stage)}


def first_schema(file: h5py.File) -> dict[str, np.ndarray]:
    """Return the one checkpoint that a file of the first schema version holds."""
    groups = children(file, "checkpoint")
    found = {unquote(name): children(file, f"checkpoint/{name}") for name in groups}
    return {f"{group}|{unquote(n)}": whole(array) for group, arrays in found.items() for n, array in arrays.items()}
