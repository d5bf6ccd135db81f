"""A tick of two networks here and in Brian2, and many trials at once.

    python -m benchmarks.brian [--ticks 10000] [--batch 64] [--out FILE.json]

CUBA is the benchmark of 4,000 cells of Brette et al. 2007.  Song is 1,000 Poisson inputs with spike-timing-dependent plasticity on
100 cells, 100,000 synapses.  Brian2 runs with its Cython target, after a first run that compiles.  Needs Cython and a C++ compiler.
"""

import argparse
import json
import time
from pathlib import Path

import brian2 as b2
from brian2 import Hz, ms

import neurosim.brian
from benchmarks.timing import machine

ROUNDS = 5


def cuba() -> b2.Network:
    cells = b2.NeuronGroup(
        4000,
        """dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)
        dge/dt = -ge / (5*ms) : volt
        dgi/dt = -gi / (10*ms) : volt""",
        threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exact",
    )  # fmt: skip
    cells.v = "-60*mV + rand() * 10*mV"
    excite, inhibit = b2.Synapses(cells, cells, on_pre="ge += 1.62*mV"), b2.Synapses(cells, cells, on_pre="gi -= 9*mV")
    excite.connect("i < 3200", p=0.02)
    inhibit.connect("i >= 3200", p=0.02)
    return b2.Network(cells, excite, inhibit)


def song() -> b2.Network:
    inputs = b2.PoissonGroup(1000, rates=15 * Hz)
    cells = b2.NeuronGroup(
        100, "dv/dt = (ge * (0*mV - v) + -74*mV - v) / (10*ms) : volt\ndge/dt = -ge / (5*ms) : 1",
        threshold="v > -54*mV", reset="v = -60*mV", method="euler",
    )  # fmt: skip
    synapses = b2.Synapses(
        inputs, cells,
        """w : 1
        dApre/dt = -Apre / (20*ms) : 1 (event-driven)
        dApost/dt = -Apost / (20*ms) : 1 (event-driven)""",
        on_pre="ge += w\nApre += 1e-4\nw = clip(w + Apost, 0, 0.01)",
        on_post="Apost -= 1.05e-4\nw = clip(w + Apre, 0, 0.01)",
    )  # fmt: skip
    cells.v = "-74*mV + rand() * 20*mV"
    synapses.connect()
    synapses.w = "rand() * 0.01"
    return b2.Network(inputs, cells, synapses)


def measured(build: object, ticks: int, batch: int) -> dict[str, float]:
    """Return microseconds a tick and trial: Brian2, one trial here, and one of ``batch`` at once; medians of runs in turn."""
    b2.seed(1)
    network = neurosim.brian.load(build())  # type: ignore[operator]
    b2.seed(1)
    theirs = build()  # type: ignore[operator]
    theirs.run(10 * ms)  # compiles
    seconds = ticks * 1e-4
    runs = {
        "brian2_us": (lambda: theirs.run(seconds * b2.second), 1),
        "ours_us": (lambda: network.run(seconds), 1),
        "ours_batch_us": (lambda: network.run(seconds, batch=batch), batch),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, (run, trials) in runs.items():
            began = time.perf_counter()
            run()
            times[name].append(1e6 * (time.perf_counter() - began) / ticks / trials)
    return {name: sorted(found)[ROUNDS // 2] for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.brian", description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    b2.prefs.codegen.target = "cython"
    found = {build.__name__: measured(build, arguments.ticks, arguments.batch) for build in (cuba, song)}
    for name, times in found.items():
        brian, one, many = times.values()
        print(
            f"{name}: Brian2 {brian:.1f} us a tick, here {one:.1f} ({one / brian:.2f} of it); "
            f"{arguments.batch} trials: {many:.2f} us a tick and trial ({brian / many:.0f} times the throughput)"
        )
    if arguments.out:
        about = {"about": machine(), "ticks": arguments.ticks, "batch": arguments.batch}
        arguments.out.write_text(json.dumps({**about, **found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
