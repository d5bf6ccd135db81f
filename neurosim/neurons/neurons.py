"""The contract of neurons: what a population is made of."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from neurosim.backends import Backend, Draws
from neurosim.catalogue import Stated
from neurosim.errors import InputError, quoted, require

DRIVE = "drive"  # the input that all neurons have
RATE_VARIABLES = {
    "drive": "summed synaptic input",
    "activation": "drive after normalisation, what the transfer is applied to",
    "rate": "output activity",
}
TAKEN = frozenset({"activation", "normalised", "rate", "error"})  # of every population: no other input has one of these names


class Neurons(Stated, abc.ABC):
    """What the neurons of a population have, how they advance by one tick, and how an error passes back through that.

    emits : what they send: ``rate`` or ``spike``, which is the rate, 0 or 1
    inputs : what projections may add into, the drive first.  The drive alone is given noise and normalised; of each other input
        the neurons are handed the sum of what the projections into it bring
    variables : name -> description of all that rules may read and recorders write; inputs are among them
    adds_into_states : whether inputs are states, to which what arrives is added
    reads_drive : whether the drive does anything to them
    stochastic : whether what they send is drawn
    straight_through : whether an error passes as through another curve than the rate's own, which has no slope of use
    """

    name: ClassVar[str]
    emits: ClassVar[str] = "rate"
    inputs: ClassVar[tuple[str, ...]] = (DRIVE,)
    variables: ClassVar[Mapping[str, str]] = RATE_VARIABLES
    stochastic: ClassVar[bool] = False
    straight_through: ClassVar[bool] = False
    adds_into_states: ClassVar[bool] = False
    reads_drive: ClassVar[bool] = True

    def at(self, dt: float | None, owner: str) -> Neurons:
        """Return the neurons as they are where a tick lasts ``dt`` seconds (None: nobody said); by default the same.

        owner : whose neurons they are, for messages.  Raises InputError where they need another dt.
        """
        return self

    def state(self) -> dict[str, float]:
        """Return the variables that outlive a tick, of each sample, with the value each trial starts from (default: none)."""
        return {}

    @abc.abstractmethod
    def advance(
        self, backend: Backend, activation: Any, state: Mapping[str, Any], draws: Draws | None, stream: str
    ) -> tuple[Any, dict[str, Any]] | tuple[Any, dict[str, Any], dict[str, Any]]:
        """Return the rate and the next state, (batch, *shape) each, for an input ``activation`` of the same shape; pure.

        Neurons with more inputs than the drive take each of them by its name, as a keyword: ``advance(..., stream, *, gain)``,
        (batch, *shape), zeros where no projection arrives.

        Neurons with variables that end with the tick return a third value: these, by name, (batch, *shape) each.

        draws : for stochastic neurons, from ``stream``; None in evaluation
        """

    @abc.abstractmethod
    def errors_back(
        self, backend: Backend, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Any
    ) -> tuple[Any, dict[str, Any]] | tuple[Any, dict[str, Any], dict[str, Any]]:
        """Return the error on the activation and the errors on the state before this tick, (batch, *shape) each.

        Neurons with more inputs than the drive return a third value: the error on each of the others, by name.

        activity : what the population did in this tick (``network.Activity``)
        error_on_state : what the next tick sends back to the state after this one; empty at the end of a trial or a segment
        """


def check_inputs(owner: str, made: Neurons) -> None:
    """Raise InputError, naming ``owner``, where the inputs that neurons declare are not what the contract asks for."""
    what, inputs = f"{owner}: neurons {made.name!r}", made.inputs
    listed = isinstance(inputs, tuple) and all(isinstance(name, str) for name in inputs) and inputs[:1] == (DRIVE,)
    said = f"{what}: inputs {quoted(inputs)}"
    require(listed, f"{said}: expected a tuple of names of which the drive is the first; give one such as ('drive', 'gain')")
    require(len(set(inputs)) == len(inputs), f"{said}: expected each name once; leave one out")
    if inputs == (DRIVE,):
        return
    for name in inputs[1:]:
        said = f"{what}: input {quoted(name)}"
        state = made.adds_into_states or name not in made.state()
        free = name.isidentifier() and name not in TAKEN and state
        require(free, f"{said}: expected a name such as 'gain' that no state and nothing else of a population has; rename it")
        listed = name in made.variables
        require(listed, f"{said} is none of their variables ({', '.join(made.variables)}): expected all inputs there; add it")
    try:
        inspect.signature(made.advance).bind(None, None, {}, None, "", **dict.fromkeys(inputs[1:]))
    except TypeError as cause:
        keywords = ", ".join(("stream", "*", *inputs[1:]))
        said = f"{what}: advance does not take their inputs ({cause})"
        raise InputError(f"{said}: expected advance(..., {keywords}); change it") from cause
