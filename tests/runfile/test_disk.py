"""What file systems lack, and what is done to a file while it is written: room is still taken first, and each is one line."""

import errno
import os
import re
import shutil
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

from neurosim.errors import LostFileError, RunFileError
from neurosim.runfile import Run, RunFile, Series, being_written, disk, problems
from neurosim.runfile import run_file as run_file_module
from neurosim.runfile.checkpoints import Layout
from neurosim.runfile.disk import check_free, failures_of_the_system, reserve
from neurosim.runfile.writer_lock import lock_of

SERIES = [Series(f"metrics/test/{name}", (), np.dtype(float)) for name in ("loss", "error", "epoch", "step")]
SERIES.append(Series("populations/hidden1/rate", (50, 40), np.dtype(float)))
STATE = {"network|x__hidden1.w": np.ones((30, 40))}
LACKING = [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.EBADF]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


def create(path, **options):
    layout = Layout({0: {name: (value.shape, value.dtype) for name, value in STATE.items()}}, 1)
    return RunFile.create(path, model="", attributes={"seed": 1}, series=SERIES, checkpoint=layout, **options)


def epoch(file, number):
    file.append("metrics/test", dict.fromkeys(("loss", "error", "epoch", "step"), number))
    file.append("populations/hidden1", {"rate": np.random.default_rng(number).normal(size=(50, 40))})
    file.checkpoint(0, number, number, STATE)
    file.flush()


def resumed(path):
    layout = Layout({0: {name: (value.shape, value.dtype) for name, value in STATE.items()}}, 1)
    return RunFile.resume(path, series=SERIES, checkpoint=layout)


def failure(use):
    """Return the loss that ``use`` tells of, if any; nothing else may come out."""
    try:
        use()
    except LostFileError as error:
        return error
    return None


def lacking(monkeypatch, number):
    def refused(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refused)


# ---------------------------------------------------------------------- room


@pytest.mark.parametrize("number", LACKING)
def test_where_no_room_is_given_zeros_take_it(path, monkeypatch, number):
    lacking(monkeypatch, number)
    path.write_bytes(b"contents")
    with path.open("ab", buffering=0) as raw:
        assert reserve(raw, 3_000_000) == path.stat().st_size == 3_000_000 + disk.AHEAD
        assert reserve(raw, 1000) == path.stat().st_size  # it is there
    assert path.read_bytes() == b"contents" + bytes(3_000_000 + disk.AHEAD - 8)


def test_where_nobody_can_ask_for_room_zeros_take_it(path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    with path.open("ab", buffering=0) as raw:
        assert reserve(raw, 5000) == path.stat().st_size


def test_another_error_is_no_lack(path, monkeypatch):
    lacking(monkeypatch, errno.EIO)
    with path.open("ab", buffering=0) as raw, pytest.raises(OSError, match="error"):
        reserve(raw, 5000)
    assert path.stat().st_size == 0


def full(monkeypatch, room):
    """Let ``room`` bytes be written through ``os.write``, as on a full disk."""
    write = os.write

    def bounded(descriptor, data):
        if os.fstat(descriptor).st_size + len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", bounded)


def test_as_much_as_is_needed_is_taken_where_there_is_no_more(path, monkeypatch):
    lacking(monkeypatch, errno.EOPNOTSUPP)
    full(monkeypatch, 2_000_000)
    with path.open("ab", buffering=0) as raw:
        assert reserve(raw, 1_900_000) == path.stat().st_size == 1_900_000
        with pytest.raises(OSError, match="No space left"):
            reserve(raw, 2_100_000)
    assert path.stat().st_size == 1_900_000


def test_a_full_disk_without_fallocate_leaves_a_good_file(path, monkeypatch):
    lacking(monkeypatch, errno.EOPNOTSUPP)
    full(monkeypatch, 1_000_000)
    done = 0
    with create(path) as file, pytest.raises(OSError, match="No space left"):
        for done in range(1000):
            epoch(file, done)
    assert done > 3 and all("is missing" in problem for problem in problems(path))  # nothing but attributes that were not given
    with h5py.File(path) as found:
        assert found["metrics/test/loss"][()].tolist()[:done] == [*range(done)]
    assert path.stat().st_size < 1_000_000


def traced(inject, code, path):
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject[0]}", "-e", f"inject={inject[0]}:error={inject[1]}"]
    return subprocess.run([*command, sys.executable, "-c", code, path], capture_output=True, text=True)


WRITE_READ_RESUME = """
import sys, pathlib, numpy as np
from neurosim.runfile import Run, RunFile, Series, being_written
path = pathlib.Path(sys.argv[1])
with RunFile.create(path, model="", attributes={}, series=[Series("metrics/test/loss", (), np.dtype(float))]) as file:
    file.append("metrics/test", {"loss": 1.0})
    assert being_written(path)
RunFile.resume(path).close()
with Run(path) as run:
    print(run.status, being_written(path))
"""


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize(
    "inject",
    [
        ("fallocate", "EOPNOTSUPP"),
        pytest.param(("fallocate", "ENOSYS"), marks=pytest.mark.slow),
        ("flock", "EOPNOTSUPP"),
        pytest.param(("flock", "ENOSYS"), marks=pytest.mark.slow),
        pytest.param(("flock", "ENOLCK"), marks=pytest.mark.slow),
    ],
)
def test_system_calls_that_are_not_offered(inject, path):
    done = traced(inject, WRITE_READ_RESUME, path)
    assert done.stdout == "running False\n", done.stderr


@pytest.mark.slow
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0 or not shutil.which("mkfs.ext3"), reason="needs root and mkfs.ext3")
def test_a_real_ext3_that_gets_full(tmp_path):
    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    image.write_bytes(bytes(8 << 20))
    subprocess.run(["mkfs.ext3", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, place]).returncode:
        pytest.skip("no loop device")
    try:
        with create(place / "run.h5") as file, pytest.raises(OSError, match="No space left"):
            for number in range(10_000):
                epoch(file, number)
        with h5py.File(place / "run.h5") as found:
            assert found["populations/hidden1/rate"][()].shape[0] > 50
    finally:
        subprocess.run(["umount", place], check=True)


def test_locks_that_hdf5_cannot_have_are_done_without(path, monkeypatch):
    """HDF5 itself goes on where flock is ENOSYS, and not where it is EOPNOTSUPP or ENOLCK."""
    opened = []

    def open_file(**options):
        opened.append(options)
        if not options:
            raise OSError(errno.EOPNOTSUPP, "unable to lock file, errno = 95, error message = 'Operation not supported'")
        return "file"

    assert disk.hdf5(open_file) == "file" and opened == [{}, {"locking": False}]


def test_a_lock_that_another_process_has_is_respected():
    def open_file(**options):
        assert not options
        raise BlockingIOError(errno.EAGAIN, "unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'")

    with pytest.raises(BlockingIOError):
        disk.hdf5(open_file)


# ---------------------------------------------------------------------- files changed under a run


def cut(path):
    os.truncate(path, 5000)


def emptied(path):
    path.write_bytes(b"")


def replaced(path):
    other = path.with_name("other")
    other.write_text("mine")
    other.replace(path)


def renamed(path):
    path.rename(path.with_name("elsewhere.h5"))


def folder_renamed(path):
    path.parent.rename(path.parent.with_name("elsewhere"))


def folder_removed(path):
    shutil.rmtree(path.parent)


CHANGES = {
    cut: "it was cut to 5,000 bytes",
    emptied: "it was cut to 0 bytes",
    replaced: "another file has its name now",
    renamed: "it, or its folder, was renamed; continue with --resume and its new name",
    folder_renamed: "it, or its folder, was renamed",
    folder_removed: "it was deleted; run the model again",
    lambda path: path.unlink(): "it was deleted",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_changed_under_its_run_ends_it(tmp_path, change):
    path = tmp_path / "folder" / "run.h5"
    file = create(path)
    for number in range(3):
        epoch(file, number)
    change(path)
    there = path.exists() and path.read_bytes()
    with pytest.raises(LostFileError, match=f"somebody changed it while it was written: {CHANGES[change]}"):
        epoch(file, 3)
    with pytest.raises(LostFileError):
        file.close()
    if change in (cut, emptied):
        with pytest.raises(RunFileError):
            Run(path)
    else:  # nothing is made anew that hides it, and another's file is left alone
        assert (path.exists() and path.read_bytes()) == there
    assert not path.exists() or not being_written(path)
    new = {renamed: tmp_path / "folder" / "elsewhere.h5", folder_renamed: tmp_path / "elsewhere" / "run.h5"}.get(change)
    if new:
        lock_of(new).unlink(missing_ok=True)  # it went with the folder, and its process, which is this one, is to be another
        with RunFile.resume(new) as going_on:
            assert going_on.last_checkpoint()["position|stage"] == 0
            epoch(going_on, 9)
        with h5py.File(new) as found:
            assert found["metrics/test/loss"][()].tolist()[:3] == [0, 1, 2]


BETWEEN = {
    cut: "it was cut to 5,000 bytes",
    emptied: "it was cut to",
    replaced: "another file has its name now",
    renamed: "it was deleted or renamed",
    folder_removed: "it was deleted or renamed",
}


@pytest.mark.parametrize("change", BETWEEN)
@pytest.mark.parametrize("how", ["create", "resume"])
def test_a_file_that_is_changed_as_soon_as_it_has_its_name_ends_the_run(tmp_path, monkeypatch, change, how):
    """Between its naming and its opening; room that is taken later would make a cut file as long as before."""
    path = tmp_path / "folder" / "run.h5"
    if how == "resume":
        create(path).close()
    opening = run_file_module.Place

    def changed_and_opened(path, made):
        change(path)
        return opening(path, made)

    monkeypatch.setattr(run_file_module, "Place", changed_and_opened)
    with pytest.raises(LostFileError, match=f"somebody changed it while it was written: {BETWEEN[change]}"):
        file = create(path) if how == "create" else RunFile.resume(path)
        epoch(file, 0)
    assert path.exists() == (change in (cut, emptied, replaced))


@pytest.mark.parametrize("size", [0, 50, 3000])
def test_a_file_that_is_cut_before_hdf5_has_read_it_holds_nobody_up(path, size):
    """By itself HDF5 would try to read it for ever."""
    file = create(path)
    os.truncate(path, size)
    for use in (lambda: epoch(file, 0), lambda: file.set_status("failed", "for this"), file.close):
        with pytest.raises(LostFileError, match=f"it was cut to {size:,} bytes"):
            use()


def everything(raw, content):
    raw.write(os.urandom(len(content)))


def headers(raw, content):
    """Every object's header."""
    for found in re.finditer(b"OHDR", content):
        raw.seek(found.start() + 8)
        raw.write(b"\xff" * 8)


def indices(raw, content):
    """Every index of chunks: of what grows, and of what has a fixed number of slots."""
    for found in re.finditer(b"EAHD|EAIB|FAHD|FADB", content):
        raw.seek(found.start() + 6)
        raw.write(b"\xff" * 8)


def start(raw, content):
    raw.write(bytes(4096))


@pytest.mark.parametrize("change", [everything, headers, indices, start])
@pytest.mark.parametrize("epochs", [0, 2])
@pytest.mark.parametrize("how", ["create", "resume"])
def test_a_file_that_is_overwritten_in_place_ends_the_run(path, change, epochs, how):
    """Its name and its length are as they were; HDF5 answers with errors of every kind, or has all that it needs in memory."""
    file = create(path)
    for number in range(epochs):
        epoch(file, number)
    if how == "resume":
        file.close()
        file = resumed(path)
    content = path.read_bytes()
    with path.open("r+b") as raw:
        change(raw, content)
    uses = (file.last_checkpoint, lambda: epoch(file, epochs), lambda: file.set_status("failed", "for this"), file.close)
    told = [str(error) for error in map(failure, uses) if error]
    assert all("was overwritten (" in one and "\n" not in one for one in told)
    assert told or epochs or change is indices  # there are none before the first row
    assert not being_written(path)


def test_a_run_that_was_resumed_elsewhere_ends(path):
    """As one that was stopped with SIGSTOP, or whose machine was gone for a while."""
    file = create(path)
    epoch(file, 0)
    lock_of(path).write_text("1\nnode17\n\n0\nabc\n")
    with pytest.raises(LostFileError, match="process 1 on 'node17' writes it now"):
        epoch(file, 1)
    with pytest.raises(LostFileError):
        file.close()
    assert lock_of(path).exists()


# ---------------------------------------------------------------------- names


def test_a_link_is_followed_and_stays(path):
    link, other = path.with_name("link.h5"), path.with_name("folder") / "link.h5"
    link.symlink_to(path.name)
    other.parent.mkdir()
    other.symlink_to(link)
    with create(other) as file:  # to nothing yet
        epoch(file, 0)
        assert being_written(link) and being_written(path) and being_written(other)
        with pytest.raises(RunFileError, match="another process is writing it"):
            RunFile.resume(link)
    with pytest.raises(RunFileError, match="exists already"):
        create(link)
    with RunFile.resume(link) as file:
        epoch(file, 1)
    create(other, overwrite=True).close()
    assert link.is_symlink() and other.is_symlink() and path.is_file() and not path.is_symlink()
    assert {item.name for item in path.parent.iterdir()} == {"run.h5", "link.h5", "folder"}
    assert {item.name for item in other.parent.iterdir()} == {"link.h5"}


def test_a_circle_of_links_is_one_line(path):
    path.symlink_to(path.name)
    for begin in (create, lambda path: create(path, overwrite=True)):
        with pytest.raises(RunFileError, match="cannot be written"):
            begin(path)
    assert path.is_symlink()


def test_another_name_of_a_file_is_not_left_behind_with_the_old_contents(path):
    create(path).close()
    other = path.with_name("other.h5")
    os.link(path, other)
    for begin in (RunFile.resume, lambda path: create(path, overwrite=True)):
        with pytest.raises(RunFileError, match="has 2 names .hard links.*copy it, and name the copy"):
            begin(path)
    assert os.path.samefile(path, other) and not being_written(path)
    other.unlink()
    RunFile.resume(path).close()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_file_is_not_replaced(tmp_path, overwrite):
    fifo = tmp_path / "fifo.h5"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, type(tmp_path)(os.devnull)):
        with pytest.raises(RunFileError, match="expected (a file|one) such as run.h5; change --out"):
            check_free(path, overwrite)


@pytest.mark.parametrize("length", [243, 255, 256, 4000])
def test_a_name_that_leaves_no_room_for_the_others_is_one_line(tmp_path, length):
    with pytest.raises(RunFileError, match="its name is too long") as told:
        create(tmp_path / f"{'é' * ((length - 3) // 2)}{'x' * ((length - 3) % 2)}.h5")
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def test_a_place_that_may_not_be_written(path, monkeypatch):
    def refused(name, flags, *rest, **options):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, flags, *rest, **options)

    create(path).close()
    opened = os.open
    monkeypatch.setattr(os, "open", refused)
    for begin in (lambda: create(path, overwrite=True), lambda: RunFile.resume(path)):
        with pytest.raises(RunFileError, match="cannot be written .*Permission denied.*; name another place with --out"):
            begin()


def test_files_of_others_beside_it_are_kept(path):
    mine = [path.with_name(f"run.h5{end}") for end in (".new", ".old", "~")]
    for item in mine:
        item.write_text("mine")
    create(path).close()
    RunFile.resume(path).close()
    create(path, overwrite=True).close()
    assert all(item.read_text() == "mine" for item in mine)
    assert {item.name for item in path.parent.iterdir()} == {"run.h5", *(item.name for item in mine)}


def test_what_a_killed_creation_left_goes_with_the_next(path):
    code = """
import os, signal, sys, pathlib
from neurosim.runfile import RunFile, run_file
run_file._take_name = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
RunFile.create(pathlib.Path(sys.argv[1]), model="", attributes={})
"""
    assert subprocess.run([sys.executable, "-c", code, path]).returncode == -9
    assert len(list(path.parent.iterdir())) == 2 and not path.exists()
    create(path).close()
    assert [item.name for item in path.parent.iterdir()] == ["run.h5"]


def test_the_lock_goes_with_the_file_it_was_made_for(path):
    assert threading.active_count() < 50
    for _ in range(20):
        create(path, overwrite=True).close()
    assert not [thread for thread in threading.enumerate() if thread.name == "neurosim-lock" and thread.join(1)]


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("Can't decrement id ref count (unable to extend file, errno = 5, error message = 'Input/output error')", errno.EIO),
        ("Can't flush (file write failed: time = now\n, errno = 28, error message = 'No space left on device')", errno.ENOSPC),
    ],
)
def test_what_hdf5_says_of_a_failed_write_is_an_error_of_the_system(said, number):
    with pytest.raises(OSError) as caught, failures_of_the_system():
        raise RuntimeError(said)
    assert caught.value.errno == number and "\n" not in str(caught.value)


def test_what_hdf5_says_of_itself_is_no_error_of_the_system():
    with pytest.raises(RuntimeError, match="Unspecified error"), failures_of_the_system():
        raise RuntimeError("Unspecified error")
