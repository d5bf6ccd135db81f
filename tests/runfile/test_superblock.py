"""A killed run's file opens in every program once neurosim has looked at it, and one that is being written stays marked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.errors import RunFileError
from neurosim.runfile import Run, RunFile, problems, superblock
from neurosim.runfile.superblock import END, FLAGS, SIZE, clear_mark, lookup3, marked
from neurosim.runfile.writer_lock import lock_of

CODE = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("synthetic", sys.argv[1])
synthetic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic)
from neurosim.runfile import RunFile
RunFile.set_status = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
synthetic.synthetic_run(sys.argv[2])
"""


@pytest.fixture(scope="module")
def killed_once(synthetic, tmp_path_factory):
    path = tmp_path_factory.mktemp("killed") / "run.h5"
    assert subprocess.run([sys.executable, "-c", CODE, synthetic.__file__, path]).returncode == -9
    return path


@pytest.fixture
def killed(killed_once, tmp_path):
    """The file that a killed process left, and its lock file."""
    shutil.copy(lock_of(killed_once), lock_of(tmp_path / "run.h5"))
    return Path(shutil.copy(killed_once, tmp_path / "run.h5"))


def everything(path, **options):
    found = {}
    with h5py.File(path, "r", **options) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def with_superblock(path, change):
    """Change a file's superblock, its checksum included."""
    content = bytearray(path.read_bytes())
    change(content)
    content[44:48] = lookup3(bytes(content[:44])).to_bytes(4, "little")
    path.write_bytes(content)


def test_the_hash_is_its_authors():
    """The value is from the comments of lookup3.c."""
    assert lookup3(b"Four score and seven years ago") == 0x17770551


def test_the_hash_is_hdf5s(killed):
    block = killed.read_bytes()[:SIZE]
    assert lookup3(block[:44]) == int.from_bytes(block[44:], "little")


@pytest.mark.parametrize("look", [lambda path: Run(path).close(), problems, lambda path: RunFile.resume(path).close()])
def test_a_killed_runs_file_opens_anywhere_after_the_first_look(killed, look):
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(killed, "r")
    expected = everything(killed, swmr=True)
    size = killed.stat().st_size
    look(killed)
    found = everything(killed)
    assert found.keys() == expected.keys() and len(found) > 20
    if killed.stat().st_size == size:  # not the one that was resumed
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
    with h5py.File(killed, "r+"):
        pass


def test_nothing_but_the_superblock_changes(killed):
    before = killed.read_bytes()
    assert marked(killed) and clear_mark(killed) and not marked(killed)
    after = killed.read_bytes()
    assert after[SIZE:] == before[SIZE:] and after[:FLAGS] == before[:FLAGS]
    assert not clear_mark(killed) and killed.read_bytes() == after


def test_what_lies_behind_the_noted_end_is_read_as_well(killed):
    """Of 60 runs killed at one of their writes, 12 had noted an end before their last chunk."""
    expected = everything(killed, swmr=True)

    def earlier(content):
        end = max(chunk_ends(killed)) - 8
        assert end < int.from_bytes(content[END], "little")
        content[END] = end.to_bytes(8, "little")

    with_superblock(killed, earlier)
    Run(killed).close()
    assert everything(killed).keys() == expected.keys()


def chunk_ends(path):
    ends = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.chunks:
            for number in range(item.id.get_num_chunks()):
                info = item.id.get_chunk_info(number)
                ends.append(info.byte_offset + info.size)

    with h5py.File(path, "r", swmr=True) as file:
        file.visititems(visit)
    return ends


def test_a_file_that_is_being_written_stays_marked(tmp_path, synthetic):
    path = synthetic.synthetic_run(tmp_path / "run.h5")
    look = f"from neurosim.runfile import Run; Run({str(path)!r}).close()"
    with RunFile.resume(path):
        assert marked(path)
        subprocess.run([sys.executable, "-c", look], check=True)
        assert marked(path)
    assert not marked(path)


def test_a_file_with_another_name_stays_marked(killed):
    """It may be written under that one, whose lock file lies elsewhere."""
    os.link(killed, killed.with_name("other.h5"))
    with Run(killed) as run:
        assert run.status == "running"
    assert marked(killed)


def test_a_link_is_as_good_as_the_file(killed):
    link = killed.with_name("link.h5")
    link.symlink_to(killed.name)
    Run(link).close()
    assert not marked(killed) and link.is_symlink()


def test_a_link_to_a_file_that_is_being_written_is_no_way_round(tmp_path, synthetic):
    path = synthetic.synthetic_run(tmp_path / "run.h5")
    link = tmp_path / "link.h5"
    link.symlink_to(path)
    with RunFile.resume(path):
        subprocess.run([sys.executable, "-c", f"from neurosim.runfile import Run; Run({str(link)!r}).close()"], check=True)
        assert marked(path)


def test_a_file_that_may_only_be_read_is_read(killed, monkeypatch):
    def refused(path, flags, *rest, **options):
        if path == killed and flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *rest, **options)

    opened = os.open
    monkeypatch.setattr(os, "open", refused)
    with Run(killed) as run:
        assert run.status == "running" and len(run.metrics)
    assert marked(killed)


def flip(content):
    content[FLAGS] = 1  # a writer that others may not read: not neurosim


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:4000]),
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: with_superblock(path, flip),
        lambda path: path.write_bytes(path.read_bytes()[:20] + b"\1" + path.read_bytes()[21:]),  # the checksum is wrong
        lambda path: path.write_bytes(b""),
    ],
)
def test_what_is_no_killed_runs_file_is_left_as_it_is(killed, damage):
    damage(killed)
    before = killed.read_bytes()
    assert not clear_mark(killed)
    with pytest.raises(RunFileError):
        Run(killed)
    assert killed.read_bytes() == before


def test_a_folder_or_none_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "none.h5"):
        assert not marked(path) and not superblock.clear_mark(path)
