"""A model as small as it can be: the same populations, projections, rules and scheme, with few neurons each."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from neurosim.backends import DraftBackend, NumpyBackend
from neurosim.checking.bench import SAMPLES
from neurosim.checking.frozen import Frozen
from neurosim.connectivity import FixedProbability, Pattern
from neurosim.errors import NeurosimError
from neurosim.feedback import FeedbackPathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.tasks import Classification, Regression, Task
from neurosim.training import Trainer

SMALL, MORE = 4, 7  # neurons of a population, and fewer than so many more, so that sizes that differed mostly still do
KEPT = 8  # populations of so many neurons stay as they are
TICKS = 4  # of a trial: in the third one something is perturbed, so that a delayed loop has brought something before
SPARSE = 0.6  # the share of pairs that are joined, where it was some of them
LARGEST = 2_000_000  # weights of a model that is asked as it is
SEED = 2


def freeze(trainer: Trainer) -> tuple[Frozen, str]:
    """Return a trainer's step, frozen on a small copy of its model, and what that is, as text.

    Where no small one can be made, it is a copy of the model itself.

    Raises NeurosimError where that is too large, or has no weights yet.
    """
    clock = Clock() if trainer.trial.clock.ticks == 1 else _shorten(trainer.trial.clock)
    try:
        frozen = _freeze_small(trainer, clock)
        return frozen, describe(frozen.network)
    except (NeurosimError, TypeError, ValueError) as cause:
        return _freeze_itself(trainer, clock, cause), "the network itself"


def _freeze_small(trainer: Trainer, clock: Clock) -> Frozen:
    network = shrink(trainer.network)
    task, pathway = _task_of(trainer, network), make_pathway(trainer.pathway)
    pathway.attach(network, task, SEED)
    return Frozen(network, pathway, draw_targets(task), clock)


def describe(network: Network) -> str:
    """Return the sizes of a network's populations as text."""
    sizes = ", ".join(f"{name} {network.populations[name].size}" for name in network.order)
    return f"a small network of the same structure ({sizes} neurons)"


def _freeze_itself(trainer: Trainer, clock: Clock, cause: Exception) -> Frozen:
    drafted = isinstance(trainer.network.backend, DraftBackend) or trainer.network.backend.name != "numpy"
    said = f"no small network of the same structure can be made ({cause})"
    if drafted or trainer.network.parameter_count > LARGEST or not trainer.pathway.attached:
        raise NeurosimError(said) from cause
    network, pathway = copy.deepcopy((trainer.network, trainer.pathway))
    return Frozen(network, pathway, draw_targets(pathway.task), clock)


def _shorten(clock: Clock) -> Clock:
    """Return a clock of few ticks, in all but the first of which the output is asked at least."""
    return Clock(TICKS, TICKS if clock.asked == clock.ticks else TICKS - 1)


def _task_of(trainer: Trainer, network: Network) -> Task:
    """Return a trainer's task; of one that does not know it yet, the one that its output is made for."""
    known = trainer.pathway.task if trainer.pathway.attached else trainer._task
    if known is not None:
        return copy.deepcopy(known)
    output = network.populations[network.output]
    curve = getattr(output.neurons.curve, "name", None)
    return Classification(output.size) if curve == Classification.readout else Regression(output.size)


def draw_targets(task: Task) -> np.ndarray:
    """Return targets of a few samples, (SAMPLES, task.size), float64."""
    draw = np.random.default_rng(4)
    if isinstance(task, Classification):
        return np.eye(task.size)[draw.integers(0, task.size, SAMPLES)]
    return draw.normal(size=(SAMPLES, task.size))


def shrink(network: Network) -> Network:
    """Return a network of few neurons, of the same structure; populations of one shape still have one shape.

    Raises InputError where some part fits no other size.
    """
    rules: dict[int, Any] = {}
    populations = [_shrink_population(one, one.name == network.output) for one in network.populations.values()]
    links = [_shrink_projection(one, rules) for one in network.projections.values()]
    options: dict[str, Any] = {"dtype": "float64", "backend": NumpyBackend(), "seed": SEED, "dt": network.dt}
    return Network(populations, links, output=network.output, **options)


def _shrink_population(one: Population, keep: bool) -> Population:
    shape = one.shape if keep or math.prod(one.shape) <= KEPT else tuple(_shrink_size(n, len(one.shape)) for n in one.shape)
    neurons, normalisation = copy.deepcopy((one.neurons, one.normalisation))
    return Population(one.name, shape, neurons=neurons, normalisation=normalisation)


def _shrink_size(n: int, axes: int) -> int:
    return min(n, SMALL + n % MORE if axes == 1 else 2 + n % 2)


def _shrink_projection(one: Projection, rules: dict[int, Any]) -> Projection:
    rule = rules.setdefault(id(one.rule), copy.deepcopy(one.rule))  # one for all that share it: its making takes long
    sparse = isinstance(one.connectivity, Pattern)
    unit = isinstance(one.initial, str) and "*" in one.initial
    return Projection(
        one.pre, one.post, name=one.name, delay=one.timing, into=one.into, bias=one.bias, rule=rule,
        connectivity=FixedProbability(SPARSE) if sparse else copy.deepcopy(one.connectivity),
        initial=one.initial if unit else "glorot",  # weights that are all alike hide what they carry
    )  # fmt: skip


def make_pathway(pathway: FeedbackPathway) -> FeedbackPathway:
    """Return a pathway of the same class and options, joined to nothing."""
    return type(pathway)(**copy.deepcopy(pathway.options()))
