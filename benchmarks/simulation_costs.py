"""What a tick of a spiking network costs, against its neurons, synapses, trials and rate; and what it costs to begin.

    python -m benchmarks.simulation_costs --out FILE.json

Leaky integrate-and-fire cells that fire at a rate of their own, each with synapses onto cells drawn at random, in ticks of 0.1 ms.
One number changes at a time; the others are those of ``BASE``.  Weights are so small that rates stay as they are.  The cost of a
tick is the difference of two runs of different length, divided by that of their ticks; what the shorter one takes beside its ticks,
network and synapses included, is the cost to begin.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import brian2 as b2
import numpy as np
from brian2 import ms

import neurosim.brian
from benchmarks.timing import machine

SHORT, ROUNDS, SECONDS = 100, 3, 1.0  # ticks; runs; how long the longer run is to take
MEMBRANE = 20.0  # ms


class Case(NamedTuple):
    """cells, synapses of each, trials, spikes of a cell in a second."""

    neurons: int = 4000
    fan_out: int = 100
    trials: int = 1
    rate: float = 10.0


BASE = Case()
SWEPT = {
    "neurons": (100, 400, 1000, 4000, 10_000, 40_000, 100_000),
    "fan_out": (1, 10, 30, 100, 300, 1000),
    "trials": (1, 2, 4, 16, 64, 256),
    "rate": (3.0, 10.0, 30.0, 100.0, 300.0),
}


def network(case: Case) -> b2.Network:
    """Return the network of one point."""
    cells = b2.NeuronGroup(
        case.neurons, "dv/dt = (I - v) / (20*ms) : 1\nI : 1 (constant)", threshold="v > 1", reset="v = 0", method="exact",
        name="cells",
    )  # fmt: skip
    interval = 1000 / case.rate
    cells.I = 1 / (1 - np.exp(-interval / MEMBRANE))  # v reaches 1 an interval after 0
    cells.v = "I * (1 - exp(-rand() * interval / MEMBRANE))"
    synapses = b2.Synapses(cells, cells, "w : 1", on_pre="v_post += w", delay=1.5 * ms, name="synapses")
    post = np.random.default_rng(1).integers(case.neurons, size=case.neurons * case.fan_out)
    synapses.connect(i=np.repeat(np.arange(case.neurons), case.fan_out), j=post)
    synapses.w = 1e-9
    return b2.Network(cells, synapses)


def measured(case: Case) -> dict[str, float]:
    """Return microseconds of a tick, all trials together; seconds to begin, and the rate that there was."""
    b2.seed(1)
    started = time.perf_counter()
    loaded = neurosim.brian.load(network(case))
    made = time.perf_counter() - started

    def run(ticks: int) -> tuple[float, float]:
        before = time.perf_counter()
        found = loaded.run(ticks * 1e-4, batch=case.trials)
        took = time.perf_counter() - before
        return took, len(found.spikes["cells"].index) / (ticks * 1e-4 * case.neurons * case.trials)

    first = run(SHORT)[0]  # compiles
    short = statistics.median(run(SHORT)[0] for _ in range(ROUNDS))
    probe = max(run(10 * SHORT)[0] - short, 1e-4) / (9 * SHORT)
    ticks = SHORT + int(np.clip(SECONDS / probe, 10 * SHORT, 200_000))
    long = [run(ticks) for _ in range(ROUNDS)]
    tick = (statistics.median(took for took, _ in long) - short) / (ticks - SHORT)
    return {"tick_us": 1e6 * tick, "begin_s": made + first - SHORT * tick, "rate": long[-1][1], "ticks": ticks}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation_costs", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(SWEPT), nargs="+", default=list(SWEPT), help="what is to change")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    b2.prefs.codegen.target = "numpy"
    measured(BASE._replace(neurons=10))  # imports, and machine code that all share
    points = []
    for name in arguments.only:
        for value in SWEPT[name]:
            case = BASE._replace(**{name: value})
            points.append({"swept": name, **case._asdict(), **{f"found_{k}": v for k, v in measured(case).items()}})
            print(points[-1], flush=True)
    found = {"about": machine(), "base": BASE._asdict(), "points": points}
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
