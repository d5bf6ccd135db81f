"""What progress says: the epoch, and the error of which split."""

import io

import pytest
from rich.console import Console

from neurosim.cli import progress
from neurosim.experiments.run import prepare
from neurosim.modelfile.model_file import ModelFile
from neurosim.tasks import tasks
from neurosim.training import Evaluation

METRICS = {"train": Evaluation(0.4567, 9.0), "validation": Evaluation(0.5, 7.87), "test": Evaluation(0.6, 10.8)}
TASK = tasks()["classification"]


def at(width, monkeypatch):
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True)
    monkeypatch.setattr(progress, "console", console)
    return console


@pytest.mark.parametrize(("width", "said"), [
    (60, "epoch 3/20\nvalidation error 7.9 %"),
    (80, "epoch 3/20  training loss 0.457\nvalidation error 7.9 %"),
    (120, "epoch 3/20  training loss 0.457  validation error 7.9 %"),
])  # fmt: skip
def test_a_bar_says_whose_error_it_shows(width, said):
    assert progress.in_short("epoch 3/20", METRICS, TASK, width) == said
    held_out_none = {split: METRICS[split] for split in ("train", "test")}
    assert progress.in_short("epoch 3/20", held_out_none, TASK, width) == said.replace("validation error 7.9", "test error 10.8")


def test_a_line_says_all_of_them():
    line = "training loss 0.4567  training error 9.00 %  validation error 7.87 %  test error 10.80 %"
    assert progress.described(METRICS, TASK) == line
    words = "training unexplained variance 9.00 %  validation unexplained variance 7.87 %"
    assert words in progress.described(METRICS, tasks()["regression"])


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_bars_fit_the_terminal_and_cut_nothing(width, monkeypatch):
    console = at(width, monkeypatch)
    settings = ["data.name=digits", "data.limit=300", "stages.0.epochs=100", "network.hidden=[8]"]
    job = prepare(ModelFile.load("backprop-dtp-mnist", settings))
    trainer = job.trainers[0]
    with progress.display() as shown:
        bar = progress.Bar(shown, job, "difference_target_propagation, seed 1")
        trainer.epoch = 100
        bar.on_epoch(trainer, {name: Evaluation(12.3456, 100.0) for name in METRICS})
        shown.refresh()
        text = console.file.getvalue()
    last = text.replace("\r", "\n").splitlines()[-3:]
    assert max(map(len, last)) <= width + 20  # with what moves the cursor
    for word in ("difference_target_", "propagation, seed 1", "epoch 100/100", "validation error 100.0 %", "left"):
        assert word in text
    assert "…" not in text
