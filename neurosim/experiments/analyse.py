"""``neurosim.analyse``: what the populations of trained networks represent, as one tidy table."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.analysis.grouping import grouped, seed
from neurosim.analysis.representations import of_pair, of_population
from neurosim.analysis.responses import Responses
from neurosim.catalogue import Imports, Named
from neurosim.datasets import DataSet
from neurosim.errors import quoted, require, utf8
from neurosim.experiments.given import given_data
from neurosim.experiments.opened import OpenRun
from neurosim.experiments.responses import data_finder, responses
from neurosim.runfile import Run

if TYPE_CHECKING:
    import pandas

log = logging.getLogger(__name__)

COLUMNS = (
    "run", "scheme", "seed", "epoch", "population", "other_run", "other_scheme", "other_seed", "other_population", "samples",
    "measure", "value",
)  # fmt: skip

Rates = dict[str, np.ndarray]  # population -> (samples, *shape), of one run at one epoch


def analyse(
    runs: Any,
    *,
    samples: int | None = None,
    data: Any = None,
    data_dir: str | os.PathLike[str] | None = None,
    imports: Named = (),
) -> pandas.DataFrame:
    """Return measures of what populations represent, one row each, and of the likeness of two populations.

    analyse(["backprop-seed1.h5", "feedback_alignment-seed1.h5"])

    Of each population and recorded epoch: ``probe`` (accuracy of a linear probe, per cent), ``dimension`` (participation ratio),
    ``lifetime_sparsity`` (mean over neurons), ``population_sparsity`` (mean over samples), ``silent`` (per cent of neurons whose
    rate is 0 for every sample), and the 10th, 50th and 90th percentile over neurons of class selectivity and of the variance
    between classes (``selectivity_p10``, ..., ``class_variance_p90``).  Of pairs: ``cka`` and ``cka_debiased``, of all populations
    of one run, and of the same population in two runs that were shown the same samples, at equal epochs.  Each is defined in
    ``neurosim.analysis.representations``.

    Where a run recorded rates at the ends of several epochs (``"hidden*.rate every 1 epoch"``), or of the last, these are taken.
    Otherwise the network of its last checkpoint is shown the first images of the test split, and all populations, the input too,
    are measured.  Its rates are then means over the ticks of a trial.

    Parameters
    ----------
    runs : paths of run files, or runs that are open; or one of them
    samples : show the last network so many test images whatever was recorded; by default 1000, where that is too little
    data : as for ``compare``, where the data are arrays given in Python and no rates were recorded
    data_dir : the folder of the data set's files, if they have moved
    imports : the modules whose classes the runs use; their code runs

    Returns
    -------
    A frame with the columns run, scheme, seed, epoch, population, other_run, other_scheme, other_seed, other_population (missing
    but for pairs), samples (how many were shown), measure, value.  A measure that is not defined is NaN; those that need labels are
    left out where targets are real.

    Raises
    ------
    InputError
        No run was given; a run file is missing, damaged or of a simulation; or it holds too few rates, and the network or its data
        cannot be had again.
    """
    import pandas as pd

    whole = samples is None or isinstance(samples, int) and not isinstance(samples, bool) and samples > 0
    require(whole, f"samples {quoted(samples)}: expected a whole number, 1 or more; change it")
    named = Imports(imports)
    find_data = data_finder(_data_set(data, named), data_dir)
    with ExitStack() as stack:
        opened = [stack.enter_context(OpenRun(path, named)) for path in _paths(runs)]
        require(bool(opened), "analyse: no run given: expected one or more; add a run file")
        found = [responses(run, samples, find_data) for run in opened]
        _warn_of_other_samples(opened, found)
        about = _named(opened)
        rows = [row for epoch in _epochs(found) for row in _measured(epoch, found, about)]
    rows.sort(key=lambda row: row[0])  # one run after the other; within it by epoch
    frame = pd.DataFrame([row[1:] for row in rows], columns=list(COLUMNS))
    return frame.astype({"other_seed": "Int64", "value": float})


def _paths(runs: Any) -> list[Path]:
    one = isinstance(runs, str | os.PathLike | Run)
    given = [runs] if one else list(runs)
    return [run.path if isinstance(run, Run) else Path(run) for run in given]


def _data_set(data: Any, imports: Imports) -> DataSet | None:
    found = given_data(data, imports)
    told = f"data {quoted(data)}: expected arrays or a DataSet; a run file names its data set: leave it out"
    require(found is None or isinstance(found, DataSet), told)
    return found if isinstance(found, DataSet) else None


def _warn_of_other_samples(runs: Sequence[Run], found: Sequence[Responses]) -> None:
    if len({one.shown for one in found}) > 1:
        other = [str(run.path) for run, one in zip(runs, found, strict=True) if one.shown != found[0].shown]
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        log.warning("run file %s%s: shown other samples than %s: no CKA between such runs", other[0], more, runs[0].path)


About = tuple[str, str, int]  # run, scheme, seed


def _named(runs: Sequence[Run]) -> list[About]:
    """Return the path, the name of the model and the seed of each run; models of one name that differ are numbered."""
    labels = {id(run): group.label for group in grouped(runs) for run in group.runs}
    return [(utf8(str(run.path)), utf8(labels[id(run)]), seed(run)) for run in runs]


def _epochs(found: Sequence[Responses]) -> list[int]:
    return sorted({epoch for one in found for rates in one.rates.values() for epoch in rates})


# ---------------------------------------------------------------------- one epoch of all runs

Row = tuple[Any, ...]  # its place, and what stands in COLUMNS


def _measured(epoch: int, found: Sequence[Responses], about: Sequence[About]) -> Iterator[Row]:
    """Yield the rows of one epoch."""
    loaded: list[Rates] = [{n: np.asarray(of[epoch]) for n, of in one.rates.items() if epoch in of} for one in found]
    nobody = (None, None, None, None)
    for k, (rates, one) in enumerate(zip(loaded, found, strict=True)):
        for name, values in rates.items():
            for measure, value in of_population(values, one.labels).items():
                yield ((0, k), *about[k], epoch, name, *nobody, len(values), measure, value)
        for name, other in itertools.combinations(rates, 2):
            for measure, value in of_pair(rates[name], rates[other]).items():
                yield ((1, k), *about[k], epoch, name, *about[k], other, len(rates[name]), measure, value)
    for k, m in itertools.combinations(range(len(found)), 2):
        shared = [name for name in loaded[k] if name in loaded[m]] if found[k].shown == found[m].shown else []
        for name in shared:
            for measure, value in of_pair(loaded[k][name], loaded[m][name]).items():
                yield ((2, k, m), *about[k], epoch, name, *about[m], name, len(loaded[k][name]), measure, value)
