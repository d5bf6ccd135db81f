"""The sign of what a scheme answers: where its errors lie beside the gradient and, where that leaves it open, by training.

A scheme need not follow the gradient, and feedback at random learns as well with its sign turned.  So errors that lie along minus
the gradient in every network are right; of all others, and of what ``adapt`` proposes, the sign is turned, and is wrong where
networks then learn clearly better.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from neurosim.checking.bench import Bench, adapt_once
from neurosim.checking.result import Outcome
from neurosim.checking.subject import Subject
from neurosim.datasets import DataSet, from_arrays
from neurosim.errors import DivergedError
from neurosim.feedback import FeedbackPathway, pathway
from neurosim.network import Network, Teaching
from neurosim.plasticity import Adam, Time
from neurosim.training import Trainer
from neurosim.training.alignment import Alignment
from neurosim.training.step import Commit

Make = Callable[[], FeedbackPathway]

SAMPLES, INPUTS, CLASSES, EPOCHS, BATCH = 256, 10, 4, 20, 32
SEEDS = (0, 1, 2)  # of the networks


def scale(signal: Teaching, factor: float) -> Teaching:
    """Return a teaching signal with its errors times ``factor``."""
    inner, inputs = signal.error_on_activation, {name: error * factor for name, error in signal.inputs.items()}
    inner = None if inner is None else inner * factor
    phases = tuple(scale(one, factor) for one in signal.phases)
    return dataclasses.replace(signal, error=signal.error * factor, error_on_activation=inner, inputs=inputs, phases=phases)


def scale_teach(teach: Callable[..., Any], names: Collection[str], factor: float) -> Callable[..., Any]:
    """Return ``teach`` with the errors of the populations ``names`` times ``factor``."""

    def changed(sweep: Any, target: Any, draws: Any) -> Any:
        teaching = copy.copy(teach(sweep, target, draws))  # a scheme may hand itself more than a plain dictionary
        for name, signal in teaching.items():
            if signal.error is not None and name in names:
                teaching[name] = scale(signal, factor)
        return teaching

    return changed


def scale_adapt(adapt: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """Return ``adapt``, or ``adapt_to_proposals``, with its proposals times ``factor``."""

    def changed(*given: Any) -> Any:
        return {name: change * factor for name, change in adapt(*given).items()}

    return changed


@functools.cache
def make_samples() -> DataSet:
    """Return samples whose class is two exclusive ors of signs: without hidden populations that learn, two in three are missed."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(SAMPLES, INPUTS))
    y = 2 * (x[:, 0] * x[:, 1] > 0) + (x[:, 2] * x[:, 3] > 0)
    return from_arrays(x, y, x[:8], np.arange(8) % CLASSES)


# ---------------------------------------------------------------------- by direction

ACTS = 20  # of adapting before a direction is looked at: inverses and modules as they are drawn point nowhere
ALONG, AGAINST = 0.1, -0.2  # cosines with minus the gradient, in every network; those of feedback at random have either sign


def measure_directions(make: Make) -> dict[str, float]:
    """Return population -> 1 where its errors lie along minus the gradient in every network, -1 where against it, else 0."""
    cosines: dict[str, list[float]] = {}
    for seed in SEEDS:
        for name, cosine in _measure_cosines(make(), seed).items():
            cosines.setdefault(name, []).append(cosine)
    return {name: float(min(found) > ALONG) - float(max(found) < AGAINST) for name, found in cosines.items()}


def _measure_cosines(scheme: FeedbackPathway, seed: int) -> dict[str, float]:
    """Return population -> cosine of its errors with minus the gradient, where it has errors."""
    network = Network.layered((INPUTS,), (12, 10), CLASSES, transfer="tanh", dtype="float64", seed=seed)
    scheme.attach(network, CLASSES, seed=seed)
    rows, train = slice(BATCH * seed, BATCH * (seed + 1)), make_samples().train
    x, target = train.x[rows].astype(network.dtype), np.eye(CLASSES)[train.y[rows]]
    sweep = network.sweep(x, training=scheme.training_sweep, draws=network.backend.draws(0, 0))
    commit = Commit(Adam(0.01), network.backend)
    for act in range(ACTS):
        changes = adapt_once(scheme, sweep, target, network.backend.draws(0, act))
        if not changes:
            break
        commit.apply(scheme.parameters(), changes, Time(0, 1), set())
        scheme.remember(sweep)
    teaching = scheme.teach(sweep, target, network.backend.draws(0, ACTS))
    exact = network.errors_back(sweep, scheme.output_teaching(sweep, target))
    errors = {name: teaching[name].error for name in network.order if name in teaching}
    return {name: Alignment.of(error, exact[name].error).cosine for name, error in errors.items() if error is not None}


# ---------------------------------------------------------------------- by training

CLEARLY = 0.9  # of the loss; with feedback at random one network may differ by more, but not three
SETTLED = 0.005  # of the loss that is reached where hidden populations do not learn

ADAPT = "adapt"


def measure_ends(make: Make, turned: Collection[str], seed: int) -> tuple[float, float]:
    """Return loss and error after some epochs; infinite where training diverged.

    turned : the populations whose errors are times -1, or ``adapt``, for its proposals
    """
    network = Network.layered((INPUTS,), (24, 16), CLASSES, transfer="tanh", seed=seed)
    scheme, samples = make(), make_samples()
    made = Trainer(network, scheme, Adam(0.01), epochs=EPOCHS, batch=BATCH, seed=seed)  # any size of error: Adam scales it
    made.check(samples)
    if ADAPT in turned:
        scheme.adapt_to_proposals = scale_adapt(scheme.adapt_to_proposals, -1.0)  # type: ignore[method-assign]
    elif turned:
        scheme.teach = scale_teach(scheme.teach, turned, -1.0)  # type: ignore[method-assign]
    try:
        for _ in range(EPOCHS):
            made.run_epoch(samples)
        scheme.calibrate(iter([(network.sweep(samples.train.x), made.targets(samples.train))]))
        ends = made.evaluate(samples.train)
        return ends.loss, ends.error
    except DivergedError:
        return math.inf, math.inf


@functools.cache
def measure_frozen(seed: int) -> float:
    """Return the loss where nothing but the output learns."""
    return measure_ends(functools.partial(pathway, "frozen"), (), seed)[0]


class Training:
    """A scheme trained on each of ``SEEDS``, as it is and with signs turned, as far as it is asked for."""

    def __init__(self, make: Make) -> None:
        self.ends = functools.cache(functools.partial(measure_ends, make))

    def serves_better(self, turned: tuple[str, ...]) -> bool:
        """Return whether in every network it learns clearly better with signs turned: what cannot be seen in one is not asked on.

        It does also where it learns less as it is than without learning at hidden populations, and more with signs turned.
        """
        for seed in SEEDS:
            (loss, error), (other, other_error) = self.ends((), seed), self.ends(turned, seed)
            frozen = measure_frozen(seed)
            crosses = other < (1 - SETTLED) * frozen and loss > (1 + SETTLED) * frozen
            if not crosses and not (other < CLEARLY * loss and other_error < error):
                return False
        return True

    def serves_better_on_average(self, turned: tuple[str, ...]) -> bool:
        """Return whether the mean loss is lower with signs turned, which will do where their direction speaks for that."""
        return sum(self.ends(turned, seed)[0] for seed in SEEDS) < sum(self.ends((), seed)[0] for seed in SEEDS)


def _list_turned(directions: dict[str, float], hidden: Collection[str], adapts: bool) -> Iterator[tuple[str, ...]]:
    """Yield what is turned at a time: each population whose errors do not lie along, then all hidden ones, and ``adapt``.

    All, because one that learns from another's errors, as a module does, lies along where both signs are wrong.
    """
    open_ones = [name for name, direction in directions.items() if direction < 1]
    yield from ((name,) for name in open_ones)
    together = tuple(name for name in directions if name in hidden)
    if len(together) > 1 and not set(together).isdisjoint(open_ones):
        yield together
    if adapts:
        yield (ADAPT,)


def _in_words(turned: tuple[str, ...]) -> str:
    if turned == (ADAPT,):
        return "what adapt proposes goes"
    return f"errors of {turned[0] if len(turned) == 1 else 'hidden populations'} point"


def signs_point_up(subject: Subject) -> Outcome:
    """Errors point where activity should go: turned at populations, or in ``adapt``, they serve no better."""
    expected = "no better with a sign turned"
    bench, directions = Bench(subject.make), measure_directions(subject.make)
    turns = list(_list_turned(directions, bench.network.hidden, bool(bench.adapt())))
    along = ", ".join(name for name, direction in directions.items() if direction == 1)
    measured = [f"along the gradient: {along}"] if along else []
    training = Training(subject.make)
    if turns:
        words = ", ".join(f"{'+'.join(turned)} {training.ends(turned, SEEDS[0])[0]:.2f}" for turned in turns)
        measured.append(f"loss {training.ends((), SEEDS[0])[0]:.2f}; turned: {words}")
    wrong = [turned for turned in turns if _is_wrong(training, turned, directions)]
    if not wrong:
        return Outcome(expected, "; ".join(measured) or "no signal")
    best = min(wrong, key=lambda turned: training.ends(turned, SEEDS[0])[0])
    loss, other = (training.ends(turned, SEEDS[0])[0] for turned in ((), best))
    why = f"{_in_words(best)} the wrong way: with the sign turned the loss is {other:.2f}, not {loss:.2f}; turn it"
    return Outcome(expected, "; ".join(measured), why)


def _is_wrong(training: Training, turned: tuple[str, ...], directions: dict[str, float]) -> bool:
    against = all(directions.get(name) == -1 for name in turned)
    return training.serves_better_on_average(turned) if against else training.serves_better(turned)
