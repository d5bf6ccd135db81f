"""``neurosim compare``: one network under many schemes and rules, and the table."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.terminal import say
from neurosim.errors import DivergedError, require

if TYPE_CHECKING:
    from neurosim.experiments.compare import Comparison
    from neurosim.experiments.comparison_row import Watch
    from neurosim.experiments.comparison_table import Result

HELP = Help(
    "Compare schemes with backprop on one network.",
    (
        "neurosim compare",
        "neurosim compare --schemes backprop,frozen --seeds 3",
        "neurosim compare --data mnist --jobs 4 -o mnist",
        "neurosim compare --neurons lif",
        "neurosim compare --resume -o mnist",
    ),
    lists_schemes=True,
)

Rows = Annotated[
    str | None,
    typer.Option(
        "--schemes", metavar="NAMES", help="Schemes (rows of the comparison file) to run, separated by commas.", show_default="all",
        autocompletion=completion.several_schemes,
    ),
]  # fmt: skip
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", metavar="N", parser=args.whole(1), help="How many seeds, counted from --seed.", show_default="1"),
]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", parser=args.whole(1), help="Epochs of every row; with --resume, in all."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Folder to write into.", show_default="a new one in neurosim-runs",
        autocompletion=completion.files,
    ),
]  # fmt: skip
File = Annotated[
    str | None,
    typer.Option(
        "--file", metavar="FILE", help="Comparison file: its path, or the name of one that comes with neurosim.",
        show_default="compare", autocompletion=completion.comparison,
    ),
]  # fmt: skip
Neurons = Annotated[
    str | None,
    typer.Option(
        "--neurons", metavar="NAME", help="Neurons of the hidden populations: lif, in trials of 25 ticks.", show_default="tanh",
        autocompletion=completion.compared_neurons,
    ),
]  # fmt: skip
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", metavar="N", parser=args.whole(1), help="How many rows train at the same time, each in a process of its own."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the comparison in the folder --out where it stopped.")]


def compare(
    data: args.Data = None,
    data_dir: args.DataDir = None,
    schemes: Rows = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    seed: args.Seed = None,
    out: Out = None,
    file: File = None,
    neurons: Neurons = None,
    settings: args.Settings = None,
    record: args.Record = None,
    alignment: args.Align = None,
    gauss_newton: args.GaussNewton = None,
    step_effect: args.StepEffect = None,
    backend: args.Backend = "auto",
    blas: args.Blas = None,
    imports: args.Import = None,
    resume: Resume = False,
    overwrite: args.Overwrite = False,
    jobs: Jobs = 1,
    quiet: args.Quiet = False,
    debug: args.Debug = False,
) -> None:
    """Train the same network with many schemes, and print how each compares with backprop.

    All start from the same weights and see the data in the same order.
    """
    from neurosim.catalogue import Imports
    from neurosim.experiments import comparison
    from neurosim.experiments.compare import conclude
    from neurosim.experiments.comparison_plan import USUAL, Plan
    from neurosim.experiments.folders import made_folder

    require(not (resume and overwrite), "--resume and --overwrite: expected only one of the two; leave one out")
    chosen = args.settings(settings, data if resume else None)
    chosen += [f"training.epochs={epochs}"] if epochs is not None and not resume else []
    rows = list(dict.fromkeys(name.strip() for name in schemes.split(","))) if schemes is not None else None
    named = Imports(imports or ())
    looked = {"alignment": alignment, "gauss_newton": gauss_newton, "step_effect": step_effect}
    with ExitStack() as stack:
        if resume:
            changes = record or file is not None or neurons is not None or any(when is not None for when in looked.values())
            said = "a comparison continues as it was started: expected no --record, --alignment, --gauss-newton, --step-effect, "
            require(not changes, f"{said}--file or --neurons with --resume; leave them out")
            require(out is not None, "compare: no folder to resume: expected --out FOLDER; add it")
            assert out is not None
            asked: dict[str, Any] = {"rows": rows, "settings": chosen, "first": seed, "count": seeds, "epochs": epochs}
            started = comparison.reopen(out, **asked, backend=backend, imports=named)
            plan, counted = started.plan, started.seeds
            going = functools.partial(comparison.resume, started, data_dir=data_dir, imports=named, jobs=jobs)
        else:
            require(not (file and neurons), "--file and --neurons: expected only one of the two; leave one out")
            name = file or (USUAL if neurons is None else _file_of(neurons))
            options: dict[str, Any] = {"rows": rows, "settings": chosen, "record": record or (), "comparisons": looked}
            plan = Plan.load(name, data=data, imports=named, **options)
            out = out or stack.enter_context(made_folder(Path(name).stem))
            counted = list(range(first := 1 if seed is None else seed, first + (seeds or 1)))
            options = {"seeds": counted, "backend": backend, "data_dir": data_dir, "overwrite": overwrite}
            going = functools.partial(comparison.run_all, plan, imports=named, jobs=jobs, **options)
        with args.interruptible(functools.partial(_advice, out, imports)):
            with _watching(quiet or jobs > 1) as watch:
                results = _all(going(out, watch=watch), len(plan.models) * len(counted) if jobs > 1 and not quiet else 0)
            # the report is written before anything is printed, which may go wrong
            _finish(conclude(plan, counted, results, out), plan.contents["data"]["name"])


def _file_of(neurons: str) -> str:
    """Return the name of the comparison file of networks of ``neurons``."""
    from neurosim.errors import UnknownNameError
    from neurosim.experiments.comparison_plan import USUAL

    known = completion.compared_neurons("")
    if neurons not in known:
        raise UnknownNameError("--neurons: neurons", neurons, known)
    return f"{USUAL}-{neurons}"


def _all(results: Iterator[Result], total: int) -> list[Result]:
    """Return all results; say of each when it comes, where there is a ``total``, and no observer in this process says so."""
    from neurosim.experiments.compare import progress

    reached: list[Result] = []
    for result in results:
        reached.append(result)
        if total:
            say(progress(result, len(reached), total))
    return reached


def _advice(out: Path, imports: list[str] | None) -> str:
    """Return how to go on."""
    from neurosim.experiments.comparison_folder import NAME

    command = args.pasted("neurosim", "compare", "--resume", "--out", out, *args.imported(imports))
    return f"continue with: {command}" if (out / NAME).exists() else "nothing was written"


def _finish(reached: Comparison, data: str) -> None:
    """Print the table, and say what else there is."""
    _print_price(reached)
    _print_table(reached.results, reached.title, _error_of(reached))
    _print_after(reached.results, reached.out, data)
    diverged = [f"{result.scheme} (seed {result.seed})" for result in reached.results if result.failure]
    if diverged:
        raise DivergedError(
            f"{', '.join(diverged)} diverged: some number became too large; lower the learning rate. The run files say where"
        )


def _error_of(reached: Comparison) -> str:
    """Return what the error of the runs is, in words."""
    from neurosim.experiments.comparison_folder import path_of
    from neurosim.runfile import Run

    first = reached.results[0]
    with Run(path_of(reached.out, first.scheme, first.seed)) as run:
        return run.error_name


PRICED = {
    "alignment_seconds": "angles to the gradient",
    "gauss_newton_seconds": "angles to Gauss and Newton's direction",
    "step_effect_seconds": "what steps do",
}


def _print_price(reached: Comparison) -> None:
    """Say what looking at steps has cost."""
    from neurosim.experiments.comparison_folder import path_of
    from neurosim.runfile import Run

    with ExitStack() as stack:
        runs = [stack.enter_context(Run(path_of(reached.out, result.scheme, result.seed))) for result in reached.results]
        for name, words in PRICED.items():
            spent = [run.metrics[name].sum() for run in runs if name in run.metrics]
            if spent:
                steps = sum(run.metrics["seconds"].sum() for run in runs)
                say(f"measuring {words} took {sum(spent):.2g} s, training {steps:.2g} s")


@contextmanager
def _watching(quiet: bool) -> Iterator[Watch]:
    """Yield what makes the observers of each job: a bar, or a line when it is done, or nothing."""
    from neurosim.cli.progress import Bar, LastLine, display, is_live

    if quiet:
        yield lambda job: []
    elif is_live():
        with display() as progress:
            yield lambda job: [Bar(progress, job, f"{job.model.name}, seed {job.seed}")]
    else:
        yield lambda job: [LastLine(job)]


NUMBERS = (
    "test\naccuracy, %",
    "percentage\npoints more\nerror than\nbackprop",
    "training\nloss",
    "epochs to\n95 %\naccuracy",
    "step, ms",
    "step,\ntimes\nbackprop's",
    "angle to\ngradient,\ndegrees",
)
OTHER = ("100 % less\nthe test\nerror", "epochs to\n5 % error")  # in place of accuracies, where no wrong answers are counted
CLAIMS = ("weight\ntransport", "update\nlocking", "backward\nlocking", "feedback\nlearns from")
MEASURED = ("weights\nread", "layers\nread", "labels\nread")


def _print_table(results: Sequence[Result], title: str, error: str = "error") -> None:
    """Print numbers and claims in one table, or below each other where the terminal is narrow.  error : what the accuracy lacks."""
    from neurosim.cli.progress import console
    from neurosim.cli.tables import fitted, show
    from neurosim.experiments.comparison_table import has_forgetting, summarised

    numbers = NUMBERS if error == "error" else (OTHER[0], *NUMBERS[1:3], OTHER[1], *NUMBERS[4:])
    title += "" if error == "error" else f" (error: {error})"
    forgotten = ("forgetting,\npercentage\npoints",) if has_forgetting(results) else ()
    title += "; tests are means over all tasks" if forgotten else ""
    schemes, *cells = zip(*summarised(results), strict=True)
    columns = [(heading, list(column)) for heading, column in zip((*numbers, *CLAIMS, *MEASURED, *forgotten), cells, strict=True)]
    columns = [columns[0], *columns[len(columns) - len(forgotten) :], *columns[1 : len(columns) - len(forgotten)]]
    measured = len(NUMBERS) + len(forgotten)
    claimed = measured + len(CLAIMS)
    blocks = [*([column] for column in columns[:measured]), columns[measured:claimed], columns[claimed:]]
    show(console, fitted(console, ("scheme", list(schemes)), blocks, title, left=(*CLAIMS, *MEASURED)))


def _print_after(results: Sequence[Result], out: Path, data: str) -> None:
    from neurosim.experiments.comparison_table import BASELINE, baseline_of

    for result in results:
        if result.failure:
            say(f"{result.scheme}, seed {result.seed}: {result.failure}")
    baseline = baseline_of(results)
    if all(result.scheme != baseline for result in results):
        say(f"{baseline} is not among the rows: two columns, which compare with it, are empty")
    say(f"run files, table.csv and report.html: {out}")
    if data == "digits" and baseline == BASELINE:
        say("the same on MNIST: neurosim compare --data mnist")
