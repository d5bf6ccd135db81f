"""What of a network and its pathways can be recorded, and how it lies in the run file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import InputError, quoted, require
from neurosim.feedback import FeedbackPathway
from neurosim.network import Network, Sweep
from neurosim.runfile import Request

TAUGHT = {  # of those populations that a pathway teaches
    "error": "where the drive should go: the teaching signal on it",
    "target": "where the rate should go",
    "code": "the activation after its relaxation",
    "synthetic_gradient": "the error on the rate, as predicted from the rate",
}
LEARNED = {
    "w": "weights",
    "b": "bias",
    "gain": "gain of the normalised drive",
    "shift": "shift of the normalised drive",
    "mean": "running mean of the drive",
    "variance": "running variance of the drive",
}
ERROR_ON = "error_on_"  # before the name of an input that is not the drive
UNITS = "1"  # rates and weights of rate networks have no dimension


@dataclass(frozen=True)
class Variable:
    """Something that can be recorded.

    name : ``hidden1.rate``; group : the run file's group it lies in
    shape : of one recording, or of one sample's where it is ``shown``, that is, answers to a sample of the probe
    words : what it is, where its owner says so
    """

    name: str
    group: str
    shape: tuple[int, ...]
    shown: bool
    dtype: np.dtype[Any]
    words: str = ""

    @property
    def key(self) -> str:
        """The variable without its owner: ``rate``."""
        return self.name.rpartition(".")[2]

    @property
    def description(self) -> str:
        """What it is, in words."""
        return self.words or (TAUGHT | LEARNED).get(self.key, "memory of a rule or pathway")

    def layout(self, request: Request, samples: int) -> tuple[tuple[int, ...], str, np.ndarray | None]:
        """Return shape and dimensions of one recording as ``request`` asks for it, and which neurons that are (None: all).

        Raises InputError where neurons are asked for that are not there.
        """
        try:
            return self._layout(request, samples)
        except InputError as cause:
            raise InputError(f"record {quoted(self.name)}: {cause}") from cause

    def _layout(self, request: Request, samples: int) -> tuple[tuple[int, ...], str, np.ndarray | None]:
        if not self.shown:
            size = self.shape[-1] if self.shape else 1
            numbers = request.neurons.numbers(size)
            shape = self.shape if numbers is None else (*self.shape[:-1], len(numbers))
            return shape, _dims(len(shape), self.key), numbers
        numbers = request.neurons.numbers(int(np.prod(self.shape)))
        if numbers is not None:
            return (samples, len(numbers)), "recording sample neuron", numbers
        axes = " ".join(f"axis{k}" for k in range(len(self.shape)))
        own = {1: "neuron", 3: "channel row column"}.get(len(self.shape), axes)
        return (samples, *self.shape), f"recording sample {own}", None

    def taken(self, values: Any, numbers: np.ndarray | None) -> np.ndarray:
        """Return the chosen neurons of host ``values``, copied: the network goes on changing its own."""
        if numbers is None:
            return np.array(values)
        flat = values.reshape(len(values), -1) if self.shown else values
        return np.ascontiguousarray(flat[..., numbers])


def _dims(count: int, key: str) -> str:
    names: list[str] | None = {0: [], 1: ["pre" if key.endswith("_pre") else "post"], 2: ["pre", "post"]}.get(count)
    return " ".join(["recording", *(names or [f"axis{k}" for k in range(count)])])


def recordable(network: Network, pathways: Iterable[FeedbackPathway]) -> dict[str, Variable]:
    """Return every variable by name.  The pathways, one for each stage, have to be attached to the network.

    Raises InputError where two stages give one name to arrays of different shapes.
    """
    found = {}
    for population in network.populations.values():
        for key, words in population.neurons.variables.items():
            found[f"{population.name}.{key}"] = _swept(network, population.name, key, words)
    found |= _held(network, network.parameters() | network.memory())
    for pathway in pathways:
        own = _taught(network, pathway) | _held(network, pathway.parameters() | pathway.memory())
        for name, variable in own.items():
            same = found.get(name, variable) == variable
            require(same, f"record: {quoted(name)} has another shape in a later stage; its stages cannot be recorded in one run")
        found |= own
    return found


def _swept(network: Network, population: str, key: str, words: str = "") -> Variable:
    shape = network.populations[population].shape
    return Variable(f"{population}.{key}", f"populations/{population}", shape, True, network.dtype, words)


def _taught(network: Network, pathway: FeedbackPathway) -> dict[str, Variable]:
    """Return what the pathway tells populations, found by asking it once about two blank samples."""
    x = np.zeros((2, *network.input_shape), network.dtype)
    size = pathway.task.size
    target = np.eye(size, dtype=network.dtype)[[0, min(1, size - 1)]]
    with np.errstate(all="ignore"):  # the weights of a draft are whatever lay in memory
        sweep = network.sweep(network.backend.asarray(x))
        told = signals(network, pathway, sweep, network.backend.asarray(target), 0, 0)
    parts = {name: name.partition(".") for name in told}
    return {name: _swept(network, population, key, _words(key)) for name, (population, _, key) in parts.items()}


def _words(key: str) -> str:
    """Return in words what an error on an input other than the drive is; nothing for what has its words in TAUGHT."""
    return f"where the input {key.removeprefix(ERROR_ON)} should go: the teaching signal on it" if key.startswith(ERROR_ON) else ""


def signals(network: Network, pathway: FeedbackPathway, sweep: Sweep, target: Any, seed: int, step: int) -> dict[str, Any]:
    """Return everything the pathway tells populations for one sweep, by variable name: (batch, *shape).

    Not-a-numbers where a population gets no error in this step, as in asynchronous synthetic gradients.
    """
    draws = network.backend.draws(seed, step)
    outcome = pathway.task.outcome(network.backend, sweep[network.output], target, draws)
    found = {}
    for name, taught in pathway.teach(sweep, outcome, draws).items():
        nothing = taught.error is None
        found[f"{name}.error"] = network.backend.xp.full_like(sweep.rate[name], np.nan) if nothing else taught.error
        found |= {f"{name}.{ERROR_ON}{into}": error for into, error in taught.inputs.items()}
    inner = pathway.signals(sweep, outcome, network.backend.draws(seed, step))
    return found | {f"{population}.{key}": value for population, own in inner.items() for key, value in own.items()}


def _held(network: Network, arrays: Mapping[str, Any]) -> dict[str, Variable]:
    """Return the variables that are arrays of projections, populations and pathways; those without an owner are left out."""
    named = {name: value for name, value in arrays.items() if "." in name}
    return {
        name: Variable(name, _group(network, name.rpartition(".")[0]), tuple(value.shape), False, np.dtype(value.dtype))
        for name, value in named.items()
    }


def _group(network: Network, owner: str) -> str:
    if owner in network.populations:
        return f"populations/{owner}"
    return f"projections/{owner}" if owner in network.projections else f"pathways/{owner}"


def described(variables: Mapping[str, Variable]) -> list[tuple[str, str, str]]:
    """Return (name, shape of one recording, description) of each variable."""
    rows = []
    for name, variable in variables.items():
        sizes = ["samples", *map(str, variable.shape)] if variable.shown else [str(n) for n in variable.shape]
        rows.append((name, " x ".join(sizes), variable.description))
    return rows
