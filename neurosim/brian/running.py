"""A network of neurosim's own as a circuit, and trials of it, in memory or into a run file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.backends import select
from neurosim.brian.driving import Driven, drive_inputs
from neurosim.brian.exporting import STATES, check_runs, exported, recorded_of, starts_of
from neurosim.brian.synapse_code import modulated
from neurosim.circuit import Circuit, Record
from neurosim.errors import require
from neurosim.simulation import CircuitProgram, InTime, Simulated, simulate, simulate_into

Network = Any  # of neurosim.network, which uses this package


class Runner:
    """The programs of one network: each is made once, and kept as long as the parts of the network stay the same."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Sequence[Any], CircuitProgram]] = {}

    def run(
        self, network: Network, seconds: float, inputs: Any, modulators: Mapping[str, Any] | None, batch: int | None, record: Any,
        every: float | None, initial: Mapping[str, Any] | None, seed: int, after: Simulated | None, backend: str,
        file: str | os.PathLike[str] | None, overwrite: bool, resume: bool,
    ) -> Simulated:  # fmt: skip
        """Run trials; see ``Network.run``."""
        for name, wanted in (("overwrite", overwrite), ("resume", resume)):
            require(file is not None or not wanted, f"run: {name}: expected only with file=...; leave it out, or give a file")
        said = "run: after, with a file: expected one of them, because a file begins with its trials"
        require(file is None or after is None, f"{said}; leave one out")
        select(backend)  # before Brian2 takes its time
        check_runs(network)
        first = 0 if after is None or not after.left else after.left[0].tick
        driven = drive_inputs(network, inputs, _trials(batch, after), first, modulators)
        starts, recorded = starts_of(network, initial, driven.batch), recorded_of(network, record)
        timed = {name: one.values for name, one in driven.in_time().items()}
        program = self.program(network, driven, recorded, every)
        values = dict(starts) | _constant(network, driven, program)
        given: dict[str, Any] = {"batch": driven.batch, "seed": seed, "initial": values, "backend": backend}
        given |= {"trains": driven.trains, "timed": timed}
        if file is None:
            return simulate(program, seconds, after=after, **given)
        return simulate_into(file, program, seconds, **given, overwrite=overwrite, resume=resume)

    def program(
        self, network: Network, driven: Driven, recorded: Mapping[str, dict[str, Any]], every: float | None
    ) -> CircuitProgram:
        """Return the program of a network with such inputs and recordings, its weights as they are now."""
        from neurosim.brian.reading import circuit_of

        asked = sorted((owner, sorted(of.items())) for owner, of in recorded.items())
        key = repr((driven.signature, asked, every, [_settings(p) for p in network.projections.values()]))
        parts = _parts(network)
        kept, program = self._kept.get(key, ((), None))
        if program is None or len(kept) != len(parts) or not all(map(_same, kept, parts)):
            made = exported(network, driven, {}, recorded, every)
            program = CircuitProgram(_named(circuit_of(made, {}), recorded))
            self._kept[key] = parts, program
        for p in network.projections.values():
            own = program.circuit.arrays.get(f"{p.name}.w")
            if own is not None and not np.array_equal(own, now := p.weights()):
                own[...] = now
                program.on_device.clear()  # a GPU has a copy of what it was
        return program


def _named(circuit: Circuit, recorded: Mapping[str, Any]) -> Circuit:
    """Return a circuit whose recordings have the names of what they record, in place of Brian2's monitors."""
    owners = {STATES.format(owner): owner for owner in recorded}
    actions = (replace(one, name=owners[one.name]) if isinstance(one, Record) else one for one in circuit.actions)
    return replace(circuit, actions=tuple(actions))


def _settings(p: Any) -> tuple[Any, ...]:
    """Return what a projection says of itself that a program depends on; what may be changed in place, as text."""
    return p.into, p.delay, repr(p.optimiser), repr(p.short_term)


def _parts(network: Network) -> list[Any]:
    """Return the objects on which a network's program depends, beside the values of its weights; arrays as they are now."""
    found: list[Any] = [population.neurons for population in network.populations.values()]
    for p in network.projections.values():
        found += [p.rule, p.connectivity, None if p.delays is None else p.delays.copy()]
    return found


def _same(kept: Any, now: Any) -> bool:
    return kept is now or isinstance(now, np.ndarray) and np.array_equal(kept, now)


def _trials(batch: int | None, after: Simulated | None) -> int | None:
    return len(after.left) if batch is None and after is not None and after.left else batch


def _constant(network: Network, driven: Driven, program: CircuitProgram) -> dict[str, np.ndarray]:
    """Return what stays as it is for a trial, as start values: ``group.variable`` -> (batch, n)."""
    found = {f"{name}.rates": one for name, one in driven.rates.items() if not isinstance(one, InTime)}
    read = modulated(network)
    for name, values in driven.modulators.items():
        found |= {} if isinstance(values, InTime) else {f"{p.name}.{name}": values for p in read[name]}
    for receiver, of in driven.currents.items():
        for name, one in of.items():
            own = f"{receiver}.{name}"
            found |= {} if isinstance(one, InTime) else {own if own in program.circuit.arrays else f"{receiver}.drive": one}
    return found
