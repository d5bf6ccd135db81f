"""What turns a proposed change into a weight change.

Every optimiser and transform is one object: ``memory`` names the arrays it keeps for each parameter, ``apply`` replaces the
proposed change in place by the next one.  A proposed change points where the weight should go, so its sign is that of minus the
gradient.  ``chain`` strings them together; what comes out at the end is added to the weight, and then constraints have their say.
"""

from __future__ import annotations

import abc
import math
import numbers
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from neurosim.backends import Backend
from neurosim.catalogue import Stated
from neurosim.errors import quoted, require
from neurosim.reprs import call

State = dict[str, Any]


class Update(Stated, abc.ABC):
    """One link of a chain from proposed change to weight change.

    memory : the names of the arrays that it keeps for each parameter
    rescales : it scales the change of each weight by that weight's own history, so that the size of a proposal means little
    weights_only : it leaves biases, gains and shifts alone
    all_to_all_only : it needs to know which weights end on one neuron
    """

    name: ClassVar[str]
    memory: ClassVar[tuple[str, ...]] = ()
    rescales: ClassVar[bool] = False
    weights_only: ClassVar[bool] = False
    all_to_all_only: ClassVar[bool] = False

    @abc.abstractmethod
    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        """Replace ``change`` in place; ``weight`` is read only, ``state`` holds this link's memory (same shape as both)."""


class Constraint(Update):
    """A link that says what a weight may be: it changes the new weight itself, so that what it promises holds to the last bit."""

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        """Leave the change as it is; look at the weight before it, where that is needed."""

    @abc.abstractmethod
    def constrain(self, backend: Backend, weight: Any, state: State) -> None:
        """Replace the changed ``weight`` in place by one that is allowed."""


class Time:
    """How far training has come.

    updates : of this parameter, before this one; in a captured step a number that is not known yet
    epoch, progress : of the stage, the latter in [0, 1], and 1 in epochs beyond the trainer's; a captured step that ``asked`` holds
        for one epoch only
    """

    def __init__(self, epoch: int, epochs: int) -> None:
        self.updates: Any = 0
        self.asked = False
        self._epoch, self._epochs = epoch, epochs

    def __repr__(self) -> str:
        return call("Time", [self._epoch, self._epochs])

    @property
    def epoch(self) -> int:
        self.asked = True
        return self._epoch

    @property
    def progress(self) -> float:
        return min(self.epoch / self._epochs, 1.0)


class Optimiser(Update):
    """A link that has a learning rate; with 0, nothing is learned.

    Raises
    ------
    InputError
        Where a learning rate is negative, or any setting out of its range, not finite, or no number.
    """

    def __init__(self, learning_rate: float) -> None:
        require(
            is_number(learning_rate) and learning_rate >= 0,
            f"optimiser {self.name!r}: learning_rate {quoted(learning_rate)} is not a number of 0 or more; give one such as 0.001",
        )
        self.learning_rate = learning_rate


class SGD(Optimiser):
    """change = learning_rate * g."""

    name = "sgd"

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        change *= change.dtype.type(self.learning_rate)


class Momentum(Optimiser):
    """u <- momentum u + g; change = learning_rate * u (Polyak 1964; in the form of Sutskever et al. 2013 and PyTorch)."""

    name = "momentum"
    memory = ("u",)

    def __init__(self, learning_rate: float, *, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        self.momentum = _share("momentum", "momentum", momentum)

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        kernel = backend.kernel("u = momentum * u + g\ng = rate * u")
        kernel({"g": change, "u": state["u"]}, {"momentum": self.momentum, "rate": self.learning_rate})


class Nesterov(Optimiser):
    """u <- momentum u + g; change = learning_rate * (g + momentum u) (Nesterov 1983, in the form of Sutskever et al. 2013)."""

    name = "nesterov"
    memory = ("u",)

    def __init__(self, learning_rate: float, *, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        self.momentum = _share("nesterov", "momentum", momentum)

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        kernel = backend.kernel("u = momentum * u + g\ng = rate * (g + momentum * u)")
        kernel({"g": change, "u": state["u"]}, {"momentum": self.momentum, "rate": self.learning_rate})


class RMSProp(Optimiser):
    """v <- decay v + (1 - decay) g**2; change = learning_rate * g / sqrt(v + epsilon) (Tieleman and Hinton 2012)."""

    name = "rmsprop"
    rescales = True
    memory = ("v",)

    def __init__(self, learning_rate: float, *, decay: float = 0.9, epsilon: float = 1e-8) -> None:
        super().__init__(learning_rate)
        self.decay = _share("rmsprop", "decay", decay)
        self.epsilon = _positive("rmsprop", "epsilon", epsilon)

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        kernel = backend.kernel("v = decay * v + (1 - decay) * g * g\ng = rate * g / sqrt(v + epsilon)")
        constants = {"decay": self.decay, "rate": self.learning_rate, "epsilon": self.epsilon}
        kernel({"g": change, "v": state["v"]}, constants)


class CentredRMSProp(Optimiser):
    """RMSProp by the variance of g, with momentum; epsilon stands inside the root.

    m <- decay m + (1 - decay) g
    v <- decay v + (1 - decay) g**2
    u <- momentum u + learning_rate g / sqrt(v - m**2 + epsilon)
    change = u

    Source: Graves 2013, equations 38 to 41; constants of the released code of Lee et al. 2015.
    """

    name = "centred_rmsprop"
    rescales = True
    memory = ("m", "v", "u")

    def __init__(self, learning_rate: float, *, decay: float = 0.95, momentum: float = 0.9, epsilon: float = 1e-3) -> None:
        super().__init__(learning_rate)
        self.decay = _share("centred_rmsprop", "decay", decay)
        self.momentum = _share("centred_rmsprop", "momentum", momentum)
        self.epsilon = _positive("centred_rmsprop", "epsilon", epsilon)

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        kernel = backend.kernel(
            "m = decay * m + (1 - decay) * g\n"
            "v = decay * v + (1 - decay) * g * g\n"
            "u = momentum * u + rate * g / sqrt(v - m * m + epsilon)\n"
            "g = 1 * u"
        )
        constants = {"decay": self.decay, "momentum": self.momentum, "rate": self.learning_rate, "epsilon": self.epsilon}
        kernel({"g": change, **state}, constants)


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, algorithm 1).

    m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g**2
    change = learning_rate * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + epsilon)
    """

    name = "adam"
    rescales = True
    memory = ("m", "v")

    def __init__(self, learning_rate: float, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        super().__init__(learning_rate)
        self.beta1 = _share("adam", "beta1", beta1)
        self.beta2 = _share("adam", "beta2", beta2)
        self.epsilon = _positive("adam", "epsilon", epsilon)

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        t = time.updates + 1
        kernel = backend.kernel(
            "m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g * g\ng = rate * m / (sqrt(v * unbias) + epsilon)"
        )
        constants = {
            "beta1": self.beta1,
            "beta2": self.beta2,
            "rate": self.learning_rate / (1 - self.beta1**t),
            "unbias": 1 / (1 - self.beta2**t),
            "epsilon": self.epsilon,
        }
        kernel({"g": change, **state}, constants)


class Chain(Update):
    """Links applied in order; the memory of link k is kept under ``k.name``.

    left_out : the numbers of those that rest
    """

    name = "chain"

    def __init__(self, links: Sequence[Update], left_out: Collection[int] = ()) -> None:
        self.links = tuple(links)
        self.left_out = frozenset(left_out)

    def __repr__(self) -> str:
        return call("chain", self.links)

    @property
    def alone(self) -> Update:
        """The chain's only link, where there is but one, or the chain."""
        return self.links[0] if len(self.links) == 1 else self

    def on(self, parameter: str, solved: bool = False) -> Chain:
        """Return the chain as it works on ``parameter``, such as ``x__hidden1.b``.

        solved : the proposal is the weight change itself; only constraints are left of the chain
        """
        is_weight = parameter.rpartition(".")[2] == "w"
        rest = [link.weights_only and not is_weight or solved and not isinstance(link, Constraint) for link in self.links]
        return Chain(self.links, [k for k, rests in enumerate(rest) if rests]) if any(rest) else self

    @property
    def working(self) -> list[tuple[int, Update]]:
        """The links that do not rest, with their numbers."""
        return [(k, link) for k, link in enumerate(self.links) if k not in self.left_out]

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of all memory, each of the parameter's shape."""
        return tuple(f"{k}.{name}" for k, link in self.working for name in link.memory)

    def apply(self, backend: Backend, change: Any, weight: Any, state: State, time: Time) -> None:
        for k, link in self.working:
            link.apply(backend, change, weight, _memory(k, link, state), time)

    def constrain(self, backend: Backend, weight: Any, state: State) -> None:
        """Let the constraints, in order, replace the changed ``weight`` in place."""
        for k, link in self.working:
            if isinstance(link, Constraint):
                link.constrain(backend, weight, _memory(k, link, state))


def _memory(k: int, link: Update, state: State) -> State:
    return {name: state[f"{k}.{name}"] for name in link.memory}


def chain(*links: Update) -> Chain:
    """Return ``links`` as one update; a lone chain is returned as it is.

    Raises InputError where one is no optimiser or transform.
    """
    for link in links:
        fits = isinstance(link, Update)
        require(fits, f"optimiser {quoted(link)}: expected an optimiser or transform; give one such as Adam(0.001)")
    if len(links) == 1 and isinstance(links[0], Chain):
        return links[0]
    return Chain(links)


def is_number(value: object) -> bool:
    """Return whether ``value`` is a finite real number; truth values and texts are none."""
    try:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floating-point ones
        return False


def _share(owner: str, name: str, value: float) -> float:
    fits = is_number(value) and 0 <= value < 1
    require(fits, f"optimiser {owner!r}: {name} {quoted(value)} is not a number in [0, 1); give one such as 0.9")
    return value


def _positive(owner: str, name: str, value: float) -> float:
    fits = is_number(value) and value > 0
    require(fits, f"optimiser {owner!r}: {name} {quoted(value)} is not a positive number; give one such as 1e-8")
    return value
