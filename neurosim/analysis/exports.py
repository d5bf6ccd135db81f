"""A run in the formats of other programs: NWB, and npz, CSV and Parquet.

Everything is written under a temporary name beside the target and takes the target's name when it is whole.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.analysis.blocks import blocks, escaped, frames
from neurosim.errors import InputError, UnknownNameError, require
from neurosim.runfile import Run

if TYPE_CHECKING:
    import pandas

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet calculate, or run, a cell that begins with it
ATTRIBUTES = "attributes"  # the table that every folder of tables has


@dataclass(frozen=True)
class Format:
    """How a run is written: by ``write(run, path)``, into a file, or into a ``folder`` of files with that ending.

    library : what it takes beside the package's own requirements, and the extra that installs it has the name ``extra``
    """

    write: Callable[[Run, Path], None]
    folder: bool = False
    library: str = ""
    extra: str = ""


def export(run: Run, to: str, out: Path | None = None, *, overwrite: bool = False) -> Path:
    """Write ``run`` in the format ``to`` (nwb, npz, csv, parquet) and return where: ``out``, or a name beside the run file.

    Raises
    ------
    UnknownNameError
        There is no such format.
    InputError
        Its library is missing; the target exists (without ``overwrite``), is the run file, or cannot be written.
    RunFileError
        The run file is damaged, or not to be trusted.
    """
    target = out or target_of(run.path, to)
    check_target(run.path, target, to, overwrite)
    with _replacing(target, overwrite) as fresh:
        FORMATS[to].write(run, fresh)
    return target


# ---------------------------------------------------------------------- the target


def target_of(path: Path, to: str, folder: Path | None = None) -> Path:
    """Return what the run file at ``path`` is written to in the format ``to``: in ``folder``, or else beside it.

    Raises UnknownNameError where there is no such format, InputError where its library is missing.
    """
    form = _format(to)
    return (folder or path.parent) / (f"{path.stem}-{to}" if form.folder else f"{path.stem}.{to}")


def _format(to: str) -> Format:
    if to not in FORMATS:
        raise UnknownNameError("export: format", to, FORMATS)
    form = FORMATS[to]
    there = not form.library or importlib.util.find_spec(form.library) is not None
    require(there, f"export: {to} needs {form.library}, which is not installed; pip install neurosim[{form.extra}]")
    return form


def check_target(source: Path, target: Path, to: str, overwrite: bool) -> None:
    """Raise InputError where ``target`` must not be written: what is there stays, with ``overwrite`` all but an earlier export."""
    folder = _format(to).folder
    named = folder or target.suffix == f".{to}"
    require(named, f"export {target}: expected a name that ends in .{to}; change -o")
    if not os.path.lexists(target):
        return
    require(not (target.exists() and target.samefile(source)), f"export {target}: is the run file itself; change -o")
    require(overwrite, _taken(target))
    kind = "a folder" if folder else "a file"
    require(target.is_dir() == folder, f"export {target}: exists, and is not {kind}: expected {kind}; change -o")
    require(not folder or _exported(target, to), f"export {target}: a folder of other files than an export's; change -o")


def _exported(folder: Path, to: str) -> bool:
    """Return whether a folder is an earlier export, or empty."""
    names = {path.name for path in folder.iterdir()}
    return not names or (f"{ATTRIBUTES}.{to}" in names and all(name.endswith(f".{to}") for name in names))


def _taken(target: Path) -> str:
    return f"export {target}: exists already; give --overwrite to replace it, or another -o"


@contextmanager
def _replacing(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a path to write to, which becomes ``target`` when that is done; whatever stops it leaves nothing behind."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-")
    except OSError as cause:
        raise InputError(f"export {target}: cannot be written ({cause}); name another place with -o") from cause
    with place as name:
        fresh = Path(name, target.name)
        yield fresh
        if overwrite and target.is_dir():
            _swap(fresh, target, Path(name, "before"))
        elif overwrite:
            fresh.replace(target)
        else:
            _take_name(fresh, target)


def _swap(fresh: Path, target: Path, before: Path) -> None:
    """Give a folder the name of another one, which is moved to ``before``."""
    target.rename(before)
    try:
        fresh.rename(target)
    except BaseException:
        before.rename(target)
        raise


def _take_name(fresh: Path, target: Path) -> None:
    """Give what was written its name, unless that is taken by now."""
    try:
        if not fresh.is_dir():
            os.link(fresh, target)  # unlike a renaming, this fails where the name is taken
            return
    except FileExistsError as cause:
        raise InputError(_taken(target)) from cause
    except OSError:  # a file system without links
        pass
    require(not os.path.lexists(target), _taken(target))
    fresh.rename(target)


# ---------------------------------------------------------------------- npz


def _npz(run: Run, path: Path) -> None:
    """Write one archive of arrays, none of them pickled, each named as in the run file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in run.recordings.items():
            _entry(archive, name, array.shape, array.dtype, (values for *_, values in blocks(run.path, array)))
            for clock in ("step", "time") if array.dims[0] == "time" else ("epoch", "step"):
                _whole(archive, f"{name}.{clock}", array[clock].values)
            for other in ("trial", "neuron", "synapse", "pre", "post") if array.dims[0] == "time" else ():
                if other in array.coords:
                    _whole(archive, f"{name}.{other}", array[other].values)
            if array.dims[0] != "time" and array.dims[-1] in array.coords:
                _whole(archive, f"{name}.neurons", array[array.dims[-1]].values)
        if run.responses is not None:
            _whole(archive, "responses", run.responses.values)
            for clock in ("epoch", "step"):
                _whole(archive, f"responses.{clock}", run.responses[clock].values)
        for name, values in _small(run):
            _whole(archive, name, values)


def _small(run: Run) -> Iterator[tuple[str, np.ndarray]]:
    """Yield all that is no recording, as (name, array)."""
    yield "model", np.array(run.model)
    for name, value in run.attributes.items():
        yield f"attributes/{name}", np.array(value if isinstance(value, int | float) else str(value))
    for name, numbers in run.probe.items():
        yield f"probe/{name}", numbers
    places = {"metrics": run.metrics, "tasks": run.tasks.drop(columns="name")}
    places |= {"alignment": run.alignment, "gauss_newton": run.gauss_newton}
    for place, frame in places.items():
        for key, group in frame.groupby(level=0):
            rows = group.droplevel(0).reset_index()
            yield from ((f"{place}/{key}/{column}", rows[column].to_numpy()) for column in rows)
    if len(run.step_effect):
        tried = run.step_effect.reset_index()
        yield from ((f"step_effect/{column}", tried[column].to_numpy()) for column in tried)
    for population, spikes in run.spikes.items():
        yield from ((f"spikes/{population}/{column}", spikes[column].to_numpy()) for column in spikes)


def _whole(archive: zipfile.ZipFile, name: str, values: np.ndarray) -> None:
    _entry(archive, name, values.shape, values.dtype, [values])


def _entry(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: Any, parts: Iterable[np.ndarray]) -> None:
    """Add one array, given in parts that follow each other in memory."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    inside = "/".join(part.replace("..", "%2E%2E") for part in name.split("/"))  # an archive's names lead nowhere else
    with archive.open(f"{inside}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_2_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).tobytes())


# ---------------------------------------------------------------------- folders of tables


def _tables(run: Run) -> Iterator[tuple[str, Iterator[pandas.DataFrame]]]:
    """Yield every table of an export as (name of its file, its rows in parts)."""
    import pandas as pd

    said = {**run.attributes, "model": run.model}
    yield ATTRIBUTES, iter([pd.DataFrame({"name": list(said), "value": [str(value) for value in said.values()]})])
    yield "metrics", iter([run.metrics.reset_index()])
    if len(run.tasks):
        yield "tasks", iter([run.tasks.reset_index()])
    yield "alignment", iter([run.alignment.reset_index()])
    yield from ((name, iter([rows.reset_index()])) for name in ("gauss_newton", "step_effect") if len(rows := getattr(run, name)))
    for name, array in run.recordings.items():
        yield escaped(name), frames(run.path, array)
    if run.responses is not None:
        yield "responses", frames(run.path, run.responses.chunk())
    for population, spikes in run.spikes.items():
        yield f"spikes-{escaped(population)}", iter([spikes])


def _csv(run: Run, folder: Path) -> None:
    folder.mkdir()
    for name, parts in _tables(run):
        with (folder / f"{name}.csv").open("x", encoding="utf-8", newline="") as file:
            for number, part in enumerate(parts):
                _as_text(part).to_csv(file, index=False, header=number == 0)


def _as_text(table: pandas.DataFrame) -> pandas.DataFrame:
    """Return a table whose texts no spreadsheet takes for formulas: an apostrophe stands before them.  Numbers stay as they are."""
    changed = {name: table[name].map(_cell) for name in table if table[name].dtype.kind not in "biufcM"}
    return table.assign(**changed).rename(columns=_cell)


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _parquet(run: Run, folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    folder.mkdir()
    for name, parts in _tables(run):
        first = pyarrow.Table.from_pandas(next(parts), preserve_index=False)
        with (folder / f"{name}.parquet").open("xb") as file, pyarrow.parquet.ParquetWriter(file, first.schema) as writer:
            writer.write_table(first)
            for part in parts:
                writer.write_table(pyarrow.Table.from_pandas(part, first.schema, preserve_index=False))


def _nwb(run: Run, path: Path) -> None:
    from neurosim.analysis import nwb  # loads pynwb

    nwb.write(run, path)


FORMATS = {
    "nwb": Format(_nwb, library="pynwb", extra="nwb"),
    "npz": Format(_npz),
    "csv": Format(_csv, folder=True),
    "parquet": Format(_parquet, folder=True, library="pyarrow", extra="parquet"),
}
