"""A study's throughput beside a bare process pool on the same points, and what the scheduler costs a point.

    python -m benchmarks.studies [--points 200] [--workers 2] [--epochs 40] [--out FILE.json]

Beside the time, what counts on a busy machine: the processors' time of all processes, scheduler and client included.

Points are the network of ``neurosim compare`` on digits under back-propagation and feedback alignment, over seeds.  The pool's
processes do what a worker does with a point, with nothing around it: prepare, run, close.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from benchmarks.timing import machine
from neurosim.studies import Study
from neurosim.studies.plan import Point
from neurosim.studies.study import run_study, start
from neurosim.workers import ONE_THREAD, Processes, connected


def alone(job: tuple[Point, Path]) -> None:
    """Run one point as the pool does."""
    from neurosim.experiments.run import prepare, run

    point, folder = job
    run(prepare(point.model, seed=point.seed, backend="numpy"), folder / f"{point.name}.h5").close()


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and of the processors: those of this process, its children and theirs."""

    clock: float
    processors: float


class Watch:
    """Measures what happens within a ``with`` statement; ``took`` says it afterwards."""

    def __enter__(self) -> Self:
        self.began, self.spent = time.perf_counter(), spent()
        return self

    def __exit__(self, *error: object) -> None:
        self.took = Took(time.perf_counter() - self.began, spent() - self.spent)


def spent() -> float:
    """Return the seconds that this process and those under it have computed so far, ended ones too."""
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (this, *this.children(recursive=True)))


def pool_took(points: list[Point], workers: int, folder: Path) -> Took:
    """Return what a bare pool takes, its processes started and warm."""
    os.environ.update(ONE_THREAD)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        warm = [(point, folder / "warm") for point in points[:workers]]
        (folder / "warm").mkdir()
        pool.map(alone, warm, chunksize=1)
        with Watch() as watch:
            pool.map(alone, [(point, folder) for point in points], chunksize=1)
        return watch.took


def study_took(study: Study, workers: int, folder: Path) -> Took:
    """Return what a study takes, its workers started and warm."""
    with connected(here=Processes(workers)) as client:
        list(run_study(start(study.seeds(workers).plan(), backend="numpy"), folder / "warm", client))
        started = start(study.plan(), backend="numpy")
        with Watch() as watch:
            outcomes = list(run_study(started, folder / "study", client))
    wrong = [outcome for outcome in outcomes if outcome.status != "complete"]
    assert not wrong, wrong
    return watch.took


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies", description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    study = Study("compare", settings=(f"training.epochs={arguments.epochs}",))
    study = study.grid({"scheme": ["backprop", "feedback_alignment"]}).seeds(arguments.points // 2)
    points = list(study.plan().points)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pool").mkdir()
        pool = pool_took(points, arguments.workers, Path(folder) / "pool")
        ours = study_took(study, arguments.workers, Path(folder))
    cost = 1000 * (ours.clock - pool.clock) * arguments.workers / len(points)
    share = f"{100 * pool.clock / ours.clock:.0f} % of its throughput, {cost:.0f} ms a point more"
    print(f"{len(points)} points: pool {pool.clock:.1f} s, study {ours.clock:.1f} s: {share}")
    each = [1000 * took.processors / len(points) for took in (pool, ours)]
    print(f"processors' time of a point: pool {each[0]:.0f} ms, study {each[1]:.0f} ms: {100 * each[0] / each[1]:.0f} %")
    if arguments.out:
        found = {"points": len(points), "workers": arguments.workers, "epochs": arguments.epochs}
        found |= {"pool_s": pool.clock, "study_s": ours.clock}
        found |= {"pool_processors_s": pool.processors, "study_processors_s": ours.processors}
        arguments.out.write_text(json.dumps({"about": machine(), **found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
