"""The contract of a feedback pathway: whatever turns outcome and sweep into teaching signals.

Two functions make a scheme.  ``teach`` answers one frozen sweep with teaching signals for the network's populations; ``adapt``
answers the same sweep with proposed changes of the pathway's own synapses.  Both are pure: they change no weight, and the trainer
applies what they propose.  Everything else here has a default.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim.backends import Draws
from neurosim.catalogue import Stated
from neurosim.errors import require
from neurosim.network import Network, Sweep, Teaching

Deltas = dict[str, Any]

TRANSPORT = ("none", "output", "one_hop", "full")
SOURCES = ("activity", "labels", "input", "responses", *TRANSPORT[1:])


@dataclass(frozen=True)
class Claims:
    """What a hidden population's update may depend on, within one step, the activity of the network held as it was.

    Declared as data by every scheme, in every variant, and measured by ``neurosim.check``.

    weight_transport : which forward weights downstream of a hidden population reach its teaching signal: ``none``, only those of
        the ``output`` projection, only the next projection's (``one_hop``), or all of them (``full``)
    update_locking : the update waits for activity downstream (next layers, outcome)
    backward_locking : the update waits for signals that come down through the populations in between
    pairwise : a sample's teaching signal depends on the other samples of the batch (batch normalisation aside)
    labels_at_hidden : labels reach hidden populations other than through the error of the output
    raw_input_at_hidden : the network's input reaches populations that have no synapses from it
    feedback_learns_from : what is in the pathway's own synapses, and in whatever else it keeps, from being attached on and by
        ``adapt``, ``remember`` and ``calibrate``: nothing, or ``activity`` and, where they matter, ``labels`` (also through an
        error), ``input`` (the network's), ``responses`` (what the network makes of other activity than the sweep's), and forward
        weights that are read or used backwards: only the ``output`` projection's, those of one projection for each of the
        pathway's arrays (``one_hop``), or more (``full``)
    """

    weight_transport: str
    update_locking: bool
    backward_locking: bool
    pairwise: bool = False
    labels_at_hidden: bool = False
    raw_input_at_hidden: bool = False
    feedback_learns_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.weight_transport in TRANSPORT, self.weight_transport
        assert self.feedback_learns_from == tuple(s for s in SOURCES if s in self.feedback_learns_from), self.feedback_learns_from

    def words(self, name: str) -> str:
        """Return the claim ``name`` as tables show it."""
        value = getattr(self, name)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            value = ", ".join(value[1:] or value) or "nothing"  # activity goes without saying where there is more
        return str(value).replace("_", " ")


@dataclass(frozen=True)
class Phase:
    """One pass over the training data, in which the network's synapses, the pathway's own, or both learn."""

    name: str
    forward: bool = True
    feedback: bool = True


class FeedbackPathway(Stated, abc.ABC):
    """A credit-assignment scheme.

    name : the scheme's name on the command line and in model files
    title, citation : for people
    claims : see Claims; an attribute or, where the variant decides, a property
    phases : the passes that make one epoch
    training_sweep : whether the network sweeps with batch statistics, dropout and noise while this pathway teaches
    networks : the pathway's own networks by name; their populations and projections are ordinary ones
    variants : options that select each of the scheme's variants; whatever holds for all schemes is tested on all of these
    """

    name: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    phases: tuple[Phase, ...] = (Phase("learn"),)
    training_sweep: bool = True
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)

    @property
    @abc.abstractmethod
    def claims(self) -> Claims:
        """What this scheme, in this variant, claims to need."""

    def claims_on(self, hidden: Sequence[str]) -> Claims:
        """Return the claims on a chain of these hidden populations, input side first, attached or not (default: the same)."""
        return self.claims

    def attach(self, network: Network, classes: int, seed: int) -> None:
        """Join the pathway to ``network``, once: check that it fits, and build the pathway's own networks.

        classes : the length of a target vector
        Raises InputError where the network is not one this scheme is defined for, or the pathway is joined already.
        """
        require(
            not self.attached,
            f"scheme {self.name!r}: this pathway object teaches a network already: expected a new one for each network; "
            f"make one with pathway({self.name!r}, ...)",
        )
        self.network = network
        self.classes = classes
        self.networks: dict[str, Network] = {}
        try:
            self.build(seed)
        except BaseException:
            del self.networks  # it did not fit, so it is free for a network that does
            raise

    @property
    def attached(self) -> bool:
        """Whether the pathway is joined to a network."""
        return hasattr(self, "networks")

    def build(self, seed: int) -> None:
        """Build the pathway's own networks into ``self.networks`` (name them with ``prefix=f"{name}/"``); default: none."""
        require_softmax(self)

    @abc.abstractmethod
    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        """Return population name -> teaching signal.

        target : (batch, classes), one-hot.  draws : this step's random numbers, by stream name.
        """

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        """Return parameter name -> proposed change for the pathway's own synapses, from the same frozen sweep."""
        return {}

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        """Return what the scheme computes on the way to its teaching, for whoever records it (default: nothing).

        population -> name of the signal -> values, (batch, *shape); pure, as ``teach`` is.
        """
        return {}

    def remember(self, sweep: Sweep) -> None:
        """Commit slot: take what this step's ``adapt`` saw into the running statistics of the pathway's own populations."""

    def calibrate(self, sweeps: Any) -> None:
        """Learn from the training data how to read the output (default: nothing to learn).

        sweeps : an iterable of (evaluation sweep, labels (batch,)) over the training split.
        """

    def scores(self, sweep: Sweep) -> Any:
        """Return the score of each class, (batch, classes); the largest is the network's answer."""
        return sweep.rate[self.network.output]

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the mean cross-entropy of the output in nats, a number that may still lie on the device."""
        p = sweep.rate[self.network.output]
        return -(target * self.network.backend.xp.log(p + p.dtype.type(1e-30))).sum() / len(p)

    def parameters(self) -> dict[str, Any]:
        """Return the learned arrays of the pathway's own networks by name."""
        return {name: value for own in self.networks.values() for name, value in own.parameters().items()}

    def memory(self) -> dict[str, Any]:
        """Return the arrays the pathway remembers but does not learn, by name (updated in place; a resumed run restores them)."""
        return {name: value for own in self.networks.values() for name, value in own.memory().items()}


def require_softmax(pathway: FeedbackPathway) -> None:
    """Raise InputError unless the output population is a softmax over the classes."""
    output = pathway.network.populations[pathway.network.output]
    require(
        output.transfer.name == "softmax" and output.normalisation is None,
        f"scheme {pathway.name!r}: output population {output.name!r} has transfer {output.transfer.name!r}"
        f"{' with normalisation' if output.normalisation else ''}: expected a plain 'softmax'; change the model",
    )
    require(
        output.size == pathway.classes,
        f"output population {output.name!r} has {output.size} neurons: expected one for each of the {pathway.classes} classes; "
        "change its size",
    )


def output_teaching(network: Network, sweep: Sweep, target: Any) -> Teaching:
    """Return the output's teaching signal under softmax and cross-entropy: error on the drive = target - rate, (batch, classes)."""
    activity = sweep[network.output]
    return network.populations[network.output].teach_potential(target - activity.rate, activity)
