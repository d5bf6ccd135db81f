"""A child looks through a file first: what would hang, crash or fill this process ends in one line."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

from neurosim.errors import RunFileError
from neurosim.runfile import Run, RunFile, looking, problems, survey
from neurosim.runfile.looking import Looker

LIBRARY = ("v110", "v110")


def with_endless_heap(path):
    """Set the size of an object in HDF5's global heap so that its reader goes nowhere."""
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL") + 16
    content[start + 8 : start + 16] = (2**64 - 16).to_bytes(8, "little")  # with the 16 bytes of its header: 0
    path.write_bytes(content)
    return path


def test_a_file_that_hdf5_does_not_come_to_an_end_with(made_up, monkeypatch):
    monkeypatch.setattr(survey, "SECONDS", 1)
    with_endless_heap(made_up)
    for read in (Run, problems, RunFile.resume):
        with pytest.raises(RunFileError, match="has not read it within 1 s"):
            read(made_up)
    assert [item.name for item in made_up.parent.iterdir()] == ["run.h5"]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
def test_an_interrupt_ends_it_at_once(made_up):
    code = "import sys; from neurosim.cli import main; print('here', flush=True); sys.exit(main(['check', sys.argv[1]]))"
    command = [sys.executable, "-c", code, str(with_endless_heap(made_up))]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert run.stdout.readline().strip() == b"here"
    time.sleep(1.0)
    started = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    run.communicate(timeout=20)
    assert run.returncode != 0 and time.monotonic() - started < 2.5  # which is less than SECONDS


def test_a_killed_run_with_a_flipped_bit_in_an_index(tmp_path):
    """HDF5 waits twice as long each of 100 times for a checksum to agree while it believes that somebody writes."""
    path = tmp_path / "run.h5"
    code = """
import os, sys, numpy as np
from pathlib import Path
from neurosim.runfile import RunFile, Series
file = RunFile.create(Path(sys.argv[1]), model="", attributes={"seed": 1}, series=[Series("metrics/test/loss", (), np.dtype("f8"))])
for row in range(500):
    file.append("metrics/test", {"loss": row})
file.flush()
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code, str(path)])
    content = bytearray(path.read_bytes())
    content[content.index(b"EAIB") + 20] ^= 1  # an extensible array's index block
    path.write_bytes(content)
    started = time.monotonic()
    assert any("checksum" in problem for problem in problems(path))
    assert time.monotonic() - started < 20


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of memory")
def test_text_that_takes_all_memory(made_up):
    """A file with a hole claims a gigabyte of text, and takes nothing on the disk."""
    with h5py.File(made_up, "r+", libver=LIBRARY) as file:
        del file["model"]
        file.create_dataset("model", (), dtype=h5py.string_dtype("utf-8", 2**30))
    with pytest.raises(RunFileError, match="1,073,741,824 characters long|more memory than"):
        Run(made_up)
    with h5py.File(made_up, "r+", libver=LIBRARY) as file:
        del file["model"]
        file["model"] = "x" * 2**26
    with pytest.raises(RunFileError, match="characters long|more memory than"):
        Run(made_up)


@pytest.fixture
def instead(tmp_path, monkeypatch):
    """Return a function that has other code run in the child than what looks through a file."""
    made = []

    def let(code):
        (tmp_path / "looks.py").write_text(f"import os, time\ndef look(path, seconds):\n    {code}\n")
        monkeypatch.syspath_prepend(tmp_path)
        made.append(Looker("looks:look"))
        monkeypatch.setattr(survey, "LOOKER", made[-1])
        return made[-1]

    yield let
    for looker in made:
        looker.end()


@pytest.fixture(params=[True, False] if looking.FORKS else [False], ids=lambda forks: "forked" if forks else "started")
def both_ways(request, monkeypatch):
    """Children are forked, as where the system can, and started, as where it cannot."""
    monkeypatch.setattr(looking, "FORKS", request.param)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.abort()", f"HDF5 crashes on it, with signal {signal.SIGABRT.value}"),
        ("raise SystemExit(1)", "checked it failed, with status 1"),
        ("print('too long', flush=True); os._exit(9)", "too long"),
        ("time.sleep(60)", "has not read it within 3 s"),
    ],
)
def test_how_the_child_ends_is_told(made_up, monkeypatch, instead, code, said):
    monkeypatch.setattr(survey, "PATIENCE", 1 / 3)
    instead(code)
    os.utime(made_up)
    with pytest.raises(RunFileError, match=said) as caught:
        Run(made_up)
    assert len(str(caught.value)) < 500


@pytest.mark.usefixtures("both_ways")
def test_a_file_is_looked_through_once(made_up, instead):
    os.utime(made_up)
    with Run(made_up):
        pass
    instead("raise SystemExit(1)")
    with Run(made_up):
        pass
    os.utime(made_up, ns=(1, 1))
    with pytest.raises(RunFileError, match="checked it failed, with status 1"):
        Run(made_up)


def test_what_this_process_wrote_needs_no_look(synthetic, tmp_path, instead):
    instead("raise SystemExit(1)")
    Run(synthetic.synthetic_run(tmp_path / "run.h5")).close()


forking = pytest.mark.skipif(not looking.FORKS, reason="this system cannot fork")


@forking
def test_one_process_forks_for_all_and_another_takes_its_place_when_it_ends(made_up, instead):
    looker = instead("print(os.getppid(), flush=True); os._exit(0)")
    parents = [looker.look(made_up, 1, 10) for _ in range(3)]
    assert len(set(parents)) == 1 and parents[0].status == 0
    os.kill(int(parents[0].text), signal.SIGKILL)
    after = looker.look(made_up, 1, 10)
    assert after.status == 0 and after != parents[0]


@forking
def test_what_hdf5_reads_from_the_environment_reaches_the_child(made_up, instead, monkeypatch):
    looker = instead("print(os.environ.get('HDF5_USE_FILE_LOCKING'), flush=True); os._exit(0)")
    for value in ("FALSE", "BEST_EFFORT"):
        monkeypatch.setenv("HDF5_USE_FILE_LOCKING", value)
        assert looker.look(made_up, 1, 10).text.strip() == value


@forking
def test_threads_and_forks_of_this_process_ask_apart(made_up, instead):
    looker = instead("time.sleep(0.05); print(path, flush=True); os._exit(0)")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: looker.look(Path(f"/{k}"), 1, 10).text.strip(), range(12)))
    assert found == [f"/{k}" for k in range(12)]
    child = os.fork()
    if child == 0:
        os._exit(0 if looker.look(Path("/child"), 1, 10).text.strip() == "/child" else 1)
    assert looker.look(Path("/parent"), 1, 10).text.strip() == "/parent"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@forking
@pytest.mark.parametrize("end", ["raise SystemExit", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_no_process_outlives_the_one_it_serves(made_up, end):
    code = "import os, sys; from neurosim.runfile import Run, survey; Run(sys.argv[1]).close()\n"
    code += f"print(survey.LOOKER._server.pid, flush=True); {end}"
    os.utime(made_up)
    run = subprocess.run([sys.executable, "-c", code, str(made_up)], stdout=subprocess.PIPE, text=True, timeout=60)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(run.stdout)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(int(run.stdout))


@forking
def test_a_process_with_nothing_to_do_ends(made_up, instead, monkeypatch):
    looker = instead("os._exit(0)")
    assert looker.look(made_up, 1, 10).status == 0
    looker.end()
    assert looker._server is None
    code = "from neurosim.runfile import looking; looking.IDLE = 0.1; looking.serve('neurosim.runfile.survey:main')"
    assert subprocess.run([sys.executable, "-c", code], stdin=subprocess.PIPE, timeout=60).returncode == 0


def test_many_names_for_one_group_are_visited_once(made_up):
    """Each of 14 groups has the next one under 20 names: 20^14 ways."""
    with h5py.File(made_up, "r+", libver=LIBRARY) as file:
        group = file.create_group("deep")
        for _ in range(14):
            below = group.create_group("0")
            for name in range(1, 20):
                group[str(name)] = below
            group = below
    Run(made_up).close()


def test_attributes_that_are_no_numbers_or_texts(made_up):
    with h5py.File(made_up, "r+") as file:
        file.attrs["seed"] = np.zeros(1, [("a", "f8")])
    with pytest.raises(RunFileError, match="attribute 'seed' holds.*expected numbers or text"):
        Run(made_up)
    with h5py.File(made_up, "r+") as file:
        file.attrs["seed"] = "one"
    with pytest.raises(RunFileError, match="attribute 'seed'"):
        Run(made_up)


def test_nothing_in_the_working_directory_is_run(made_up, tmp_path, monkeypatch):
    for name in ("h5py", "numpy", "sitecustomize", "neurosim"):
        (tmp_path / f"{name}.py").write_text("from pathlib import Path; Path('ran').touch()")
    os.utime(made_up)
    monkeypatch.chdir(tmp_path)
    Run(made_up).close()
    assert not (tmp_path / "ran").exists()


def test_the_package_may_lie_in_the_working_directory(made_up):
    """As in a checkout: Python then finds the package by a place without a name, which the child must not take over."""
    root = Path(survey.__file__).parents[2]
    code = f"import neurosim; print(neurosim.open_run({str(made_up)!r}).status)"
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "complete", found.stderr
