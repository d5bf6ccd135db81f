"""Worker processes: how many, and which device each of them sees.  The devices are a stand-in's: no run reaches a GPU here."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from neurosim.backends import devices, limits
from neurosim.cli import main
from neurosim.errors import BackendError, InputError, NeurosimError
from neurosim.workers import Processes, connected, run_tasks

spec = importlib.util.spec_from_file_location("standin", Path(__file__).parent / "backends" / "standin.py")
standin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(standin)


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Return a function that puts so many devices into this machine."""
    made = standin.Cupy(tmp_path)
    monkeypatch.setitem(standin.sys.modules, "cupy", made)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def put(count):
        made.devices = count

    return put


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setitem(standin.sys.modules, "cupy", None)


@pytest.mark.parametrize(
    ("count", "visible", "found"),
    [(2, None, ["0", "1"]), (2, "3, 5", ["3", "5"]), (1, "MIG-a/1/0", ["MIG-a/1/0"]), (0, "", []), (1, "4,-1", ["4"])],
)
def test_devices_are_those_that_this_process_may_use(gpus, monkeypatch, count, visible, found):
    gpus(count)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices() == found


def test_where_there_is_no_gpu_there_is_no_device(no_gpu):
    assert devices() == []


def test_one_run_a_device(gpus):
    gpus(3)
    assert Processes.of("cupy") == Processes.of("cupy-tf32", 3) == Processes(3, ("0", "1", "2"))
    assert Processes.of("cupy", 2) == Processes(2, ("0", "1", "2"))
    with pytest.raises(InputError, match="^workers 4: more than the 3 CUDA devices here: expected one a device with backend"):
        Processes.of("cupy", 4)


def test_under_auto_all_cores_share_the_devices_and_on_the_cpu_there_are_none(gpus, monkeypatch):
    gpus(2)
    monkeypatch.setattr(limits, "processors", lambda: 5)
    assert Processes.of("auto") == Processes(5, ("0", "1")) and Processes.of("numpy") == Processes(5)


def test_without_a_gpu_it_is_one_line_before_anything_runs(no_gpu, tmp_path, capsys):
    with pytest.raises(BackendError, match="^backend 'cupy': no CUDA device answers"):
        Processes.of("cupy")
    grid = ["--grid", "scheme=backprop", "--backend", "cupy", "--out", str(tmp_path / "out")]
    assert main(["study", "compare", *grid]) == BackendError.exit_status
    said = capsys.readouterr().err
    assert "backend 'cupy': no CUDA device answers" in said and said.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [0, -1, 2000, 1.5, True])
def test_a_number_of_workers_that_is_none_is_one_line(workers):
    with pytest.raises(InputError, match="expected 1 to 1,024 processes; change it"):
        Processes.of("numpy", workers)


def test_each_worker_sees_its_own_device_also_one_that_takes_a_dead_ones_place():
    with connected(here=Processes(2, ("3", "7"))) as client:

        def seen():
            return {os.environ["CUDA_VISIBLE_DEVICES"], "BLAS " + os.environ["OPENBLAS_NUM_THREADS"]}

        first = client.run(seen)
        assert sorted(first.values(), key=sorted) == [{"3", "BLAS 1"}, {"7", "BLAS 1"}]
        client.restart()
        assert sorted(client.run(seen).values(), key=sorted) == sorted(first.values(), key=sorted)


def test_processes_that_die_while_they_start_are_started_again(monkeypatch):
    import distributed

    tried, real = [], distributed.SpecCluster

    def dying(times):
        def make(**options):
            tried.append(options)
            if len(tried) <= times:
                raise RuntimeError("Nanny failed to start.")
            return real(**options)

        return make

    monkeypatch.setattr(distributed, "SpecCluster", dying(1))
    with connected(here=Processes(1)) as client:
        assert client.submit(abs, -2).result() == 2
    monkeypatch.setattr(distributed, "SpecCluster", dying(99))
    said = "^1 worker processes do not start .*: is there memory enough"
    with pytest.raises(NeurosimError, match=said), connected(here=Processes(1)):
        pass


def test_where_all_processes_are_gone_for_good_it_says_so_and_does_not_wait_for_ever(monkeypatch):
    """Dask replaces a process that dies, but not one that dies at some moment of its start: its nanny closes."""
    import distributed

    class Never:
        def is_empty(self):
            return False

        def has_ready(self):
            nannies[1].status.name = "closed"
            return False

    nannies = [SimpleNamespace(status=SimpleNamespace(name=name)) for name in ("closed", "running")]
    client = SimpleNamespace(cluster=SimpleNamespace(workers=dict(enumerate(nannies))), submit=lambda *a, **k: object())
    monkeypatch.setattr(distributed, "as_completed", lambda futures: Never())
    with pytest.raises(NeurosimError, match="^all worker processes died: is there memory enough"):
        list(run_tasks(client, abs, {"one": 1}))
