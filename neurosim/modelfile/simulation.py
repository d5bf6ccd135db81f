"""A model file with a ``[simulation]`` table: a spiking network that runs in time, without a training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import tomli_w
from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from neurosim import reprs
from neurosim.catalogue import NO_IMPORTS, Imports, is_outside
from neurosim.errors import quoted, require, utf8
from neurosim.modelfile import reading
from neurosim.modelfile.model_file import validated, with_modules
from neurosim.modelfile.schema import NetworkTable, Paper, Section, imports_of
from neurosim.simulation.in_time import InTime
from neurosim.simulation.requests import StateRequest, seconds

KEY = "simulation"


class PoissonInput(Section):
    """[[simulation.poisson]]: Poisson processes onto each neuron of a population, none of them shared.

    into : ``population.variable``, to which each spike adds ``weight``
    count : how many onto each neuron
    rate : of one, such as ``"20*Hz"``
    weight : in the unit of the variable
    """

    into: str
    count: Annotated[int, Field(ge=1)]
    rate: str
    weight: str | float


class NoiseInput(Section):
    """[[simulation.noise]]: a variable that is drawn anew at the start of each tick, normal and of mean 0.

    into : ``population.variable``
    sd : its standard deviation
    """

    into: str
    sd: str | float


class ModulatorInTime(Section):
    """A modulator that changes in time; after the last step, the last value stays.

    values : of each step
    dt : how long a step is, such as ``"100 ms"``
    """

    values: Annotated[list[float], Field(min_length=1)]
    dt: str


class Simulation(Section):
    """[simulation]: how long a spiking network runs, and what is recorded.

    duration : of biological time, such as ``"10 s"`` or ``"250 ms"``
    trials : how many independent ones
    record : what is recorded in time, such as ``"e.v[0:5] every 1 ms"``; spikes always are
    initial : ``population.variable`` -> its values when a trial begins, such as ``"-60*mV + 10*mV*rand()"`` or ``"randn()"``; they
        may name constants of the population's equations, and variables that stand before; by default the neurons' own ``start``
    poisson, noise : input from outside, beside populations of ``poisson_spikes``
    modulators : what rules read from outside, such as ``reward``: a number, or ``{ values = [0.0, 1.0], dt = "100 ms" }``
    brian : ``module:function``, a function that returns a Brian2 ``Network``; by default the network is that of ``[network]``
    """

    duration: str
    trials: int = Field(default=1, ge=1)
    record: list[str] = []
    initial: dict[str, str | float] = {}
    poisson: list[PoissonInput] = []
    noise: list[NoiseInput] = []
    modulators: dict[str, float | ModulatorInTime] = {}
    brian: str = ""
    _make: Callable[[], Any] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _can_be_read(self, info: ValidationInfo) -> Self:
        self.seconds()
        self.modulating()
        for request in self.record:
            StateRequest.of(request)
        if self.brian:
            outside = {"initial": self.initial, "poisson": self.poisson, "noise": self.noise, "modulators": self.modulators}
            given = ", ".join(key for key, value in outside.items() if value)
            require(not given, f"{given} together with brian: expected that its function does this; leave it out")
            self._make = imports_of(info).find("brian", self.brian)
            made = is_outside(self.brian) and callable(self._make)
            require(made, f"brian {quoted(self.brian)}: expected module:function; change it")
        return self

    def seconds(self) -> float:
        """Return the duration in seconds."""
        return seconds(self.duration, "duration")

    def modulating(self) -> dict[str, Any]:
        """Return modulator -> a number, or an ``InTime``."""
        return {
            name: one if isinstance(one, float) else InTime(one.values, seconds(one.dt, f"modulator {name!r}: dt"))
            for name, one in self.modulators.items()
        }

    def user_function(self) -> Callable[[], Any] | None:
        """Return the function that makes a Brian2 network, or None."""
        return self._make


class Fired(Section):
    """[measured.populations.NAME]: what a population did (see ``neurosim.analysis.spike_statistics.table``).

    rate : Hz
    cv : of the intervals between spikes
    synchrony : ``chi``, from 0 to 1; what is not defined is not there
    """

    rate: float
    cv: float | None = None
    synchrony: float | None = None


class MeasuredSpikes(Section):
    """[measured]: what the populations did here, by neurosim's own simulator.

    duration : of the run
    start : what was left out of the statistics, from the beginning
    """

    populations: dict[str, Fired] = {}
    seed: int | None = None
    duration: str = ""
    start: str = "0 s"
    date: str = ""
    note: str = ""


class SimulationTable(Section):
    """A whole model file with a simulation."""

    title: str
    seed: Annotated[int, Field(ge=0)] = 1  # of a run that is not given another
    paper: Paper = Paper()
    network: NetworkTable | None = None
    simulation: Simulation
    measured: MeasuredSpikes = MeasuredSpikes()
    modules: dict[str, str] = {}  # of a run: the modules that it needs, each with a digest of its text

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        both = self.network is not None and self.simulation.brian
        require(not both, "network together with simulation.brian: expected one of the two; leave one out")
        none = self.network is None and not self.simulation.brian
        require(not none, "no network: expected [network], or simulation.brian = 'module:function'; add one")
        return self


@dataclass(frozen=True)
class SimulationModel:
    """A checked model file with a simulation.  name : the file's stem; contents : what it holds; table : the contents, checked"""

    name: str
    contents: reading.Contents
    table: SimulationTable

    __repr__ = reprs.fields

    @staticmethod
    def of(name: str, contents: reading.Contents, imports: Imports = NO_IMPORTS) -> SimulationModel:
        """Return ``contents`` as a model file with a simulation; raise InputError, one line, where they are none."""
        extra = [key for key in ("data", "stages", "record", "task", "clock", "encoder") if key in contents]
        both = f"{name}: {', '.join(extra)} together with {KEY}: expected a training or a simulation; leave one out"
        require(not extra, both)
        table = validated(SimulationTable, contents, name, imports)
        return SimulationModel(name, with_modules(contents, table.modules, name, imports), table)

    @staticmethod
    def load(
        name: str | Path, settings: Iterable[str] = (), *, record: Iterable[str] = (), imports: Imports = NO_IMPORTS
    ) -> SimulationModel:
        """Return the model file called ``name`` with ``settings`` applied.  record : what is recorded beside the file's own"""
        path = reading.locate(name)
        contents = reading.override(reading.contents(path), settings)
        more = list(record)
        if more and isinstance(contents.get(KEY), dict):
            own = contents[KEY]
            contents = contents | {KEY: own | {"record": [*own.get("record", []), *more]}}
        return SimulationModel.of(utf8(path.stem), contents, imports)

    @property
    def text(self) -> str:
        """The contents as TOML."""
        return tomli_w.dumps(self.contents)


def is_simulation(name: str | Path) -> bool:
    """Return whether the model file called ``name`` has a simulation."""
    return KEY in reading.contents(reading.locate(name))
