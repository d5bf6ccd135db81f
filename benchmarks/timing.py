"""Medians of functions that take turns, and what a number depends on.

A function is timed, but for one that returns a list of milliseconds: it has timed its own parts.
"""

import datetime
import functools
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

BURST = 4  # runs of one function, before the next has its turn
WARM = 30  # milliseconds that it runs before: a thread that wakes up may share the core of the one that woke it for some of them
LEAST, MOST = 3, 60  # rounds of bursts
LONG = 200  # milliseconds
PAUSE = 0.2  # seconds before a burst: OpenBLAS's threads, which wait for the next product, keep their cores busy for up to 0.11 s

Runs = Mapping[str, Callable[[], Any]]


def burst(run: Callable[[], Any]) -> list[list[float]]:
    """Return the milliseconds of a few runs in a row, those of each part, once it is warm; of a long run, those of one."""
    times: list[list[float]] = []
    time.sleep(PAUSE)
    started = time.perf_counter()
    cold = 0
    while len(times) - cold < (1 if times and sum(times[0]) >= LONG else BURST):
        before = time.perf_counter()
        parts = run()
        times.append([1000 * (time.perf_counter() - before)] if not isinstance(parts, list) else parts)
        cold += 1000 * (before - started) < WARM
    return times[cold:]


def medians_of_parts(runs: Runs, seconds: float, others: "Sequence[Others]" = ()) -> dict[str, np.ndarray]:
    """Return the median milliseconds of each function's parts over about ``seconds``.

    The functions take turns, so a slow moment hits all of them.
    """
    bursts: dict[str, Callable[[], list[list[float]]]] = {name: functools.partial(burst, run) for name, run in runs.items()}
    bursts |= {name: functools.partial(other.burst, name) for other in others for name in other.names}
    times: dict[str, list[list[float]]] = {name: [] for name in bursts}
    started, rounds = time.perf_counter(), 0
    while rounds < LEAST or (rounds < MOST and time.perf_counter() - started < seconds):
        for name, run in bursts.items():
            times[name] += run()
        rounds += 1
    return {name: np.median(values, axis=0) for name, values in times.items()}


def medians(runs: Runs, seconds: float, others: "Others | None" = None) -> dict[str, float]:
    """Return each function's median milliseconds over about ``seconds``, as ``medians_of_parts`` does."""
    found = medians_of_parts(runs, seconds, [others] if others else [])
    return {name: float(parts.sum()) for name, parts in found.items()}


class Others:
    """Functions in a process of their own: two libraries' threads in one process wait for each other's cores.

    In one process, PyTorch's and NumPy's doubled the time of either's products (two cores, 2026-11-24).
    """

    def __init__(self, make: Callable[..., Runs], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, make, arguments), daemon=True)
        self.process.start()
        far.close()  # so that a process that dies is noticed

    @functools.cached_property
    def names(self) -> list[str]:
        """The functions' names, once they are there."""
        return self.pipe.recv()

    def burst(self, name: str) -> list[list[float]]:
        self.pipe.send(name)
        return self.pipe.recv()

    def __enter__(self) -> "Others":
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.send(None)
        self.process.join()


def _serve(pipe: Any, make: Callable[..., Runs], arguments: tuple) -> None:
    runs = make(*arguments)
    pipe.send(list(runs))
    while (name := pipe.recv()) is not None:
        pipe.send(burst(runs[name]))


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep so many cores busy meanwhile, as other users of a machine do."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _spin() -> None:
    while True:
        sum(range(10_000))


def processor() -> str:
    """Return the processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine() -> dict:
    """Return what the numbers depend on."""
    libraries = [{k: library[k] for k in ("internal_api", "version", "num_threads")} for library in threadpool_info()]
    about = {"machine": processor(), "cores": os.cpu_count(), "python": platform.python_version(), "numpy": np.__version__}
    return about | {"date": str(datetime.date.today()), "load": round(os.getloadavg()[0], 1), "libraries": libraries}
