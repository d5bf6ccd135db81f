"""Progress on the terminal: a bar with epoch, loss, error and time left; where there is no terminal, a line for each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from neurosim.cli.tables import folded
from neurosim.experiments.run import Job
from neurosim.runfile import error_name
from neurosim.tasks import Task
from neurosim.training import Evaluation, Observer, Trainer


class OurConsole(Console):
    """Rich's own leaves the process, with status 1, where nobody reads what is printed."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 the BrokenPipeError that is being handled


console = OurConsole()
if not console.is_terminal:
    console = OurConsole(width=160)  # a pipe has no width; let no cell of a table be cut

WIDE = 110  # columns that a bar needs beside the longest name of a scheme and its numbers
ONE_LINE = 100  # below, the error stands on a line of its own
NARROW = 70  # below, the loss is left out
NAME = 25  # characters of a name on one line; a longer one is folded behind an underscore or a hyphen
SPLITS = ("train", "validation", "test")


def is_live() -> bool:
    """Return whether the terminal can write over what it has shown."""
    return console.is_terminal and not console.is_dumb_terminal


class Bar(Observer):
    """Moves one task of a Rich progress display along with a job."""

    def __init__(self, progress: Progress, job: Job, title: str) -> None:
        self.progress = progress
        self.job = job
        name = folded(title, NAME if console.width >= NARROW else NAME - 3)
        self.task = progress.add_task(name, total=sum(steps(t, job) * t.epochs for t in job.trainers), state="")

    def on_step(self, trainer: Trainer) -> None:
        self.progress.update(self.task, completed=trainer.steps)

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        self.progress.update(self.task, completed=trainer.steps, state=in_short(reached(trainer, self.job), metrics, trainer.task))


class Lines(Observer):
    """Prints a line after each epoch."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        if trainer.epoch or trainer is self.job.trainers[0]:
            print(f"{reached(trainer, self.job)}  {described(metrics, trainer.task)}", flush=True)


class LastLine(Observer):
    """Prints a line after the last epoch of all."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        if trainer is self.job.trainers[-1] and trainer.epoch == trainer.epochs:
            print(f"{self.job.model.name}, seed {self.job.seed}: {described(metrics, trainer.task)}", flush=True)


@contextmanager
def progress_of(job: Job, quiet: bool) -> Iterator[list[Observer]]:
    """Yield the observers that show how ``job`` goes on."""
    if quiet:
        yield []
    elif is_live():
        with display() as progress:
            yield [Bar(progress, job, job.model.name)]
    else:
        yield [Lines(job)]


def display() -> Progress:
    """Return the display of bars; on a narrow terminal without the bars, so that no name and no number is cut."""
    whole = Column(no_wrap=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}", table_column=Column(overflow="fold", no_wrap=False))]
    columns += [BarColumn(bar_width=10)] if console.width >= WIDE else []
    state = whole if console.width >= ONE_LINE else Column(overflow="fold", no_wrap=False)
    columns += [TextColumn("{task.fields[state]}", table_column=state), TimeRemainingColumn(table_column=whole)]
    return Progress(*columns, TextColumn("left", style="dim", table_column=whole), console=console)


def reached(trainer: Trainer, job: Job) -> str:
    """Return the epoch that has ended, counted over all stages."""
    earlier = job.trainers[: job.trainers.index(trainer)]
    return f"epoch {sum(t.epochs for t in earlier) + trainer.epoch}/{job.epochs}"


def described(metrics: Mapping[str, Evaluation], task: Task) -> str:
    """Return the loss and the error of each split in a few words."""
    name = error_name(task.score)
    errors = [f"{spoken(split)} {name} {metrics[split].error:.2f} %" for split in SPLITS if split in metrics]
    return "  ".join([f"training loss {metrics['train'].loss:.4f}", *errors])


def spoken(split: str) -> str:
    """Return a split's name as text says it."""
    return "training" if split == "train" else split


def in_short(epoch: str, metrics: Mapping[str, Evaluation], task: Task) -> str:
    """Return epoch, loss and one error in few characters: of the validation split, or of the test split where there is no other."""
    split = "validation" if "validation" in metrics else "test"
    error = f"{split} {error_name(task.score)} {metrics[split].error:.1f} %"
    loss = f"  training loss {metrics['train'].loss:.3f}" if console.width >= NARROW else ""
    return f"{epoch}{loss}{'  ' if console.width >= ONE_LINE else chr(10)}{error}"


def steps(trainer: Trainer, job: Job) -> int:
    """Return the steps of one epoch."""
    return len(job.data.train) // trainer.batch * len(trainer.pathway.phases)
