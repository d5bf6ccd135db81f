"""The synapses from one population to another."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.backends import Backend
from neurosim.backends.base import generator
from neurosim.connectivity import Connectivity, connectivity, initialiser
from neurosim.errors import InputError, ShapeError, quoted, require
from neurosim.network.population import LONGEST_NAME, Population
from neurosim.neurons import DRIVE
from neurosim.plasticity import PlasticityRule, Proposal, Rule, Shapes, Start, Synapses, TsodyksMarkram, Update, chain, error_driven

MOST_BYTES = 2**62  # of weights: what can be counted
USUAL = "PlasticityRule('dw = eta * error_post * rate_pre', bias='db = eta * error_post', eta=1.0)"  # repr of error_driven()
LONGEST_DELAY = 1000  # ticks; each is an array of rates to keep


class Projection:
    """Synapses from ``pre`` to ``post``, with the rule that changes them.

    pre, post : names of populations
    name : ``pre__post`` by default; projections that join the same two populations need names of their own
    delay : for how many ticks a rate travels; every cycle of projections needs a delay
    into : the input of the postsynaptic neurons that it adds into: ``drive``, or another one (see ``Neurons.inputs``)
    connectivity : ``all_to_all``, ``one_to_one``, or a Connectivity
    initial : ``glorot``, ``lecun`` (draws the bias too), ``orthogonal``, ``zeros``, or a number for all weights
    bias : whether the postsynaptic neurons have a bias
    rule : a plasticity rule; ``None`` keeps the weights fixed.  If it is replaced later, the new rule starts with fresh state
    optimiser : for this projection's weights and bias, instead of the trainer's
    short_term : how what a spike transmits depends on the spikes before it, in ``Network.run``; a sweep refuses it
    stream : the name of the random numbers for the initial weights; by default it follows from the names of the populations
    """

    def __init__(
        self,
        pre: str,
        post: str,
        *,
        name: str | None = None,
        delay: int = 0,
        into: str = DRIVE,
        connectivity: str | Connectivity = "all_to_all",
        initial: str | float = "glorot",
        bias: bool = True,
        rule: Rule | None | str = "error_driven",
        optimiser: Update | None = None,
        short_term: TsodyksMarkram | None = None,
        stream: str | None = None,
    ) -> None:
        self.pre = pre
        self.post = post
        self.name = f"{pre}__{post}" if name is None else name
        fits = name is None or (isinstance(name, str) and name.isidentifier() and len(name) <= LONGEST_NAME)
        require(fits, f"projection {quoted(name)}: expected a name like 'skip', of at most {LONGEST_NAME} characters; change it")
        whole = isinstance(delay, int | np.integer) and not isinstance(delay, bool) and 0 <= delay <= LONGEST_DELAY
        require(whole, f"projection {quoted(self.name)}: delay {quoted(delay)}: expected 0 to {LONGEST_DELAY:,} ticks; give 1")
        self.delay = int(delay)
        text = isinstance(into, str)
        require(text, f"projection {quoted(self.name)}: into {quoted(into)}: expected an input's name; give one such as 'drive'")
        self.into = into
        self.connectivity: Connectivity = _connectivity(connectivity)
        self.initial = initial
        if isinstance(initial, str):
            initialiser(initial)  # an unknown name is reported here, not when the network is built
        self.bias = bias
        self.stream = stream
        if isinstance(rule, str):
            said = f"projection {quoted(self.name)}: rule {quoted(rule)}"
            require(rule == "error_driven", f"{said}: expected 'error_driven', a Rule or None")
            rule = error_driven()
        self.optimiser = None if optimiser is None else chain(optimiser)
        said = f"projection {quoted(self.name)}: short_term {quoted(short_term)}"
        fits = short_term is None or isinstance(short_term, TsodyksMarkram)
        require(fits, f"{said}: expected one such as TsodyksMarkram(0.5, '800*ms')")
        self.short_term = short_term
        self.joined = False  # whether it is part of a network
        self.parameters: dict[str, Any] = {}  # w (shaped by the connectivity) and b (*post)
        self.state: dict[str, Any] = {}  # what the rule remembers
        self.starts: dict[str, Start] = {}  # and of each sample within a trial, as every trial begins
        self.dt: float | None = None  # seconds of a tick, where the network says it
        self.rule = rule

    def __repr__(self) -> str:
        options: dict[str, Any] = {} if self.name == f"{self.pre}__{self.post}" else {"name": self.name}
        options |= {"delay": self.delay} if self.delay else {}
        options |= {"into": self.into} if self.into != DRIVE else {}
        options |= {"connectivity": self.connectivity.name} if self.connectivity.name != "all_to_all" else {}
        options |= {} if self.bias else {"bias": False}
        options |= {} if repr(self.rule) == USUAL else {"rule": self.rule}
        options |= {} if self.optimiser is None else {"optimiser": self.optimiser.alone}
        options |= {} if self.short_term is None else {"short_term": self.short_term}
        return reprs.call("Projection", [self.pre, self.post], options)

    @property
    def rule(self) -> Rule | None:
        """What changes the weights; None keeps them fixed."""
        return self._rule

    @rule.setter
    def rule(self, rule: Rule | None) -> None:
        if self.into != DRIVE and rule is not None and rule.solves:
            said = f"projection {quoted(self.name)}: rule {quoted(rule.describe())} solves for the weights of a drive"
            raise InputError(f"{said}: into {quoted(self.into)}: expected into = 'drive'; give another rule")
        self._rule: Rule | None = rule
        self._applied: Rule | None = rule  # with time in ticks, once it is known how long one is
        if self.parameters:
            self._start()

    def build(
        self, backend: Backend, pre: Population, post: Population, seed: int, prefix: str, dtype: Any, dt: float | None = None
    ) -> None:
        """Draw the weights from a generator that only the seed and the projection's name, or its ``stream``, decide.

        dt : seconds of a tick, into which the times of the rule are turned

        Raises ShapeError where the shapes do not fit, InputError where there are too many weights or they would be infinite, or the
        rule has times and there is no dt.
        """
        self.backend, self.dt = backend, dt
        self.pre_shape, self.post_shape = pre.shape, post.shape
        try:
            shape = self.connectivity.weight_shape(pre.shape, post.shape)
        except ShapeError as cause:
            raise ShapeError(f"projection {quoted(self.name)}: {cause}") from cause
        countable = math.prod(map(int, shape)) <= MOST_BYTES // np.dtype(dtype).itemsize
        require(countable, f"projection {quoted(self.name)}: weights of shape {shape}: too many to count; make one end smaller")
        fits = isinstance(self.initial, str) or abs(self.initial) <= float(np.finfo(dtype).max)
        what = f"projection {quoted(self.name)}: initial {quoted(self.initial)}"
        require(fits, f"{what}: expected a finite number of {np.dtype(dtype)}; give one such as 0.1")
        draw = generator(seed, self.stream or f"weights/{prefix}{self.name}")
        fan_in = self.connectivity.fan_in(pre.shape)
        self.parameters = {"w": backend.initial(lambda: self._drawn(draw, shape, fan_in), shape, dtype)}
        if self.bias:
            bound = 1 / np.sqrt(fan_in) if self.initial == "lecun" else 0.0
            self.parameters["b"] = backend.initial(lambda: draw.uniform(-bound, bound, post.shape), post.shape, dtype)
        self._start()

    def _start(self) -> None:
        """Let the rule begin with nothing remembered."""
        shapes = Shapes(tuple(self.w.shape), self.pre_shape, self.post_shape)
        rule = self._rule
        self._applied = rule.in_ticks(self.dt, f"projection {quoted(self.name)}") if isinstance(rule, PlasticityRule) else rule
        starts = {} if self._applied is None else self._applied.initial_state(shapes)
        for name, start in starts.items():
            what = f"projection {quoted(self.name)}: start of the rule's state {quoted(name)}: {quoted(start)}"
            require(isinstance(start, Start), f"{what}: expected a Start; give one such as Start(shapes.pre)")
        make, dtype = self.backend.initial, self.w.dtype
        self.starts = {name: start for name, start in starts.items() if start.per_sample}
        self.state = {
            name: make(functools.partial(np.full, start.shape, start.value), start.shape, dtype)
            for name, start in starts.items()
            if not start.per_sample
        }

    def _drawn(self, draw: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        if isinstance(self.initial, str):
            return initialiser(self.initial)(draw, shape, fan_in)
        return np.full(shape, float(self.initial))

    @property
    def w(self) -> Any:
        """The weights, shaped by the connectivity; all to all: (n_pre, n_post)."""
        return self.parameters["w"]

    def drive(self, rate: Any) -> Any:
        """Return what a presynaptic ``rate``, (batch, *pre), adds to its input of the postsynaptic neurons, (batch, *post).

        Raises InputError where the synapses have short-term plasticity, which a sweep does not.
        """
        said = f"projection {quoted(self.name)}: short_term {self.short_term!r} in a sweep"
        require(self.short_term is None, f"{said}: expected Network.run, where spikes come one by one; leave it out")
        drive = self.connectivity.drive(self.backend, rate, self.w, self.post_shape)
        if self.bias:
            drive += self.parameters["b"]
        return drive

    def back(self, error: Any, w: Any = None) -> Any:
        """Return ``error``, (batch, *post), sent back through the transpose of ``w`` (default: its own): (batch, *pre)."""
        return self.connectivity.back(self.backend, error, self.w if w is None else w, self.pre_shape)

    def delta(
        self, pre: Mapping[str, Any], post: Mapping[str, Any], modulators: Mapping[str, Any], before: Mapping[str, Any]
    ) -> Proposal:
        """Return what the rule proposes for one batch.

        modulators : name -> (batch,), those that the rule reads
        before : of the rule's state what the trial's ticks before left, by name; a state that is not there is the projection's own,
            or, of each sample, starts

        Raises ShapeError where the rule returns a state of each sample in another shape.
        """
        assert self._applied is not None
        beside = next(iter(post.values()))
        begun = {
            name: self.backend.full((len(beside), *start.shape), self.w.dtype, start.value, beside)
            for name, start in self.starts.items()
            if name not in before
        }
        state = {**self.state, **begun, **before}
        synapses = Synapses(self.backend, self.connectivity, self.w, self.parameters.get("b"), state, modulators)
        proposal = self._applied.delta(pre, post, synapses)
        for name in self.starts:
            shape = getattr(proposal.state.get(name), "shape", None)
            said = f"projection {quoted(self.name)}: state {quoted(name)} of each sample: the rule returns shape {shape}"
            require(shape == state[name].shape, f"{said}: expected {state[name].shape}; return it for every sample", ShapeError)
        return proposal

    def describe(self) -> str:
        """Return the projection as one line of text."""
        rule = self.rule.describe() if self.rule else "fixed"
        if self.optimiser is not None:
            rule += f", by {' then '.join(link.name for link in self.optimiser.links)}"
        name = "" if self.name == f"{self.pre}__{self.post}" else f"{self.name}: "
        extras = [", bias"] if self.bias else []
        extras += [f", delay {self.delay}"] if self.delay else []
        extras += [f", into {self.into}"] if self.into != DRIVE else []
        return f"{name}{self.pre} -> {self.post} {self.connectivity.name}{''.join(extras)}: {rule}"


_connectivity = connectivity  # the constructor's argument of the same name hides it there
