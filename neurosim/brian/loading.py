"""A Brian2 network that runs in many trials at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.brian.reading import circuit_of
from neurosim.circuit import Circuit
from neurosim.simulation import CircuitProgram, Simulated, simulate


class BrianNetwork:
    """A Brian2 network that was taken over (see ``load``).  circuit : what it comes to"""

    def __init__(self, name: str, circuit: Circuit) -> None:
        self.name, self.circuit = name, circuit
        self._program = CircuitProgram(circuit)

    def run(
        self, duration: Any, *, batch: int = 1, seed: int = 0, initial: Mapping[str, Any] | None = None, backend: str = "numpy"
    ) -> Simulated:
        """Run ``batch`` independent trials, each from the state that the network had when it was loaded.

        duration : seconds, or a Brian2 quantity
        seed : decides the random numbers of all trials; they are not those of Brian2
        initial : ``group.variable`` -> its values when the trials begin, (batch, n) or what broadcasts to it, in SI units
        backend : ``numpy`` runs a trial on each core, ``cupy`` all trials at once on a GPU

        Raises InputError and BackendError, see ``neurosim.simulation.simulate``.
        """
        return simulate(self._program, float(duration), batch=batch, seed=seed, initial=initial, backend=backend)

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
        Something in the network that cannot be taken, by name; a network that has run; more than one dt.
    """
    from brian2.core.namespace import get_local_namespace

    return BrianNetwork(net.name, circuit_of(net, get_local_namespace(1) if namespace is None else namespace))
