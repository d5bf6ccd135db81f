"""The contract of a feedback pathway, which turns a sweep and a target into teaching signals.

A scheme consists of two functions.  ``teach`` gets one sweep and returns teaching signals for the network's populations; ``adapt``
gets the same sweep and returns proposed changes of the pathway's own synapses.  Both are pure: they change no weight, and the
trainer applies what they propose.  Everything else here has a default.  ``adapt_to_proposals`` is for a scheme whose own synapses
depend on what is proposed for the forward ones.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from neurosim import reprs
from neurosim.backends import Draws
from neurosim.catalogue import Stated
from neurosim.errors import require
from neurosim.network import Network, Sweep, Teaching
from neurosim.tasks import Classification, Task

Deltas = dict[str, Any]

TRANSPORT = ("none", "output", "one_hop", "sign", "full")
HISTORY = ("none", "trace", "full")
SOURCES = ("activity", "labels", "input", "responses", *TRANSPORT[1:])


@dataclass(frozen=True)
class Claims:
    """What the update of a hidden population may depend on within one step, while the network's activity stays as it was.

    Every scheme declares its claims as data, for every variant, and ``neurosim.check`` measures them.  What weights, labels and
    input do to one number for each sample, which all hidden populations are told alike, counts as ``scalar_broadcast`` only.

    weight_transport : which forward weights downstream of a hidden population influence its teaching signal: ``none``; only those
        of the ``output`` projection; only those of the next projection (``one_hop``); only the ``sign`` of all of them; or all of
        them (``full``)
    update_locking : the update has to wait for activity downstream (of the next layers, or of the output)
    backward_locking : the update has to wait for signals that come down through the populations in between
    pairwise : a sample's teaching signal depends on the other samples of the batch (apart from batch normalisation)
    labels_at_hidden : labels reach hidden populations in other ways than through the error of the output
    raw_input_at_hidden : the network's input reaches populations that have no synapses from it
    feedback_learns_from : what goes into the pathway's own synapses, and into everything else that it keeps, when it is attached
        and in ``adapt``, ``remember`` and ``calibrate``: nothing; or ``activity`` and, where they matter, ``labels`` (also through
        an error), ``input`` (of the network), ``responses`` (of the network to other activity than the sweep's), and forward
        weights that are read or used backwards: only those of the ``output`` projection, those of one projection for each of the
        pathway's arrays (``one_hop``), only their ``sign``, or more (``full``)
    scalar_broadcast : hidden populations learn of the outcome only one number for each sample, the same for all, such as a reward
    history : whether a tick's teaching signal depends on earlier ticks of the trial: ``none``; through what the scheme carries from
        tick to tick, of a size that does not grow (``trace``); or through the records of these ticks (``full``)
    future : it depends on later ticks of the trial
    """

    weight_transport: str
    update_locking: bool
    backward_locking: bool
    pairwise: bool = False
    labels_at_hidden: bool = False
    raw_input_at_hidden: bool = False
    feedback_learns_from: tuple[str, ...] = ()
    scalar_broadcast: bool = False
    history: str = "none"
    future: bool = False

    def __post_init__(self) -> None:
        assert self.weight_transport in TRANSPORT, self.weight_transport
        assert self.history in HISTORY, self.history
        assert self.feedback_learns_from == tuple(s for s in SOURCES if s in self.feedback_learns_from), self.feedback_learns_from

    def words(self, name: str) -> str:
        """Return the claim ``name`` as tables show it."""
        value = getattr(self, name)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, tuple):
            value = ", ".join(value[1:] or value) or "nothing"  # activity goes without saying where there is more
        return str(value).replace("_", " ")


class Proposals(Mapping[str, Any]):
    """What is proposed for the network's parameters, by name, before their optimiser: each look at an array gives a copy of it.

    So whoever writes into one, or hands it on as a proposal of its own, changes nothing of what is committed.
    """

    def __init__(self, changes: Mapping[str, Any]) -> None:
        self._changes = changes

    def __getitem__(self, name: str) -> Any:
        return self._changes[name].copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)

    def __repr__(self) -> str:
        return f"<Proposals for {reprs.listed(f'{name} {tuple(value.shape)}' for name, value in self._changes.items())}>"


@dataclass(frozen=True)
class Phase:
    """One pass over the training data, in which the network's synapses, the pathway's own, or both learn."""

    name: str
    forward: bool = True
    feedback: bool = True


class FeedbackPathway(Stated, abc.ABC):
    """A credit-assignment scheme.

    name : the scheme's name on the command line and in model files; by default the name of the class
    title, citation : texts for people
    claims : see Claims; an attribute, or a property if it depends on the variant
    phases : the passes over the data in one epoch
    training_sweep : whether the network sweeps with batch statistics, dropout and noise while this pathway teaches
    answers : ``tick`` if each tick is taught from this tick alone; ``trial`` if ``teach_trial`` teaches all ticks at once
    needs_error : whether it needs the output's error; a pathway that does not can be used with a task that has none
    asks_more : whether its scores ask the network for more than the sweep; an evaluation is captured then, so that loss and scores
        share what they have in common
    takes_normalised : whether it is defined for normalised populations; otherwise networks that have some are refused
    made_for : what neurons emit where it makes sense, ``rate``, ``spike`` or both: comparisons of such networks have a row of it
    hidden_transfer : of the hidden populations on which its claims are measured
    networks : the pathway's own networks by name; their populations and projections are ordinary ones
    variants : the options of each of the scheme's variants; tests for all schemes run on all of them
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    phases: tuple[Phase, ...] = (Phase("learn"),)
    training_sweep: bool = True
    answers: ClassVar[str] = "tick"
    needs_error: bool = True
    asks_more: ClassVar[bool] = False
    takes_normalised: ClassVar[bool] = True
    made_for: ClassVar[tuple[str, ...]] = ("rate",)
    hidden_transfer: ClassVar[str] = "tanh"
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not hasattr(cls, "name"):
            cls.name = cls.__name__

    @property
    @abc.abstractmethod
    def claims(self) -> Claims:
        """What this scheme, in this variant, claims to need."""

    def claims_on(self, hidden: Sequence[str]) -> Claims:
        """Return the claims on a chain of these hidden populations, input side first, attached or not (default: the same)."""
        return self.claims

    def attach(self, network: Network, task: Task | int, seed: int) -> None:
        """Join the pathway to ``network`` and ``task``, once: check that they fit, and build the pathway's own networks.

        task : what the output should do; a number of classes is short for their ``Classification``
        Raises InputError where the network or the task is not one this scheme is defined for, or the pathway is joined already.
        """
        require(
            not self.attached,
            f"scheme {self.name!r}: this pathway object teaches a network already: expected a new one for each network; "
            f"make one with pathway({self.name!r}, ...)",
        )
        self.network = network
        self.task = task if isinstance(task, Task) else Classification(task)
        self.networks: dict[str, Network] = {}
        try:
            self._check_error()
            self._check_normalisation()
            self.check_output()
            self.build(seed)
            self._check_targets()
        except BaseException:
            del self.networks  # it did not fit, so it is free for a network that does
            raise

    @property
    def attached(self) -> bool:
        """Whether the pathway is joined to a network."""
        return hasattr(self, "networks")

    def _check_error(self) -> None:
        fits = self.task.has_error or not self.needs_error
        where = f"scheme {self.name!r}: task {self.task.name!r}"
        require(fits, f"{where} has no error at the output, which this scheme carries on; use scheme 'none'")

    def check_slopes(self, why: str = "") -> None:
        """Raise InputError where a hidden population's transfer has no slope of its own, for schemes whose equations hold phi'.

        why : what is to be said of it, for example ", since ..."
        """
        for name in self.network.hidden:
            curve = self.network.populations[name].transfer
            said = f"scheme {self.name!r}: population {name!r} has transfer {curve.name!r}"
            require(not curve.straight_through, f"{said}: expected one that is differentiable{why}; use 'tanh'")

    def _check_normalisation(self) -> None:
        for name, population in self.network.populations.items():
            said = f"scheme {self.name!r}: population {name!r} is normalised, for which this scheme is not defined"
            require(self.takes_normalised or population.normalisation is None, f"{said}; leave its normalisation out")

    def _check_targets(self) -> None:
        needed = self.claims_on(self.network.hidden).labels_at_hidden
        where = f"scheme {self.name!r}: task {self.task.name!r}"
        require(self.task.gives_target or not needed, f"{where} gives no targets, which this scheme needs; use another scheme")

    def check_output(self) -> None:
        """Raise InputError where the output population cannot do the task."""
        self.task.check(f"scheme {self.name!r}", self.network.populations[self.network.output])

    def build(self, seed: int) -> None:
        """Build the pathway's own networks into ``self.networks`` (name them with ``prefix=f"{name}/"``); default: none."""

    @abc.abstractmethod
    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        """Return population name -> teaching signal.

        target : (batch, task.size), or what came of an action, where the task gives no target (see ``Task.outcome``)
        draws : this step's random numbers, by stream name
        """

    def teach_trial(self, sweeps: Sequence[Sweep], targets: Sequence[Any], draws: Draws) -> list[dict[str, Teaching]]:
        """Return the teaching signals of every tick, for a pathway that answers each trial.

        targets : as for ``teach``; None in the ticks in which the output is not asked
        """
        raise NotImplementedError(f"scheme {self.name!r} answers each tick")

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        """Return parameter name -> proposed change for the pathway's own synapses, from the same frozen sweep."""
        return {}

    def adapt_to_proposals(
        self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], proposals: Mapping[str, Any], draws: Draws
    ) -> Deltas:
        """Return what ``adapt`` does, knowing what is proposed for the network's synapses; a step asks this (default: ``adapt``).

        target : as for ``teach``; None in the ticks of a trial in which the output is not asked, and in which ``adapt`` rests
        proposals : parameter name of the network -> what its rule proposes in this tick, of the parameter's shape, before the
            optimiser; nothing of a parameter that is proposed none, and nothing at all in a phase without ``forward``
        """
        return {} if target is None else self.adapt(sweep, target, teaching, draws)

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        """Return what the scheme computes on the way to its teaching, for whoever records it (default: nothing).

        population -> name of the signal -> values, (batch, *shape); pure, as ``teach`` is.
        """
        return {}

    def remember(self, sweep: Sweep) -> None:
        """Commit slot: take what this step's ``adapt`` saw into the running statistics of the pathway's own populations."""

    def calibrate(self, sweeps: Any) -> None:
        """Learn from the training data how to read the output (default: nothing to learn).

        sweeps : an iterable of (evaluation sweep, targets (batch, task.size) on the host) over the training split.
        """
        if type(self.task).calibrate is not Task.calibrate:
            host, output = self.network.backend.to_host, self.network.output
            self.task.calibrate((host(sweep.rate[output]), targets) for sweep, targets in sweeps)

    def scores(self, sweep: Sweep) -> Any:
        """Return the network's answer, (batch, task.size).

        Where more is to be asked of the network than this sweep, the batch itself is the rate of its input.
        """
        return self.task.scores(self.network.backend, sweep.rate[self.network.output])

    def loss(self, sweep: Sweep, target: Any) -> Any:
        """Return the mean loss of the output in the task's unit, a number that may still lie on the device."""
        return self.task.loss(self.network.backend, sweep.rate[self.network.output], target)

    def output_teaching(self, sweep: Sweep, target: Any) -> Teaching:
        """Return the teaching signal of the output population, as the task has it.

        Raises InputError where the task has no error on an input of the output that a projection adds into.
        """
        output = self.network.output
        taught = self.task.teach(self.network.populations[output], sweep[output], target)
        for name in self.network.added_into(output):
            said = f"task {self.task.name!r}: output population {output!r} has an input {name!r}, of which it has no error"
            require(taught.error_on(name) is not None, f"{said}: expected projections into its drive; drop into = {name!r}")
        return taught

    def parameters(self) -> dict[str, Any]:
        """Return the learned arrays of the pathway's own networks by name: all but the weights of projections without a rule."""
        fixed = self.fixed_weights()
        arrays = {name: value for network in self.networks.values() for name, value in network.parameters().items()}
        return {name: value for name, value in arrays.items() if name not in fixed}

    def fixed_weights(self) -> dict[str, Any]:
        """Return the arrays of projections without a rule, by name: neither learned nor decayed."""
        return {
            f"{network.prefix}{p.name}.{key}": value
            for network in self.networks.values()
            for p in network.projections.values()
            if p.rule is None
            for key, value in p.parameters.items()
        }

    def memory(self) -> dict[str, Any]:
        """Return the arrays the pathway remembers but does not learn, by name (updated in place; a resumed run restores them)."""
        kept = {name: value for network in self.networks.values() for name, value in network.memory().items()}
        return kept | self.fixed_weights()

    def renew(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a checkpoint, ``group|name`` -> host array, as this version names and shapes it (default: as it is).

        For a scheme whose arrays had other names or shapes in an earlier version: theirs are in the groups ``pathway`` and
        ``feedback_optimiser`` (see ``Trainer.state``).
        """
        return dict(state)
