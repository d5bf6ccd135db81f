"""A network of neurosim's own as a circuit, and trials of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.brian.driving import Driven, drive_inputs
from neurosim.brian.exporting import STATES, check_runs, exported, recorded_of, starts_of
from neurosim.simulation import CircuitProgram, InTime, Simulated, simulate

Network = Any  # of neurosim.network, which uses this package


class Runner:
    """The programs of one network: each is made once, and kept as long as the parts of the network stay the same."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Sequence[Any], CircuitProgram]] = {}

    def run(
        self, network: Network, seconds: float, inputs: Any, batch: int | None, record: Any, every: float | None,
        initial: Mapping[str, Any] | None, seed: int, after: Simulated | None,
    ) -> Simulated:  # fmt: skip
        """Run trials; see ``Network.run``."""
        check_runs(network)
        first = 0 if after is None or not after.left else after.left[0].tick
        driven = drive_inputs(network, inputs, _trials(batch, after), first)
        starts, recorded = starts_of(network, initial, driven.batch), recorded_of(network, record)
        program = self.program(network, driven, recorded, every)
        values = dict(starts) | _constant(driven, program)
        timed = {name: one.values for name, one in _in_time(driven).items()}
        found = simulate(
            program, seconds, batch=driven.batch, seed=seed, initial=values, trains=driven.trains, timed=timed, after=after
        )
        states = {owner: found.states[STATES.format(owner)] for owner in recorded}
        return replace(found, states=states)

    def program(
        self, network: Network, driven: Driven, recorded: Mapping[str, dict[str, Any]], every: float | None
    ) -> CircuitProgram:
        """Return the program of a network with such inputs and recordings, its weights as they are now."""
        from neurosim.brian.reading import circuit_of

        asked = sorted((owner, sorted(of.items())) for owner, of in recorded.items())
        key = repr((driven.signature, asked, every, [_settings(p) for p in network.projections.values()]))
        parts = _parts(network)
        kept, program = self._kept.get(key, ((), None))
        if program is None or len(kept) != len(parts) or any(one is not other for one, other in zip(kept, parts, strict=True)):
            made = exported(network, driven, {}, recorded, every)
            program = CircuitProgram(circuit_of(made, {}))
            self._kept[key] = parts, program
        for p in network.projections.values():
            if f"{p.name}.w" in program.circuit.arrays:
                program.circuit.arrays[f"{p.name}.w"][...] = p.weights()
        return program


def _settings(p: Any) -> tuple[Any, ...]:
    """Return what a projection says of itself that a program depends on; what may be changed in place, as text."""
    delays = None if p.delays is None else p.delays.tobytes()
    return p.into, p.delay, delays, repr(p.optimiser), repr(p.short_term)


def _parts(network: Network) -> list[Any]:
    """Return the objects on which a network's program depends, beside the values of its weights."""
    found: list[Any] = [population.neurons for population in network.populations.values()]
    for p in network.projections.values():
        found += [p.rule, p.connectivity]
    return found


def _trials(batch: int | None, after: Simulated | None) -> int | None:
    return len(after.left) if batch is None and after is not None and after.left else batch


def _in_time(driven: Driven) -> dict[str, InTime]:
    found = {f"{name}_rates": one for name, one in driven.rates.items() if isinstance(one, InTime)}
    return found | {name: one for of in driven.currents.values() for name, one in of.items() if isinstance(one, InTime)}


def _constant(driven: Driven, program: CircuitProgram) -> dict[str, np.ndarray]:
    """Return the inputs that stay as they are for a trial, as start values: ``group.variable`` -> (batch, n)."""
    found = {f"{name}.rates": one for name, one in driven.rates.items() if not isinstance(one, InTime)}
    for receiver, of in driven.currents.items():
        for name, one in of.items():
            own = f"{receiver}.{name}"
            found |= {} if isinstance(one, InTime) else {own if own in program.circuit.arrays else f"{receiver}.drive": one}
    return found
