"""Rows of a comparison that train at once, in worker processes: what comes out is what one process makes of one after the other."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import psutil
import pytest

import neurosim
from neurosim.backends import NumpyBackend, limits
from neurosim.cli import main
from neurosim.errors import InputError
from neurosim.experiments.comparison import reopen, resume, run_all
from neurosim.experiments.comparison_folder import NAME
from neurosim.experiments.comparison_plan import Plan
from neurosim.experiments.estimate import memory
from neurosim.feedback import Claims, FeedbackPathway
from neurosim.training import Observer

SHORT = ["training.epochs=2", "data.limit=300", "network.hidden=[16]"]
ROWS = ["backprop", "feedback_alignment", "frozen"]
OWN = {"created", "threads", "digests"}  # attributes of a process: a worker has one BLAS thread; the digests are of these, too


class Halved(FeedbackPathway):
    """Errors go down through half of each weight; given in Python, in no module that a worker could import."""

    claims = Claims(weight_transport="full", update_locking=True, backward_locking=True)

    def teach(self, sweep, target, draws):
        halves = {name: 0.5 * p.w for name, p in self.network.projections.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), halves)


def samples():
    draw, y = np.random.default_rng(0), np.arange(240) % 3
    return draw.normal(size=(240, 6)) + 2 * y[:, None], y


def compared(out, jobs, **options):
    wild = {"scheme": "frozen", "optimiser": {"name": "sgd", "learning_rate": 1e39}}
    rows = {"wild": wild, "mine": {"scheme": Halved}, "hebb": {"rule": "dw = 0.01 * rate_post * rate_pre"}}
    settings = ["network.hidden=[12]"]
    return neurosim.compare(samples(), rows, seeds=2, epochs=2, out=out, settings=settings, quiet=True, jobs=jobs, **options)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    return compared(folder / "one", 1), compared(folder / "two", 2)


def test_as_many_models_as_train_at_once_have_to_fit(tmp_path, monkeypatch):
    plan = Plan.load("compare", rows=ROWS, settings=["network.hidden=[3000, 3000]", "training.epochs=1", "data.limit=300"])
    needed = memory(plan.models["backprop"].table).on(NumpyBackend())
    monkeypatch.setattr(limits, "free_memory", lambda: limits.Room(int(2.5 * needed), "a test"))
    with pytest.raises(InputError, match="needs about .* GiB more in each of 3 processes, .*, or run fewer at once") as caught:
        next(run_all(plan, tmp_path / "out", jobs=3))
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def numbers(folder):
    """Return the table without its times."""
    with (folder / "table.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if not key.startswith("step_")} for row in csv.DictReader(file)]


def test_two_jobs_reach_what_one_reaches(both, same_content):
    one, two = both
    assert numbers(one.out) == numbers(two.out) and len(numbers(one.out)) == 8
    assert [(r.scheme, r.seed, r.failure) for r in one.results] == [(r.scheme, r.seed, r.failure) for r in two.results]
    assert any(result.failure.startswith("diverged") for result in two.results)
    assert one.title == two.title and (two.out / "report.html").exists()
    assert {path.name for path in one.out.iterdir()} == {path.name for path in two.out.iterdir()}
    for path in one.out.glob("*.h5"):
        same_content(path, two.out / path.name)
        with h5py.File(path) as a, h5py.File(two.out / path.name) as b:
            for name in a.attrs.keys() | b.attrs.keys():
                assert name in OWN or a.attrs[name] == b.attrs[name], name
    assert (one.out / NAME).read_text() == (two.out / NAME).read_text()


@pytest.mark.slow
def test_a_comparison_goes_on_with_other_jobs_than_it_began_with(both, tmp_path, same_content):
    one, _ = both
    folder = tmp_path / "parts"
    compared(folder, 2)
    (folder / "mine-seed1.h5").unlink()
    kept = {path: path.read_bytes() for path in folder.glob("*.h5") if not path.name.startswith("wild")}
    found = compared(folder, 2, resume=True)
    assert numbers(folder) == numbers(one.out) and len(found.results) == 8
    same_content(one.out / "mine-seed1.h5", folder / "mine-seed1.h5")
    assert all(path.read_bytes() == content for path, content in kept.items())


class Stop(Observer):
    def on_step(self, trainer):
        if trainer.steps == 12:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_row_that_was_stopped_goes_on_from_its_checkpoint(tmp_path, same_content):
    plan = Plan.load(rows=ROWS, settings=SHORT)
    expected = list(run_all(plan, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        list(run_all(plan, tmp_path / "parts", watch=lambda job: [Stop()]))
    found = list(resume(reopen(tmp_path / "parts"), tmp_path / "parts", jobs=3))
    assert sorted((r.scheme, r.test_accuracy) for r in found) == sorted((r.scheme, r.test_accuracy) for r in expected)
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "parts")
    for path in (tmp_path / "whole").glob("*.h5"):
        same_content(path, tmp_path / "parts" / path.name)


def test_on_the_command_line_with_classes_of_a_users_own(users_classes, tmp_path, capsys):
    mine = f"rows.mine.scheme={users_classes.stem}:SignSymmetry"
    settings = [word for setting in [*SHORT, mine] for word in ("--set", setting)]
    options = ["--schemes", "backprop,mine", "--import", str(users_classes), "--out", str(tmp_path / "out")]
    assert main(["compare", *options, *settings, "--jobs", "2"]) == 0
    assert re.findall(r"^(\d) of 2: (?:backprop|mine), seed 1: test accuracy", capsys.readouterr().out, re.M) == ["1", "2"]
    assert [row["scheme"] for row in numbers(tmp_path / "out")] == ["backprop", "mine"]


def test_what_is_no_number_of_jobs_or_lacks_dask_is_one_line(tmp_path, monkeypatch):
    plan = Plan.load(rows=ROWS, settings=SHORT)
    for jobs in (0, 1.5, True):
        with pytest.raises(InputError, match=f"^jobs {jobs}: expected 1 or more"):
            list(run_all(plan, tmp_path / "out", jobs=jobs))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=re.escape("pip install 'neurosim[study]'")):
        list(run_all(plan, tmp_path / "out", jobs=2))
    assert list(tmp_path.iterdir()) == []


def begin(*options):
    """Start a comparison in a process group of its own, as a shell does."""
    command = [sys.executable, "-m", "neurosim", "compare", *options, "--jobs", "2"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": os.environ | {"OPENBLAS_NUM_THREADS": "1"}}
    return subprocess.Popen(command, text=True, start_new_session=True, **options)


LONG = [*SHORT, "training.epochs=40"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long") / "whole"
    list(run_all(Plan.load(rows=ROWS, settings=LONG), folder))
    return folder


@pytest.fixture
def begun(tmp_path):
    """A comparison with two rows on their way."""
    options = ["--schemes", ",".join(ROWS), "--out", str(tmp_path / "parts")]
    process = begin(*options, *(word for setting in LONG for word in ("--set", setting)))
    while len(list(tmp_path.glob("parts/*.h5"))) < 2 and process.poll() is None:
        time.sleep(0.02)
    return process


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no process groups")
def test_after_control_c_nothing_runs_and_it_goes_on(begun, whole, tmp_path, same_content):
    children = psutil.Process(begun.pid).children(recursive=True)
    os.killpg(begun.pid, signal.SIGINT)
    _, said = begun.communicate(timeout=60)
    assert begun.returncode == 130, said
    assert said.count("\n") == 1 and "interrupted; continue with: neurosim compare --resume" in said
    assert not psutil.wait_procs(children, timeout=10)[1]
    _, said = (again := begin("--resume", "--out", str(tmp_path / "parts"))).communicate(timeout=120)
    assert again.returncode == 0, said
    check_same(whole, tmp_path / "parts", same_content)


@pytest.mark.slow
def test_a_worker_that_dies_gives_its_row_back(begun, whole, tmp_path, same_content):
    workers = [child for child in psutil.Process(begun.pid).children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    _, said = begun.communicate(timeout=120)
    assert begun.returncode == 0, said
    check_same(whole, tmp_path / "parts", same_content)


def check_same(whole, parts, same_content):
    assert numbers(whole) == numbers(parts)
    for path in whole.glob("*.h5"):
        same_content(path, parts / path.name)
