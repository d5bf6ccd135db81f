"""``neurosim watch PLACE``: a run file, or all in a folder, followed while other processes write them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.places import check_there
from neurosim.cli.terminal import say
from neurosim.errors import NeurosimError, RunFileError

if TYPE_CHECKING:
    import pandas
    from rich.console import Group

    from neurosim.cli.states import State
    from neurosim.runfile import Run

HELP = Help("Follow a run, or a folder of runs.", ("neurosim watch mine.h5", "neurosim watch mine"))

Place = Annotated[
    Path, typer.Argument(metavar="PLACE", help="A run file, or a folder with run files.", autocompletion=completion.files)
]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", parser=args.seconds, help="Seconds between two looks.")]
ROWS = 12  # evaluations shown on a terminal
NAMED = 5  # runs that a message names


class Stopped(NeurosimError):
    """A run that is watched has not come to its end."""

    exit_status = 3


def watch(place: Place, every: Every = 1.0, debug: args.Debug = False) -> None:
    """Follow a run: print each evaluation as it comes, until the run ends.

    Of a folder (of a comparison, a study, or any other), show what each run has come to, until none is running. Ctrl-C ends the
    watching, and changes nothing in the runs.
    """
    check_there(place)
    if place.is_dir():
        _watch_folder(place, every)
    else:
        _watch_run(place, every)


def _watch_run(run: Path, every: float) -> None:
    from neurosim.cli.progress import is_live
    from neurosim.runfile import being_written

    try:
        last = _live(run, every) if is_live() else _lines(run, every)
    except KeyboardInterrupt as cause:
        now = "still running" if being_written(run) else "no process writes it now"
        raise args.Interrupted(f"interrupted; {run}: {now}") from cause
    if last.status != "complete":
        why = f" ({last.attributes['reason']})" if last.attributes.get("reason") else ""
        told = "its process was killed" if last.status == "running" else f"{last.status}{why}"
        raise Stopped(f"run file {run}: {told}; continue with: {args.pasted('neurosim', 'run', '--resume', '--out', run)}")


# ---------------------------------------------------------------------- a folder


def _watch_folder(folder: Path, every: float) -> None:
    """Show the states of a folder's runs; raise Stopped where one has not come to its end."""
    from neurosim.cli.progress import is_live

    states: list[State] = []
    try:
        for states in _live_states(folder, every) if is_live() else _lines_of_states(folder, every):  # noqa: B007
            pass
    except KeyboardInterrupt as cause:
        raise args.Interrupted(f"interrupted; the runs in {folder} continue as before") from cause
    stopped = [state for state in states if state.word != "complete"]
    if stopped:
        names = ", ".join(f"{state.name} ({state.word})" for state in stopped[:NAMED])
        more = f" and {len(stopped) - NAMED} more" if len(stopped) > NAMED else ""
        raise Stopped(f"folder {folder}: {len(stopped)} of {len(states)} runs are not complete: {names}{more}{_go_on(folder)}")


def _go_on(folder: Path) -> str:
    """Return how to go on with what was begun in a folder, where one command can."""
    from neurosim.experiments.comparison_folder import KIND as comparison
    from neurosim.studies.folder import KIND as study

    for command, kind in (("compare", comparison), ("study", study)):
        if (folder / kind.file).is_file():
            return f"; continue with: {args.pasted('neurosim', command, '--resume', '--out', folder)}"
    return "; continue each with neurosim run --resume --out FILE"


def _live_states(folder: Path, every: float) -> Iterator[list[State]]:
    """Show the states as a table that moves on."""
    from rich.live import Live

    from neurosim.cli.progress import console
    from neurosim.cli.states import looks, table

    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        for states in looks(folder, every):
            live.update(table(states, str(folder), max(ROWS, console.height - 8)), refresh=True)
            yield states


def _lines_of_states(folder: Path, every: float) -> Iterator[list[State]]:
    """Print a line for each run whenever its state becomes another, and a summary in the end."""
    from neurosim.cli.states import looks, summary

    said: dict[str, str] = {}
    states: list[State] = []
    for states in looks(folder, every):
        for state in states:
            if said.get(state.name) != state.word:
                say(state.line())
            said[state.name] = state.word
        yield states
    say(summary(states))


# ---------------------------------------------------------------------- one run


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
            say(f"epoch {epoch}  " + "  ".join(f"{name} {_shown(name, value)}" for name, value in row.items()))
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
    columns = [(name.replace(" ", "\n", 1), [_shown(name, value) for value in rows[name]]) for name in rows.columns]
    by_split = [list(columns) for _, columns in itertools.groupby(columns, lambda column: column[0].partition("\n")[0])]
    return fitted(console, ("epoch", [str(epoch) for epoch in rows.index]), by_split, title)


def _shown(name: str, value: float) -> str:
    """Return a number as it is printed: a loss, or an error in per cent."""
    return f"{value:.4f}" if name.endswith(" loss") else f"{value:.2f} %"


def by_epoch(run: Run) -> pandas.DataFrame:
    """Return loss and error of each split side by side, a row for each epoch all splits have been evaluated at."""
    from neurosim.cli.progress import SPLITS, spoken

    metrics, words = run.metrics, {"loss": "loss", "error": run.error_name}
    wide = metrics[[name for name in words if name in metrics]].unstack("split")
    wide = wide[sorted(wide.columns, key=lambda column: SPLITS.index(column[1]) if column[1] in SPLITS else len(SPLITS))]
    wide.columns = [f"{spoken(split)} {words[name]}" for name, split in wide.columns]
    return wide.dropna()
