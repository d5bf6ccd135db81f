"""A study's throughput beside a bare process pool on the same points, and what the scheduler costs a point.

    python -m benchmarks.studies [--points 200] [--workers 2] [--epochs 40] [--out FILE.json]

Points are the network of ``neurosim compare`` on digits under back-propagation and feedback alignment, over seeds.  The pool's
processes do what a worker does with a point, with nothing around it: prepare, run, close.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

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


def pool_seconds(points: list[Point], workers: int, folder: Path) -> float:
    """Return how long a bare pool takes, its processes started and warm."""
    os.environ.update(ONE_THREAD)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        warm = [(point, folder / "warm") for point in points[:workers]]
        (folder / "warm").mkdir()
        pool.map(alone, warm, chunksize=1)
        began = time.perf_counter()
        pool.map(alone, [(point, folder) for point in points], chunksize=1)
        return time.perf_counter() - began


def study_seconds(study: Study, workers: int, folder: Path) -> float:
    """Return how long a study takes, its workers started and warm."""
    with connected(here=Processes(workers)) as client:
        list(run_study(start(study.seeds(workers).plan(), backend="numpy"), folder / "warm", client))
        started = start(study.plan(), backend="numpy")
        began = time.perf_counter()
        outcomes = list(run_study(started, folder / "study", client))
        took = time.perf_counter() - began
    wrong = [outcome for outcome in outcomes if outcome.status != "complete"]
    assert not wrong, wrong
    return took


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
        pool = pool_seconds(points, arguments.workers, Path(folder) / "pool")
        ours = study_seconds(study, arguments.workers, Path(folder))
    cost = 1000 * (ours - pool) * arguments.workers / len(points)
    share = f"{100 * pool / ours:.0f} % of its throughput, {cost:.0f} ms a point more"
    print(f"{len(points)} points: pool {pool:.1f} s, study {ours:.1f} s: {share}")
    if arguments.out:
        found = {"points": len(points), "workers": arguments.workers, "epochs": arguments.epochs, "pool_s": pool, "study_s": ours}
        arguments.out.write_text(json.dumps({"about": machine(), **found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
