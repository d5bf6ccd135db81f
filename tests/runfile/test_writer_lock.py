"""Who writes a run file is told from its lock file alone: on this machine, on another, and where nobody does any more."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from neurosim.errors import LostFileError, RunFileError
from neurosim.runfile import being_written, writer_lock
from neurosim.runfile.writer_lock import Signs, Writer, WriterLock, lock_of, new_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


@pytest.fixture
def quick(monkeypatch):
    """Make the clocks of locks go faster."""
    monkeypatch.setattr(writer_lock, "BEAT", 0.05)
    monkeypatch.setattr(writer_lock, "SILENT", 0.6)
    monkeypatch.setattr(writer_lock, "SETTLING", 0.02)


def written(path, **changes):
    """Write the lock file of a process like this one, but for ``changes``; return who it is."""
    writer = dataclasses.replace(Writer.here(), **changes)
    lock_of(path).write_bytes(writer.record.encode())
    return writer


def ended_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_lock_says_who_has_it_and_goes_with_it(path):
    lock = WriterLock(path)
    assert being_written(path) and Signs(path).writer() == lock.writer
    assert (lock.writer.pid, lock.writer.local) == (os.getpid(), True)
    with pytest.raises(RunFileError, match=rf"another process is writing it \(process {os.getpid()} on .*\); wait until"):
        WriterLock(path)
    lock.check()
    lock.release()
    assert not being_written(path) and not lock_of(path).exists()


def test_a_lock_that_nobody_holds_any_more_in_this_process_is_given_back(path):
    WriterLock(path)  # as of a recorder in a notebook's cell that failed
    assert not being_written(path)
    WriterLock(path).release()


def test_a_fork_of_the_process_does_not_give_it_back(path, monkeypatch):
    lock = WriterLock(path)
    monkeypatch.setattr(os, "getpid", lambda: lock.writer.pid + 1)
    lock.release()
    assert lock_of(path).exists()


def test_the_lock_of_a_killed_process_is_taken_at_once_with_what_it_left(path):
    dead = written(path, pid=ended_pid())
    new_of(path, dead.token).write_text("half a run file")
    mine = path.with_name("run.h5.new")
    mine.write_text("mine")
    assert not being_written(path)
    began = time.monotonic()
    lock = WriterLock(path)
    assert time.monotonic() - began < writer_lock.SILENT / 2
    assert being_written(path) and Signs(path).writer() == lock.writer
    assert not new_of(path, dead.token).exists() and mine.read_text() == "mine"
    lock.release()
    assert [item.name for item in path.parent.iterdir()] == ["run.h5.new"]


def test_a_killed_process_whose_parent_has_not_noticed_is_dead(path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    written(path, pid=process.pid, started=psutil.Process(process.pid).create_time())
    assert being_written(path)
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not being_written(path)
    process.wait()


@pytest.mark.usefixtures("quick")
def test_a_number_that_another_process_has_by_now_is_no_sign_of_life(path):
    written(path, started=Writer.here().started - 1000)
    signs = Signs(path)
    assert signs.writer()  # its clock may have been set
    time.sleep(0.7)
    assert signs.writer() is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("changes", [{"host": "node17"}, {"machine": "another container"}])
def test_a_process_of_another_machine_lives_as_long_as_it_touches_its_lock(path, changes):
    writer = written(path, pid=1, **changes)
    stop = threading.Event()
    beating = threading.Thread(target=writer_lock._beat, args=(lock_of(path), writer, stop))
    beating.start()
    signs, end = Signs(path), time.monotonic() + 1.2
    while time.monotonic() < end:
        assert signs.writer() == writer
        time.sleep(0.05)
    with pytest.raises(RunFileError, match="another process is writing it \\(process 1 on "):
        WriterLock(path)
    stop.set()
    beating.join()
    assert signs.writer() == writer  # it may have been held up
    lock = WriterLock(path)
    assert Signs(path).writer() == lock.writer
    lock.release()


def test_a_lock_left_on_another_machine_long_ago_is_nobodys(path):
    written(path, host="node17")
    old = time.time() - 2 * writer_lock.LONG
    os.utime(lock_of(path), (old, old))
    assert not being_written(path)
    WriterLock(path).release()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("offset", [-3600, 300])
def test_clocks_that_differ_make_no_living_process_dead(path, offset):
    """Five minutes behind, an hour ahead: what counts is that the file is touched, not when its machine says that it was."""
    written(path, host="node17")
    signs = Signs(path)
    for turn in range(8):
        moment = time.time() - offset + turn
        os.utime(lock_of(path), (moment, moment))
        assert signs.writer()
        time.sleep(0.1)


@pytest.mark.usefixtures("quick")
def test_a_lock_file_that_says_nothing_yet_is_waited_for(path):
    """A process may be seen between making its lock file and writing it, or have been killed there."""
    lock_of(path).touch()
    assert being_written(path)
    WriterLock(path).release()


@pytest.mark.parametrize("content", [b"my notes\n", b"\xff\xfe", b"-3\nhost\n"])
def test_a_file_that_is_no_lock_is_kept(path, content):
    lock_of(path).write_bytes(content)
    with pytest.raises(RunFileError, match="is no lock of a run file; move it away"):
        WriterLock(path)
    assert lock_of(path).read_bytes() == content


OTHERS = {
    "a pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
    "a folder": Path.mkdir,
    "a link to nowhere": lambda lock: lock.symlink_to("nowhere"),
    "a link to itself": lambda lock: lock.symlink_to(lock),
    "a link to a device": lambda lock: lock.symlink_to(os.devnull),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_what_is_no_file_in_its_place_holds_nobody_up_and_is_kept(path, make):
    make(lock_of(path))
    being_written(path)
    before = os.lstat(lock_of(path))
    with pytest.raises(RunFileError, match="is no lock of a run file; move it away"):
        WriterLock(path)
    assert os.path.samestat(os.lstat(lock_of(path)), before)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["a full disk", "Ctrl-C"])
def test_a_lock_file_that_cannot_be_written_is_not_left(path, monkeypatch, failure):
    def refuse(descriptor, mode):
        os.close(descriptor)
        raise failure

    monkeypatch.setattr(os, "fdopen", refuse)
    with pytest.raises(type(failure)):
        WriterLock(path)
    assert list(path.parent.iterdir()) == []


def test_a_lock_file_that_cannot_be_opened_is_not_waited_for_without_end(path, monkeypatch):
    lock_of(path).touch()
    monkeypatch.setattr(writer_lock, "SILENT", 0.1)
    monkeypatch.setattr(writer_lock, "_read", lambda lock: None)
    with pytest.raises(RunFileError, match="is no lock of a run file; move it away"):
        WriterLock(path)


def test_looking_changes_nothing(path, monkeypatch):
    """A reader may have no right to write; and takes no lock, which a writer that begins would find taken."""
    written(path, pid=ended_pid())
    before = {item: item.stat() for item in path.parent.iterdir()}

    def refused(*arguments, **options):
        raise AssertionError("a lock was taken")

    monkeypatch.setattr("fcntl.flock", refused)
    monkeypatch.setattr("fcntl.lockf", refused)
    opened = os.open

    def reading(name, flags, *rest, **options):
        assert flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) == 0
        return opened(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", reading)
    assert not being_written(path)
    assert {item: item.stat() for item in path.parent.iterdir()} == before


def test_readers_do_not_disturb_a_writer_that_begins(path):
    stop = threading.Event()

    def look():
        while not stop.is_set():
            being_written(path)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(50):
            WriterLock(path).release()
    finally:
        stop.set()
        for reader in readers:
            reader.join()


def test_of_several_that_take_a_dead_lock_over_one_has_it(path):
    for _ in range(3):
        written(path, pid=ended_pid())
        had, refused, gate = [], [], threading.Barrier(4)

        def take(had=had, refused=refused, gate=gate):
            gate.wait()
            try:
                had.append(WriterLock(path))
            except RunFileError as error:
                refused.append(error)

        contenders = [threading.Thread(target=take) for _ in range(4)]
        for contender in contenders:
            contender.start()
        for contender in contenders:
            contender.join()
        assert len(had) == 1 and len(refused) == 3
        had.pop().release()
        assert list(path.parent.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_a_lock_file_that_somebody_removed_is_made_anew(path):
    lock = WriterLock(path)
    lock_of(path).unlink()
    end = time.monotonic() + 5
    while not lock_of(path).exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert Signs(path).writer() == lock.writer
    lock.check()
    lock.release()


def test_a_process_that_was_held_up_finds_out_that_another_took_over(path):
    lock = WriterLock(path)
    other = written(path, host="node17")
    with pytest.raises(LostFileError, match=f"process {other.pid} on 'node17' writes it now"):
        lock.check()
    lock.release()
    assert lock_of(path).read_bytes() == other.record.encode()  # which is not ours to remove
