"""Workers that run the points of a study: Dask's, on this machine or on a cluster.  Nothing here schedules anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from neurosim.backends import limits
from neurosim.datasets import DataSet
from neurosim.errors import InputError, quoted, require
from neurosim.studies.point import FAILED, Outcome, Task, perform

log = logging.getLogger(__name__)

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}
LIVES = 3  # workers that may die with one point, before it is given up


@contextmanager
def connected(cluster: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Yield a Dask client: of the cluster at the address ``cluster``, or of ``workers`` processes made on this machine.

    workers : default: as many as there are cores; each computes with one BLAS thread, since points are many and matrices small

    Raises InputError where Dask is not installed, or nothing answers at the address.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as cause:
        raise InputError("study: needs Dask's distributed, which is not installed; pip install 'neurosim[study]'") from cause
    quiet = {"distributed.scheduler.allowed-failures": LIVES, "distributed.admin.large-graph-warning-threshold": "1GB"}
    with dask.config.set(quiet):
        if cluster is not None:
            require(workers is None, "study: workers beside a cluster's address: expected one of the two; leave workers out")
            try:
                client = Client(cluster, timeout="10s")
            except (OSError, ValueError, TimeoutError) as cause:
                raise InputError(f"study: cluster {quoted(cluster)}: nothing answers there; check the address") from cause
            with client:
                yield client
            return
        count = workers if workers is not None else limits.processors()
        whole = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= 1024
        require(whole, f"study: workers {quoted(count)}: expected 1 to 1,024 processes; change it")
        options: dict[str, Any] = {"n_workers": count, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
        with LocalCluster(**options, env=ONE_THREAD, silence_logs=logging.CRITICAL) as made, Client(made) as client:
            yield client


def run_tasks(client: Any, tasks: Sequence[Task], data: DataSet | None = None) -> Iterator[Outcome]:
    """Yield the outcome of every task as it ends.

    data : the data set of all of them, where no file holds it; each worker is sent it once

    A worker that dies gives its task back, and another goes on with it from the run file's last checkpoint; a task that several
    workers died with is an outcome, too.
    """
    from distributed import as_completed

    sent = None if data is None else client.scatter(data, broadcast=True)
    options: dict[str, Any] = {} if sent is None else {"data": sent}
    futures = {
        client.submit(perform, task, key=f"point-{task.number}-seed{task.seed}", pure=False, **options): task for task in tasks
    }
    for future in as_completed(list(futures)):
        task = futures.pop(future)
        try:
            yield future.result()
        except Exception as cause:
            yield Outcome(task.number, task.seed, FAILED, _why(cause), {})
        future.release()


def _why(cause: Exception) -> str:
    if type(cause).__name__ == "KilledWorker":
        return f"{LIVES + 1} workers died while they ran it: is there memory enough?"
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"
