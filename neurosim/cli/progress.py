"""Progress on the terminal: a bar with loss, error and time left; where there is no terminal, a line an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from neurosim.experiments.run import Job
from neurosim.network import Sweep
from neurosim.training import Evaluation, Observer, Trainer


class Bar(Observer):
    """Moves one task of a Rich progress display along with a job."""

    def __init__(self, progress: Progress, job: Job) -> None:
        self.progress = progress
        self.job = job
        self.task = progress.add_task(job.model.name, total=sum(steps(t, job) * t.epochs for t in job.trainers), state="")

    def on_step(self, trainer: Trainer, sweep: Sweep) -> None:
        self.progress.update(self.task, completed=trainer.steps)

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        self.progress.update(self.task, completed=trainer.steps, state=described(metrics))


class Lines(Observer):
    """Prints a line after each epoch."""

    def __init__(self, console: Console, job: Job) -> None:
        self.console = console
        self.job = job

    def on_epoch(self, trainer: Trainer, metrics: Mapping[str, Evaluation]) -> None:
        earlier = self.job.trainers[: self.job.trainers.index(trainer)]
        if trainer.epoch or not earlier:
            epoch = sum(t.epochs for t in earlier) + trainer.epoch
            self.console.print(f"epoch {epoch}/{self.job.epochs}  {described(metrics)}", highlight=False, soft_wrap=True)


@contextmanager
def progress_of(job: Job, quiet: bool) -> Iterator[list[Observer]]:
    """Yield the observers that show how ``job`` goes on."""
    console = Console()
    if quiet:
        yield []
    elif console.is_terminal:
        with display(console) as progress:
            yield [Bar(progress, job)]
    else:
        yield [Lines(console, job)]


def display(console: Console) -> Progress:
    """Return the display of bars."""
    left = TextColumn("left", style="dim")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), left, console=console)


def described(metrics: Mapping[str, Evaluation]) -> str:
    """Return loss and errors in a few words."""
    parts = [f"loss {metrics['train'].loss:.4f}"]
    return "  ".join(parts + [f"{split} error {evaluation.error:.2f} %" for split, evaluation in metrics.items()])


def steps(trainer: Trainer, job: Job) -> int:
    """Return the steps of one epoch."""
    return len(job.data.train) // trainer.batch * len(trainer.pathway.phases)
