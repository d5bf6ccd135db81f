"""A Brian2 network that runs in many trials at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from neurosim.brian.reading import circuit_of
from neurosim.circuit import Circuit
from neurosim.errors import require
from neurosim.simulation import CircuitProgram, Simulated, simulate, simulate_into
from neurosim.simulation.requests import recorded


class BrianNetwork:
    """A Brian2 network that was taken over (see ``load``).  circuit : what it comes to"""

    def __init__(self, name: str, circuit: Circuit) -> None:
        self.name, self.circuit = name, circuit
        self._program = CircuitProgram(circuit)
        self._requests: tuple[str, ...] = ()

    def run(
        self,
        duration: Any,
        *,
        batch: int = 1,
        seed: int = 0,
        initial: Mapping[str, Any] | None = None,
        backend: str = "numpy",
        record: Iterable[str] = (),
        file: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Simulated:
        """Run ``batch`` independent trials, each from the state that the network had when it was loaded.

        duration : seconds, or a Brian2 quantity
        seed : decides the random numbers of all trials; they are not those of Brian2
        initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, in SI units
        backend : ``numpy`` runs a trial on each core, ``cupy`` all trials at once on a GPU
        record : what is recorded beside the network's own monitors, such as ``"cells.v[0:5] every 1 ms"``, at the start of a tick
        file : a run file, into which spikes and recordings go as they come, so that memory does not grow with the duration (None:
            they are in memory); options, with a file : ``overwrite``, ``resume``, ``notes``, ``model``

        Raises InputError, BackendError and RunFileError, see ``neurosim.simulation.simulate`` and ``simulate_into``.
        """
        program = self._recording(tuple(record))
        given: dict[str, Any] = {"batch": batch, "seed": seed, "initial": initial, "backend": backend}
        if file is None:
            require(not options, f"run: {', '.join(options)}: expected only with file=...; leave it out, or give a file")
            return simulate(program, float(duration), **given)
        options["notes"] = {"model_name": self.name, **options.get("notes", {})}
        return simulate_into(file, program, float(duration), **given, **options)

    def _recording(self, requests: tuple[str, ...]) -> CircuitProgram:
        """Return the program that records what is asked for; the one that ran last is kept."""
        if requests != self._requests:
            self._program, self._requests = CircuitProgram(recorded(self.circuit, requests)), requests
        return self._program

    def schedule(self) -> str:
        """Return what happens in each tick, one action a line, in Brian2's order."""
        return self.circuit.schedule()

    def __repr__(self) -> str:
        groups = ", ".join(f"{group.name} ({group.size:,} neurons)" for group in self.circuit.groups.values())
        return f"BrianNetwork({self.name!r}: {groups}; dt {self.circuit.dt:g} s)"


def load(net: Any, namespace: Mapping[str, Any] | None = None) -> BrianNetwork:
    """Take over a Brian2 ``Network`` that has not run yet.

    namespace : resolves the names that its equations leave open; default: the caller's variables, as Brian2 itself does

    NeuronGroup, PoissonGroup, SpikeGeneratorGroup, PoissonInput, TimedArray, Synapses (with delays, and with event-driven or
    clock-driven equations), SpikeMonitor and StateMonitor are taken.  Arithmetic is that of Brian2's NumPy target, operation by
    operation, in float64; functions such as exp are those of the C library.  Where Brian2 warns that the code of synapses
    depends on their order, the result is not Brian2's: one synapse is done after the other.

    Raises
    ------
    InputError
        No ``Network``, or an empty one; something in it that cannot be taken, by name; a network that has run; more than one dt.
    """
    from brian2.core.namespace import get_local_namespace

    circuit = circuit_of(net, get_local_namespace(1) if namespace is None else namespace)
    return BrianNetwork(net.name, circuit)
