"""The cache of machine code: kept between processes, believed only where it is whole and ours, never the reason of a failure."""

import os
import subprocess
import sys

import numpy as np
import pytest

from neurosim.backends import kernel_cache, llvm_loops, machine_code
from neurosim.capture import Graph, planned, scheduled

TRAINS = (
    "from neurosim import Network, Trainer, datasets, pathway; from neurosim.plasticity import SGD\n"
    "data = datasets.load('digits', limit=60)\n"
    "trainer = Trainer(Network.layered(data.shape, [5], 10), pathway('backprop'), SGD(0.1), epochs=1, batch=30)\n"
    "trainer.fit(data); print('done')"
)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_cache, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(kernel_cache, "_pruned", set())
    return tmp_path


def adds(number):
    """Return the text of a kernel that adds ``number`` elements, so that texts differ."""
    graph = Graph()
    leaf = graph.leaf(np.zeros(3))
    value = leaf
    for k in range(number):
        value = graph.elementwise("add", value, graph.constant(12.5 + k))
    graph.assign(leaf, value)
    items = scheduled(graph, llvm_loops.fused)
    plan = planned(items, lambda item: True)
    return llvm_loops.written(items[0].nodes, items[0].space, lambda node: plan.place.get(node.base, node)).text


def compiled_anew(text, monkeypatch):
    """Ask for ``text`` as a new process would; return whether it was compiled."""
    asked, engine = [], machine_code._object_code
    monkeypatch.setattr(machine_code, "_compiled", {})
    monkeypatch.setattr(machine_code, "_object_code", lambda *given: asked.append(given) or engine(*given))
    monkeypatch.setattr(machine_code, "_engine", lambda: _Engine)
    assert machine_code.compiled([text])[text]
    monkeypatch.setattr(machine_code, "_object_code", engine)
    return bool(asked)


class _Engine:
    """What takes machine code and does not run it: handed the same symbol twice, LLVM's own would keep the first."""

    @staticmethod
    def add_object_file(code):
        pass

    @staticmethod
    def get_function_address(name):
        return 1


def test_machine_code_is_kept_between_processes(folder, monkeypatch):
    assert compiled_anew(adds(1), monkeypatch)
    (kept,) = folder.iterdir()
    before = kept.read_bytes()
    assert not compiled_anew(adds(1), monkeypatch)
    assert compiled_anew(adds(2), monkeypatch)
    assert kept.read_bytes() == before
    assert len(list(folder.iterdir())) == 2


DAMAGE = {
    "empty": lambda content: b"",
    "a digest alone": lambda content: content[: kernel_cache.DIGEST],
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-1],
    "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "the digest": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "another's": lambda content: b"x" * len(content),
}


@pytest.mark.parametrize("damaged", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_compiled_anew_and_mended(folder, monkeypatch, damaged):
    compiled_anew(adds(1), monkeypatch)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damaged(whole))
    assert kernel_cache.read(kept.stem) is None
    assert compiled_anew(adds(1), monkeypatch)
    assert kept.read_bytes() == whole
    assert list(folder.iterdir()) == [kept]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")
def test_code_that_others_could_have_written_is_not_run(folder, monkeypatch):
    compiled_anew(adds(1), monkeypatch)
    (kept,) = folder.iterdir()
    for mode in (0o620, 0o602):
        kept.chmod(mode)
        assert kernel_cache.read(kept.stem) is None
    kept.chmod(0o644)
    assert kernel_cache.read(kept.stem)
    monkeypatch.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
    assert kernel_cache.read(kept.stem) is None


def test_code_of_another_kernel_is_not_run(folder, monkeypatch):
    """Whole and our own, under another's name: LLVM does not find the symbol in it, and the process ends."""
    compiled_anew(adds(1), monkeypatch)
    (first,) = folder.iterdir()
    compiled_anew(adds(2), monkeypatch)
    (second,) = set(folder.iterdir()) - {first}
    second.write_bytes(first.read_bytes())
    assert kernel_cache.read(second.stem) is None
    assert kernel_cache.read(first.stem)


def _large(path):
    with path.open("wb") as file:
        file.truncate(kernel_cache.LIMIT + 1)


LAID = {
    "a pipe": lambda entry, whole: os.mkfifo(entry),
    "a link to the entry": lambda entry, whole: entry.symlink_to(whole),
    "a link to what has no end": lambda entry, whole: entry.symlink_to("/dev/zero"),
    "a folder": lambda entry, whole: entry.mkdir(),
    "more than all entries": lambda entry, whole: _large(entry),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("lay", LAID.values(), ids=LAID)
def test_what_others_lay_in_an_entrys_place_is_neither_waited_for_nor_followed(folder, monkeypatch, tmp_path, lay):
    compiled_anew(adds(1), monkeypatch)
    (kept,) = folder.iterdir()
    whole = kept.rename(tmp_path / "elsewhere")
    lay(kept, whole)
    read = []
    monkeypatch.setattr(kernel_cache, "_digest", lambda *given: read.append(given))
    assert kernel_cache.read(kept.stem) is None
    assert read == []


@pytest.mark.parametrize("fails", ["mkstemp", "write", "replace"])
def test_a_full_or_read_only_folder_stops_nothing_and_keeps_no_rest(folder, monkeypatch, fails):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    owner, name = {"mkstemp": (kernel_cache.tempfile, "mkstemp"), "write": (os, "fdopen"), "replace": (os, "replace")}[fails]
    monkeypatch.setattr(owner, name, refuse)
    assert compiled_anew(adds(1), monkeypatch)
    assert list(folder.iterdir()) == []


def test_an_entry_that_cannot_be_read_is_compiled(folder, monkeypatch):
    compiled_anew(adds(1), monkeypatch)
    (kept,) = folder.iterdir()
    kept.unlink()
    kept.mkdir()
    assert compiled_anew(adds(1), monkeypatch)
    assert list(folder.iterdir()) == [kept]


def test_the_cache_does_not_grow_without_end(folder, monkeypatch):
    monkeypatch.setattr(kernel_cache, "LIMIT", 1000)
    for age in range(10):
        path = folder / f"kernel_{age}.o"
        path.write_bytes(b"x" * 300)
        os.utime(path, (1e9 - age, 1e9 - age))
    kernel_cache.write("kernel_new", b"y" * 100)
    left = {path.stem for path in folder.iterdir()}
    assert left == {"kernel_new", "kernel_0"}  # half the limit is left, the newest


PLACES = {
    "no home": {},
    "a relative folder": {"XDG_CACHE_HOME": "here"},
    "a file in its place": {"XDG_CACHE_HOME": "file"},
    "a link to nowhere": {"XDG_CACHE_HOME": "link"},
    "a folder that cannot be made": {"XDG_CACHE_HOME": "/proc/nowhere"},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_without_a_folder_code_is_compiled_and_nothing_is_left_behind(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "further")
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as it is for a user without an entry
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in place.items():
        monkeypatch.setenv(name, str(tmp_path / value) if value in ("file", "link") else value)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(kernel_cache, "cache_folder", kernel_cache.cache_folder.__wrapped__)
    before = sorted(tmp_path.rglob("*"))
    assert kernel_cache.cache_folder() is None
    assert compiled_anew(adds(1), monkeypatch)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cut_file_does_not_end_the_process(tmp_path):
    settings = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    for length in (600, None):
        done = subprocess.run([sys.executable, "-c", TRAINS], env=settings, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        entries = sorted((tmp_path / "neurosim" / "kernels").iterdir())
        assert len(entries) > 5
        assert all(entry.suffix == ".o" for entry in entries)
        for entry in entries if length else ():
            entry.write_bytes(entry.read_bytes()[:length])
