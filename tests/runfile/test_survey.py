"""A child looks through a file first: what would hang, crash or fill this process ends in one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.errors import RunFileError
from neurosim.runfile import Run, RunFile, problems, survey

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
        with pytest.raises(RunFileError, match="does not come to an end with it, within 1 s"):
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


def test_a_crash_is_told(made_up, monkeypatch):
    monkeypatch.setattr(survey, "_command", lambda path, seconds: [sys.executable, "-c", "import os; os.abort()"])
    os.utime(made_up)
    with pytest.raises(RunFileError, match=f"HDF5 crashes on it, with signal {signal.SIGABRT.value}"):
        Run(made_up)


def test_a_file_is_looked_through_once(made_up, monkeypatch):
    os.utime(made_up)
    with Run(made_up):
        pass
    monkeypatch.setattr(survey, "_command", lambda path, seconds: [sys.executable, "-c", "raise SystemExit(1)"])
    with Run(made_up):
        pass
    os.utime(made_up, ns=(1, 1))
    with pytest.raises(RunFileError, match="looked through it failed, with status 1"):
        Run(made_up)


def test_what_this_process_wrote_needs_no_look(synthetic, tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_command", lambda path, seconds: [sys.executable, "-c", "raise SystemExit(1)"])
    Run(synthetic.synthetic_run(tmp_path / "run.h5")).close()


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
