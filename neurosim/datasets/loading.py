"""``load``: from a data set's name, or the path of the user's own, to its samples in memory."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurosim.datasets.arrays import PARTS, TEST_SHARE, Arrays, assemble, build, check_parts, check_samples
from neurosim.datasets.dataset import DataSet, Split
from neurosim.datasets.diabetes import SCALE, read_diabetes
from neurosim.datasets.digits import read_digits
from neurosim.datasets.folder import find_files
from neurosim.datasets.normalisation import Normalise, normalised
from neurosim.datasets.openml import download
from neurosim.datasets.published import AS_PUBLISHED, checksums, compared, warn
from neurosim.datasets.registry import DIABETES, DIGITS, REGISTRY, Entry, find
from neurosim.datasets.scaling import unit_range
from neurosim.datasets.splitting import count_held_out
from neurosim.datasets.targets import as_targets, check_whole
from neurosim.datasets.user_files import UserFile, find_user_file, is_path
from neurosim.errors import DataError, quoted, require

BUNDLED = {DIGITS.name: read_digits, DIABETES.name: read_diabetes}  # with scikit-learn


def load(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation: float = 0,
    normalise: Normalise = None,
    limit: int | None = None,
    test: float | None = None,
    targets: str | None = None,
) -> DataSet:
    """Return the data set called ``name`` (see ``names()``), or the one in your own file if ``name`` is a path.

    Named images have pixels in [0, 1] and the shape (channels, height, width).  Digits and diabetes come with scikit-learn.  The
    others are read from ``data_dir``, or else from the folder in the environment variable NEUROSIM_DATA, or else downloaded from
    OpenML into scikit-learn's cache.

    A name with a slash in it, or with .npz or .csv at its end, is a path.  It may be an .npz file with x_train, y_train, x_test,
    y_test and optionally x_validation, y_validation, or with x and y; a .csv file with a line of names and then numbers, with the
    target in the column called label or target, or else in the last one; or a folder with folders train, test and optionally
    validation, each with x.npy and y.npy.  Values are not changed.  Samples that are not split are split as by ``from_arrays`` with
    seed 0.

    Parameters
    ----------
    data_dir : the folder with the data set's files, or with a subfolder that has the data set's name; a relative path is looked
        for in this folder, or else in the working directory
    validation : how many of the last training images, in file order, become the validation split (the papers take 10,000 of
        MNIST's 60,000), or their share, as a float below 1
    normalise : "standard" uses the papers' mean and standard deviation, or, if there are none, those of the training split, for
        each channel or feature; or (mean, std), each one number, or one for each channel or feature
    limit : keep at most this many training images, the first ones; applied last
    test, targets : of a file of samples not yet split, and of any user's file: as in ``from_arrays``

    Raises
    ------
    UnknownNameError
        No data set has that name.
    DataError
        Files are missing or damaged, the download failed, or an argument does not fit the data set.
    """
    name = os.fspath(name)
    if limit is not None:
        check_whole("limit", limit)
        require(limit >= 1, f"limit {limit}: expected at least 1 training image; raise it or drop it", DataError)
    if is_path(name):
        return _from_file(find_user_file(name, data_dir), validation, normalise, limit, test, targets)
    entry = _find(name)
    for option, value in (("test", test), ("targets", targets)):
        require(
            value is None,
            f"data set {entry.name}: {option} {quoted(value)}: its {option} are as published; leave it out",
            DataError,
        )
    try:
        return _loaded(entry, _folder(entry, data_dir), validation, normalise, limit)
    except MemoryError:
        raise DataError(
            f"data set {entry.name}: its {entry.train + entry.test:,} images do not fit into the memory: expected some "
            f"{2 * 4 * entry.values / 2**30:.1f} GiB that are free; give this process more"
        ) from None


def describe(
    name: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    test: float | None = None,
    targets: str | None = None,
) -> Entry:
    """Return what is known of the data set that ``load`` would return: of the user's own file, from its headers and targets.

    ``train`` counts the samples of the validation split too, unless the file has one, which is counted with ``test``.

    Raises UnknownNameError or DataError, as ``load`` does.
    """
    name = os.fspath(name)
    if not is_path(name):
        return _find(name)
    file = find_user_file(name, data_dir)
    with _reading(file):
        return _description(file, file.stamp(), test, targets)


@functools.lru_cache(maxsize=16)
def _description(file: UserFile, stamp: Any, test: float | None, targets: str | None) -> Entry:
    arrays = _arrays_of(file, only="y")
    check_parts(file.name, arrays, 0, test)
    shape = check_samples(file.name, arrays)
    given = [part for part in PARTS if f"x_{part}" in arrays]
    found = as_targets(file.name, {part: arrays[f"y_{part}"] for part in given}, targets)
    counts = {part: len(arrays[f"x_{part}"]) for part in given}
    total = counts["train"]
    counts.setdefault("test", count_held_out(file.name, "test", TEST_SHARE if test is None else test, total))
    return Entry(
        name=file.name,
        title=f"the user's own, {file.path.name}",
        shape=shape,
        classes=found.classes,
        target_shape=found.shape,
        train=total if "test" in given else total - counts["test"],
        test=counts["test"] + counts.get("validation", 0),
        source=str(file.path),
        licence="the user's own",
        citation="",
        normalisation="computed from the training split",
        bytes_a_value=file.bytes_a_value,
    )


def _find(name: str) -> Entry:
    """Return the entry called ``name``; where there is a file or folder of that name, say how to name it."""
    require(
        name in REGISTRY or not os.path.exists(name),  # unlike Path.exists, it takes names that no file can have
        f"data set {quoted(name)}: a file or folder, named as published data are: expected a path; write {quoted(f'./{name}')}",
        DataError,
    )
    return find(name)


def _from_file(
    file: UserFile, validation: float, normalise: Normalise, limit: int | None, test: float | None, targets: str | None
) -> DataSet:
    with _reading(file):
        arrays = _arrays_of(file)
        data = normalised(build(file.name, arrays, validation, test, targets=targets), normalise)
        content = f"the user's own, files of blake2b {file.digest()}"
    asked: dict[str, Any] = {"name": file.name, "normalise": normalise, "limit": limit, "targets": targets}
    if test is not None:
        asked["test"] = len(data.test) / (len(data.train) + len(data.validation) + len(data.test))
    if "x_validation" not in arrays:
        asked["validation"] = len(data.validation) / (len(data.validation) + len(data.train))
    return replace(data, train=_first(data.train, limit), content=content, folder=str(file.base), loaded=asked)


@contextmanager
def _reading(file: UserFile) -> Iterator[None]:
    """Say in one line where a user's file does not fit into the memory, or goes away or is locked while it is read."""
    try:
        yield
    except MemoryError:
        raise DataError(
            f"data set {quoted(file.name)}: it does not fit into the memory: expected more that is free; give this process more"
        ) from None
    except OSError as error:
        raise DataError(f"data set {quoted(file.name)}: {error}: expected files that can be read; check {file.path}") from None


def _arrays_of(file: UserFile, only: str = "") -> dict[str, Any]:
    """Return the arrays of a user's file as ``build`` takes them: samples that are not split yet are all training samples."""
    arrays = file.read(only)
    return {"x_train": arrays["x"], "y_train": arrays["y"]} if "x" in arrays else arrays


def _first(split: Split, limit: int | None) -> Split:
    return split if limit is None else Split(split.x[:limit], split.y[:limit])


def _loaded(entry: Entry, folder: Path | None, validation: float, normalise: Normalise, limit: int | None) -> DataSet:
    arrays, content = _read(entry, folder)
    scale = SCALE
    if not entry.target_shape:
        arrays, scale = unit_range(arrays, entry.name)
    data = assemble(entry.name, arrays, entry.shape, entry.classes, validation, entry.target_shape)
    data = normalised(data, normalise, entry)
    share = len(data.validation) / len(arrays.y_train)
    loaded = {"name": entry.name, "validation": share, "normalise": normalise, "limit": limit}
    place = str(folder.resolve()) if folder else ""
    data = replace(data, train=_first(data.train, limit), scale=scale, content=content, folder=place, loaded=loaded)
    warn(entry, content)  # last, so that an error is the only line that there is
    return data


def _folder(entry: Entry, data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder that a data set is read from, or None where it comes with, or through, scikit-learn."""
    folder = data_dir or os.environ.get("NEUROSIM_DATA")
    return Path(folder) if folder and entry.openml else None


def _read(entry: Entry, folder: Path | None) -> tuple[Arrays, str]:
    """Return a data set as it is stored, and how it compares with what was published."""
    if entry.openml is None:
        return BUNDLED[entry.name](), AS_PUBLISHED
    if folder is None:
        arrays, form, paths = download(entry), "", []
    else:
        found = find_files(entry, folder)
        arrays, form, paths = found.read(entry), found.form, found.paths
    return arrays, compared(entry, arrays, checksums(entry, form, paths, arrays))
