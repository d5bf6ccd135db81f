"""The bar of ``fit``: on a terminal and in a notebook, nowhere else, and never the reason that something fails."""

import io
import multiprocessing
import re
import sys
import types

import numpy as np
import pytest

from neurosim.checking.bench import ArrayTrainer, make_data
from neurosim.experiments.run import prepare, run
from neurosim.feedback import pathway
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.training import Observer, progress

DATA = make_data()


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Gone(Terminal):
    """A terminal that was closed."""

    def write(self, text):
        raise OSError(5, "Input/output error")


def trainer(epochs=3):
    network = Network.layered(DATA.shape, [6], DATA.classes, seed=1)
    return ArrayTrainer(network, pathway("difference_target_propagation"), Adam(0.01), epochs=epochs, batch=16)


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes a stream the one of errors, and gives what was written on it, without its escapes."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")

    def take(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return lambda: re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())

    return take


def test_a_bar_is_shown_on_a_terminal(terminal):
    shown = terminal(Terminal())
    made = trainer()
    error = made.fit(DATA)[-1]["test"].error
    last = shown().rstrip().splitlines()[-1]
    assert "difference_target_propagation" in last and "epoch 3/3" in last and f"error {error:.1f} %" in last
    made.fit(DATA, epochs=2)
    assert "epoch 5/5" in shown()


def test_it_moves_by_what_the_trainer_has_done(terminal, monkeypatch):
    """A bar of 2 epochs, 2 passes of 4 steps each; begun within the first."""
    terminal(Terminal())
    made, seen = trainer(), []
    monkeypatch.setattr(progress.Bar, "_keep_drawing", lambda bar: bar.ended.wait())

    class Look(Observer):
        def __init__(self, interrupt):
            self.interrupt = interrupt

        def on_step(self, trainer):
            bar._draw()
            task = bar.progress.tasks[0]
            seen.append((task.completed, task.total, task.fields["state"].split()[1]))
            if trainer.steps == self.interrupt:
                raise KeyboardInterrupt

    init = progress.Bar.__init__

    def kept(self, *args):
        nonlocal bar
        bar = self
        init(self, *args)

    bar = None
    monkeypatch.setattr(progress.Bar, "__init__", kept)
    with pytest.raises(KeyboardInterrupt):
        made.fit(DATA, Look(3), epochs=2)
    assert seen == [(1, 16, "1/2"), (2, 16, "1/2"), (3, 16, "1/2")]
    seen.clear()
    made.fit(DATA, Look(0), epochs=2)
    assert seen[0] == (4, 16, "1/2") and seen[-1] == (16, 16, "2/2") and len(seen) == 13


@pytest.mark.parametrize("how", ["asked", "piped", "dumb", "forced", "worker", "none", "engine"])
def test_nothing_is_shown_elsewhere(how, terminal, monkeypatch, small, tmp_path):
    stream = Terminal() if how in ("asked", "dumb", "worker", "engine") else io.StringIO()
    shown = terminal(None if how == "none" else stream) if how != "none" else lambda: ""
    if how == "none":
        monkeypatch.setattr(sys, "stderr", None)
    if how == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if how == "forced":
        monkeypatch.setenv("FORCE_COLOR", "1")
    if how == "worker":
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the one that started it")
    if how == "engine":
        run(prepare(ModelFile.of("small", small(epochs=1))), tmp_path / "run.h5").close()
    else:
        trainer().fit(DATA, progress=how != "asked")
    assert shown() == ""


def test_of_two_at_once_one_is_shown(terminal):
    shown = terminal(Terminal())

    class Within(Observer):
        def on_epoch(self, inner, metrics):
            trainer(1).fit(DATA)

    trainer(5).fit(DATA, Within())
    assert "epoch 5/5" in shown() and "epoch 1/1" not in shown()
    trainer(1).fit(DATA)
    assert "epoch 1/1" in shown()


def test_a_bar_changes_no_bit_and_a_stop_is_told(terminal):
    class Stop(Observer):
        def on_epoch(self, trainer, metrics):
            if trainer.epoch == 2:
                trainer.stop("[b]enough[/]")

    shown, with_bar, without = terminal(Terminal()), trainer(), trainer()
    with_bar.fit(DATA, Stop()), without.fit(DATA, Stop(), progress=False)
    for name, value in with_bar.state().items():
        np.testing.assert_array_equal(value, without.state()[name], err_msg=name)
    assert "epoch 2/3" in shown() and "stopped: [b]enough[/]" in shown()


def test_a_terminal_that_is_gone_ends_no_training(terminal):
    terminal(Gone())
    assert len(trainer().fit(DATA)) == 3


def test_what_an_observer_prints_goes_where_it_went(terminal, capsys):
    class Say(Observer):
        def on_epoch(self, trainer, metrics):
            print("at", trainer.epoch)

    shown = terminal(Terminal())
    trainer().fit(DATA, Say())
    assert capsys.readouterr().out == "at 0\nat 1\nat 2\nat 3\n"  # a pipe; the bar goes to the terminal
    assert "at 1" not in shown()


def test_in_a_notebook_one_output_is_updated(monkeypatch):
    """IPython's displays, and no widget: what is saved with the notebook shows the last state."""
    seen = []

    class Handle:
        def update(self, table):
            seen.append(table._repr_mimebundle_((), ())["text/html"])

    def display(table, display_id):
        assert display_id is True
        seen.append(table._repr_mimebundle_((), ())["text/html"])
        return Handle()

    fake = types.ModuleType("IPython.display")
    fake.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    monkeypatch.setattr(progress, "find_place", lambda: "notebook")
    trainer().fit(DATA)
    assert len(seen) >= 2 and "epoch 1/3" in seen[0] and "epoch 3/3" in seen[-1] and "error" in seen[-1]
