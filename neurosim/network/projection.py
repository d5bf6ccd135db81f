"""The synapses from one population to another."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.backends import Backend
from neurosim.backends.base import generator
from neurosim.backends.limits import free_memory
from neurosim.connectivity import Connectivity, Pattern, connectivity, initialiser
from neurosim.equations.drawn import drawn, is_drawn
from neurosim.equations.units import Dimensions, measure
from neurosim.errors import InputError, ShapeError, quoted, require
from neurosim.network.delays import is_time, ticks_of
from neurosim.network.population import LONGEST_NAME, Population
from neurosim.neurons import DRIVE
from neurosim.plasticity import PlasticityRule, Proposal, Rule, Shapes, Start, Synapses, TsodyksMarkram, Update, chain, error_driven

MOST_BYTES = 2**62  # of weights: what can be counted
USUAL = "PlasticityRule('dw = eta * error_post * rate_pre', bias='db = eta * error_post', eta=1.0)"  # repr of error_driven()


class Projection:
    """Synapses from ``pre`` to ``post``, with the rule that changes them.

    pre, post : names of populations
    name : ``pre__post`` by default; projections that join the same two populations need names of their own
    delay : how long a spike or a rate travels: a number of ticks; a time, as text (``1.5*ms``) or a quantity of Brian2, in networks
        that have a dt; or an array of either, one for each synapse, for ``Network.run``.  Every cycle of projections needs a delay
    into : the input of the postsynaptic neurons that it adds into: ``drive``, or another one (see ``Neurons.inputs``)
    connectivity : ``all_to_all``, ``one_to_one``, or a Connectivity such as ``FixedProbability(0.02)``
    initial : ``glorot``, ``lecun`` (draws the bias too), ``orthogonal``, ``zeros``, a number for all weights, or an array of them,
        shaped as the weights, or (synapses,).  Weights are in the SI unit of what they add into: 1.62e-3, ``"1.62*mV"`` and a
        quantity of Brian2 are the same; text with ``rand()`` or ``randn()``, such as ``"0.3*nS*rand()"``, draws each synapse's
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
        delay: Any = 0,
        into: str = DRIVE,
        connectivity: str | Connectivity = "all_to_all",
        initial: Any = "glorot",
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
        self.timing = delay
        self.delay = 0  # ticks; of synapses with delays of their own, the longest
        self.delays: np.ndarray | None = None  # (synapses,), ticks, where they have
        if not is_time(delay):
            self.set_tick(None)  # a number of ticks that is none is reported here
        text = isinstance(into, str)
        require(text, f"projection {quoted(self.name)}: into {quoted(into)}: expected an input's name; give one such as 'drive'")
        self.into = into
        self.connectivity: Connectivity = _connectivity(connectivity)
        self.initial = self._checked(initial)
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
        self.carries_spikes = False  # whether what it gets may be spikes: mostly zeros
        self._made: dict[str, Any] | None = {}  # w (shaped by the connectivity) and b (*post); None until they are asked for
        self._state: dict[str, Any] | None = {}  # what the rule remembers
        self.starts: dict[str, Start] = {}  # and of each sample within a trial, as every trial begins
        self.dt: float | None = None  # seconds of a tick, where the network says it
        self.rule = rule

    def __repr__(self) -> str:
        options: dict[str, Any] = {} if self.name == f"{self.pre}__{self.post}" else {"name": self.name}
        options |= {"delay": self.timing} if isinstance(self.timing, str) or np.any(self.timing) else {}
        options |= {"into": self.into} if self.into != DRIVE else {}
        wiring = self.connectivity if self.connectivity.options() else self.connectivity.name
        options |= {"connectivity": wiring} if wiring != "all_to_all" else {}
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
        said = f"projection {quoted(self.name)}: rule {quoted(rule.describe() if rule else None)} solves for weights"
        solved = rule is not None and rule.solves and isinstance(self.connectivity, Pattern)
        require(not solved, f"{said}, of all pairs of neurons: expected all_to_all synapses; use them, or another rule")
        self._rule: Rule | None = rule
        self._applied: Rule | None = rule  # with time in ticks, once it is known how long one is
        if self._made is None or self._made:  # it is built
            self._start()

    def set_tick(self, dt: float | None) -> None:
        """Say how long a tick is, in seconds: the delay becomes ticks.  None is a network without time.

        Raises InputError for a delay that is none (see ``delays``).
        """
        self.dt = dt
        found = ticks_of(f"projection {quoted(self.name)}", self.timing, dt)
        self.delays = found if found.ndim else None
        self.delay = int(found.max())

    def build(
        self, backend: Backend, pre: Population, post: Population, seed: int, prefix: str, dtype: Any, dt: float | None = None
    ) -> None:
        """Draw synapses and weights from generators that only the seed and the projection's name, or its ``stream``, decide.

        Weights of a Pattern are spread over a matrix when they are first asked for: ``Network.run`` needs none.

        dt : seconds of a tick, into which the times of the rule are turned

        Raises ShapeError where the shapes do not fit, InputError where there are too many weights or they would be infinite, or the
        rule has times and there is no dt.
        """
        self.backend, self.dtype, self.dt = backend, np.dtype(dtype), dt
        self.pre_shape, self.post_shape = pre.shape, post.shape
        where = f"projection {quoted(self.name)}"
        try:
            shape = self.connectivity.weight_shape(pre.shape, post.shape)
            self.connectivity = self.connectivity.drawn(pre.shape, post.shape, generator(seed, f"synapses/{prefix}{self.name}"))
        except InputError as cause:
            raise type(cause)(f"{where}: {cause}") from cause
        self.weight_shape = shape
        countable = math.prod(map(int, shape)) <= MOST_BYTES // self.dtype.itemsize
        require(countable, f"{where}: weights of shape {shape}: too many to count; make one end smaller")
        self._check_arrays()
        self._draw = functools.partial(generator, seed, self.stream or f"weights/{prefix}{self.name}")
        pattern = isinstance(self.connectivity, Pattern)
        self._made = None if pattern else self._parameters()
        self._start()

    def _check_arrays(self) -> None:
        """Raise InputError where what was given for each synapse is not of their number, or no finite number."""
        where, largest = f"projection {quoted(self.name)}", float(np.finfo(self.dtype).max)
        if not isinstance(self.initial, str):
            what = f"{where}: initial {quoted(self.initial)}"
            finite = bool((np.abs(self.initial) <= largest).all())
            require(finite, f"{what}: expected a finite number of {self.dtype}; give one such as 0.1")
            shape, shapes = np.shape(self.initial), [self.weight_shape, (self.synapse_count,)]
            expected = f"expected a number, or shape {' or '.join(map(str, dict.fromkeys(shapes)))}"
            require(shape in [(), *shapes], f"{what}: shape {shape}: {expected}; reshape it", ShapeError)
        if self.delays is not None:
            said = f"{where}: {len(self.delays):,} delays and {self.synapse_count:,} synapses"
            require(len(self.delays) == self.synapse_count, f"{said}: expected one for each; correct delay", ShapeError)

    @property
    def synapse_count(self) -> int:
        """How many synapses there are; asked once the projection is built."""
        wiring = self.connectivity
        return len(wiring.pre) if isinstance(wiring, Pattern) else math.prod(map(int, self.weight_shape))

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned: the weights of its synapses, and the bias."""
        return self.synapse_count + (math.prod(self.post_shape) if self.bias else 0)

    def _start(self) -> None:
        """Let the rule begin with nothing remembered."""
        shapes = Shapes(tuple(self.weight_shape), self.pre_shape, self.post_shape)
        rule = self._rule
        self._applied = rule.in_ticks(self.dt, f"projection {quoted(self.name)}") if isinstance(rule, PlasticityRule) else rule
        starts = {} if self._applied is None else self._applied.initial_state(shapes)
        for name, start in starts.items():
            what = f"projection {quoted(self.name)}: start of the rule's state {quoted(name)}: {quoted(start)}"
            require(isinstance(start, Start), f"{what}: expected a Start; give one such as Start(shapes.pre)")
        self.starts = {name: start for name, start in starts.items() if start.per_sample}
        self._lasting = {name: start for name, start in starts.items() if not start.per_sample}
        self._state = None if self._made is None else self._memory()

    def _memory(self) -> dict[str, Any]:
        make = self.backend.initial
        return {
            name: make(functools.partial(np.full, start.shape, start.value), start.shape, self.dtype)
            for name, start in self._lasting.items()
        }

    def _parameters(self) -> dict[str, Any]:
        """Return the weights, shaped by the connectivity, and the bias."""
        draw, shape = self._draw(), self.weight_shape
        fan_in = self.connectivity.fan_in(self.pre_shape)
        made = {"w": self.backend.initial(lambda: self._drawn(draw, shape, fan_in), shape, self.dtype)}
        if self.bias:
            lecun = isinstance(self.initial, str) and self.initial == "lecun"
            bound = 1 / np.sqrt(fan_in) if lecun else 0.0
            b = self.backend.initial(lambda: draw.uniform(-bound, bound, self.post_shape), self.post_shape, self.dtype)
            made["b"] = b
        return made

    def _drawn(self, draw: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        """Return the weights in their shape, on the host."""
        wiring = self.connectivity
        if not isinstance(wiring, Pattern):
            return self._values(draw, shape, fan_in).reshape(shape)
        spread = np.zeros(shape)
        spread[wiring.pre, wiring.post] = self._listed(draw, shape, fan_in)
        return spread

    def _values(self, draw: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        if is_drawn(self.initial):
            return self._from_text(draw, math.prod(map(int, shape))).reshape(shape)
        if isinstance(self.initial, str):
            return initialiser(self.initial)(draw, shape, fan_in)
        return np.array(np.broadcast_to(np.asarray(self.initial, float), np.shape(self.initial) or shape))  # its own

    def _listed(self, draw: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
        """Return the weights of a Pattern's synapses, (synapses,)."""
        if is_drawn(self.initial):
            return self._from_text(draw, self.synapse_count)
        if not isinstance(self.initial, str) and np.ndim(self.initial) < 2:
            return np.broadcast_to(np.asarray(self.initial, float), (self.synapse_count,))
        return self._values(draw, shape, fan_in)[self.synapses()]

    def _from_text(self, draw: np.random.Generator, count: int) -> np.ndarray:
        return drawn(self.initial, f"projection {quoted(self.name)}: initial", draw, count)[0]

    def _spread(self) -> dict[str, Any]:
        """Make a Pattern's matrices: weights and mask, and what the rule remembers."""
        assert isinstance(self.connectivity, Pattern)
        n_pre, n_post = self.weight_shape
        lasting = sum(math.prod(start.shape) for start in self._lasting.values())
        needed, free = (3 * n_pre * n_post + lasting) * self.dtype.itemsize, free_memory().bytes
        said = f"projection {quoted(self.name)}: in a sweep its {self.synapse_count:,} synapses"
        said += f" are matrices of {n_pre:,} x {n_post:,}"
        room = f"{needed / 2**20:,.0f} MiB, and {free / 2**20:,.0f} MiB are free"
        require(needed <= free, f"{said}: {room}; use Network.run, which needs no matrices, or fewer neurons")
        self.connectivity.spread(self.backend, self.weight_shape, self.dtype)
        self._made = self._parameters()
        self._state = self._memory()
        return self._made

    @property
    def parameters(self) -> dict[str, Any]:
        """The weights w, shaped by the connectivity, and the bias b, (*post); empty before the network is built."""
        return self._spread() if self._made is None else self._made

    @parameters.setter
    def parameters(self, values: dict[str, Any]) -> None:
        self._made = values

    @property
    def state(self) -> dict[str, Any]:
        """What the rule remembers."""
        if self._state is None:
            self._spread()
        assert self._state is not None
        return self._state

    @property
    def pristine(self) -> bool:
        """Whether nobody has asked for the parameters yet, so that a bias is what it begins with."""
        return self._made is None

    @property
    def mask(self) -> Any:
        """(n_pre, n_post), 1 where there is a synapse; None where all weights of the shape are synapses."""
        return self.connectivity.mask if isinstance(self.connectivity, Pattern) else None

    def synapses(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the neurons before and after each synapse, (synapses,) each, counted in C order."""
        wiring = self.connectivity
        if isinstance(wiring, Pattern):
            return wiring.pre, wiring.post
        return wiring.synapses(self.pre_shape, self.post_shape, self._draw())  # nothing is to be drawn

    def weights(self) -> np.ndarray:
        """Return the weights, (synapses,) in float64, in the order of ``synapses``."""
        wiring = self.connectivity
        if self._made is None:
            fan_in = wiring.fan_in(self.pre_shape)
            return self._listed(self._draw(), self.weight_shape, fan_in).astype(self.dtype).astype(float)
        w = np.array(self.backend.to_host(self.w), float)  # a copy: what was read before a run is still that after it
        return w[self.synapses()] if isinstance(wiring, Pattern) else w.reshape(-1)

    def set_weights(self, weights: np.ndarray) -> None:
        """Take weights, (synapses,), in the order of ``synapses``.

        Raises ShapeError where they are not so many, InputError where one is not finite in the projection's dtype.
        """
        values, expected = np.array(weights, float), (self.synapse_count,)
        said = f"projection {quoted(self.name)}: set_weights: weights of shape {values.shape}"
        require(values.shape == expected, f"{said}: expected {expected}; give one for each synapse", ShapeError)
        finite = np.abs(values) <= np.finfo(self.dtype).max
        said = f"{said}: {np.count_nonzero(~finite):,} are no finite {self.dtype}"
        require(bool(finite.all()), f"{said}: expected such numbers; change them")
        if self._made is None:  # they are spread when a sweep asks for them
            self.initial = values
            return
        if isinstance(self.connectivity, Pattern):
            spread = np.zeros(self.weight_shape)
            spread[self.synapses()] = values
        else:
            spread = values.reshape(self.weight_shape)
        self.w[...] = self.backend.asarray(np.ascontiguousarray(spread, self.dtype))

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
        drive = self.connectivity.drive(self._multiplying, rate, self.w, self.post_shape)
        if self.bias:
            drive += self.parameters["b"]
        return drive

    @property
    def _multiplying(self) -> Backend:
        """The backend, whose products leave out the zeros among spikes."""
        return self.backend.event_driven if self.carries_spikes else self.backend

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
        synapses = Synapses(self._multiplying, self.connectivity, self.w, self.parameters.get("b"), state, modulators)
        proposal = self._applied.delta(pre, post, synapses)
        if self.mask is not None:
            proposal = replace(proposal, dw=proposal.dw * self.mask)
        for name in self.starts:
            shape = getattr(proposal.state.get(name), "shape", None)
            said = f"projection {quoted(self.name)}: state {quoted(name)} of each sample: the rule returns shape {shape}"
            require(shape == state[name].shape, f"{said}: expected {state[name].shape}; return it for every sample", ShapeError)
        return proposal

    def _told_delay(self) -> str:
        if self.delays is None:
            return str(self.delay)
        return f"{self.delays.min()} to {self.delay}"

    def describe(self) -> str:
        """Return the projection as one line of text."""
        rule = self.rule.describe() if self.rule else "fixed"
        if self.optimiser is not None:
            rule += f", by {' then '.join(link.name for link in self.optimiser.links)}"
        name = "" if self.name == f"{self.pre}__{self.post}" else f"{self.name}: "
        extras = [", bias"] if self.bias else []
        extras += [f", delay {self._told_delay()}"] if self.delay else []
        extras += [f", into {self.into}"] if self.into != DRIVE else []
        return f"{name}{self.pre} -> {self.post} {self.connectivity.name}{''.join(extras)}: {rule}"

    def _checked(self, initial: Any) -> Any:
        """Return what weights begin with; quantities lose their unit, which is SI's."""
        self.dimensions: Dimensions | None = None
        if is_drawn(initial):
            self.dimensions = drawn(initial, f"projection {quoted(self.name)}: initial", np.random.default_rng(0), 2)[1]
            return initial
        if isinstance(initial, str):
            if "*" not in initial:
                initialiser(initial)  # an unknown name is reported here, not when the network is built
                return initial
            found = measure(initial, f"projection {quoted(self.name)}: initial")
            self.dimensions = found.dimensions
            return found.value
        dimensions = getattr(getattr(initial, "dim", None), "_dims", None)
        self.dimensions = None if dimensions is None else tuple(map(float, dimensions))
        if isinstance(initial, int | float) and dimensions is None:
            return initial
        try:
            value = np.array(initial, float)
            return value if value.ndim else float(value)
        except (TypeError, ValueError) as cause:
            said = f"projection {quoted(self.name)}: initial {quoted(initial)}"
            raise InputError(f"{said}: expected a name, a number or an array of numbers; give one such as 0.1") from cause


_connectivity = connectivity  # the constructor's argument of the same name hides it there
