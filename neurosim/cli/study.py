"""``neurosim study``: many runs of a model over parameters, schemes and seeds, and the one table."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.terminal import say
from neurosim.errors import DivergedError, require

if TYPE_CHECKING:
    import pandas

    from neurosim.studies.folder import Started
    from neurosim.studies.point import PointResult
    from neurosim.studies.study import Study

HELP = Help(
    "Run a model with many parameters and seeds.",
    (
        "neurosim study compare --grid scheme=backprop,frozen",
        "neurosim study dtp-mnist --data digits --draws 20 \\",
        "    --draw stages.0.batch=integers:8:64",
        "neurosim study compare --draws 27 --halving 3 \\",
        "    --draw stages.0.batch=integers:8:64",
        "neurosim study mine.toml -o mine",
        "neurosim study --resume -o mine",
    ),
    lists_schemes=True,
)

Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL", help="A model, comparison or study file: its name or path.", autocompletion=completion.model_or_comparison
    ),
]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid", metavar="KEY=V1,V2",
        help="Try each of these values of a key (or of scheme). 'KEY=V where OTHER=W' tries them only where OTHER is W.",
    ),
]  # fmt: skip
Draw = Annotated[
    list[str] | None,
    typer.Option(
        "--draw", metavar="KEY=HOW:LOW:HIGH", help="Draw values of a key at random. HOW is uniform, log_uniform or integers."
    ),
]
Draws = Annotated[
    int | None,
    typer.Option(
        "--draws", metavar="N", parser=args.whole(1), help="How many random draws for each combination of --grid.", show_default="1"
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", metavar="N", parser=args.whole(1), help="How many seeds for each point, from 1.", show_default="1"),
]
Halve = Annotated[
    str | None,
    typer.Option(
        "--halving", metavar="RUNGS[:ETA]", help="At each of RUNGS lengths, continue with the best 1/ETA of the points (1/3)."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", parser=args.whole(1), help="How many processes on this machine.",
        show_default="one for each core or GPU",
    ),
]
Cluster = Annotated[
    str | None, typer.Option("--cluster", metavar="ADDRESS", help="Address of a Dask scheduler, for example tcp://node7:8786.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Folder to write into.", show_default="a new one in neurosim-runs",
        autocompletion=completion.files,
    ),
]  # fmt: skip
Dry = Annotated[bool, typer.Option("--dry", help="Say what would run, and its time and memory; run nothing.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the study in the folder --out: run what is missing or failed.")]


def study(
    model: Model = None,
    grid: Grid = None,
    draw: Draw = None,
    draws: Draws = None,
    seeds: Seeds = None,
    halving: Halve = None,
    data: args.Data = None,
    data_dir: args.DataDir = None,
    settings: args.Settings = None,
    out: Out = None,
    workers: Workers = None,
    cluster: Cluster = None,
    backend: args.Backend = "auto",
    blas: args.Blas = None,
    imports: args.Import = None,
    dry: Dry = False,
    resume: Resume = False,
    overwrite: args.Overwrite = False,
    quiet: args.Quiet = False,
    debug: args.Debug = False,
) -> None:
    """Run one model many times: with different parameters, schemes and seeds, on this machine or a cluster.

    Writes a run file for each, one table of all of them, and one HTML page.
    """
    from neurosim.catalogue import Imports
    from neurosim.experiments.folders import made_folder
    from neurosim.studies.folder import begun
    from neurosim.studies.price import price
    from neurosim.studies.study import check_there, run_study, start, where
    from neurosim.studies.table import as_frame
    from neurosim.workers import connected, count_workers

    named = Imports(imports or ())
    with ExitStack() as stack:
        if resume:
            changed = any(given is not None for given in (model, grid, draw, draws, seeds, halving, data, settings)) or overwrite
            require(not changed, "--resume with a model or its parameters: a study continues as it was started; leave them out")
            require(out is not None, "study: no folder to resume: expected --out FOLDER; add it")
            assert out is not None
            check_there(started := begun(out, named), out)
        else:
            require(model is not None, "study: no model: expected a model, comparison or study file; name one, as compare")
            assert model is not None
            asked = _asked(model, grid, draw, draws, seeds, halving, data, settings)
            started = start(replace(asked, imports=tuple(imports or ())).plan(), backend=backend, data_dir=data_dir)
        plan, runs = started.plan, len(started.plan.points)
        here = where(cluster, workers, started.backend)
        client = None if dry else stack.enter_context(connected(cluster, here))
        count = here.workers if here is not None else 1 if client is None else count_workers(client)
        told = price(started.plan, count, data_dir, here=cluster is None)  # also where nobody is told: what does not fit is refused
        if not quiet or dry:
            for parameter in plan.space.parameters:
                say(f"  {parameter.describe()}")
            if plan.halving is not None:
                say(f"  {plan.halving.describe(plan.number_of_points, plan.points[0].epochs)}")
            say(told.describe(runs, count))
        if client is None:
            return
        if out is None:
            out = stack.enter_context(made_folder("study"))
        reached: list[PointResult] = []
        with args.interruptible(functools.partial(_advice, out, imports)), _watching(plan.tasks, quiet, client) as watch:
            for outcome in run_study(started, out, client, imports=named, resume=resume, overwrite=overwrite):
                reached.append(outcome)
                watch(outcome)
    _finish(started, as_frame(started.plan, reached), out)


def _asked(
    model: str,
    grid: list[str] | None,
    draw: list[str] | None,
    draws: int | None,
    seeds: int | None,
    halving: str | None,
    data: str | None,
    settings: list[str] | None,
) -> Study:
    """Return the study of the command line's options, which add to those of a study file."""
    from neurosim.studies.reading import load, parse_draw, parse_grid, parse_halving

    asked = load(model)
    more = [*map(parse_grid, grid or ()), *map(parse_draw, draw or ())]
    asked = replace(asked, parameters=(*asked.parameters, *more), settings=(*asked.settings, *(settings or ())))
    asked = asked if data is None else replace(asked, data=data)
    asked = asked if draws is None else asked.draws(draws)
    asked = asked if halving is None else replace(asked, rule=parse_halving(halving))
    return asked if seeds is None else asked.seeds(seeds)


def _advice(out: Path, imports: list[str] | None) -> str:
    """Return how to go on."""
    from neurosim.studies.folder import KIND

    command = args.pasted("neurosim", "study", "--resume", "--out", out, *args.imported(imports))
    return f"continue with: {command}" if (out / KIND.file).exists() else "nothing was written"


@contextmanager
def _watching(runs: int, quiet: bool, client: Any) -> Iterator[Callable[[PointResult], None]]:
    """Yield what shows how a study goes on: a bar with the time left, or lines now and then, or nothing.

    runs : how often a worker will run something; a point that goes on after a rung counts again
    """
    from neurosim.cli.progress import display, is_live
    from neurosim.studies.point import COMPLETE, STOPPED
    from neurosim.workers import count_workers

    counts: Counter[str] = Counter()

    def state() -> str:
        done = sum(counts.values())
        failed = "".join(f", {n} {status}" for status, n in counts.items() if status not in (COMPLETE, STOPPED))
        running = min(count_workers(client), runs - done)  # each worker has one at a time
        return f"{done:,} of {runs:,} runs{failed}" + (f", {running:,} running" if running > 0 else "")

    if quiet:
        yield lambda outcome: None
        return
    if client.dashboard_link:
        say(f"dashboard: {client.dashboard_link}")
    if not is_live():

        def line(outcome: PointResult) -> None:
            counts[outcome.status] += 1
            if sum(counts.values()) % max(1, runs // 20) == 0 or sum(counts.values()) == runs:
                say(state())

        yield line
        return
    with display() as progress:
        bar = progress.add_task("runs", total=runs, state="")

        def move(outcome: PointResult) -> None:
            counts[outcome.status] += 1
            progress.update(bar, completed=sum(counts.values()), state=state())

        yield move


def _finish(started: Started, frame: pandas.DataFrame, out: Path) -> None:
    """Write the page; print the best point by validation, what failed, and what else there is."""
    from neurosim.runfile.run import error_name
    from neurosim.studies.plan import label_of
    from neurosim.studies.point import COMPLETE, STOPPED
    from neurosim.studies.report import write_study_report
    from neurosim.studies.table import best

    write_study_report(out, out / "report.html", overwrite=True)
    chosen = best(frame)
    if chosen is None:
        say("no best point: there is no validation split to choose by, and points are never chosen by their test error")
    else:
        rows = frame[frame["point"] == chosen]
        label = label_of(next(point.values for point in started.plan.points if point.number == chosen))
        name = error_name(rows["score"].iloc[0])
        errors = f"validation {name} {rows['validation_error'].mean():.2f} %, test {name} {rows['test_error'].mean():.2f} %"
        say(f"best by validation: point {chosen}, {label}: {errors}, mean over {len(rows)} seed{'s' * (len(rows) > 1)}")
    say(f"run files, study.csv and report.html: {out}")
    wrong = frame[~frame["status"].isin([COMPLETE, STOPPED])]
    for _, row in wrong.head(5).iterrows():
        say(f"point {row['point']}, seed {row['seed']}: {row['status']}: {row['reason']}")
    if len(wrong):
        raise DivergedError(f"{len(wrong):,} of {len(frame):,} runs are not complete; study.csv says why")
