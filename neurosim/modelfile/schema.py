"""What a model file may hold, as data: one class a table, one field a key.  The fields hold checked objects, ready for use."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from neurosim.encoders import Constant, Encoder, encoders
from neurosim.errors import UnknownNameError, quoted, require
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.modelfile.options import construct
from neurosim.network import Clock
from neurosim.neurons import BatchNormalisation, Neurons, Transfer, neurons_by_name, transfers
from neurosim.plasticity import Chain, PlasticityRule, Rule, chain, rules, updates
from neurosim.runfile import Interval, Request, Some
from neurosim.tasks import Sizes, Task, default, task, tasks

# ---------------------------------------------------------------------- values that name a class


def _named(kind: str, value: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of ``"name"`` or ``{ name = "name", option = ... }``."""
    table = {"name": value} if isinstance(value, str) else value
    named = isinstance(table, Mapping) and isinstance(table.get("name"), str)
    require(named, f"{kind} {quoted(value)}: expected a name, or a table such as {{ name = ..., option = ... }}; change it")
    return table["name"], {option: given for option, given in table.items() if option != "name"}


def _transfer(value: Any) -> Transfer:
    made: Transfer = construct("transfer", transfers(), *_named("transfer", value))
    return made


def _neurons(value: Any) -> Neurons:
    """A name, or a table with ``name`` and options, of which ``transfer`` is a name or a table again."""
    name, options = _named("neurons", value)
    parts = {"transfer": _transfer(options.pop("transfer"))} if "transfer" in options else {}
    makers = {known: functools.partial(kind, **parts) for known, kind in neurons_by_name().items()}
    made: Neurons = construct("neurons", makers, name, options)
    return made


def _normalisation(value: Any) -> BatchNormalisation | None:
    if value == "none":
        return None
    options = value if isinstance(value, Mapping) else {}
    require(
        value == "batch" or isinstance(value, Mapping),
        f"normalisation {quoted(value)}: expected 'batch', 'none' or a table such as {{ affine = false }}; change it",
    )
    made: BatchNormalisation = construct("normalisation", {"batch": BatchNormalisation}, "batch", options)
    return made


def _rule(value: Any) -> Rule | None:
    """``fixed``, a name, ``dw = ...``, or a table with ``name`` or ``equation`` and options."""
    if value == "fixed":
        return None
    if isinstance(value, str) and "=" in value:
        value = {"equation": value}
    if isinstance(value, Mapping) and "equation" in value:
        made: Rule = construct("rule", {"equation": _equation}, "equation", value)
    else:
        made = construct("rule", rules(), *_named("rule", value))
    return made


States = dict[str, str | tuple[str, float]]  # name -> equation, or [equation, start value]


def _equation(
    equation: str,
    *,
    bias: str | None = None,
    pre: States | None = None,
    post: States | None = None,
    synapse: States | None = None,
    modulators: tuple[str, ...] = ("reward",),
    method: str = "separable",
    **constants: float,
) -> PlasticityRule:
    options: dict[str, Any] = {"pre": pre, "post": post, "synapse": synapse, "modulators": modulators, **constants}
    return PlasticityRule(equation, bias=bias, method=method, **options)


def _optimiser(value: Any) -> Chain:
    links = value if isinstance(value, list) else [value]
    require(bool(links), "optimiser []: expected at least one table such as { name = 'adam', learning_rate = 0.001 }; add one")
    return chain(*(construct("optimiser or transform", updates(), *_named("optimiser", link)) for link in links))


class TaskChoice(NamedTuple):
    """A task that is named, for data whose sizes are not known yet; by default what the data are made for."""

    name: str = ""
    options: tuple[tuple[str, Any], ...] = ()

    def on(self, sizes: Sizes) -> Task:
        """Return the task for data of these sizes; raise InputError where they have none such."""
        return task(self.name or default(sizes), sizes, **dict(self.options))


def _task(value: Any) -> TaskChoice:
    name, options = _named("task", value)
    require("size" not in options, f"task {quoted(name)}: size {quoted(options.get('size'))}: the data decide it; leave it out")
    construct("task", tasks(), name, {"size": 1, **options})
    return TaskChoice(name, tuple(options.items()))


def _encoder(value: Any) -> Encoder:
    made: Encoder = construct("encoder", encoders(), *_named("encoder", value))
    return made


TaskField = Annotated[TaskChoice, PlainValidator(_task)]
EncoderField = Annotated[Encoder, PlainValidator(_encoder)]
TransferField = Annotated[Transfer, PlainValidator(_transfer)]
NeuronsField = Annotated[Neurons | None, PlainValidator(_neurons)]
NormalisationField = Annotated[BatchNormalisation | None, PlainValidator(_normalisation)]
RuleField = Annotated[Rule | None, PlainValidator(_rule)]
OptimiserField = Annotated[Chain, PlainValidator(_optimiser)]
Shape = Annotated[list[int], BeforeValidator(lambda value: [value] if isinstance(value, int) else value)]


class Section(BaseModel):
    """A table whose every key is known; an unknown one names the nearest."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        for key in values if isinstance(values, dict) else ():
            if key not in cls.model_fields:
                raise UnknownNameError("key", key, cls.model_fields)
        return values


# ---------------------------------------------------------------------- the tables


class Paper(Section):
    """[paper]: the number to compare with.  verified : whether the source was read, not remembered."""

    citation: str = ""
    source: str = ""
    test_error: float | None = None  # per cent
    verified: bool = False
    note: str = ""


class Measured(Section):
    """[measured]: what this model reached here.

    seeds : those that the mean is over; epochs : of all stages together, which may be fewer than the file trains for
    failed_seeds : seeds that were run and are not in the mean; failed_error : the lowest and the highest error that they reached
    """

    test_error: float | None = None  # per cent, mean over seeds
    std: float | None = None
    validation_error: float | None = None
    seeds: list[int] = []
    failed_seeds: list[int] = []
    failed_error: list[float] = []
    epochs: int | None = None
    date: str = ""
    trained_on: str = ""
    note: str = ""


class Augment(Section):
    """[data.augment]: random changes to each training image (see ``datasets.Augmentation``)."""

    crop_pad: int = 0
    flip: bool = False


class Data(Section):
    """[data].

    validation : the share of the training images, the last ones, that is held out
    arrays : the images are the caller's own, given in Python; no file holds them
    test, targets : of a user's own file, ``name`` its path: the share of the samples that are tested on, where the file does not
        split them (0.2 by default); "labels" or "real" where the file does not tell
    """

    name: str
    arrays: bool = False
    validation: float = Field(default=0.0, ge=0, lt=1)
    normalise: Any = None
    limit: int | None = None
    test: float | None = Field(default=None, gt=0, lt=1)
    targets: Literal["labels", "real"] | None = None
    augment: Augment | None = None


class Input(Section):
    """[network.input]."""

    noise: float = 0.0
    dropout: float = 0.0


class _Neurons(Section):
    transfer: TransferField = _transfer("linear")
    neurons: NeuronsField = None
    normalisation: NormalisationField = None
    dropout: float = 0.0
    noise: float = 0.0

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        both = self.neurons is not None and "transfer" in self.model_fields_set
        require(not both, "neurons beside a transfer: expected one of the two; leave one out")
        return self


class _Synapses(Section):
    initial: str | float = "glorot"
    bias: bool = True
    rule: RuleField = _rule("error_driven")
    optimiser: OptimiserField | None = None  # the stage's by default


class Layer(_Neurons, _Synapses):
    """[network.layer]: every hidden population of the chain, and the projection into it."""

    transfer: TransferField = _transfer("tanh")


class Output(_Synapses):
    """[network.output]: the last population of the chain, and the projection into it."""

    transfer: TransferField = _transfer("softmax")
    normalisation: NormalisationField = None


class PopulationTable(_Neurons):
    """[[network.populations]]; without a shape, input and output take the data set's."""

    name: str
    shape: Shape | None = None


class ProjectionTable(_Synapses):
    """[[network.projections]].

    name : ``pre__post`` by default; delay : how many ticks a rate travels
    """

    pre: str
    post: str
    name: str | None = None
    delay: int = 0
    connectivity: str = "all_to_all"


class NetworkTable(Section):
    """[network]: a chain given by its ``hidden`` sizes, or a graph written out.

    seed : of its weights; the run's by default
    output : of a chain, the table of its last population; of a graph, the name of the population that does the task
    """

    dtype: str = "float32"
    seed: int | None = Field(default=None, ge=0)
    hidden: list[int] | None = None
    input: Input = Input()
    layer: Layer = Layer()
    output: Output | str = Output()
    populations: list[PopulationTable] | None = None
    projections: list[ProjectionTable] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> NetworkTable:
        chain = {"hidden", "input", "layer", "output"} & self.model_fields_set
        chain -= {"output"} if isinstance(self.output, str) else set()
        graph = {"populations", "projections"} & self.model_fields_set
        both = f"{', '.join(sorted(chain))} beside {', '.join(sorted(graph))}"
        require(not (chain and graph), f"{both}: expected a chain or a graph; leave one of them out")
        named = f"output {quoted(self.output)}: expected a table where the network is a chain; leave the name out"
        require(not (chain and isinstance(self.output, str)), named)
        require("hidden" in chain or len(graph) == 2, "neither hidden, nor populations with projections; give one of the two")
        return self


class Training(Section):
    """[training]: how long a stage trains, on what batches."""

    epochs: int
    batch: int
    shuffle: bool = True


class Row(Section):
    """[rows.NAME]: one scheme and its optimisers."""

    scheme: str
    options: dict[str, Any] = {}
    optimiser: OptimiserField
    feedback_optimiser: OptimiserField | None = None

    @model_validator(mode="after")
    def _makes_a_pathway(self) -> Self:
        self.pathway()
        return self

    def pathway(self) -> FeedbackPathway:
        """Return the scheme, made anew: a pathway belongs to one network."""
        made: FeedbackPathway = construct("scheme", pathways(), self.scheme, self.options)
        return made


class Stage(Row, Training):
    """[[stages]]: one scheme training the network for some epochs.

    name : of its random streams; ``stage0`` and so on by default
    """

    name: str = ""


class Variable(Section):
    """One entry of [record] variables, spelt out."""

    variable: str
    every: str = "1 epoch"
    start: int = 0
    stop: int | None = None
    neurons: Literal[True] | list[int] | str = True

    def request(self) -> Request:
        """Return what this asks for."""
        listed = self.neurons if isinstance(self.neurons, list) else []
        neurons = self.neurons if isinstance(self.neurons, str) else ", ".join(map(str, listed))
        return Request(self.variable, Interval.of(self.every, self.start, self.stop), Some(neurons))


class Record(Section):
    """[record]: what is written into the run file beside metrics.

    variables : texts such as ``"hidden*.rate[0:50] every 100 steps"``, or tables with the same in parts
    split, samples : the probe that populations are shown to be recorded: the first so many images of a split, or their numbers
    alignment : when updates are compared with the exact gradient's, as ``"1 epoch"``; never where it is left out
    checkpoint : every how many epochs; keep : how many checkpoints stay, 0 for all
    """

    variables: list[str | Variable] = []
    split: Literal["train", "validation", "test"] = "test"
    samples: Annotated[int, Field(ge=1)] | list[int] = 100
    alignment: str = ""
    checkpoint: int = Field(default=1, ge=1)
    keep: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self.requests()
        self.comparisons()
        return self

    def requests(self) -> list[Request]:
        """Return what is asked for."""
        return [Request.of(one) if isinstance(one, str) else one.request() for one in self.variables]

    def comparisons(self) -> Interval | None:
        """Return when updates are compared with the exact gradient's."""
        return Interval.of(self.alignment) if self.alignment else None


class Tasked(Section):
    """What has a task: its name, or a table with ``name`` and options; by default what the data are made for."""

    task: TaskField = TaskChoice()


class ClockTable(Section):
    """[clock]: how long a trial is.

    ticks : how many; asked : the last so many ticks are those in which the output is compared with the target
    """

    ticks: int = 1
    asked: int = 1

    @model_validator(mode="after")
    def _makes_a_clock(self) -> Self:
        self.clock()
        return self

    def clock(self) -> Clock:
        """Return the clock."""
        return Clock(self.ticks, self.asked)


class Trained(Tasked):
    """What has a task and trials.  encoder : what is shown in each tick, a name or a table with ``name`` and options."""

    clock: ClockTable = ClockTable()
    encoder: EncoderField = Constant()

    def shown(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the input in one tick, for samples of this shape; raise InputError where they do not fit."""
        return self.encoder.shape(sample, self.clock.ticks)


class ModelTable(Trained):
    """A whole model file."""

    title: str
    seed: int = Field(default=1, ge=0)  # of a run that is not given another
    paper: Paper = Paper()
    data: Data
    network: NetworkTable
    stages: list[Stage] = Field(min_length=1)
    record: Record = Record()
    measured: Measured = Measured()
    unstated: list[str] = []  # of a trainer made in Python: what no model file can hold


RowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]  # it names files


class ComparisonTable(Trained):
    """A whole comparison file: data, network and training are shared by all rows."""

    title: str
    data: Data
    network: NetworkTable
    training: Training
    record: Record = Record()
    rows: dict[RowName, Row] = Field(min_length=1)


class StartedTable(Section):
    """A whole ``comparison.toml``: what a comparison was started with."""

    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    data_dir: str
    data_digest: str
    backends: dict[RowName, str]
    models: dict[RowName, dict[str, Any]] = Field(min_length=1)
