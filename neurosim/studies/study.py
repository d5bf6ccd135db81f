"""A study: what to change, how often, and where to run it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim import reprs
from neurosim.catalogue import NO_IMPORTS, Imports, Named
from neurosim.datasets import DataSet
from neurosim.errors import LostFileError, RunFileError, quoted, require, utf8
from neurosim.experiments.folders import made_folder
from neurosim.experiments.given import given_data, stated
from neurosim.experiments.run import by_environment
from neurosim.modelfile.building import load_data
from neurosim.modelfile.description import describe_data
from neurosim.studies.folder import KIND, Started, begun, check_same
from neurosim.studies.halving import Halving
from neurosim.studies.plan import SCHEME, Base, StudyPlan
from neurosim.studies.point import STOPPED, PointResult, outcome_of, perform
from neurosim.studies.price import check_fits
from neurosim.studies.report import write_study_report
from neurosim.studies.space import Parameter, Space
from neurosim.studies.table import as_frame, write_table
from neurosim.workers import Processes, connected, run_tasks

if TYPE_CHECKING:
    import pandas

Place = str | os.PathLike[str]
Where = Mapping[str, Sequence[Any]]

SELDOM = 5.0  # seconds between two writings of the table, which of a thousand points takes a twentieth of one


@dataclass(frozen=True)
class Study:
    """Many runs of one model file, with different values of its keys, different schemes and different seeds.

    Study("dtp-mnist", data="digits").grid({"stages.0.options.step": [0.01, 0.1, 1.0]}).seeds(5).run()

    Each method returns a new study, so one study can be the start of several others.

    model : the name or path of a model file or a comparison file.  In a comparison, every point is one of its rows
    data : another data set: its name, a DataSet, or arrays such as (x, y), as for ``neurosim.compare``
    settings : ``"key.path=value"`` texts, as after ``--set``
    imports : the modules in which ``module:Class`` may be looked up; their code runs
    """

    model: str | Path
    data: Any = None
    settings: tuple[str, ...] = ()
    imports: Named = ()
    parameters: tuple[Parameter, ...] = ()
    number_of_draws: int = 1
    draw_seed: int = 0
    chosen_seeds: tuple[int, ...] = (1,)
    rule: Halving | None = None

    __repr__ = reprs.fields

    def grid(self, values: Mapping[str, Iterable[Any]], *, where: Where | None = None) -> Study:
        """Return the study with every combination of some values.

        values : key of a model file, such as ``stages.0.options.step``, or ``scheme`` -> a list of values, which may also be
            classes, rules and optimisers
        where : another parameter -> those of its values with which these values are combined; with its other values, the model
            stays as it is

        Raises InputError if a list is empty or contains a value twice.
        """
        beside = _listed(where)
        return self._with(Parameter(key, tuple(_list(key, listed)), when=beside) for key, listed in values.items())

    def draw(self, key: str, distribution: str, low: float, high: float, *, where: Where | None = None) -> Study:
        """Return the study with a random parameter: ``uniform``, ``log_uniform``, or ``integers``, from low to high."""
        return self._with([Parameter(key, (), distribution, low, high, _listed(where))])

    def draws(self, number: int, *, seed: int = 0) -> Study:
        """Return the study with that many random draws for each combination of the grid; ``seed`` decides their values."""
        return replace(self, number_of_draws=number, draw_seed=seed)

    def seeds(self, seeds: int | Iterable[int]) -> Study:
        """Return the study in which every point runs with several seeds: how many (1, 2, ...), or a list of them."""
        chosen = range(1, seeds + 1) if isinstance(seeds, int) else seeds
        return replace(self, chosen_seeds=tuple(int(seed) for seed in chosen))

    def halving(self, rungs: int, *, eta: int = 3) -> Study:
        """Return the study in which not all points are trained to their end: successive halving over ``rungs`` lengths.

        After each length but the last, the best 1/eta of the points go on, to about eta times as many epochs; see ``Halving``.
        They are chosen by the mean validation error over their seeds, never on the test set.

        Raises InputError where ``rungs`` or ``eta`` is no whole number of 2 or more; where points differ in their epochs, or data
        have no validation split, ``run`` does.
        """
        return replace(self, rule=Halving(rungs, eta))

    def _with(self, parameters: Iterable[Parameter]) -> Study:
        return replace(self, parameters=(*self.parameters, *parameters))

    def plan(self) -> StudyPlan:
        """Return all points, each a checked model file; raise InputError, one line, where one is none."""
        return self._plan(imports := Imports(self.imports), given_data(self.data, imports))

    def _plan(self, imports: Imports, samples: DataSet | str | None) -> StudyPlan:
        parameters = tuple(_as_text(parameter, imports) for parameter in self.parameters)
        schemes = next((parameter.values for parameter in parameters if parameter.key == SCHEME), ())
        keys = [*self.settings, *(parameter.key for parameter in parameters)]
        changed = [key for key in keys if key.partition(".")[0] == "data"]
        given = isinstance(samples, DataSet)
        require(not (given and changed), f"setting {quoted(changed)}: of data that are given: expected none; change the data")
        data = describe_data(samples) if isinstance(samples, DataSet) else samples
        base = Base.load(self.model, schemes, settings=self.settings, data=data, imports=imports)
        space = Space(parameters, self.number_of_draws, self.draw_seed)
        return StudyPlan.of(base, space, self.chosen_seeds, imports, self.rule)

    def run(
        self,
        out: Place | None = None,
        *,
        workers: int | None = None,
        cluster: str | None = None,
        backend: str = "auto",
        data_dir: Place | None = None,
        resume: bool = False,
        overwrite: bool = False,
        watch: Callable[[PointResult], None] = lambda outcome: None,
    ) -> pandas.DataFrame:
        """Run every point with every seed; return the table, see ``studies.table.as_frame``.

        Writes into the folder ``out`` (by default one in ``neurosim-runs``): a run file for each point and seed, ``study.toml``,
        ``study.csv``, ``report.html``, and ``study.parquet`` where pyarrow is installed.

        workers : how many processes on this machine (default: one for each core; with backend ``cupy`` one for each CUDA device)
        cluster : use the Dask scheduler at this address
        resume : continue the study that was begun in ``out``; complete runs stay as they are
        watch : called with each outcome

        Raises InputError, in one line, before anything runs, if a point is not a valid model, or the folder holds something else.
        """
        imports = Imports(self.imports)
        samples = given_data(self.data, imports)
        data = samples if isinstance(samples, DataSet) else None
        plan = self._plan(imports, samples)
        with ExitStack() as stack:
            require(out is not None or not resume, "study: no folder to resume: expected out=...; give the one it was begun in")
            folder = Path(out) if out is not None else stack.enter_context(made_folder("study"))
            started = start(plan, backend=backend, data_dir=data_dir, data=data)
            if resume:
                was = begun(folder, imports)
                check_same(folder, was, started)
                started = was
            here = where(cluster, workers, started.backend)
            check_fits(plan, 0 if here is None else here.workers, data_dir, data)
            client = stack.enter_context(connected(cluster, here))
            outcomes = run_study(started, folder, client, data=data, imports=imports, resume=resume, overwrite=overwrite)
            reached = []
            for outcome in outcomes:
                reached.append(outcome)
                watch(outcome)
            write_study_report(folder, folder / "report.html", overwrite=True)
        return as_frame(started.plan, reached)


def where(cluster: str | None, workers: int | None, backend: str) -> Processes | None:
    """Return where workers of this machine run, None for those of a cluster; raise InputError where both are given."""
    if cluster is None:
        return Processes.of(backend, workers)
    require(workers is None, "workers together with a cluster's address: expected only one of the two; leave workers out")
    return None


def start(plan: StudyPlan, *, backend: str = "auto", data_dir: Place | None = None, data: DataSet | None = None) -> Started:
    """Return what a study starts with: its plan, and which data it is about.  data : the data set, where no file holds it."""
    table = plan.points[0].model.table
    place = data_dir or by_environment(table)
    data = data or load_data(table.data, place)
    if plan.halving is not None:
        _check_validated(plan, data, place)
    one = all(point.model.contents["data"] == plan.points[0].model.contents["data"] for point in plan.points)
    return Started(plan, backend, utf8(data.folder), data.digest() if one else "")  # a digest is of one data set


def _check_validated(plan: StudyPlan, data: DataSet, place: Place | None) -> None:
    """Raise InputError where there is nothing to halve points by.  data : those of the first point"""
    first = plan.points[0].model.contents["data"]
    others = {str(told): point for point in plan.points if (told := point.model.contents["data"]) != first}
    for found in (data, *(load_data(point.model.table.data, place) for point in others.values())):
        said = f"study: halving: data set {quoted(found.name)} has no validation split, and nothing is chosen on the test set"
        require(len(found.validation) > 0, f"{said}; hold some of it back, with data.validation=0.2")


def run_study(
    started: Started,
    folder: Path,
    client: Any,
    *,
    data: DataSet | None = None,
    imports: Imports = NO_IMPORTS,
    resume: bool = False,
    overwrite: bool = False,
) -> Iterator[PointResult]:
    """Run every point of a study on a Dask client's workers; yield each outcome as it comes, and keep the table up to date.

    data : the data set, where no file holds it; each worker is sent it once
    overwrite : the runs of another study that have the names of this one's are replaced
    """
    check_there(started, folder, data)
    KIND.check_free(folder, overwrite or resume)
    with KIND.alone(folder, None if resume else started.text(), overwrite) as lock:
        outcomes: list[PointResult] = []
        for task in started.tasks(folder) if overwrite else ():
            Path(task.path).unlink(missing_ok=True)  # or a worker would go on with it
        written = -math.inf
        try:
            for outcome in _rung_by_rung(started, folder, client, data, imports):
                outcomes.append(outcome)
                lock.check()
                if time.monotonic() - written > SELDOM:
                    write_table(as_frame(started.plan, outcomes), folder)
                    written = time.monotonic()
                yield outcomes[-1]
        except LostFileError:  # the folder is another command's by now, and the table, too
            raise
        except BaseException:  # what is done by then is in the table, however it ends
            write_table(as_frame(started.plan, outcomes), folder)
            raise
        write_table(as_frame(started.plan, outcomes), folder)


def _rung_by_rung(
    started: Started, folder: Path, client: Any, data: DataSet | None, imports: Imports
) -> Iterator[PointResult]:
    """Run points to their end, all of them, or those that are left after each rung; yield each outcome as it comes.

    What goes on is decided by the run files alone, at the end of each rung: resumed at any time, it is the same again.
    """
    plan, going = started.plan, started.plan.points
    stops = () if plan.halving is None else plan.halving.before_the_last(going[0].epochs)
    for rung in (*stops, None):
        tasks = {task.name: task for task in started.tasks(folder, imports, going, rung)}
        reached: dict[int, list[PointResult]] = {}
        for ended in run_tasks(client, perform, tasks, data):
            outcome = outcome_of(ended)
            reached.setdefault(outcome.number, []).append(outcome)
            yield outcome
        if plan.halving is not None and rung is not None:
            left = plan.halving.chosen({number: _error(runs) for number, runs in reached.items()})
            going = tuple(point for point in going if point.number in left)


def _error(runs: Sequence[PointResult]) -> float:
    """Return the mean validation error of a point's runs; NaN where one of them did not come to the end of its rung."""
    errors = [float(run.numbers.get("validation_error", math.nan)) if run.status == STOPPED else math.nan for run in runs]
    return sum(errors) / len(errors)


def check_there(started: Started, folder: Path, data: DataSet | None = None) -> None:
    """Raise RunFileError where the data of a study are arrays that were given in Python, and are not given again."""
    table = started.plan.points[0].model.table.data
    said = f"folder {folder}: its data set {quoted(table.name)} was arrays given in Python"
    require(data is not None or not table.arrays, f"{said}; continue there, with Study(...).run(..., resume=True)", RunFileError)


def _as_text(parameter: Parameter, imports: Imports) -> Parameter:
    """Return a parameter with classes and the like among its values as a model file has them."""

    def text(values: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(stated(f"study: parameter {quoted(parameter.key)}:", value, imports) for value in values)

    return replace(parameter, values=text(parameter.values), when={key: text(values) for key, values in parameter.when.items()})


def _list(key: str, values: Iterable[Any]) -> list[Any]:
    listed = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping)
    require(listed, f"study: parameter {quoted(key)}: values {quoted(values)}: expected a list; put it in brackets")
    return [value.item() if hasattr(value, "item") else value for value in values]


def _listed(where: Where | None) -> dict[str, tuple[Any, ...]]:
    return {other: tuple(_list(other, allowed)) for other, allowed in (where or {}).items()}
