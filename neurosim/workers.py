"""Worker processes that run many tasks: Dask's, on this machine or on a cluster.  Nothing here schedules anything."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from multiprocessing import resource_tracker
from typing import Any, Generic, TypeVar

from neurosim.backends import devices, limits, select
from neurosim.errors import InputError, NeurosimError, quoted, require

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
LOOKING = 0.05  # seconds between two looks at whether something is done
GONE = ("closing", "closed", "failed")  # how Dask calls a process that will do nothing any more
LIVES = 3  # workers that may die with one task, before it is given up
QUIET = {
    "distributed.scheduler.allowed-failures": LIVES,
    "distributed.admin.large-graph-warning-threshold": "1GB",
    # each of these interrupts the one thread that computes, the first a hundred times a second
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
}

Task = TypeVar("Task")
Reached = TypeVar("Reached")


@dataclass(frozen=True)
class Processes:
    """Worker processes of this machine.

    workers : how many; devices : the CUDA devices that they take in turn, one each
    """

    workers: int
    devices: tuple[str, ...] = ()

    @staticmethod
    def of(backend: str, workers: int | None = None) -> Processes:
        """Return ``workers`` processes that compute on ``backend``.

        By default as many as there are cores; on a GPU one for each device, since two runs on one would share its memory and time.
        Under ``auto`` any number, which take the devices in turn where there are some.

        Raises BackendError where there is no GPU that was asked for, InputError where there are more workers than devices.
        """
        on_device = backend.startswith("cupy")
        if on_device:
            select(backend)
        found = tuple(devices()) if on_device or backend == "auto" else ()
        count = workers if workers is not None else len(found) if on_device else limits.processors()
        whole = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= 1024
        require(whole, f"workers {quoted(count)}: expected 1 to 1,024 processes; change it")
        said = f"workers {count}: more than the {len(found)} CUDA device{'s' * (len(found) != 1)} here"
        require(not on_device or count <= len(found), f"{said}: expected one a device with backend {quoted(backend)}; give fewer")
        return Processes(count, found)


@contextmanager
def connected(cluster: str | None = None, here: Processes | None = None) -> Iterator[Any]:
    """Yield a Dask client: of the cluster at the address ``cluster``, or of processes made ``here``, on this machine.

    here : by default as many as there are cores; each computes with one BLAS thread, since runs are many and matrices small

    Raises InputError where Dask is not installed, or nothing answers at the address.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as cause:
        said = "worker processes need Dask's distributed, which is not installed; pip install 'neurosim[study]'"
        raise InputError(said) from cause
    with dask.config.set(QUIET):
        if cluster is not None:
            try:
                client = Client(cluster, timeout="10s")
            except (OSError, ValueError, TimeoutError) as cause:
                raise InputError(f"cluster {quoted(cluster)}: nothing answers there; check the address") from cause
            with client:
                yield client
            return
        with ExitStack() as stack:
            stack.enter_context(_own_main())
            here = here or Processes.of("numpy")
            with _deaf_to_interrupts():
                made = stack.enter_context(_local_cluster(here))
            yield stack.enter_context(Client(made))


def _local_cluster(here: Processes) -> Any:
    """Return a cluster of processes of this machine, each of which sees its own device, if any, and no other.

    Raises NeurosimError where they do not start, also when tried again.
    """
    from distributed import Nanny, Scheduler, SpecCluster

    # whether runs fit is asked before they start; the limit that Dask would set is the same for all workers, which runs are not
    options: dict[str, Any] = {"nthreads": 1, "memory_limit": 0, "host": "127.0.0.1", "silence_logs": logging.CRITICAL}
    workers = {}
    for number in range(here.workers):
        device = {"CUDA_VISIBLE_DEVICES": here.devices[number % len(here.devices)]} if here.devices else {}
        workers[number] = {"cls": Nanny, "options": options | {"env": ONE_THREAD | device}}
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard": True, "dashboard_address": ":0"}}
    for _ in range(LIVES):
        try:
            return SpecCluster(scheduler=scheduler, workers=workers, silence_logs=logging.CRITICAL)
        except RuntimeError as cause:  # one of them died while it started
            failure = cause
    raise NeurosimError(f"{here.workers} worker processes do not start ({failure}): is there memory enough? Give fewer workers")


def count_workers(client: Any) -> int:
    """Return how many workers a client's scheduler knows by now; 1 where none has come yet."""
    return len(client.nthreads()) or 1


@contextmanager
def _own_main() -> Iterator[None]:
    """Let workers that are started, now or in place of one that died, not run the user's script first.

    A process that Python spawns runs the script of its parent, to find classes there: one without ``if __name__ == "__main__":``
    would start workers in every worker.  What is the ``__main__`` of a package, multiprocessing leaves alone.  Classes of a script
    reach workers nevertheless: they are sent themselves.
    """
    main = sys.modules["__main__"]
    before = getattr(main, "__spec__", None)
    main.__spec__ = ModuleSpec("neurosim.__main__", None)
    try:
        yield
    finally:
        main.__spec__ = before


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that threads made here start, now or later, not hear Ctrl-C, which a terminal sends to all of them.

    This process ends them.  What is blocked goes down from a thread to those it makes and to their processes; a Ctrl-C of this time
    comes when it is over.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where each would say that it was interrupted
        yield
        return
    resource_tracker.ensure_running()  # which would unblock it, where it had to be started by one of the threads
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class Ended(Generic[Task, Reached]):
    """A task that ended: with what it ``reached``, or with the ``failure`` that it raised, or that its workers died of."""

    task: Task
    reached: Reached | None
    failure: Exception | None = None

    def result(self) -> Reached:
        """Return what the task reached; raise its failure, if it has one."""
        if self.failure is not None:
            raise self.failure
        assert self.reached is not None
        return self.reached


def run_tasks(
    client: Any, work: Callable[..., Reached], tasks: Mapping[str, Task], data: Any = None
) -> Iterator[Ended[Task, Reached]]:
    """Yield every task as it ends, after ``work(task, data)`` was called in some worker.

    tasks : by a name of its own each; data : what all of them read, or None; each worker is sent it once

    A worker that dies gives its task back, and another one begins it again: ``work`` goes on with what it finds there.  A task that
    several workers died with ends with a NeurosimError.

    Raises NeurosimError where all processes of this machine are gone, and do not start again.
    """
    from distributed.scheduler import KilledWorker

    sent = None if data is None else client.scatter(data, broadcast=True)
    futures = {client.submit(work, task, sent, key=name, pure=False): task for name, task in tasks.items()}
    for future in _done(client, list(futures)):
        task = futures.pop(future)
        try:
            yield Ended(task, future.result())
        except KilledWorker:
            yield Ended(task, None, NeurosimError(f"{LIVES + 1} workers died while they ran it: is there enough memory?"))
        except Exception as cause:
            yield Ended(task, None, cause)
        future.release()


def _done(client: Any, futures: Sequence[Any]) -> Iterator[Any]:
    """Yield each future when it is done."""
    from distributed import as_completed

    waiting = as_completed(futures)
    while not waiting.is_empty():
        if waiting.has_ready():
            yield next(waiting)
        else:
            require(not _is_lost(client), "all worker processes died: is there memory enough? Resume with fewer", NeurosimError)
            time.sleep(LOOKING)


def _is_lost(client: Any) -> bool:
    """Return whether there were processes of this machine, and none is left: one that dies while it starts is not replaced."""
    made = client.cluster
    return made is not None and all(nanny.status.name in GONE for nanny in made.workers.values())
