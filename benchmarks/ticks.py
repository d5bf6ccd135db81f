"""What the ticks of a trial cost: to capture a step, to run it, and in memory, beside another version of this repository.

    git worktree add /tmp/before dc7a745     # the last commit that writes every tick out
    python -m benchmarks.ticks --before /tmp/before [--out FILE.json] [--ticks 10 100 300 1000] [--longest-before 300]

Batches of 128 in float32.  Each row comes from a process of its own with one thread, which finds no machine code of earlier ones.
Times are the processor's, which what else runs on the machine changes less than those of the clock.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import machine
from neurosim.encoders import Constant, Sequence
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.plasticity import Adam
from neurosim.training import Trainer

TICKS = (10, 100, 300, 1000)
BATCH, WIDTH = 128, 100
COLD, STEPS = 2, 9  # steps that are not counted, and that are
HERE = Path(__file__).parents[1]


def rows_by_backprop(ticks: int) -> tuple[Trainer, tuple[int, ...]]:
    """Return a trainer of digits shown row by row to recurrent leaky neurons, by back-propagation through time."""
    populations = [Population("x", (1, 8)), Population("hidden", WIDTH, neurons=Leaky(tau=4.0))]
    links = [Projection("x", "hidden"), Projection("hidden", "hidden", name="loop", delay=1, bias=False)]
    links.append(Projection("hidden", "output"))
    network = Network([*populations, Population("output", 10, transfer="softmax")], links, seed=1)
    options = {"clock": Clock(ticks), "encoder": Sequence(axis=1), "batch": BATCH}
    return Trainer(network, pathway("backprop_through_time"), Adam(1e-3), **options), (1, ticks, 8)


def chain_by_local_errors(ticks: int) -> tuple[Trainer, tuple[int, ...]]:
    """Return a trainer of digits shown to a chain of leaky neurons, each population taught in each tick by its own readout."""
    populations = [Population("x", 64), *(Population(f"hidden{k}", WIDTH, neurons=Leaky(tau=10.0)) for k in (1, 2))]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    network = Network([*populations, Population("output", 10, transfer="softmax")], links, seed=1)
    options = {"clock": Clock(ticks, ticks // 2), "encoder": Constant(), "batch": BATCH}
    return Trainer(network, pathway("local_errors", loss="pred"), Adam(1e-3), **options), (64,)


SETTINGS: dict[str, Callable[[int], tuple[Trainer, tuple[int, ...]]]] = {
    "rows, backprop_through_time": rows_by_backprop,
    "chain, local_errors": chain_by_local_errors,
}


def measured(setting: str, ticks: int) -> dict:
    """Return the seconds of a capture, the milliseconds of a step, and the MiB that its buffers take."""
    made, shape = SETTINGS[setting](ticks)
    made.trial.check(made.network, shape, "digits")
    made.sample = shape
    made.pathway.attach(made.network, 10, 0)
    before = time.process_time()
    graph = made.recorded(made.pathway.phases[0])
    recorded = time.process_time()
    program = made.network.backend.capture(graph)
    captured = time.process_time()
    draw = np.random.default_rng(0)
    batch = {"x": draw.random((BATCH, *shape), "float32"), "target": np.eye(10, dtype="float32")[draw.integers(0, 10, BATCH)]}
    steps = []
    for number in range(COLD + STEPS):
        started = time.process_time()
        program.run_on(batch, number)
        steps.append(1000 * (time.process_time() - started))
    step = statistics.median(steps[COLD:])
    times = {"capture_s": captured - before, "recording_s": recorded - before, "step_ms": step}
    return times | {"buffers_mib": program.nbytes / 2**20}


def apart(folder: Path, setting: str, ticks: int) -> dict:
    """Return what the version that lies in ``folder`` needs, in a process of its own without machine code of earlier ones."""
    code = f"import json; from ticks_benchmark import measured; print(json.dumps(measured({setting!r}, {ticks})))"
    with tempfile.TemporaryDirectory() as cache:
        Path(cache, "ticks_benchmark.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
        path = os.pathsep.join([str(folder), cache])
        own = os.environ | {"PYTHONPATH": path, "XDG_CACHE_HOME": cache, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=own, stdout=subprocess.PIPE, check=True)
    found: dict = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ticks", description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--ticks", type=int, nargs="+", default=list(TICKS))
    parser.add_argument("--longest-before", type=int, default=300, help="ticks that the other version is asked for, at most")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    folders = {"loops": HERE} | ({"written out": arguments.before.resolve()} if arguments.before else {})
    rows = []
    for setting in SETTINGS:
        for ticks in arguments.ticks:
            for version, folder in folders.items():
                if version == "loops" or ticks <= arguments.longest_before:
                    row = {"setting": setting, "ticks": ticks, "version": version}
                    rows.append(row | apart(folder, setting, ticks))
                    print(rows[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"about": machine(), "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
