"""Progress on the terminal: a bar with epoch, loss, error and time left; where there is no terminal, a line for each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from neurosim.cli.tables import folded
from neurosim.experiments.run import Job
from neurosim.runfile import error_name
from neurosim.tasks import Task
from neurosim.training import Evaluation, Observer, Trainer
from neurosim.training.progress import NARROW, columns, in_short, spoken


class OurConsole(Console):
    """Rich's own leaves the process, with status 1, where nobody reads what is printed."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 the BrokenPipeError that is being handled


console = OurConsole()
if not console.is_terminal:
    console = OurConsole(width=160)  # a pipe has no width; let no cell of a table be cut

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
        self.task = progress.add_task(name, total=sum(t.steps_in(job.data, 0, t.epochs) for t in job.trainers), state="")

    def on_step(self, trainer: Trainer) -> None:
        self.progress.update(self.task, completed=trainer.steps)

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        said = in_short(reached(trainer, self.job), metrics, trainer.task, console.width)
        self.progress.update(self.task, completed=trainer.steps, state=said)


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
    return Progress(*columns(console.width), console=console)


def reached(trainer: Trainer, job: Job) -> str:
    """Return the epoch that has ended, counted over all stages or tasks, and of which task it was."""
    earlier = job.trainers[: job.trainers.index(trainer)]
    tasks = len(job.data.tasks)
    task = f" task {-(-trainer.epoch * tasks // trainer.epochs)}/{tasks}" if tasks and trainer.epoch else ""
    return f"epoch {sum(t.epochs for t in earlier) + trainer.epoch}/{job.epochs}{task}"


def described(metrics: Mapping[str, Evaluation], task: Task) -> str:
    """Return the loss and the error of each split in a few words."""
    name = error_name(task.score)
    errors = [f"{spoken(split)} {name} {metrics[split].error:.2f} %" for split in SPLITS if split in metrics]
    return "  ".join([f"training loss {metrics['train'].loss:.4f}", *errors])
