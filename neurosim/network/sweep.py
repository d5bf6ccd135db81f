"""The frozen record of one forward pass, which is one tick of time, and what a feedback pathway answers to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from neurosim import reprs
from neurosim.neurons import DRIVE


@dataclass(frozen=True)
class Activity:
    """What one population did in one pass; every array is (batch, *shape) unless said otherwise.

    drive : summed synaptic input a
    normalised : drive after normalisation (the drive itself without it)
    activation : normalised times gain plus shift (the drive itself without normalisation), the argument of the transfer
    rate : output activity h
    transmitted : what the next populations receive: the rate after dropout
    mask : what dropout multiplied the rate by, or None
    mean, variance, inverse_std : the statistics that normalised the drive, (*shape), or None
    training : whether these were the batch's own statistics
    state : variables that outlive the tick, by name, as they are at its end
    inputs : summed synaptic input into what neurons have beside the drive, by name; 0 where no projection arrives
    before : variables that outlive the tick, by name, as they were at its beginning
    passing : variables that end with the tick, by name
    """

    drive: Any
    normalised: Any
    activation: Any
    rate: Any
    transmitted: Any
    mask: Any = None
    mean: Any = None
    variance: Any = None
    inverse_std: Any = None
    training: bool = False
    state: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    passing: Mapping[str, Any] = field(default_factory=dict)

    __repr__ = reprs.fields

    @property
    def spike(self) -> Any:
        """What spiking neurons emit: 1 in a tick with a spike, 0 otherwise."""
        return self.rate

    def value(self, variable: str) -> Any:
        """Return a variable of the population by name, (batch, *shape)."""
        for known in (self.state, self.inputs, self.passing):
            if variable in known:
                return known[variable]
        return getattr(self, variable)


@dataclass(frozen=True)
class Sweep:
    """One forward pass of a network: population name -> Activity.

    arrived : projection with a delay -> the rate that reached its synapses in this tick, (batch, *pre)
    state : what the next tick starts from (see ``Network.fresh``); empty where nothing outlives a tick
    """

    activity: Mapping[str, Activity]
    training: bool
    arrived: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(
        activity: Mapping[str, Activity],
        training: bool,
        arrived: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> Sweep:
        """Return a sweep that nobody can add to or take from."""
        return Sweep(MappingProxyType(dict(activity)), training, MappingProxyType(arrived or {}), MappingProxyType(state or {}))

    def __repr__(self) -> str:
        shapes = reprs.listed(f"{name} {tuple(activity.rate.shape)}" for name, activity in self.activity.items())
        return f"<Sweep{' in training' if self.training else ''}, rates: {shapes}>"

    @property
    def drive(self) -> Mapping[str, Any]:
        """Population name -> drive, (batch, *shape)."""
        return _View(self.activity, lambda a: a.drive)

    @property
    def rate(self) -> Mapping[str, Any]:
        """Population name -> rate, (batch, *shape)."""
        return _View(self.activity, lambda a: a.rate)

    @property
    def transmitted(self) -> Mapping[str, Any]:
        """Population name -> what its targets receive, (batch, *shape)."""
        return _View(self.activity, lambda a: a.transmitted)

    def __getitem__(self, population: str) -> Activity:
        return self.activity[population]


class _View(Mapping[str, Any]):
    """One field of every activity, without copying any."""

    def __init__(self, activity: Mapping[str, Activity], field: Callable[[Activity], Any]) -> None:
        self._activity = activity
        self._field = field

    def __getitem__(self, population: str) -> Any:
        return self._field(self._activity[population])

    def __iter__(self) -> Any:
        return iter(self._activity)

    def __len__(self) -> int:
        return len(self._activity)

    def __repr__(self) -> str:
        return reprs.brief(dict(self))


@dataclass(frozen=True)
class Teaching:
    """The teaching signal of one population for one batch.

    Errors point where activity should go (target minus activity, minus the gradient of a per-sample loss); rules average over
    the batch, so nothing here is divided by it.

    error : where the drive should go, (batch, *shape); None leaves the synapses that add into it as they are
    error_on_activation : the same before it went back through the normalisation, (batch, *shape): what gain and shift learn from
    activity : the activity the error refers to, where that is not the sweep's (relaxed codes, synthetic inputs)
    rate : a rate that the outgoing synapses should learn from instead of the transmitted one, (batch, *shape), or None
    inputs : where the inputs beside the drive should go, by name; the synapses that add into one that is not there stay as they are
    on_state : where states should be at the end of the tick, by name, if the other errors were found from those: what goes back in
        time starts there
    phases : the teaching of each moment of the step, where synapses learn in several: rules are asked in each, with its own errors
        and rates, and what they propose is summed.  The errors above are then the sums of theirs.  Every population that is taught
        in such a step has as many
    """

    error: Any = None
    error_on_activation: Any = None
    activity: Activity | None = None
    rate: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    on_state: Mapping[str, Any] = field(default_factory=dict)
    phases: tuple[Teaching, ...] = ()

    __repr__ = reprs.fields

    @staticmethod
    def of(phases: Sequence[Teaching]) -> Teaching:
        """Return the teaching of a step in which synapses learn in several phases; its errors are the sums of theirs."""
        first, *others = phases
        error, on_activation = first.error, first.error_on_activation
        for one in others:
            error, on_activation = error + one.error, on_activation + one.error_on_activation
        return Teaching(error, on_activation, phases=tuple(phases))

    def error_on(self, into: str) -> Any:
        """Return where the input ``into``, the drive or another, should go, (batch, *shape); None where nothing is said of it."""
        return self.error if into == DRIVE else self.inputs.get(into)
