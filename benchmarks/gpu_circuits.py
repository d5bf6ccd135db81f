"""Spiking networks on a GPU: microseconds a tick and trial at several numbers of trials, and whether the spikes are the CPU's.

    python -m benchmarks.gpu_circuits [--out FILE.json] [--quick] [--profile] [--threads 256 512] [--near 0 100000] [--ticks 2000]

The networks are those of ``benchmarks.brian``: CUBA of 4,000 cells, and Song's 1,000 Poisson inputs with plastic synapses on 100
cells.  ``--quick`` compares small networks only.  ``--profile`` times the first action of a tick alone, then the first two, and so
on.  Each row is printed, and the file written anew, as soon as it is measured; a row that fails says why, and the next one follows.
"""

import argparse
import dataclasses
import importlib.util
import itertools
import json
import pickle
import statistics
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import machine
from neurosim.backends import limits, select
from neurosim.circuit import Circuit
from neurosim.simulation import CircuitProgram, Simulated, device, simulate

SMALL = Path(__file__).parents[1] / "tests/reference/brian/networks.py"
QUICK = ("several_pathways", "brunel", "stdp", "arrays_in_time", "izhikevich", "clock_driven", "adaptive_exponential")
LARGE = ("cuba", "song")
COMPARED = 4  # trials that the CPU runs as well
MOST_NEAR = 1 << 20  # more than any device has
PROFILED = (128, 1024)  # trials
ROUNDS = 3
SEED = 5


class Networks:
    """Circuits by name: those of ``benchmarks.brian``, or small ones of the tests; kept in a file where one is given."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known: dict[str, Circuit] = pickle.loads(path.read_bytes()) if path and path.exists() else {}  # noqa: S301  our own

    def circuit(self, name: str) -> Circuit:
        if name not in self.known:
            self.known[name] = built(name)
            if self.path:
                self.path.write_bytes(pickle.dumps(self.known))
        return self.known[name]


def built(name: str) -> Circuit:
    """Return the circuit of a network, made by Brian2."""
    import brian2 as b2

    from benchmarks import brian
    from neurosim.brian.reading import circuit_of

    b2.prefs.codegen.target = "numpy"
    b2.seed(1)
    if name in LARGE:
        return circuit_of(getattr(brian, name)(), {})
    spec = importlib.util.spec_from_file_location("networks", SMALL)
    assert spec and spec.loader
    small = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(small)
    net, namespace, _ = getattr(small, name)()
    return circuit_of(net, namespace)


def difference(found: Simulated, expected: Simulated) -> str:
    """Return ``equal``, or where the first difference between the trials that both ran is."""
    for group, theirs in expected.spikes.items():
        ours = found.spikes[group]
        for trial in np.unique(theirs.trial):
            mine, other = ours.trial == trial, theirs.trial == trial
            ticks, indices = ([one[which] for one, which in ((a, mine), (b, other))] for a, b in (
                (ours.tick, theirs.tick), (ours.index, theirs.index),
            ))  # fmt: skip
            least = min(map(len, ticks))
            unlike = np.flatnonzero((ticks[0][:least] != ticks[1][:least]) | (indices[0][:least] != indices[1][:least]))
            if len(unlike):
                return f"spikes of {group!r} differ in trial {trial} from tick {ticks[1][unlike[0]]} on"
            if len(ticks[0]) != len(ticks[1]):
                return f"{len(ticks[0])} spikes of {group!r} in trial {trial}, {len(ticks[1])} on the CPU"
        if (ours.trial < COMPARED).sum() != len(theirs):
            return f"{(ours.trial < COMPARED).sum()} spikes of {group!r}, {len(theirs)} on the CPU"
    for name, values in found.final.items():
        if not np.array_equal(values, expected.final[name], equal_nan=True):
            return f"equal spikes, but {name} differs by up to {np.abs(values - expected.final[name]).max():.2g}"
    return "equal"


class Timed:
    """One run on the GPU, its parts timed.  times : seconds of setting up, of the ticks, of fetching the end"""

    def __init__(self, program: CircuitProgram, ticks: int, batch: int) -> None:
        backend = select("cupy")

        def now() -> float:
            backend.cupy.cuda.runtime.deviceSynchronize()  # type: ignore[attr-defined]
            return time.perf_counter()

        began = now()
        trials = device.DeviceTrials(program, backend, SEED, batch, {})
        made = now()
        trials.run(ticks)
        done = now()
        spikes = {name: trials.trains(name) for name in program.circuit.groups}
        self.run = Simulated(spikes, {}, {})
        self.times = {"set-up": made - began, "ticks": done - made, "spikes": now() - done}
        self.mebibytes = trials.memory.nbytes / 2**20
        self.near = trials.device.text.near
        self.registers = getattr(trials.device.kernel, "num_regs", None)
        self.spilled = getattr(trials.device.kernel, "local_size_bytes", None)


def measured(
    program: CircuitProgram, ticks: int, batch: int, threads: int, near: int, expected: Simulated | None = None
) -> dict[str, Any]:
    """Return a row: the median time of a tick and trial, and what the comparison says.

    near : bytes of a trial's state that a block may have to itself, as far as the device lets it
    """
    device.THREADS = threads
    device.NEAR = near
    runs: list[Timed] = []
    for _ in range(ROUNDS + 1):
        if runs:
            del runs[-1].run
        runs.append(Timed(program, ticks, batch))
    times = {name: statistics.median(run.times[name] for run in runs[1:]) for name in runs[0].times}
    row = {"batch": batch, "threads": threads, "us": 1e6 * times["ticks"] / ticks / batch}
    row |= {f"{name}_s": seconds for name, seconds in times.items()}
    row |= {"first_s": sum(runs[0].times.values()), "MiB": runs[-1].mebibytes}
    row["near"] = runs[-1].near
    row |= {"registers": runs[-1].registers, "spilled_bytes": runs[-1].spilled}
    row["spikes"] = {name: len(trains) for name, trains in runs[-1].run.spikes.items()}
    if expected:
        row["compared"] = difference(runs[-1].run, _first(expected, batch))
    return row


def _first(run: Simulated, batch: int) -> Simulated:
    """Return the first ``batch`` trials of a run."""
    spikes = {}
    for name, trains in run.spikes.items():
        chosen = trains.trial < batch
        spikes[name] = dataclasses.replace(trains, index=trains.index[chosen], tick=trains.tick[chosen], trial=trains.trial[chosen])
    return Simulated(spikes, run.states, run.final)


class Results:
    """Rows, printed and written as they come."""

    def __init__(self, out: Path | None) -> None:
        self.out = out
        self.rows: list[dict[str, Any]] = []
        self.about = machine()

    def add(self, name: str, row: Callable[..., dict[str, Any]], *given: Any, **about: Any) -> None:
        """Add the row that a function returns, or why there is none."""
        began = time.perf_counter()
        found = {"network": name, **about}
        try:
            found |= row(*given)
        except Exception:
            found["failed"] = traceback.format_exc()
            print(found["failed"], flush=True)
        found["wall_s"] = time.perf_counter() - began
        self.rows.append(found)
        short = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in found.items()}
        print(json.dumps({key: value for key, value in short.items() if key != "failed"}), flush=True)
        if self.out:
            self.out.write_text(json.dumps({"about": self.about, "rows": self.rows}, indent=1) + "\n", encoding="utf-8")


def compare(networks: Networks, name: str, ticks: int) -> dict[str, Any]:
    """Return a row that says whether a few trials are the CPU's: spikes, and the state after the last tick."""
    program = CircuitProgram(networks.circuit(name))
    seconds = ticks * program.circuit.dt
    theirs = simulate(program, seconds, batch=COMPARED, seed=SEED)
    ours = simulate(program, seconds, batch=COMPARED, seed=SEED, backend="cupy")
    spikes = {group: len(trains) for group, trains in theirs.spikes.items()}
    return {"ticks": ticks, "spikes": spikes, "compared": difference(ours, theirs)}


def measure(results: Results, name: str, circuit: Circuit, arguments: argparse.Namespace) -> None:
    """Add the rows of one network."""
    program, ticks = CircuitProgram(circuit), arguments.ticks
    expected: list[Simulated] = []

    def on_the_cpu() -> dict[str, Any]:
        began = time.perf_counter()
        expected.append(simulate(program, ticks * circuit.dt, batch=COMPARED, seed=SEED))
        return {"cpu_us": 1e6 * (time.perf_counter() - began) / ticks / COMPARED}

    results.add(name, on_the_cpu, batch=COMPARED)
    for threads, near in itertools.product(arguments.threads, arguments.near):
        for batch in arguments.batches:
            results.add(name, measured, program, ticks, batch, threads, near, expected[0], batch=batch, threads=threads, near=near)
    for last, action in enumerate(circuit.actions if arguments.profile else ()):
        part = CircuitProgram(dataclasses.replace(circuit, actions=circuit.actions[: last + 1]))
        for batch in PROFILED:
            results.add(name, measured, part, ticks, batch, arguments.threads[0], arguments.near[0], up_to=action.name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_circuits", description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=2000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64, 128, 256, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[device.THREADS], help="of a block, at most")
    parser.add_argument("--near", type=int, nargs="+", default=[MOST_NEAR], help="bytes of state that a block may have to itself")
    parser.add_argument("--quick", action="store_true", help="compare small networks only")
    parser.add_argument("--profile", action="store_true", help="also time the first actions of a tick alone")
    parser.add_argument("--circuits", type=Path, help="a file of our own to keep the circuits in, so that Brian2 is needed once")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    networks, results = Networks(arguments.circuits), Results(arguments.out)
    results.about |= {"device": select("cupy").describe(), "processors": limits.processors()}
    print(json.dumps(results.about), flush=True)
    for name in QUICK if arguments.quick else LARGE:
        results.add(name, compare, networks, name, arguments.ticks)
        if not arguments.quick and name in networks.known:
            measure(results, name, networks.known[name], arguments)


if __name__ == "__main__":
    main()
