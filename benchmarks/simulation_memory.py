"""How much memory a long simulation takes that goes into a run file: 4,000 neurons, 1,000,000 synapses, their weights recorded.

    python -m benchmarks.simulation_memory SECONDS

Prints the largest resident memory while it ran, beside that before it, and the size of the file.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import brian2 as b2
import numpy as np
import psutil
from brian2 import ms

import neurosim.brian

NEURONS, EACH = 4000, 250


def network():
    """Return leaky cells that inhibit each other, each through EACH synapses."""
    cells = b2.NeuronGroup(
        NEURONS, "dv/dt = (I - v) / (20*ms) : 1 (unless refractory)\nI : 1",
        threshold="v > 1", reset="v = 0", refractory=5 * ms, method="exact", name="cells",
    )  # fmt: skip
    cells.I, cells.v = 1.03, "rand()"
    synapses = b2.Synapses(cells, cells, "w : 1", on_pre="v_post -= w", delay=1.5 * ms, name="synapses")
    post = np.random.default_rng(1).integers(NEURONS, size=NEURONS * EACH)
    synapses.connect(i=np.repeat(np.arange(NEURONS), EACH), j=post)
    synapses.w = 2e-5
    return b2.Network(cells, synapses)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    seconds = parser.parse_args().seconds
    b2.prefs.codegen.target = "numpy"
    b2.seed(1)
    loaded = neurosim.brian.load(network())
    process, stopped = psutil.Process(), threading.Event()
    before = most = process.memory_info().rss

    def watch():
        nonlocal most
        while not stopped.wait(0.01):
            most = max(most, process.memory_info().rss)

    threading.Thread(target=watch).start()
    with tempfile.TemporaryDirectory() as folder:
        path, started = Path(folder, "run.h5"), time.perf_counter()
        loaded.run(seconds, record=["synapses.w every 1 s", "cells.v[0:10] every 1 ms"], file=path)
        took = time.perf_counter() - started
        stopped.set()
        mebibytes = (most - before) / 2**20, path.stat().st_size / 2**20
        print(f"{seconds:g} s: {took:.1f} s of time, {mebibytes[0]:.0f} MiB of memory more, file of {mebibytes[1]:.0f} MiB")


if __name__ == "__main__":
    main()
