"""What the runs in a folder have come to, looked at again and again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurosim.cli.places import ADVICE, in_folder
from neurosim.errors import RunFileError, require

if TYPE_CHECKING:
    from rich.console import Group

    from neurosim.runfile import Run
    from neurosim.runfile.writer_lock import Signs

GOING, KILLED, UNREADABLE = "running", "killed", "unreadable"
ORDER = (GOING, "failed", KILLED, "interrupted", UNREADABLE, "complete")  # of what is shown first


@dataclass(frozen=True)
class State:
    """What one run has come to.

    name : of its file, in the folder; word : running, complete, failed, interrupted, killed, or unreadable
    epoch : of how many, as ``3/20``; error : in per cent, of what ``error_name`` says; why : it failed
    """

    name: str
    word: str
    epoch: str = ""
    error: str = ""
    error_name: str = ""
    why: str = ""

    def line(self) -> str:
        """Return the state as one line of text."""
        error = f"{self.error_name} {self.error} %" if self.error else ""
        return f"{self.name}: " + ", ".join(filter(None, [self.word, self.epoch and f"epoch {self.epoch}", error, self.why]))


class Watched:
    """A folder of runs.  What has not changed since the last look is not read again.

    commands : files by which one command has the folder to itself while it goes, between two runs too
    """

    def __init__(self, folder: Path) -> None:
        from neurosim.experiments.comparison_folder import KIND as comparison
        from neurosim.runfile.writer_lock import Signs
        from neurosim.studies.folder import KIND as study

        self.folder = folder
        self.commands = [Signs(folder / kind.file) for kind in (comparison, study)]
        self._signs: dict[Path, Signs] = {}
        self._seen: dict[Path, tuple[tuple[int, int], State]] = {}

    def look(self) -> tuple[list[State], bool]:
        """Return the states of all runs by name, and whether anything goes on."""
        going = any(signs.writer() is not None for signs in self.commands)  # asked first: what they wrote until then is seen
        states = [self._state(path) for path in in_folder(self.folder)]
        require(bool(states) or going, f"folder {self.folder}: holds no run file: {ADVICE}", RunFileError)
        return states, going or any(state.word == GOING for state in states)

    def _state(self, path: Path) -> State:
        from neurosim.runfile.writer_lock import Signs

        written = self._signs.setdefault(path, Signs(path)).writer() is not None
        try:
            now = (path.stat().st_mtime_ns, path.stat().st_size)
        except OSError:  # it is being swapped for another
            now = (0, 0)
        before, state = self._seen.get(path, ((-1, -1), State("", "")))
        if before != now or written != (state.word == GOING):
            state = state_of(path, path.relative_to(self.folder), written)
            self._seen[path] = now, state
        return state


def looks(folder: Path, every: float) -> Iterator[list[State]]:
    """Yield the states of a folder's runs, again and again, until nothing goes on there."""
    watched = Watched(folder)
    while True:
        states, going = watched.look()
        yield states
        if not going:
            return
        time.sleep(every)


def state_of(path: Path, name: Path, written: bool) -> State:
    """Return what a run has come to.  written : whether a process writes it now"""
    from neurosim.runfile import Run

    try:
        with Run(path) as run:
            word = run.status if run.status != "running" else GOING if written else KILLED
            why = str(run.attributes.get("reason", "")) if word == "failed" else ""
            return State(str(name), word, *_reached(run), why)
    except RunFileError as cause:  # a writer may be seen in the middle of something
        return State(str(name), GOING) if written else State(str(name), UNREADABLE, why=str(cause))


def _reached(run: Run) -> tuple[str, str, str]:
    """Return the last epoch, of how many; the error after it, of the validation split or else of the test split; and its name."""
    metrics = run.metrics
    splits = set(metrics.index.get_level_values("split"))
    split = "validation" if "validation" in splits else "test"
    if split not in splits:
        return "", "", ""
    last = metrics.loc[split].iloc[-1]
    return f"{last.name}{_planned(run)}", f"{last['error']:.2f}", f"{split} {run.error_name}"


def _planned(run: Run) -> str:
    """Return ``/`` and the epochs of all stages, or of all tasks; nothing where the file does not say them."""
    import tomllib

    from neurosim.runfile.continual import known

    if tasks := known(run.attributes):
        return f"/{max(tasks)}"
    try:
        stages = tomllib.loads(run.model).get("stages", [])
        return f"/{sum(int(stage['epochs']) for stage in stages)}" if stages else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def summary(states: Sequence[State]) -> str:
    """Return how many runs there are, and how many of each state."""
    counts = Counter(state.word for state in states)
    told = ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word])
    return f"{len(states)} run{'s' * (len(states) != 1)}: {told}" if states else "no run yet"


def table(states: Sequence[State], title: str, most: int) -> Group:
    """Return the states as a table: of many runs those that go on, failed or stopped first, and no more than ``most``."""
    from neurosim.cli.progress import console
    from neurosim.cli.tables import fitted

    shown = sorted(states, key=lambda state: ORDER.index(state.word))[:most] if len(states) > most else list(states)
    left_out = f" ({len(states) - len(shown)} of them not shown)" if len(shown) < len(states) else ""
    columns = [("state", [state.word for state in shown]), ("epoch", [state.epoch for state in shown])]
    for name in dict.fromkeys(state.error_name for state in shown if state.error):
        errors = [state.error if state.error_name == name else "" for state in shown]
        columns.append((f"{name.replace(' ', chr(10), 1)}, %", errors))
    rows = ("run", [state.name.removesuffix(".h5") for state in shown])
    return fitted(console, rows, [[column] for column in columns], f"{title}: {summary(states)}{left_out}", left=("state",))
