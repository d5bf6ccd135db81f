"""What a model file may hold, as data: one class a table, one field a key.  The fields hold checked objects, ready for use."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, PrivateAttr, ValidationInfo, model_validator

from neurosim.catalogue import NO_IMPORTS, Imports, is_outside
from neurosim.connectivity import Connectivity, connectivities
from neurosim.datasets import GENERATED, DataSet
from neurosim.encoders import Constant, Encoder, encoders
from neurosim.errors import UnknownNameError, quoted, require
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.modelfile.options import construct
from neurosim.network import Clock
from neurosim.neurons import (
    DRIVE,
    BatchNormalisation,
    Equations,
    Neurons,
    Surrogate,
    Transfer,
    neurons_by_name,
    surrogates,
    transfers,
)
from neurosim.plasticity import (
    Chain,
    PlasticityRule,
    Rule,
    TsodyksMarkram,
    Update,
    chain,
    rules,
    short_terms,
    spiking_rules,
    updates,
)
from neurosim.runfile import Interval, Request, Some
from neurosim.tasks import Sizes, Task, default, task, tasks

# ---------------------------------------------------------------------- values that name a class


def imports_of(info: ValidationInfo) -> Imports:
    """Return the modules that the user named for what is being checked."""
    imports: Imports = (info.context or {}).get("imports", NO_IMPORTS)
    return imports


def _named(kind: str, value: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of ``"name"`` or ``{ name = "name", option = ... }``."""
    table = {"name": value} if isinstance(value, str) else value
    named = isinstance(table, Mapping) and isinstance(table.get("name"), str)
    require(named, f"{kind} {quoted(value)}: expected a name, or a table such as {{ name = ..., option = ... }}; change it")
    return table["name"], {option: given for option, given in table.items() if option != "name"}


def _transfer(value: Any, imports: Imports = NO_IMPORTS) -> Transfer:
    made: Transfer = construct("transfer", transfers(), *_named("transfer", value), Transfer, imports)
    return made


def _make_neurons(value: Any, imports: Imports = NO_IMPORTS) -> Neurons:
    """A name, or a table with ``name`` and options, of which ``transfer`` and ``surrogate`` are a name or a table again."""
    name, options = _named("neurons", value)
    makers: dict[str, Any] = dict(neurons_by_name())
    if "surrogate" in options and name in makers and issubclass(makers[name], Equations):
        slope = construct("surrogate", surrogates(), *_named("surrogate", options.pop("surrogate")), Surrogate, imports)
        makers[name] = functools.partial(makers[name], surrogate=slope)
    if "transfer" in options and name in makers:
        makers[name] = functools.partial(makers[name], transfer=_transfer(options.pop("transfer"), imports))
    made: Neurons = construct("neurons", makers, name, options, Neurons, imports)
    return made


def _connectivity(value: Any, imports: Imports = NO_IMPORTS) -> Connectivity:
    named = _named("connectivity", value)
    made: Connectivity = construct("connectivity", connectivities(), *named, Connectivity, imports)
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


def make_rule(value: Any, imports: Imports = NO_IMPORTS) -> Rule | None:
    """Return the rule of ``fixed``, a name, ``dw = ...``, or a table with ``name`` or ``equation`` and options."""
    if value == "fixed":
        return None
    if isinstance(value, str) and "=" in value:
        value = {"equation": value}
    if isinstance(value, Mapping) and "equation" in value:
        made: Rule = construct("rule", {"equation": _equation}, "equation", value)
    else:
        made = construct("rule", {**rules(), **spiking_rules()}, *_named("rule", value), Rule, imports)
    return made


States = dict[str, str | tuple[str, float | str]]  # name -> equation, or [equation, start value]


def _equation(
    equation: str,
    *,
    bias: str | None = None,
    pre: States | None = None,
    post: States | None = None,
    synapse: States | None = None,
    per_sample: tuple[str, ...] = (),
    modulators: tuple[str, ...] = ("reward",),
    method: str = "separable",
    **constants: float | str,
) -> PlasticityRule:
    options: dict[str, Any] = {"pre": pre, "post": post, "synapse": synapse, "per_sample": per_sample, **constants}
    return PlasticityRule(equation, bias=bias, modulators=modulators, method=method, **options)


def _short_term(value: Any) -> TsodyksMarkram:
    made: TsodyksMarkram = construct("short-term plasticity", short_terms(), *_named("short-term plasticity", value))
    return made


def _optimiser(value: Any, imports: Imports = NO_IMPORTS) -> Chain:
    links = value if isinstance(value, list) else [value]
    require(bool(links), "optimiser []: expected at least one table such as { name = 'adam', learning_rate = 0.001 }; add one")
    kind = "optimiser or transform"
    return chain(*(construct(kind, updates(), *_named("optimiser", link), Update, imports) for link in links))


class TaskChoice(NamedTuple):
    """A task that is named, for data whose sizes are not known yet; by default what the data are made for."""

    name: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    kind: type[Task] | None = None  # of a user's own

    def on(self, sizes: Sizes) -> Task:
        """Return the task for data of these sizes; raise InputError where they have none such."""
        if self.kind is not None:
            return self.kind.of(sizes, **dict(self.options))
        return task(self.name or default(sizes), sizes, **dict(self.options))


def _task(value: Any, imports: Imports = NO_IMPORTS) -> TaskChoice:
    name, options = _named("task", value)
    require("size" not in options, f"task {quoted(name)}: size {quoted(options.get('size'))}: the data decide it; leave it out")
    made = construct("task", tasks(), name, {"size": 1, **options}, Task, imports)
    return TaskChoice(name, tuple(options.items()), type(made) if is_outside(name) else None)


def _encoder(value: Any, imports: Imports = NO_IMPORTS) -> Encoder:
    made: Encoder = construct("encoder", encoders(), *_named("encoder", value), Encoder, imports)
    return made


def _with_imports(make: Callable[[Any, Imports], Any]) -> PlainValidator:
    """Return the validator of a field that holds what ``make`` makes of a value and of the modules that the user named."""
    return PlainValidator(lambda value, info: make(value, imports_of(info)))


TaskField = Annotated[TaskChoice, _with_imports(_task)]
NeuronsField = Annotated[Neurons, _with_imports(_make_neurons)]
EncoderField = Annotated[Encoder, _with_imports(_encoder)]
TransferField = Annotated[Transfer, _with_imports(_transfer)]
ConnectivityField = Annotated[Connectivity, _with_imports(_connectivity)]
NormalisationField = Annotated[BatchNormalisation | None, PlainValidator(_normalisation)]
RuleField = Annotated[Rule | None, _with_imports(make_rule)]
ShortTermField = Annotated[TsodyksMarkram, PlainValidator(_short_term)]
OptimiserField = Annotated[Chain, _with_imports(_optimiser)]
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
    """[paper]: the number to compare with.

    verified : whether the number was checked in the source
    """

    citation: str = ""
    source: str = ""
    test_error: float | None = None  # per cent
    verified: bool = False
    note: str = ""


class Measured(Section):
    """[measured]: what this model reached here.

    seeds : the seeds in the mean
    epochs : of all stages together, or for each task; it may be less than the file asks for
    failed_seeds, failed_error : seeds that were run and are not in the mean; their lowest and highest error
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

    name : the name or path of a data set, or ``module:function``, a function that returns one
    options : the arguments of this function, or of a data set that is drawn (``evidence_accumulation``)
    validation : the share of the training images that is held out, from the end
    arrays : true if the data are arrays that were given in Python; then no file holds them
    test : if ``name`` is the path of a file without splits: the share of the samples in the test split (0.2 by default)
    targets : "labels" or "real", for a file of your own, if the guess would be wrong
    few_shot : how many training samples of each class are kept; which, a seed of its own decides, 0, whatever that of the run
    split_by_class : the classes of each task, such as ``[[0, 1], [2, 3]]``, or true for pairs, (0, 1), (2, 3), ...; tasks are
        learned one after the other
    permute : how many tasks, which are learned one after the other: the same samples, the inputs of each task but the first in an
        order of its own, which the seed 0 decides, whatever that of the run
    """

    name: str
    options: dict[str, Any] = {}
    arrays: bool = False
    validation: float = Field(default=0.0, ge=0, lt=1)
    normalise: Any = None
    limit: int | None = None
    test: float | None = Field(default=None, gt=0, lt=1)
    targets: Literal["labels", "real"] | None = None
    augment: Augment | None = None
    few_shot: int | None = Field(default=None, ge=1)
    split_by_class: bool | list[list[int]] = False
    permute: int | None = Field(default=None, ge=1)
    _make: Callable[[], DataSet] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _outside(self, info: ValidationInfo) -> Self:
        outside, drawn = is_outside(self.name) and not self.arrays, self.name in GENERATED and not self.arrays
        require(outside or drawn or not self.options, f"options of data set {quoted(self.name)}: expected none; leave them out")
        if outside:
            imports_of(info).find("data set", self.name)  # a module that was not named is an error before anything is made
        if outside or drawn:
            self._make = functools.partial(construct, "data set", GENERATED, self.name, self.options, DataSet, imports_of(info))
        return self

    @model_validator(mode="after")
    def _one_sequence(self) -> Self:
        none = "split_by_class = []: expected lists of classes, or true for pairs; add one, or leave it out"
        require(self.split_by_class != [], none)
        both = self.split_by_class is not False and self.permute is not None
        require(not both, f"split_by_class together with permute = {self.permute}: expected only one of the two; leave one out")
        moved = self.permute is not None and self.augment is not None
        require(not moved, "permute together with augment: permuted inputs are no images to crop or flip; leave one out")
        return self

    @property
    def is_sequence(self) -> bool:
        """Whether there are tasks, which are learned one after the other."""
        return self.split_by_class is not False or self.permute is not None

    def tasks(self, classes: int) -> int:
        """Return how many tasks there are, of a data set with so many classes; 1 where it is learned as a whole."""
        pairs = -(-classes // 2) if self.split_by_class is True else 1
        return len(self.split_by_class) if isinstance(self.split_by_class, list) else self.permute or pairs

    @property
    def is_made(self) -> bool:
        """Whether the data are a function's, or arrays: nothing is known of them before they are there."""
        return self.arrays or self._make is not None

    def made(self) -> DataSet | None:
        """Return what a function makes; None for a data set that is read."""
        return None if self._make is None else self._make()


class Input(Section):
    """[network.input]."""

    noise: float = 0.0
    dropout: float = 0.0


def _check_one_kind(table: Any) -> Any:
    both = {"neurons", "transfer"} <= table.model_fields_set
    require(not both, "neurons and transfer: expected only one of the two; leave one out")
    return table


class _Neurons(Section):
    neurons: NeuronsField | None = None  # of any kind; a transfer is short for those without a state
    transfer: TransferField = _transfer("linear")
    normalisation: NormalisationField = None
    dropout: float = 0.0
    noise: float = 0.0

    _one_kind = model_validator(mode="after")(_check_one_kind)


class _Synapses(Section):
    initial: str | float = "glorot"
    bias: bool = True
    rule: RuleField = make_rule("error_driven")
    optimiser: OptimiserField | None = None  # the stage's by default


class Layer(_Neurons, _Synapses):
    """[network.layer]: every hidden population of the chain, and the projection into it."""

    transfer: TransferField = _transfer("tanh")


class Output(_Synapses):
    """[network.output]: the last population of the chain, and the projection into it."""

    neurons: NeuronsField | None = None  # such as a leaky readout
    transfer: TransferField | None = None  # what the task reads out with: softmax for classes, linear for real targets
    normalisation: NormalisationField = None

    _one_kind = model_validator(mode="after")(_check_one_kind)


class PopulationTable(_Neurons):
    """[[network.populations]]: input and output take the data set's shape if they have none."""

    name: str
    shape: Shape | None = None


class ProjectionTable(_Synapses):
    """[[network.projections]]: the synapses from one population to another.

    name : by default ``pre__post``
    delay : for how many ticks a rate travels, or a time such as "1.5*ms" where the network has a dt
    into : the input of the postsynaptic neurons into which it adds
    short_term : how what a spike transmits depends on the spikes before it, such as ``{ name = "tsodyks_markram", U = 0.5 }``
    """

    pre: str
    post: str
    name: str | None = None
    delay: int | str = 0
    into: str = DRIVE
    short_term: ShortTermField | None = None
    connectivity: ConnectivityField = _connectivity("all_to_all")


class NetworkTable(Section):
    """[network]: a chain, given by its ``hidden`` sizes, or a graph, given by its populations and projections.

    dt : how long a tick is, where neurons are equations in time: text such as "0.1*ms", or seconds
    seed : of the initial weights; by default that of the run
    output : for a chain, the table of its last population; for a graph, the name of the population that does the task
    """

    dtype: str = "float32"
    dt: str | float | None = None
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
        both = f"{', '.join(sorted(chain))} together with {', '.join(sorted(graph))}"
        expected = "expected a chain (hidden, ...) or a graph (populations, projections)"
        require(not (chain and graph), f"{both}: {expected}; leave one of them out")
        named = f"output {quoted(self.output)}: expected a table where the network is a chain; leave the name out"
        require(not (chain and isinstance(self.output, str)), named)
        layers = "hidden" in chain or len(graph) == 2
        require(layers, "no layers: expected hidden, or populations together with projections; give one of the two")
        return self


class Training(Section):
    """[training]: how long a stage trains, on what batches.

    epochs : of data with tasks (``split_by_class``, ``permute``), for each of them
    """

    epochs: int
    batch: int
    shuffle: bool = True


def make_pathway(scheme: str, options: Mapping[str, Any], imports: Imports = NO_IMPORTS) -> FeedbackPathway:
    """Return a scheme, made anew: a pathway belongs to one network."""
    made: FeedbackPathway = construct("scheme", pathways(), scheme, options, FeedbackPathway, imports)
    return made


class Stage(Training):
    """[[stages]]: one scheme trains the network for some epochs.

    name : the name of its random numbers; by default ``stage0`` and so on
    """

    scheme: str
    options: dict[str, Any] = {}
    optimiser: OptimiserField
    feedback_optimiser: OptimiserField | None = None
    name: str = ""
    _imports: Imports = PrivateAttr(NO_IMPORTS)

    @model_validator(mode="after")
    def _makes_a_pathway(self, info: ValidationInfo) -> Self:
        self._imports = imports_of(info)
        self.pathway()
        return self

    def pathway(self) -> FeedbackPathway:
        """Return the scheme, made anew."""
        return make_pathway(self.scheme, self.options, self._imports)


class Variable(Section):
    """One entry of ``variables`` in [record], as a table."""

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


COMPARISONS = ("alignment", "gauss_newton", "step_effect")  # keys of [record] that say when the step that comes next is looked at


class Record(Section):
    """[record]: what is written into the run file, besides metrics.

    variables : texts such as ``"hidden*.rate[0:50] every 100 steps"``, or tables with the same parts
    split, samples : the probe: the first samples of a split (how many), or a list of their numbers
    alignment : how often updates are compared with the exact gradient, such as ``"1 epoch"``; by default never
    gauss_newton : how often they are compared with Gauss and Newton's direction; of small networks
    step_effect : how often the loss of a batch is taken before and after the step on it
    checkpoint : after how many epochs a checkpoint is written, or how often, such as ``"500 steps"``; after the last one always
    keep : how many checkpoints are kept, the newest ones; 0 keeps all
    """

    variables: list[str | Variable] = []
    split: Literal["train", "validation", "test"] = "test"
    samples: Annotated[int, Field(ge=1)] | list[int] = 100
    alignment: str = ""
    gauss_newton: str = ""
    step_effect: str = ""
    checkpoint: Annotated[int, Field(ge=1)] | str = 1
    keep: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self.requests()
        self.comparisons()
        self.checkpoints()
        return self

    def requests(self) -> list[Request]:
        """Return what is asked for."""
        return [Request.of(one) if isinstance(one, str) else one.request() for one in self.variables]

    def comparisons(self) -> dict[str, Interval]:
        """Return when the step that comes next is looked at, by what is asked of it: those of ``COMPARISONS`` that are given."""
        return {name: Interval.of(when) for name in COMPARISONS if (when := getattr(self, name))}

    def checkpoints(self) -> Interval:
        """Return when checkpoints are written."""
        return Interval.of(self.checkpoint) if isinstance(self.checkpoint, str) else Interval(self.checkpoint)


class Tasked(Section):
    """What has a task: its name, or a table with ``name`` and options; by default what the data are made for."""

    task: TaskField = TaskChoice()


class ClockTable(Section):
    """[clock]: how long a trial is.

    ticks : how many ticks
    asked : in how many of the last ticks the output is compared with the target
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
    modules: dict[str, str] = {}  # of a run: the modules that it needs, each with a digest of its text
    unstated: list[str] = []  # of a trainer made in Python: what no model file can hold


RowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]  # it names files


class Row(Section):
    """[rows.NAME]: a scheme, a rule, or both; what a row leaves out is that of its scheme's row in ``models/compare.toml``.

    scheme : by default the row's name; of a row with a rule ``backprop``, or ``frozen`` where the rule reads no error
    rule : of the projections into hidden populations; output_rule : of the others
    """

    scheme: str = ""
    options: dict[str, Any] = {}
    rule: RuleField = None
    output_rule: RuleField = None
    optimiser: Any = None
    feedback_optimiser: Any = None

    @model_validator(mode="after")
    def _makes_a_pathway(self, info: ValidationInfo) -> Self:
        for optimiser in (self.optimiser, self.feedback_optimiser):
            if optimiser is not None and not is_partial(optimiser):
                _optimiser(optimiser, imports_of(info))
        if self.scheme:
            make_pathway(self.scheme, self.options, imports_of(info))
        return self


def is_partial(optimiser: Any) -> bool:
    """Return whether a row's optimiser only changes options of the one that it has anyway: a table without a name."""
    return isinstance(optimiser, Mapping) and "name" not in optimiser


class Defaults(Section):
    """[defaults]: the optimisers of a row that has none."""

    optimiser: OptimiserField | None = None
    feedback_optimiser: OptimiserField | None = None


class ComparisonTable(Trained):
    """A whole comparison file: data, network and training are shared by all rows.

    every_scheme : whether each scheme of the package that is made for such neurons, and has no row, gets one; but for those that
        send no error, and in trials of one tick those that need time
    """

    title: str = ""
    data: Data
    network: NetworkTable
    training: Training
    record: Record = Record()
    every_scheme: bool = False
    defaults: Defaults = Defaults()
    rows: dict[RowName, Row] = {}
    modules: dict[str, str] = {}


class StartedTable(Section):
    """A whole ``comparison.toml``: what a comparison was started with."""

    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    data_dir: str
    data_digest: str
    backends: dict[RowName, str]
    comparison: dict[str, Any]


class StudyFile(Section):
    """A study file.

    model : a model or comparison file, its name, or its path as seen from the study file; data : the name of another data set
    settings : ``key.path=value`` texts; parameters : see ``neurosim.studies.Parameter.of``
    draws, draw_seed : how many draws beside each combination of the grid, and what decides them
    seeds : how many, counted from 1, or which
    halving : ``rungs`` and perhaps ``eta``, see ``neurosim.studies.halving``
    """

    model: str
    title: str = ""
    data: str | None = None
    settings: list[str] = []
    parameters: list[dict[str, Any]] = []
    draws: int = 1
    draw_seed: int = 0
    seeds: int | list[Annotated[int, Field(ge=0)]] = 1
    halving: dict[str, Any] | None = None


class StartedStudy(Section):
    """A whole ``study.toml``: what a study was started with.

    models : of each scheme, or of none, "", as they were before the parameters changed them
    modules : that ``module:Class`` in some point is of
    """

    name: str
    models: dict[str, dict[str, Any]] = Field(min_length=1)
    parameters: list[dict[str, Any]]
    modules: list[str] = []
    draws: int
    draw_seed: int
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    halving: dict[str, Any] | None = None
    backend: str
    data_dir: str
    data_digest: str
