"""``neurosim watch RUN``: a run file followed while another process writes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.cli.helping import Help
from neurosim.errors import NeurosimError, RunFileError

if TYPE_CHECKING:
    import pandas
    from rich.console import Group

    from neurosim.runfile import Run

HELP = Help("Follow a run, or a folder of runs.", ("neurosim watch mine.h5", "neurosim watch mine"))

File = Annotated[Path, typer.Argument(metavar="PLACE", help="A run file; or a folder with run files.")]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", parser=args.seconds, help="Seconds between two looks.")]
ROWS = 12  # evaluations shown on a terminal


class Stopped(NeurosimError):
    """The run that is watched has not come to its end."""

    exit_status = 3


def watch(run: File, every: Every = 1.0, debug: args.Debug = False) -> None:
    """Follow a run: each evaluation as it comes, until the run ends.  Ctrl-C leaves the run as it is."""
    from neurosim.cli.progress import is_live
    from neurosim.runfile import being_written

    try:
        last = _live(run, every) if is_live() else _lines(run, every)
    except KeyboardInterrupt as cause:
        now = "goes on" if being_written(run) else "is written by no process now"
        raise args.Interrupted(f"interrupted; {run} {now}") from cause
    if last.status != "complete":
        why = f" ({last.attributes['reason']})" if last.attributes.get("reason") else ""
        told = "its process was killed" if last.status == "running" else f"{last.status}{why}"
        raise Stopped(f"run file {run}: {told}; continue with: {args.pasted('neurosim', 'run', '--resume', '--out', run)}")


def _looks(path: Path, every: float) -> Iterator[Run]:
    """Yield the run as it is now, again and again, until it has ended."""
    from neurosim.runfile import Run
    from neurosim.runfile.writer_lock import Signs

    signs = Signs(path)
    while True:
        going = signs.writer() is not None  # asked first: what it wrote until then is seen
        try:
            with Run(path) as run:
                run.metrics  # noqa: B018 read while the file is open
                yield run
        except RunFileError:
            if not going:
                raise  # a writer may be seen in the middle of something, nobody else
        else:
            if run.status != "running" or not going:
                return
        time.sleep(every)


def _lines(path: Path, every: float) -> Run:
    """Print a line for each evaluation."""
    shown = 0
    for run in _looks(path, every):  # noqa: B007 the last one is returned
        rows = by_epoch(run)
        for epoch, row in rows.iloc[shown:].iterrows():
            typer.echo(f"epoch {epoch}  " + "  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        shown = len(rows)
    return run


def _live(path: Path, every: float) -> Run:
    """Show the last evaluations as a table that moves on."""
    from rich.live import Live

    from neurosim.cli.progress import console

    with Live(console=console, auto_refresh=False) as live:
        for run in _looks(path, every):  # noqa: B007 the last one is returned
            live.update(_table(run), refresh=True)
    return run


def _table(run: Run) -> Group:
    from neurosim.cli.progress import console
    from neurosim.cli.tables import fitted

    title = f"{run.attributes['model_name']}, seed {run.attributes['seed']}: {run.status}"
    rows = by_epoch(run).tail(ROWS)
    columns = [[(name.replace(" ", "\n", 1), [f"{value:.4g}" for value in rows[name]])] for name in rows.columns]
    return fitted(console, ("epoch", [str(epoch) for epoch in rows.index]), columns, title)


def by_epoch(run: Run) -> pandas.DataFrame:
    """Return loss and error of each split side by side, a row for each epoch all splits have been evaluated at."""
    metrics, words = run.metrics, {"loss": "loss", "error": f"{run.error_name} %"}
    wide = metrics[[name for name in words if name in metrics]].unstack("split")
    wide.columns = [f"{split} {words[name]}" for name, split in wide.columns]
    return wide.dropna()
