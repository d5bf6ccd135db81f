"""How far a training is: a bar on the terminal, or in the notebook, drawn by a thread beside it.

The thread asks the trainer now and then, so that a step costs the same with and without it.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from neurosim.datasets import DataSet
from neurosim.runfile import error_name
from neurosim.tasks import Task
from neurosim.training.evaluation import Evaluation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

    from neurosim.training.trainer import Trainer

EVERY = 0.5  # seconds between two looks; each takes one or two milliseconds
WIDE = 110  # columns of a terminal that a bar needs beside the longest name of a scheme and its numbers
ONE_LINE = 100  # below, the error stands on a line of its own
NARROW = 70  # below, the loss is left out

Show = Callable[[Mapping[str, Evaluation]], None]

_shown = threading.Lock()  # held while a bar is shown: two would write over each other


@contextmanager
def show_progress(trainer: Trainer, data: DataSet, last: int, wanted: bool) -> Iterator[Show]:
    """Show how far ``trainer`` is on its way to the end of epoch ``last``; yield what takes the evaluation of each epoch.

    Nothing is shown where it is not ``wanted``, where stderr is neither a terminal nor a notebook's, in a worker process, and while
    another bar is shown.
    """
    place = find_place() if wanted else ""
    if not place or not _shown.acquire(blocking=False):
        yield lambda metrics: None
        return
    try:
        bar = Bar(trainer, data, last, place)
        try:
            yield bar.show
        finally:
            bar.close()
    finally:
        _shown.release()


def find_place() -> str:
    """Return where a bar can be drawn: ``terminal``, ``notebook``, or "" where it cannot."""
    terminal = hasattr(sys.stderr, "isatty") and sys.stderr.isatty()
    if multiprocessing.parent_process() is not None or not (terminal or "IPython" in sys.modules):
        return ""
    console = make_console()
    if console.is_jupyter:
        return "notebook"
    return "terminal" if terminal and console.is_terminal and not console.is_dumb_terminal else ""


def make_console() -> Console:
    """Return a console on stderr that leaves the process alone where nobody reads it any more."""
    from rich.console import Console

    console = Console(stderr=True)
    console.on_broken_pipe = _raise_again  # type: ignore[method-assign]
    return console


def _raise_again() -> None:
    raise  # noqa: PLE0704 the BrokenPipeError that is being handled


class Bar:
    """A bar, its numbers, and the thread that draws it anew.  Where it cannot be drawn (a terminal is gone), training goes on."""

    def __init__(self, trainer: Trainer, data: DataSet, last: int, place: str) -> None:
        from rich.progress import Progress

        console = make_console()
        in_terminal = place == "terminal"
        # what is printed meanwhile appears above the bar; a stdout that leads elsewhere is left alone
        both = in_terminal and hasattr(sys.stdout, "isatty") and sys.stdout.isatty()
        self.progress = Progress(
            *columns(console.width), console=console, auto_refresh=False, redirect_stdout=both, redirect_stderr=in_terminal
        )
        self.trainer, self.data, self.last, self.width = trainer, data, last, console.width
        self.begun = trainer.steps - self._done()
        self.first = trainer.epoch
        self.ended = threading.Event()
        self.metrics: Mapping[str, Evaluation] | None = None  # of the epoch that has ended last
        self.handle: Any = None
        self.task = self.progress.add_task(trainer.pathway.name, total=self._total(), completed=self._done(), state=self._state())
        with suppress(Exception):
            if in_terminal:
                self.progress.start()
            else:
                from IPython.display import display

                self.handle = display(self._table(), display_id=True)
        self.thread = threading.Thread(target=self._keep_drawing, name="neurosim-progress", daemon=True)
        self.thread.start()

    def show(self, metrics: Mapping[str, Evaluation]) -> None:
        """Take the evaluation of the epoch that has just ended."""
        self.metrics = metrics

    def close(self) -> None:
        """Draw it once more, and leave it as it is."""
        self.ended.set()
        self.thread.join()
        self._draw()
        with suppress(Exception):
            self.progress.stop()

    def _keep_drawing(self) -> None:
        while not self.ended.wait(EVERY):
            self._draw()

    def _draw(self) -> None:
        done = self.trainer.steps - self.begun
        self.progress.update(self.task, completed=done, total=self._total(), state=self._state())
        with suppress(Exception):
            if self.handle is None:
                self.progress.refresh()
            else:
                self.handle.update(self._table())

    def _table(self) -> Any:
        return self.progress.make_tasks_table(self.progress.tasks)

    def _state(self) -> str:
        at = self.trainer.epoch + (0 if self.ended.is_set() else 1)
        epoch = f"epoch {min(at, self.last)}/{self.last}"
        said = epoch if self.metrics is None else in_short(epoch, self.metrics, self.trainer.task, self.width)
        return f"{said} stopped: {self.trainer.stopped}" if self.trainer.stopped and self.ended.is_set() else said

    def _a_pass(self) -> int:
        return len(self.data.during(self.trainer.epoch, self.trainer.epochs).train) // self.trainer.batch

    def _done(self) -> int:
        """Return the steps of the epoch at hand that were done before."""
        return self.trainer.phase * self._a_pass() + self.trainer.position

    def _total(self) -> int:
        return self.trainer.steps_in(self.data, self.first, self.last)


def columns(width: int) -> list[ProgressColumn]:
    """Return what a bar's line shows in a terminal of some columns; no name and no number is cut."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    whole, folding = Column(no_wrap=True), Column(overflow="fold", no_wrap=False)
    shown: list[ProgressColumn] = [TextColumn("{task.description}", markup=False, table_column=folding)]
    shown += [BarColumn(bar_width=10)] if width >= WIDE else []
    state = whole if width >= ONE_LINE else Column(overflow="fold", no_wrap=False)
    shown += [TextColumn("{task.fields[state]}", markup=False, table_column=state), TimeRemainingColumn(table_column=whole)]
    return [*shown, TextColumn("left", style="dim", table_column=whole)]


def spoken(split: str) -> str:
    """Return a split's name as text says it."""
    return "training" if split == "train" else split


def in_short(epoch: str, metrics: Mapping[str, Evaluation], task: Task, width: int) -> str:
    """Return epoch, loss and one error in few characters: of the validation split, or of the test split where there is no other.

    width : columns of the terminal; the loss is left out where they are few
    """
    split = "validation" if "validation" in metrics else "test"
    error = f"{spoken(split)} {error_name(task.score)} {metrics[split].error:.1f} %"
    loss = f"  training loss {metrics['train'].loss:.3f}" if width >= NARROW else ""
    return f"{epoch}{loss}{'  ' if width >= ONE_LINE else chr(10)}{error}"
