"""Progress on the terminal: a bar with loss, error and time left; where there is no terminal, a line an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from neurosim.experiments.run import Job
from neurosim.runfile import error_name
from neurosim.tasks import Task
from neurosim.training import Evaluation, Observer, Trainer
from neurosim.training.progress import columns, in_short


class OurConsole(Console):
    """Rich's own leaves the process, with status 1, where nobody reads what is printed."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 the BrokenPipeError that is being handled


console = OurConsole()
if not console.is_terminal:
    console = OurConsole(width=160)  # a pipe has no width; let no cell of a table be cut


def is_live() -> bool:
    """Return whether the terminal can write over what it has shown."""
    return console.is_terminal and not console.is_dumb_terminal


class Bar(Observer):
    """Moves one task of a Rich progress display along with a job."""

    def __init__(self, progress: Progress, job: Job, title: str) -> None:
        self.progress = progress
        self.task = progress.add_task(title, total=sum(steps(t, job) * t.epochs for t in job.trainers), state="")

    def on_step(self, trainer: Trainer) -> None:
        self.progress.update(self.task, completed=trainer.steps)

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        self.progress.update(self.task, completed=trainer.steps, state=in_short(metrics, trainer.task, console.width))


class Lines(Observer):
    """Prints a line after each epoch."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        earlier = self.job.trainers[: self.job.trainers.index(trainer)]
        if trainer.epoch or not earlier:
            epoch = sum(t.epochs for t in earlier) + trainer.epoch
            print(f"epoch {epoch}/{self.job.epochs}  {described(metrics, trainer.task)}", flush=True)


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


def described(metrics: Mapping[str, Evaluation], task: Task) -> str:
    """Return loss and error in a few words."""
    name = error_name(task.score)
    loss, train, test = metrics["train"].loss, metrics["train"].error, metrics["test"].error
    if name == "error":
        return f"loss {loss:.4f}  train error {train:.2f} %  test error {test:.2f} %"
    return f"loss {loss:.4f}  {name}: train {train:.2f} %  test {test:.2f} %"


def steps(trainer: Trainer, job: Job) -> int:
    """Return the steps of one epoch."""
    return len(job.data.train) // trainer.batch * len(trainer.pathway.phases)
