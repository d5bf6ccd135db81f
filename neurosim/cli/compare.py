"""``neurosim compare``: one network under many schemes, and the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.errors import DivergedError

if TYPE_CHECKING:
    from neurosim.experiments.comparison import Result, Watch

Rows = Annotated[str | None, typer.Option("--schemes", help="Rows to run, separated by commas.  [default: all]")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, counted from --seed.")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Epochs of every row.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder to write into.  [default: neurosim-runs/compare-TIME]")]
File = Annotated[str, typer.Option("--file", help="A comparison file: a path, or the name of one that is installed.")]


def compare(
    data: args.Data = None,
    data_dir: args.DataDir = None,
    schemes: Rows = None,
    seeds: Seeds = 1,
    epochs: Epochs = None,
    seed: args.Seed = None,
    out: Out = None,
    file: File = "compare",
    settings: args.Settings = None,
    record: args.Record = None,
    alignment: args.Align = None,
    backend: args.Backend = "auto",
    overwrite: args.Overwrite = False,
    quiet: args.Quiet = False,
    debug: args.Debug = False,
) -> None:
    """Train one network under every scheme, from the same weights and on the same order of data, and print the table."""
    from neurosim.experiments.comparison import compare, comparison_models

    chosen = args.settings(settings, data) + ([f"training.epochs={epochs}"] if epochs is not None else [])
    rows = list(dict.fromkeys(name.strip() for name in schemes.split(","))) if schemes is not None else None
    models = comparison_models(file, rows=rows, settings=chosen, record=record or (), alignment=alignment)
    out = out or args.default_folder(Path(file).stem)
    first = 1 if seed is None else seed
    results: list[Result] = []
    with args.interruptible(f"what is done lies in {out}"), _watching(quiet) as watch:
        for result in compare(
            models, out, seeds=range(first, first + seeds), backend=backend, data_dir=data_dir, overwrite=overwrite, watch=watch
        ):
            results.append(result)
    _print_table(results, next(iter(models.values())).table.title.partition(": ")[2])
    _write_report(results, out, overwrite)
    _print_after(results, out, next(iter(models.values())).table.data.name)
    diverged = [f"{result.scheme} (seed {result.seed})" for result in results if result.failure]
    if diverged:
        raise DivergedError(f"{', '.join(diverged)} diverged; the run files say where")


def _write_report(results: Sequence[Result], out: Path, overwrite: bool) -> None:
    from contextlib import ExitStack

    from neurosim.analysis.report import write_report
    from neurosim.recording import Run

    with ExitStack() as stack:
        runs = [stack.enter_context(Run(out / f"{result.scheme}-seed{result.seed}.h5")) for result in results]
        write_report(runs, out / "report.html", overwrite=overwrite)
        spent = [run.metrics["alignment_seconds"].sum() for run in runs if "alignment_seconds" in run.metrics]
        if spent:
            steps = sum(run.metrics["seconds"].sum() for run in runs)
            typer.echo(f"comparing updates with backprop's took {sum(spent):.2g} s, beside {steps:.2g} s of steps")


@contextmanager
def _watching(quiet: bool) -> Iterator[Watch]:
    """Yield what makes the observers of each job: a bar, or a line when it is done, or nothing."""
    from neurosim.cli.progress import Bar, LastLine, console, display

    if quiet:
        yield lambda job: []
    elif console.is_terminal:
        with display() as progress:
            yield lambda job: [Bar(progress, job, f"{job.model.name}, seed {job.seed}")]
    else:
        yield lambda job: [LastLine(job)]


NUMBERS = ("test\naccuracy %", "points\nto BP", "train\nloss", "epochs\nto 95 %", "step\nms", "over\nBP", "angle\nto BP °")
CLAIMS = ("weight\ntransport", "update\nlocking", "backward\nlocking", "feedback\nlearns from")
WIDE = 145  # columns that numbers and claims need side by side


def _print_table(results: Sequence[Result], title: str) -> None:
    """Print numbers and claims in one table, or in two where the terminal is narrow."""
    from rich import box
    from rich.table import Table

    from neurosim.cli.progress import console
    from neurosim.experiments.comparison import summarised

    rows = summarised(results)
    first = len(NUMBERS) + 1
    parts = [slice(1, None)] if console.width >= WIDE else [slice(1, first), slice(first, None)]
    for part in parts:
        padding = (0, 1) if len(parts) == 1 else (0, 1, 0, 0)
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, padding=padding)
        table.add_column("scheme", no_wrap=True)
        for k, heading in enumerate((*NUMBERS, *CLAIMS)[part.start - 1 :][: len(rows[0][part])], start=part.start):
            table.add_column(heading, justify="right" if k < first else "left", no_wrap=True)
        for row in rows:
            table.add_row(row[0], *row[part])
        console.print(table)


def _print_after(results: Sequence[Result], out: Path, data: str) -> None:
    from neurosim.experiments.comparison import BASELINE

    for result in results:
        if result.failure:
            typer.echo(f"{result.scheme}, seed {result.seed}: {result.failure}")
    if all(result.scheme != BASELINE for result in results):
        typer.echo(f"{BASELINE} is not among the rows, so nothing is told relative to it")
    typer.echo(f"run files, table.csv and report.html: {out}")
    if data == "digits":
        typer.echo("the same on MNIST: neurosim compare --data mnist  (--data-dir FOLDER where you have its files)")
