"""A group of like neurons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.backends import Backend, Draws
from neurosim.errors import InputError, quoted, require, require_number
from neurosim.network.sweep import Activity, Teaching
from neurosim.neurons import BatchNormalisation, Neurons, Transfer, check_inputs, neurons, neurons_by_name, transfer

MOST_AXES = 16  # of a population's shape; arrays of NumPy and HDF5 have up to 32, and recordings add some
MOST_NEURONS = 2**31  # times a batch and the bytes of a number, it can still be counted
LONGEST_NAME = 100  # characters; it names groups and files


class Population:
    """Neurons that share a shape, a transfer, a normalisation, and the noise and dropout of training.

    name : its name in the network
    shape : (n,) or (channels, height, width)
    neurons : what the population is made of: a name (see ``neurosim.neurons.neurons_by_name()``) or Neurons
    transfer : short for ``neurons``, for rate neurons without state: a name (see ``neurosim.neurons.transfers()``) or a Transfer
    normalisation : ``BatchNormalisation`` or None
    dropout : the probability, in [0, 1), that a neuron transmits nothing in a training step (the others are scaled up)
    noise : the standard deviation of Gaussian noise that is added to the drive in training

    Raises
    ------
    InputError
        A value out of its range; UnknownNameError for an unknown transfer.
    """

    def __init__(
        self,
        name: str,
        shape: int | tuple[int, ...],
        *,
        neurons: str | Neurons | None = None,
        transfer: str | Transfer | None = None,
        normalisation: BatchNormalisation | None = None,
        dropout: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        self.name = name
        self.shape = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        label = f"population {quoted(name)}"
        fits = isinstance(name, str) and name.isidentifier() and "__" not in name and len(name) <= LONGEST_NAME
        require(fits, f"{label}: expected a name like 'hidden1', without double underscores, of at most {LONGEST_NAME} characters")
        require(
            bool(self.shape) and all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in self.shape),
            f"{label}: shape {quoted(shape)} is not one or more positive whole numbers; give a size such as 240",
        )
        axes = f"{label}: shape {quoted(shape)} has {len(self.shape)} axes: expected at most {MOST_AXES}; give fewer"
        require(len(self.shape) <= MOST_AXES, axes)
        count = f"{label}: shape {quoted(shape)} has {quoted(self.size)} neurons: expected at most {MOST_NEURONS:,}; give fewer"
        require(self.size <= MOST_NEURONS, count)
        require_number(label, "dropout", dropout, 0.1)
        require_number(label, "noise", noise, 0.3)
        require(0 <= dropout < 1, f"{label}: dropout {quoted(dropout)} is not in [0, 1); give a probability such as 0.1")
        require(noise >= 0, f"{label}: noise {quoted(noise)} is negative; give a standard deviation such as 0.3")
        require(neurons is None or transfer is None, f"{label}: neurons and transfer: expected only one of the two; leave one out")
        self.neurons: Neurons = _neurons(neurons) if neurons is not None else _transfer(transfer or "linear")
        self.normalisation = normalisation
        self.dropout = dropout
        self.noise = noise
        self.joined = False  # whether it is part of a network
        self.parameters: dict[str, Any] = {}  # gain, shift: (*shape); learned
        self.statistics: dict[str, Any] = {}  # mean, variance: (*shape); running averages for evaluation

    def __repr__(self) -> str:
        kind = "transfer" if isinstance(self.neurons, Transfer) else "neurons"
        plain = repr(self.neurons) == f"{type(self.neurons).__name__}()" and self.neurons.name in neurons_by_name()
        options: dict[str, Any] = {kind: self.neurons.name if plain else self.neurons}
        options |= {"normalisation": self.normalisation} if self.normalisation is not None else {}
        options |= {name: value for name in ("dropout", "noise") if (value := getattr(self, name))}
        return reprs.call("Population", [self.name, self.size if len(self.shape) == 1 else self.shape], options)

    @property
    def size(self) -> int:
        """The number of neurons."""
        return math.prod(map(int, self.shape))

    @property
    def transfer(self) -> Transfer:
        """The curve of rate neurons without state; raise InputError where it is made of others."""
        made = self.neurons
        if not isinstance(made, Transfer):
            where = f"population {self.name!r}: made of neurons {made.name!r}"
            said = "which keep a state: expected rate neurons without one, because this is defined for those only"
            raise InputError(f"{where}, {said}; use a transfer")
        return made

    @transfer.setter
    def transfer(self, curve: Transfer) -> None:
        self.neurons = curve

    def build(self, backend: Backend, dtype: Any, dt: float | None = None) -> None:
        """Make the population's own parameters: gain 1, shift 0, running mean 0 and variance 1.

        dt : how long a tick is, in seconds; None where the network does not say

        Raises InputError where its noise is no finite number of ``dtype``, or its neurons' inputs are not what they have to be.
        """
        check_inputs(f"population {self.name!r}", self.neurons)
        self.neurons = self.neurons.at(dt, f"population {self.name!r}")
        self.backend = backend
        fits = self.noise <= float(np.finfo(dtype).max)
        require(fits, f"population {self.name!r}: noise {self.noise} is infinite in {np.dtype(dtype)}; give one such as 0.3")
        if self.normalisation is None:
            return
        ones, zeros = np.ones(self.shape, dtype), np.zeros(self.shape, dtype)
        if self.normalisation.affine:
            self.parameters = {"gain": backend.asarray(ones.copy()), "shift": backend.asarray(zeros.copy())}
        self.statistics = {"mean": backend.asarray(zeros.copy()), "variance": backend.asarray(ones.copy())}
        for name in self.neurons.inputs:
            said = f"population {self.name!r}: neurons {self.neurons.name!r} have an input {quoted(name)}, as its normalisation has"
            require(name not in self.parameters | self.statistics, f"{said}: expected another name; rename it")

    def respond(
        self,
        drive: Any,
        state: Mapping[str, Any] | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        training: bool = False,
        draws: Draws | None = None,
    ) -> Activity:
        """Return the activity that ``drive``, (batch, *shape), causes in one tick.

        state : the neurons' own after the tick before (default: a trial begins)
        inputs : what arrives beside the drive, by name, (batch, *shape) each; 0 where it is not there
        """
        given = inputs or {}
        others = dict(given)
        if not self.neurons.adds_into_states:  # where nothing arrives in a state, nothing is added
            others = {name: given[name] if name in given else self.backend.xp.zeros_like(drive) for name in self.neurons.inputs[1:]}
        if state is None:
            state = {name: self.backend.xp.full_like(drive, start) for name, start in self.neurons.state().items()}
        if training and self.noise and draws is not None:
            drive = drive + drive.dtype.type(self.noise) * draws.normal(f"{self.name}/noise", drive.shape, drive.dtype)
        normalised, activation = drive, drive
        fields: dict[str, Any] = {}
        if self.normalisation is not None:
            mean, variance = self._moments(drive, training)
            normalised, inverse_std = self.normalisation.normalise(self.backend, drive, mean, variance)
            activation = normalised
            if self.parameters:
                activation = normalised * self.parameters["gain"] + self.parameters["shift"]
            fields = {"mean": mean, "variance": variance, "inverse_std": inverse_std}
        found = self.neurons.advance(self.backend, activation, state, draws if training else None, self.name, **others)
        rate, after, passing = found if len(found) == 3 else (*found, {})
        mask = self._mask(rate, draws) if training else None
        transmitted = rate if mask is None else rate * mask
        fields |= {"training": training, "state": after, "inputs": others, "before": state, "passing": passing}
        return Activity(drive, normalised, activation, rate, transmitted, mask, **fields)

    def _moments(self, drive: Any, training: bool) -> tuple[Any, Any]:
        if not training:
            return self.statistics["mean"], self.statistics["variance"]
        return drive.mean(axis=0), drive.var(axis=0)

    def _mask(self, rate: Any, draws: Draws | None) -> Any:
        if not self.dropout or draws is None:
            return None
        kept = draws.uniform(f"{self.name}/dropout", rate.shape, rate.dtype) >= self.dropout
        return kept * rate.dtype.type(1 / (1 - self.dropout))

    def error_on_rate(self, error_on_transmitted: Any, activity: Activity) -> Any:
        """Return the error on the rate given the one on what was transmitted: silenced neurons get none."""
        return error_on_transmitted if activity.mask is None else error_on_transmitted * activity.mask

    def error_on_activation(self, error_on_rate: Any, activity: Activity) -> Any:
        """Return the error on the activation: the error on the rate times the neurons' own slope, within this tick."""
        return self.errors_back(error_on_rate, {}, activity)[0]

    def error_on_argument(self, error_on_rate: Any, activity: Activity) -> Any:
        """Return the error on what the rate is a function of: the error on the rate times that curve's slope, within this tick."""
        made = self.neurons
        if made.curve is None or made.argument == "activation":
            return self.error_on_activation(error_on_rate, activity)
        return made.curve.through_slope(self.backend, error_on_rate, activity.value(made.argument), activity.rate)

    def errors_back(
        self, error_on_rate: Any, error_on_state: Mapping[str, Any], activity: Activity
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Return the errors on the activation, on the state before this tick, and on each input other than the drive.

        Raises InputError where the neurons return no error on one of their inputs (see ``Neurons.errors_back``).
        """
        found = self.neurons.errors_back(self.backend, error_on_rate, error_on_state, activity)
        error, on_state, on_inputs = found if len(found) == 3 else (*found, {})
        others = self.neurons.inputs[1:]
        if set(on_inputs) != set(others):
            where = f"population {self.name!r}: neurons {self.neurons.name!r}"
            sent, expected = (", ".join(map(quoted, names)) or "none" for names in (on_inputs, others))
            raise InputError(f"{where}: errors_back returns errors on these inputs: {sent}: expected {expected}; return them all")
        return error, on_state, on_inputs

    def teach(self, error_on_rate: Any, activity: Activity) -> Teaching:
        """Return the teaching signal of an error on the rate, (batch, *shape)."""
        error, _, on_inputs = self.errors_back(error_on_rate, {}, activity)
        return self.teach_activation(error, activity, on_inputs)

    def teach_activation(
        self, error_on_activation: Any, activity: Activity, on_inputs: Mapping[str, Any] | None = None
    ) -> Teaching:
        """Return the teaching signal of an error on the activation, (batch, *shape), and of those on other inputs, by name."""
        error = error_on_activation
        if self.normalisation is not None:
            if self.parameters:
                error = error * self.parameters["gain"]
            error = self.normalisation.error_through(error, activity.normalised, activity.inverse_std, activity.training)
        return Teaching(error, error_on_activation, activity, inputs=on_inputs or {})

    def teach_argument(self, error: Any, activity: Activity) -> Teaching:
        """Return the teaching signal of an error on what the rate is a function of (``Neurons.argument``), (batch, *shape)."""
        if self.neurons.argument == "activation":
            return self.teach_activation(error, activity)
        on_state = {self.neurons.argument: error}
        on_activation, _, on_inputs = self.errors_back(self.backend.xp.zeros_like(error), on_state, activity)
        return replace(self.teach_activation(on_activation, activity, on_inputs), on_state=on_state)

    def delta(self, teaching: Teaching) -> dict[str, Any]:
        """Return the proposed changes of gain and shift, (*shape) each, averaged over the batch."""
        if not self.parameters or teaching.error_on_activation is None or teaching.activity is None:
            return {}
        error = teaching.error_on_activation
        return {"gain": (error * teaching.activity.normalised).mean(axis=0), "shift": error.mean(axis=0)}

    def remember(self, activity: Activity) -> None:
        """Take the batch's mean and variance into the running ones (the variance unbiased, as PyTorch keeps it)."""
        if self.normalisation is None or not activity.training:
            return
        n, share = len(activity.drive), self.normalisation.momentum
        unbiased = activity.variance * (n / max(n - 1, 1))
        self.statistics["mean"] += share * (activity.mean - self.statistics["mean"])
        self.statistics["variance"] += share * (unbiased - self.statistics["variance"])

    def describe(self) -> str:
        """Return the population as one line of text."""
        extras = [f"normalised{' with gain and shift' if self.normalisation.affine else ''}"] if self.normalisation else []
        extras += [f"dropout {self.dropout}"] if self.dropout else []
        extras += [f"noise {self.noise}"] if self.noise else []
        return ", ".join([f"{self.name} {self.shape} {self.neurons.name}", *extras])


_neurons, _transfer = neurons, transfer  # the constructor's arguments of the same names hide them there
