"""One network under many schemes: the same initial weights, the same data order, one run file each, and one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurosim.backends import devices, select
from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.datasets import DataSet
from neurosim.errors import RunFileError, quoted, require, utf8
from neurosim.experiments.comparison_folder import KIND, NAME, Started, begun, path_of
from neurosim.experiments.comparison_plan import Plan
from neurosim.experiments.comparison_row import Place, Row, Sent, Watch, train, train_sent
from neurosim.experiments.comparison_table import Result, in_order, write_table
from neurosim.experiments.estimate import about, check_fits
from neurosim.experiments.run import by_environment, found_again, prepare
from neurosim.modelfile import reading
from neurosim.modelfile.building import load_data
from neurosim.runfile.disk import replacing
from neurosim.runfile.writer_lock import WriterLock
from neurosim.workers import Processes, connected, run_tasks

Trained = Callable[[Sequence[Row]], Iterator[Result]]


def run_all(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    seeds: Sequence[int] = (1,),
    backend: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    data: DataSet | None = None,
    overwrite: bool = False,
    watch: Watch = lambda job: (),
    imports: Imports = NO_IMPORTS,
    jobs: int = 1,
) -> Iterator[Result]:
    """Train every row with every seed; yield each one's Result when it is done.

    Writes ``<row>-seed<seed>.h5``, ``table.csv``, and ``comparison.toml``, from which ``resume`` goes on, into the folder ``out``,
    which has to be new or empty (or ``overwrite``).  Rows of one seed start from the same initial weights and see the data in the
    same order.  A row that diverges ends alone.

    data : the data set, where it is loaded already
    watch : returns the observers of a job that is about to start in this process
    imports : the modules that ``module:Class`` in the plan is of
    jobs : how many rows train at once, each in a worker process with one BLAS thread; what comes out is the same, bit for bit, as
        with jobs=1 on one BLAS thread.  Results are then yielded in the order in which they end
    """
    folder = Path(out)
    KIND.check_free(folder, overwrite)
    table = next(iter(plan.models.values())).table
    data_dir = data_dir or by_environment(table)
    data = data or load_data(table.data, data_dir)
    options: dict[str, Any] = {"seed": seeds[0], "backend": backend, "data_dir": data_dir, "data": data}
    checked = {row: prepare(model, **options).network.backend.name for row, model in plan.models.items()}
    started = Started(plan, list(seeds), checked, utf8(data.folder), data.digest())
    with _trainer(started, jobs, data, imports, watch) as trained, KIND.alone(folder, started.text(), overwrite) as lock:
        yield from _results(started, folder, lock, data_dir, trained, overwrite)


def reopen(
    out: str | os.PathLike[str],
    *,
    rows: Sequence[str] | None = None,
    settings: Iterable[str] = (),
    first: int | None = None,
    count: int | None = None,
    backend: str = "auto",
    epochs: int | None = None,
    imports: Imports = NO_IMPORTS,
) -> Started:
    """Return what the comparison in the folder ``out`` was started with, to ``resume`` it.

    rows, settings, backend, the first seed, and the count of seeds have to agree with that.
    epochs : how many every row gets in all, as many as it was started with or more, also where rows are complete
    imports : the modules that ``module:Class`` in it may be of

    Raises RunFileError where one of them does not, where there is no comparison, or another process is going on with it.
    """
    started = begun(Path(out), imports)
    contents = started.plan.contents
    conflicts = [f"--set {setting}" for setting in settings if reading.override(contents, [setting]) != contents]
    conflicts += [f"--schemes {','.join(rows)}"] if rows is not None and set(rows) != set(started.models) else []
    conflicts += [f"--seed {first}"] if first not in (None, started.seeds[0]) else []
    conflicts += [f"--seeds {count}"] if count not in (None, len(started.seeds)) else []
    conflicts += [f"--backend {backend}"] if backend != "auto" and {backend} != set(started.backends.values()) else []
    require(
        not conflicts,
        f"folder {out}: was not started with {', '.join(conflicts)}: expected the same options; leave these out to resume",
        RunFileError,
    )
    return started if epochs is None else _extended(started, Path(out), epochs, imports)


def _extended(started: Started, folder: Path, epochs: int, imports: Imports) -> Started:
    """Return a comparison whose rows are given ``epochs`` epochs in all."""
    contents = started.plan.contents
    before = contents["training"]["epochs"]
    told = f"folder {folder}: epochs {quoted(epochs)}: it was started with {before}: expected as many or more; leave them out"
    require(epochs >= before, told, RunFileError)
    tasks = any(model.table.data.is_sequence for model in started.models.values())
    said = f"folder {folder}: epochs {quoted(epochs)}: it learns tasks in sequence, {before} epochs each, which cannot be changed"
    require(epochs == before or not tasks, f"{said}: leave them out to resume, or start again", RunFileError)
    longer = reading.override(contents, [f"training.epochs={epochs}"])
    return replace(started, plan=Plan.of(longer, str(folder), imports))


def resume(
    started: Started,
    out: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    data: DataSet | None = None,
    watch: Watch = lambda job: (),
    imports: Imports = NO_IMPORTS,
    jobs: int = 1,
) -> Iterator[Result]:
    """Go on with a comparison: what is complete stays as it is, what was stopped goes on from its checkpoint, what is missing runs.

    The results, yielded as by ``run_all``, are those of a comparison that was never interrupted.

    data_dir : where the same data lie, if they have moved; data : the data set, where it is loaded already
    imports : the modules that ``module:Class`` in the folder's files may be of
    watch, jobs : as of ``run_all``; the jobs need not be as many as before

    Raises RunFileError where the data have changed, a run file is not of this comparison, or another process goes on with it.
    """
    folder = Path(out)
    table = next(iter(started.models.values())).table
    arrays = f"folder {out}: its data set {quoted(table.data.name)} was arrays given in Python"
    there = data is not None or not table.data.arrays
    require(there, f"{arrays}; continue there, with neurosim.compare(..., resume=True)", RunFileError)
    place: Place = data_dir
    if data is None:
        place, data = found_again(table, data_dir, started.data_dir, started.data_digest)
    same = data.digest() == started.data_digest
    require(same, f"folder {out}: its data set {data.name!r} has changed since; give the same files", RunFileError)
    with _trainer(started, jobs, data, imports, watch) as trained, KIND.alone(folder) as lock:
        if KIND.read(folder)["comparison"]["training"] != started.plan.contents["training"]:  # it is given more epochs
            with replacing(folder / NAME) as fresh:
                fresh.write_text(started.text(), encoding="utf-8")
        yield from _results(started, folder, lock, place, trained)


def _results(
    started: Started, folder: Path, lock: WriterLock, place: Place, trained: Trained, overwrite: bool = False
) -> Iterator[Result]:
    """Train all rows; yield what each reached, and write the table, its rows in the order of the jobs."""
    rows = [Row(path_of(folder, name, seed), name, seed, started.backends[name], place, overwrite) for name, seed in started.jobs]
    results: list[Result] = []
    lock.check()
    for result in trained(rows):
        results.append(result)
        write_table(in_order(results, started.models, started.seeds), folder / "table.csv")
        yield result
        lock.check()


@contextmanager
def _trainer(started: Started, jobs: int, data: DataSet, imports: Imports, watch: Watch) -> Iterator[Trained]:
    """Yield what trains rows: one after the other, only one in memory at a time; or as many at once as there are ``jobs``."""
    whole = isinstance(jobs, int) and not isinstance(jobs, bool) and jobs >= 1
    require(whole, f"jobs {quoted(jobs)}: expected 1 or more; give a whole number")

    def here(rows: Sequence[Row]) -> Iterator[Result]:
        for row in rows:
            yield train(row, started.models[row.name], data, imports=imports, watch=watch)

    count = min(jobs, len(started.jobs))
    if count == 1:
        yield here
        return
    for name, model in started.models.items():
        device = select(started.backends[name])
        check_fits(model.table, name, started.data_dir or None, device, about(model.table.data, data), times=count)
    found = devices() if any(backend != "numpy" for backend in started.backends.values()) else []
    with connected(here=Processes(count, tuple(found))) as client:

        def elsewhere(rows: Sequence[Row]) -> Iterator[Result]:
            sent = {row.path.name: Sent(row, started.models[row.name].contents, imports) for row in rows}
            for ended in run_tasks(client, train_sent, sent, data):
                yield ended.result()

        yield elsewhere
