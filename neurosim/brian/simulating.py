"""A Brian2 network that runs in Brian2 itself; what it leaves goes into a run file, as that of ``load(net).run`` does."""

from __future__ import annotations

import fnmatch
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import brian2
import numpy as np

from neurosim.backends.base import as_seed
from neurosim.brian.reading import unit_of
from neurosim.brian.uncompiled import uncompiled
from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.runfile.disk import check_free
from neurosim.simulation import Monitor, Simulated, SimulationFile
from neurosim.simulation.requests import StateRequest
from neurosim.simulation.results import KeptSpikes, KeptStates

TARGETS = {"brian2": "numpy", "brian2-cython": "cython", "brian2-cpp": "cpp_standalone"}  # simulator -> Brian2's name of it
MOST = 2**32  # of Brian2's seeds
FIXED = ("i", "j", "t", "dt", "N", "t_in_timesteps")  # what needs no recording


def made_by(function: Callable[[], Any], seed: int, label: str) -> Any:
    """Return the Brian2 network that a user's ``function`` makes; what it draws follows from ``seed``, whatever the simulator.

    Raises InputError, whose line begins with ``label``, where it fails, or makes something else.
    """
    brian2.seed(seed % MOST)
    try:
        with uncompiled():
            made = function()
    except Exception as cause:
        why = f"{type(cause).__name__}: {quoted(str(cause))[1:-1]}"
        raise InputError(f"{label}: cannot be made ({why}): expected a Brian2 Network; correct it") from cause
    require(isinstance(made, brian2.Network), f"{label}: makes a {type(made).__name__}: expected a Brian2 Network; return one")
    return made


def simulate_in_brian(
    make: Callable[[], Any],
    duration: Any,
    path: str | os.PathLike[str],
    *,
    simulator: str = "brian2",
    batch: int = 1,
    seed: int = 0,
    record: Iterable[str] = (),
    namespace: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
    model: str = "",
    overwrite: bool = False,
) -> Simulated:
    """Run a Brian2 network in Brian2, one trial after the other, into a run file; what is returned reads from that.

    make : returns the network, made anew: in C++ standalone mode each trial is a program of its own
    duration : seconds, or a Brian2 quantity; simulator : brian2 (its NumPy target), brian2-cython or brian2-cpp (standalone)
    batch : how many trials; seed : decides the network, and with the trial's number the random numbers of each trial
    record : such as ``"cells.v[0:5] every 1 ms"``; namespace : resolves the names that the equations leave open
    notes, model, overwrite : see ``neurosim.simulation.simulate_into``

    The spikes of a trial are in the file when it has ended, recordings when all have.  Brian2 leaves no state to go on from, so
    that such a run cannot be resumed.

    Raises InputError, or RunFileError where ``path`` exists (without ``overwrite``).
    """
    if simulator not in TARGETS:
        raise UnknownNameError("simulator", simulator, TARGETS)
    whole = isinstance(batch, int) and not isinstance(batch, bool) and batch >= 1
    require(whole, f"batch {quoted(batch)}: expected 1 or more trials; give a positive whole number")
    length, number, requests = float(duration), as_seed(seed), [StateRequest.of(text) for text in record]
    require(0 <= length < np.inf, f"duration {quoted(duration)}: expected seconds, 0 or more; change it")
    check_free(Path(path), overwrite)
    told: dict[str, Any] = {"batch": batch, "duration": length, "seed": number, "simulator": simulator, "overwrite": overwrite}
    kept: list[list[np.ndarray]] = []
    with ExitStack() as stack:
        for trial, net in enumerate(_runs(make, length, TARGETS[simulator], batch, number, requests, dict(namespace or {}))):
            if not trial:
                monitors = [_monitor(one, net.dt) for one in net.states]
                sizes = {one.source.name: len(one.source) for one in net.spikes}
                file = SimulationFile.create(path, sizes, monitors, dt=net.dt, notes=notes, model=model, **told)
                stack.enter_context(file)
            file.take({one.source.name: _spikes(one, net.dt, trial) for one in net.spikes}, {}, {})
            kept.append([np.asarray(getattr(one, f"{name}_")).T for one in net.states for name in one.record_variables])
        names = [(one.name, name) for one, state in zip(monitors, net.states, strict=True) for name in state.record_variables]
        rows = {key: np.stack(values, axis=1) for key, values in zip(names, zip(*kept, strict=True), strict=True)}
        file.take({}, rows, {one.name: 0 for one in monitors})
    return Simulated(KeptSpikes(Path(path), tuple(sizes), net.dt), KeptStates(Path(path), monitors), {}, (), Path(path))


class _Watched:
    """A network with what looks at it.  spikes : a SpikeMonitor for each group that spikes; states : all StateMonitors"""

    def __init__(self, net: Any, requests: Sequence[StateRequest]) -> None:
        self.net = net
        groups = [one for one in net.objects if isinstance(one, brian2.SpikeGeneratorGroup | brian2.PoissonGroup) or _spiking(one)]
        require(bool(groups), f"Brian2 network {net.name!r}: no group that spikes: expected one; add it")
        self.dt = float(groups[0].clock.dt_)
        self.spikes = [brian2.SpikeMonitor(group, name=f"neurosim_spikes_{k}") for k, group in enumerate(groups)]
        asked = [brian2.StateMonitor(*one, name=f"neurosim_state_{k}") for k, one in enumerate(self._asked(requests))]
        self.states = [*asked, *(one for one in net.objects if isinstance(one, brian2.StateMonitor))]
        net.add(*self.spikes, *asked)

    def _asked(self, requests: Sequence[StateRequest]) -> Iterator[tuple[Any, str, Any, Any]]:
        """Yield source, variable, elements and time step of each variable that is asked for."""
        known: dict[str, tuple[Any, str]] = {}
        for one in self.net.objects:
            if isinstance(one, brian2.NeuronGroup | brian2.Synapses):
                own = [name for name, found in one.variables.items() if getattr(found, "array", False)]
                known |= {f"{one.name}.{name}": (one, name) for name in own if name not in FIXED and not name.startswith("_")}
        for request in requests:
            names = fnmatch.filter(sorted(known), request.variable)
            if not names:
                raise UnknownNameError("record: variable", request.variable, sorted(known))
            for name in names:
                source, variable = known[name]
                standalone = not isinstance(brian2.get_device(), brian2.devices.RuntimeDevice)
                made_late = standalone and isinstance(source, brian2.Synapses)
                said = f"record: {name!r}: brian2-cpp makes synapses while it runs"
                require(not made_late, f"{said}: expected variables of neurons; leave it out, or use brian2-cython")
                chosen = request.which.numbers(len(source)) if request.which.text else True
                yield source, variable, chosen, request.ticks(self.dt) * self.dt * brian2.second


def _spiking(one: Any) -> bool:
    return isinstance(one, brian2.NeuronGroup) and one.thresholder.get("spike") is not None


def _runs(
    make: Callable[[], Any],
    duration: float,
    target: str,
    batch: int,
    seed: int,
    requests: Sequence[StateRequest],
    namespace: dict[str, Any],
) -> Iterator[_Watched]:
    """Yield the network after each trial."""
    with _simulating(target) as fresh:
        watched = None
        for trial in range(batch):
            if watched is None or target == "cpp_standalone":
                fresh()
                brian2.seed(seed % MOST)
                watched = _Watched(make(), requests)
                if target != "cpp_standalone":
                    watched.net.store()
            else:
                watched.net.restore()
            brian2.seed((seed + trial) % MOST)
            watched.net.run(duration * brian2.second, namespace=namespace)
            yield watched


@contextmanager
def _simulating(target: str) -> Iterator[Callable[[], None]]:
    """Let Brian2 use a target; yield what makes it ready for another network.  What it was is restored."""
    before = brian2.prefs.codegen.target
    try:
        if target != "cpp_standalone":
            brian2.prefs.codegen.target = target
            yield lambda: None
            return
        with tempfile.TemporaryDirectory(prefix="neurosim-brian2-") as folder:

            def fresh() -> None:
                brian2.device.reinit()
                brian2.device.activate()
                brian2.set_device(target, directory=folder, build_on_run=True)

            brian2.set_device(target, directory=folder, build_on_run=True)
            try:
                yield fresh
            finally:
                brian2.device.reinit()
                brian2.set_device("runtime")
    finally:
        brian2.prefs.codegen.target = before


def _spikes(monitor: Any, dt: float, trial: int) -> tuple[np.ndarray, ...]:
    """Return (tick, index, trial) of what a monitor saw."""
    tick = np.round(np.asarray(monitor.t_) / dt).astype(np.int64)
    return tick, np.asarray(monitor.i, np.int32), np.full(len(tick), trial, np.int32)


def _monitor(one: Any, dt: float) -> Monitor:
    """Return what a StateMonitor records."""
    names = one.record_variables
    units = {name: unit_of(one.source.variables[name]) for name in names}
    asked = one.name.startswith("neurosim_state_")
    elements = np.asarray(one.record, np.int32)
    sides = None
    if isinstance(one.source, brian2.Synapses):
        sides = {"pre": np.asarray(one.source.i)[elements], "post": np.asarray(one.source.j)[elements]}
    name = f"{one.source.name}.{names[0]}" if asked else one.name
    return Monitor(name, one.source.name if asked else one.name, elements, units, round(float(one.clock.dt_) / dt), sides)
