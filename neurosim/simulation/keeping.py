"""A simulation into a run file: in segments, between which the file is handed what there is, so that memory stays bounded.

A segment ends where some trial holds its share of SEGMENT bytes, or after about a second.  What comes out does not depend on where
segments end.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.backends import select
from neurosim.circuit.tables import tables_of
from neurosim.errors import RunFileError, quoted, require
from neurosim.runfile import Run, RunFile
from neurosim.simulation.device import DeviceTrials
from neurosim.simulation.host import HostTrials
from neurosim.simulation.results import KeptSpikes, KeptStates, LastValues, Simulated
from neurosim.simulation.runner import Train, make_trials, ticks_of
from neurosim.simulation.simulation_file import BUFFER, Monitor, SimulationFile, layout, series
from neurosim.simulation.trial import NOTHING, SLICE, CircuitProgram

SEGMENT = 16 << 20  # bytes of spikes and recordings that all trials together hold
QUICK, LONG = 0.25, 1.0  # seconds: a segment that takes less is followed by a longer one, and one that takes more by a shorter one
SIMULATOR = "neurosim"
CLOCK = "clock|tick"


def simulate_into(
    path: str | os.PathLike[str],
    program: CircuitProgram,
    duration: float,
    *,
    batch: int = 1,
    seed: int = 0,
    initial: Mapping[str, np.ndarray] | None = None,
    backend: str = "numpy",
    trains: Mapping[str, Sequence[Train]] = NOTHING,
    timed: Mapping[str, np.ndarray] = NOTHING,
    notes: Mapping[str, Any] | None = None,
    model: str = "",
    overwrite: bool = False,
    resume: bool = False,
) -> Simulated:
    """Run ``batch`` independent trials of a circuit's program into a run file; what is returned reads from that.

    duration, batch, seed, initial, backend, trains, timed : see ``simulate``
    notes : other attributes of the file, such as ``model_name``; model : a model file's text
    overwrite : whether ``path`` may exist; resume : whether to go on with the run that it holds, from its last checkpoint

    Memory does not grow with the duration: beside the trials' state, at most SEGMENT bytes are held and BUFFER bytes wait for the
    disk.  A process that is killed leaves what was flushed, every second or so, and can be resumed.

    Raises
    ------
    InputError
        As ``simulate`` does.
    RunFileError
        ``path`` exists (without ``overwrite``) or cannot be written; or holds no run of the same network, trials, seed and
        duration that could be resumed.
    """
    ticks, circuit = ticks_of(program, duration), program.circuit
    given: dict[str, Any] = {"initial": initial, "backend": backend, "trains": trains, "timed": timed}
    trials, _ = make_trials(program, batch, SEGMENT + BUFFER, "or record less", seed=seed, **given)
    monitors = [Monitor.of(one) for one in program.monitors]
    groups = {name: group.size for name, group in circuit.groups.items()}
    state = _state(trials)
    started = _digest(program, {**state, **_inputs(trains, timed)})
    shapes = {key: (values.shape, values.dtype) for key, values in state.items()}
    if resume:
        _check_same(Path(path), {"seed": seed, "trials": batch, "duration": duration, "dt": circuit.dt, "network_digest": started})
        own = RunFile.resume(Path(path), series=series(groups, monitors, batch), checkpoint=layout(shapes))
        file = SimulationFile(own, groups, monitors, batch, circuit.dt)
    else:
        told: dict[str, Any] = {"batch": batch, "dt": circuit.dt, "duration": duration, "seed": seed, "simulator": SIMULATOR}
        chosen = select(backend)
        noted = {"backend": chosen.name, "device": chosen.describe(), **(notes or {}), "network_digest": started}
        file = SimulationFile.create(
            path, groups, monitors, **told, notes=noted, model=model, state=shapes, overwrite=overwrite
        )
    with file:
        if resume:
            _restore(trials, file.file.last_checkpoint())
        _run(file, trials, ticks)
    where = Path(path)
    spikes, states = KeptSpikes(where, tuple(groups), circuit.dt), KeptStates(where, monitors)
    left = trials.left()
    return Simulated(spikes, states, LastValues([one.state for one in left]), left, where)


def _run(file: SimulationFile, trials: HostTrials | DeviceTrials, ticks: int) -> None:
    done, length = trials.tick, SLICE
    while done < ticks:
        started, target = time.monotonic(), min(done + length, ticks)
        trials.run(target, SEGMENT)
        file.take(*trials.take(), {name: -(-done // monitor.every) for name, monitor in file.monitors.items()})
        done, spent = trials.tick, time.monotonic() - started
        length = 2 * length if spent < QUICK and done == target else max(length // 2, 1) if spent > LONG else length
        if done < ticks and file.wants_checkpoint() and trials.is_together:
            file.checkpoint(done, _state(trials))
    file.checkpoint(done, _state(trials))


# ---------------------------------------------------------------------- going on


def _state(trials: HostTrials | DeviceTrials) -> dict[str, np.ndarray]:
    """Return what a checkpoint holds."""
    return {**trials.kept(), CLOCK: np.asarray(trials.tick, np.int64)}


def _restore(trials: HostTrials | DeviceTrials, state: Mapping[str, np.ndarray]) -> None:
    """Put the trials where the last checkpoint was; where there is none, they begin anew."""
    if state:
        trials.restore(int(state[CLOCK]), {key: values for key, values in state.items() if key.startswith(("state|", "rings|"))})


def _inputs(trains: Mapping[str, Sequence[Train]], timed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what the trials are given in time, by name."""
    spikes = [(f"trains {group} {number}", train) for group, given in trains.items() for number, train in enumerate(given)]
    return {name: np.stack([np.asarray(part, np.int64) for part in train]) for name, train in spikes} | {
        f"timed {name}": np.asarray(values) for name, values in timed.items()
    }


def _digest(program: CircuitProgram, state: Mapping[str, np.ndarray]) -> str:
    """Return a fingerprint of what decides a run: the network, its numbers, what is recorded, and how the trials begin."""
    found = hashlib.blake2b(program.text.encode(), digest_size=16)
    arrays = {**program.circuit.arrays, **state}
    for k, action in enumerate(program.circuit.actions):
        arrays |= {f"{k} {name}": values for name, values in tables_of(action).items()}
    for k, monitor in enumerate(program.monitors):
        arrays[f"monitor {k}"] = monitor.elements
    for name, values in sorted(arrays.items()):
        found.update(f"{name}{values.dtype.str}{values.shape}".encode())
        found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()


def _check_same(path: Path, expected: Mapping[str, Any]) -> None:
    """Raise RunFileError where a run file holds no run that can go on with these."""
    with Run(path) as known:
        simulator = str(known.attributes.get("simulator", ""))
        require(bool(simulator), f"run file {path}: holds a training, and no simulation; resume it as it was started", RunFileError)
        told = f"run file {path}: simulated by {quoted(simulator)}, which leaves no state to go on from; run it again"
        require(simulator == SIMULATOR, told, RunFileError)
        require(known.status != "complete", f"run file {path}: it is complete: there is nothing left to simulate", RunFileError)
        for name, value in expected.items():
            found, what = known.attributes.get(name), name.replace("_", " ")
            both = f"{what} was {quoted(found)} and is {quoted(value)} now"
            if name == "network_digest":
                both = "the network, what is recorded, or the initial values are others than it began with"
            require(found == value, f"run file {path}: {both}: expected the same; make the network as it was", RunFileError)
