"""Damaged and hostile run files, with every command: one line, in time, nothing left behind, nothing written outside.

Each case is a process of its own, forked from one that has imported everything.  Fixed seeds are always the same cases; a fresh
one, printed, is new every time.
"""

import importlib.util
import os
import random
import select
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("hostile", HERE / "hostile.py")
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)

SECONDS = 240  # by the clock, for one file and six commands, on a machine that does other things too
MEMORY = 1.5 * 2**30  # bytes; what a good file takes is half of it, most of it libraries
MODEL = "run backprop-dtp-mnist --data digits --set network.hidden=[8,6] --set data.limit=300 --epochs 3 --out run.h5 --quiet"
RECORD = ["--record", "hidden1.rate every 1 epoch", "--record", "x__hidden1.w every 1 epoch", "--alignment", "every 1 epoch"]
KILLED = """
import os, sys
from neurosim.cli import main
from neurosim.recording.recorder import Recorder
on_epoch = Recorder.on_epoch
def killed(self, trainer, metrics):
    on_epoch(self, trainer, metrics)
    self.background.wait()
    if trainer.epoch == 2:
        os._exit(9)
Recorder.on_epoch = killed
main(sys.argv[1:])
"""
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory by /proc")


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A run file of each kind: of a run that came to its end, that was stopped, that was killed."""
    folder = tmp_path_factory.mktemp("good")
    code = {"closed": "import sys; from neurosim.cli import main; sys.exit(main(sys.argv[1:]))", "killed": KILLED}
    for kind in code:
        (folder / kind).mkdir()
        command = [sys.executable, "-c", code[kind], *MODEL.split(), *RECORD]
        done = subprocess.run(command, cwd=folder / kind, env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == (9 if kind == "killed" else 0), done.stderr
    shutil.copytree(folder / "closed", folder / "stopped")
    set_status(folder / "stopped" / "run.h5", b"interrupted")
    return {kind: folder / kind / "run.h5" for kind in ("closed", "stopped", "killed")}


def set_status(path, status):
    import h5py
    import numpy as np

    with h5py.File(path, "r+", libver=hostile.LIBRARY) as file:
        file.attrs.modify("status", np.array(status, dtype=h5py.string_dtype("utf-8", 16)))


@pytest.fixture(scope="session")
def attacker():
    """Return a function that runs every command on ``folder``/run.h5, and returns the status of the process that did."""
    begun = [sys.executable, HERE / "attack.py"]
    process = subprocess.Popen(begun, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(folder):
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        ended, _, _ = select.select([process.stdout], [], [], SECONDS)
        if not ended:
            for one in (*psutil.Process(process.pid).children(recursive=True), process):
                one.kill()
            pytest.fail(f"not ended in {SECONDS} s")
        return int(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait()


@pytest.fixture
def attacked(attacker, tmp_path):
    """Return a function that runs every command on ``folder``/run.h5: the exit status of each, and what stderr was told."""

    def run(folder):
        status = attacker(folder)
        out, told = (folder.with_name(name).read_text() for name in ("stdout", "stderr"))
        lines = out.splitlines()
        assert status == 0 and "Traceback" not in told and "traceback" not in out, told[-3000:]
        assert int(lines[-1]) < MEMORY, f"{int(lines[-1]):,} bytes"
        assert all(len(line) < 1000 for line in told.splitlines()), told
        assert {item.name for item in folder.iterdir()} <= {"run.h5", "report.html", "run-csv", "victim"}, list(folder.iterdir())
        assert (folder / "victim").read_bytes() == hostile.VICTIM
        ended = [line.split() for line in lines if line.startswith("ended ")]
        return {words[1] if words[1] != "run" else "resume": words[-1] for words in ended}, told

    return run


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "attacked"
    made.mkdir()
    return made


def given(good, kind, folder):
    shutil.copy(good[kind], folder / "run.h5")
    (folder / "victim").write_bytes(hostile.VICTIM)
    return folder / "run.h5"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["closed", "stopped", "killed"])
def test_good_files_are_good(good, kind, attacked, folder):
    """The control: without it, an attack that refuses everything would pass."""
    given(good, kind, folder)
    statuses, told = attacked(folder)
    assert statuses.pop("watch") == ("0" if kind == "closed" else "3"), told
    assert statuses == dict.fromkeys(("check", "report", "export", "open_run", "resume"), "0"), told


FRESH = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(2**32)  # one for all processes of a test run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "kind"),
    [*((1, kind) for kind in hostile.HOSTILE), *((FRESH, kind) for kind in random.Random(FRESH).sample(list(hostile.HOSTILE), 8))],
    ids=lambda value: value if isinstance(value, str) else "fixed" if value == 1 else "fresh",
)
def test_hostile_objects(good, kind, seed, attacked, folder):
    path = given(good, "stopped", folder)
    place = random.Random(f"{seed}{kind}").choice(datasets(path))
    print("seed", seed, place)
    hostile.replace(path, place, kind, folder / "victim")
    attacked(folder)


def datasets(path):
    import h5py

    found = []
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.append(name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["closed", "stopped", "killed"])
@pytest.mark.parametrize("damage", ["flip", "flips", "cut", "zeros"])
@pytest.mark.parametrize("seed", [1, FRESH], ids=["fixed", "fresh"])
def test_damage(good, kind, damage, seed, attacked, folder):
    print("seed", seed)
    draw, path = random.Random(f"{seed}{kind}{damage}"), given(good, kind, folder)
    path.write_bytes(damaged(bytearray(path.read_bytes()), damage, draw))
    attacked(folder)


def damaged(content, damage, draw):
    if damage == "cut":
        return content[: draw.randrange(len(content))]
    start = draw.randrange(len(content))
    if damage == "zeros":
        content[start : start + 512] = bytes(len(content[start : start + 512]))
    for _ in range({"flip": 1, "flips": 20}.get(damage, 0)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return content
