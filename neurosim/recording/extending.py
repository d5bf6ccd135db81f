"""Giving a run that has a file other epochs than it was planned to have."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

from neurosim.errors import RunFileError, quoted, require
from neurosim.modelfile.reading import Contents
from neurosim.runfile import Run
from neurosim.runfile.continual import known as known_tasks
from neurosim.runfile.extension import Extension
from neurosim.training import Trainer
from neurosim.training.length import dependent

log = logging.getLogger(__name__)


def planned(contents: Contents) -> int:
    """Return the epochs of all stages of a model together."""
    return sum(stage["epochs"] for stage in contents["stages"])


def extension(known: Run, contents: Contents, epochs: int) -> Extension | None:
    """Return how a run is given ``epochs`` epochs in all; None where it goes on as it was planned.  Its ``model`` is not set yet.

    known : the run's file; contents : its model

    Raises RunFileError where so many are done, or the stages before the last have so many, or the data are tasks in sequence.
    """
    before, done, tasks = planned(contents), known.done, known_tasks(known.attributes)
    asked = f"run file {known.path}: epochs {quoted(epochs)}"
    told = f"{asked}: it learns {len(tasks)} tasks in sequence, {max(tasks, default=0)} epochs in all, which cannot be changed"
    require(not tasks, f"{told}: expected none; leave them out to resume, or run again", RunFileError)
    if epochs == before and known.status != "complete":
        return None
    least = f"{asked}: {done} are done: expected more; give {done + 1} or more, or leave them out"
    require(epochs > done, least, RunFileError)
    *earlier, _ = contents["stages"]
    first = sum(stage["epochs"] for stage in earlier)
    told = f"{asked}: the {len(earlier)} before the last of its stages have {first}: expected more; give {first + 1} or more"
    require(epochs > first, told, RunFileError)
    return Extension("", before, epochs, done, known.within_epoch, len(contents["stages"]))


def extended(contents: Contents, found: Extension) -> Contents:
    """Return the contents of a model whose last stage has as many epochs more, or fewer."""
    *earlier, last = contents["stages"]
    return contents | {"stages": [*earlier, last | {"epochs": last["epochs"] + found.after - found.before}]}


def told(path: str | os.PathLike[str], found: Extension, trainer: Trainer, model: str) -> Extension:
    """Return an extension with what depends on the epochs of ``trainer``, its last stage's, which the log is told as well.

    path : of the run file; model : the text of its model from now on
    """
    first = found.after - trainer.epochs
    begun = max(0, found.done - first + found.within)
    schedules, differs = dependent(trainer, found.before - first, trainer.epochs, begun)
    for line in schedules:
        log.warning("run file %s: %s", path, line)
    return replace(found, model=model, schedules=schedules, differs=differs)
