"""What it costs that activity has died away: a step of training whose inputs are silent, and a simulation without spikes.

    python -m benchmarks.silence --out FILE.json

What nothing feeds any more (moments of Adam, conductances) decays until it is too small for full precision.  Both are measured
before this and after it, with such numbers taken as zero (``neurosim.backends.subnormals``) and kept.
"""

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import brian2 as b2
from brian2 import ms

import neurosim.brian
from benchmarks import steps
from benchmarks.timing import machine
from neurosim.backends import NumpyBackend
from neurosim.backends.subnormals import SUBNORMALS_AS_ZERO, SubnormalsAsZero

SIZES, BATCH, SILENT_STEPS = (784, 512, 512, 10), 128, 2000
CELLS, SHORT, LONG = 4000, 1.0, 15.0  # seconds; conductances are too small after about 4 and 7
EQUATIONS = """
dv/dt = (-v - g_e*(v - 3.5) - g_i*(v + 1)) / (20*ms) : 1 (unless refractory)
dg_e/dt = -g_e / (5*ms) : 1
dg_i/dt = -g_i / (10*ms) : 1
"""
ROUNDS = 3


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Let the processor compute with numbers of any size, as it does by default."""
    with mock.patch.object(SubnormalsAsZero, "__enter__"), mock.patch.object(SubnormalsAsZero, "__exit__", return_value=None):
        yield


def step() -> dict[str, float]:
    """Return milliseconds of a step of back-propagation, and of one whose images have been black for ``SILENT_STEPS``."""
    program = steps.loaded(steps.trainer("backprop", SIZES, BATCH, NumpyBackend()), steps.LEARN)
    numbers = iter(range(10**9))

    def steps_of(count: int) -> float:
        times = []
        for _ in range(count):
            before = time.perf_counter()
            with SUBNORMALS_AS_ZERO:
                program.replay(next(numbers))
            times.append(time.perf_counter() - before)
        return 1000 * statistics.median(times)

    lively = steps_of(300)
    program.inputs["x"][...] = 0
    steps_of(SILENT_STEPS)
    return {"lively": lively, "silent": steps_of(300)}


def simulation() -> dict[str, float]:
    """Return seconds that a second of a network without spikes takes: the first one, and one after 14 others."""
    cells = b2.NeuronGroup(CELLS, EQUATIONS, threshold="v > 1", reset="v = 0", refractory=5 * ms, method="euler", name="cells")
    cells.v, cells.g_e, cells.g_i = 0.5, 0.1, 0.1
    loaded = neurosim.brian.load(b2.Network(cells))

    def seconds(simulated: float) -> float:
        before = time.perf_counter()
        loaded.run(simulated)
        return time.perf_counter() - before

    seconds(0.1)  # compiles
    short, almost, long = seconds(SHORT), seconds(LONG - SHORT), seconds(LONG)
    return {"lively": short, "silent": long - almost}


def medians(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return the median of each number over ``ROUNDS``."""
    found = [measure() for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.silence", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    b2.prefs.codegen.target = "numpy"
    rows = []
    for what, measure in (("a step of training, ms", step), ("a simulated second, s", simulation)):
        zero = medians(measure)
        with kept():
            whole = medians(measure)
        rows.append({"what": what, "lively": zero["lively"], "silent": zero["silent"], "silent_kept": whole["silent"]})
        print(rows[-1], flush=True)
    arguments.out.write_text(json.dumps({"about": machine(), "silence": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
