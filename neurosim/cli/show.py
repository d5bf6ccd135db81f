"""``neurosim show WHAT``: what a model file describes, only a user's own data being loaded for it; or what a run file says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.simulating import shown
from neurosim.cli.terminal import say
from neurosim.errors import quoted, require

if TYPE_CHECKING:
    from neurosim.datasets.registry import Entry
    from neurosim.feedback import Phase
    from neurosim.modelfile.schema import ModelTable, Stage
    from neurosim.network import Network
    from neurosim.tasks import Task
    from neurosim.training import Trainer

HELP = Help(
    "Show what a model is, and what it takes; or what a run was made with.",
    ("neurosim show dtp-mnist", "neurosim show dtp-mnist --data digits --recordable", "neurosim show mine.h5"),
)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name that `neurosim models` lists, or the path of a model file or a run file.",
        autocompletion=completion.model,
    ),
]
Recordable = Annotated[bool, typer.Option("--recordable", help="List the variables that --record can record, and nothing else.")]


def show(
    model: Model,
    settings: args.Settings = None,
    data: args.Data = None,
    recordable: Recordable = False,
    blas: args.Blas = None,
    imports: args.Import = None,
    debug: args.Debug = False,
) -> None:
    """Show what a model is made of and how it is trained; and how much memory and time that takes on this machine."""
    from neurosim.catalogue import Imports
    from neurosim.cli.run_facts import run_facts
    from neurosim.experiments.estimate import about, drafted, memory, refuse_unless_free, task_of
    from neurosim.modelfile.model_file import ModelFile
    from neurosim.modelfile.simulation import SimulationModel, is_simulation
    from neurosim.runfile import is_hdf5

    if is_hdf5(Path(model)):
        alone = not (settings or data or recordable)
        require(alone, f"show {quoted(model)}: a run file: expected no other options; leave them out")
        say("\n".join(run_facts(Path(model))))
        return
    if is_simulation(model):
        said = f"show {quoted(model)}: a simulation: expected neither --data nor --recordable; leave it out"
        require(not (data or recordable), said)
        say("\n".join(shown(SimulationModel.load(model, args.settings(settings, None), imports=Imports(imports or ())))))
        return
    found = ModelFile.load(model, args.settings(settings, data), imports=Imports(imports or ()))
    table = found.table
    entry = about(table.data)
    network, trainers = drafted(table, entry=entry)
    if recordable:
        _print_recordable(network, trainers)
        return
    origin = _origin(table, task_of(table, entry))
    say("\n".join([*origin, "", network.summary(), f"weights     {_size(network.parameters())}"]))
    for number, (stage, trainer) in enumerate(zip(table.stages, trainers, strict=True), start=1):
        each = " of each task" if table.data.is_sequence else ""
        say("\n".join(["", f"stage {number} of {len(table.stages)}", *_stage(stage, trainer, each), "", *_locality(trainer)]))
    needed = memory(table, entry=entry)
    say(f"\nmemory      {needed.describe()}")
    say("\n".join(_machine()))
    refuse_unless_free(needed, found.name)
    say("\n".join(_times(table, entry)))


def _machine() -> list[str]:
    """Return what this process may use here: a batch job or a container may allow less than there is."""
    from neurosim.backends import limits
    from neurosim.backends.blas import select_blas

    library = select_blas()
    room, ours, there = limits.free_memory(), limits.processors(), os.cpu_count()
    return [
        f"free        {room.bytes / 2**20:,.0f} MiB of memory ({room.limit})",
        f"threads     {library.threads()}, of {library.describe()}; {ours} of {there} processors may be used",
    ]


def _print_recordable(network: Network, trainers: list[Trainer]) -> None:
    from rich.table import Table

    from neurosim.cli.progress import console
    from neurosim.cli.tables import frame
    from neurosim.recording.variables import described, recordable

    table = Table(box=frame(console), pad_edge=False)
    for heading in ("variable", "one recording", "what it is"):
        table.add_column(heading, overflow="fold")
    for row in described(recordable(network, [trainer.pathway for trainer in trainers])):
        table.add_row(*row)
    console.print(table)


def _times(table: ModelTable, entry: Entry) -> list[str]:
    """Return how long an epoch takes on each backend of this machine, and which to take."""
    from neurosim.experiments.estimate import available, batches, timings, whole_run

    found = timings(table, entry=entry)
    lines = []
    for number, stage in enumerate(table.stages):
        count = batches(entry, table, stage.batch)
        for name, seconds in found.items():
            where = f"stage {number + 1}, {name}" if len(table.stages) > 1 else name
            each = f"{1000 * seconds[number]:.3g} ms a batch, {count * seconds[number]:.3g} s an epoch of {count} batches"
            lines.append(f"time        {where}: {each}, without the evaluation after it")
    if len(found) == 1:
        why = "no GPU was found" if len(available()) == 1 else "the GPU has too little memory free for this model"
        return [*lines, f"advice      --backend numpy: {why}"]
    whole = whole_run(table, found, entry)
    best, other = sorted(whole, key=lambda name: whole[name])[:2]
    return [*lines, f"advice      --backend {best}: {whole[other] / whole[best]:.1f} times as fast as {other} on this machine"]


def _origin(table: ModelTable, task: Task) -> list[str]:
    from neurosim.datasets.sequences import arranged
    from neurosim.modelfile import published
    from neurosim.runfile import error_name

    found, own = table.paper, table.measured
    said = {"paper": found.model_dump(), "measured": own.model_dump(), "stages": [{"epochs": s.epochs} for s in table.stages]}
    error = f"test {error_name(task.score)}"
    lines = [table.title, *([f"paper       {found.citation}"] if found.citation else [])]
    source = f", {found.source}" if found.source else ""
    number = published.paper(said)
    lines.append(f"published   {f'{error} {number}' if number != '-' else 'no test error'}{source}")
    each = " of each task" if table.data.is_sequence else ""
    about = f"; seeds {published.seeds(said)}; {published.epochs(said)} epochs{each}; {own.date}; trained on {own.trained_on}"
    here = f"{error} {published.measured(said)}{about}" if own.test_error is not None else "not yet"
    lines.append(f"measured    {here}")
    seeds, reached = published.failed(said)
    lines += [f"left out    seeds {seeds}, {error} {reached}: they are not in the mean"] if seeds else []
    lines += [f"note        {note}" for note in (found.note, own.note) if note]
    held_out = f", {table.data.validation:.1%} of the training images held out" if table.data.validation else ""
    lines.append(f"data        {table.data.name}{arranged(table.data.model_dump())}{held_out}")
    lines.append(f"task        {task.name}; its error is the {task.score}, in per cent")
    if table.clock.ticks > 1:
        asked = "the last one" if table.clock.asked == 1 else f"the last {table.clock.asked}"
        lines.append(f"trial       {table.clock.ticks} ticks, the output is read in {asked}; encoder {table.encoder.name}")
    return lines


def _stage(stage: Stage, trainer: Trainer, each: str) -> list[str]:
    pathway = trainer.pathway
    claims = [f"{name.replace('_', ' ')}: {pathway.claims.words(name)}" for name in vars(pathway.claims)]
    options = ", ".join(f"{name}={value}" for name, value in stage.options.items())
    own = pathway.parameters() | pathway.memory()
    return [
        f"scheme      {stage.scheme} ({pathway.citation})",
        f"options     {options or 'the defaults'}",
        f"training    {stage.epochs} epochs{each}, batch {stage.batch}, {'shuffled' if stage.shuffle else 'in file order'}",
        f"optimiser   {_described(stage.optimiser)}",
        f"feedback    {_feedback(stage, own)}",
        *_traces(trainer),
        f"passes      {' -> '.join(phase.name for phase in pathway.phases)}",
        *(f"step        {phase.name}: {_asked(trainer, phase)}" for phase in pathway.phases),
        f"claims      {'; '.join(claims)}",
    ]


def _locality(trainer: Trainer) -> list[str]:
    """Return the card of what changes depend on; where it cannot be measured, why."""
    from neurosim.checking import card
    from neurosim.errors import NeurosimError

    try:
        return list(card(trainer).lines())
    except NeurosimError as reason:
        return [f"locality    not measured: {reason}"]


def _asked(trainer: Trainer, phase: Phase) -> str:
    from neurosim.capture.cost import Cost
    from neurosim.errors import NotCapturableError

    try:
        return Cost.of(trainer.recorded(phase)).describe()
    except NotCapturableError as reason:
        return f"not counted, because the step cannot be recorded: {reason}"


def _traces(trainer: Trainer) -> list[str]:
    size = trainer.network.trace_bytes(trainer.batch)
    said = f"at most {size / 2**20:.2f} MiB of buffers: what rules remember of each of {trainer.batch} samples in a trial"
    return [f"traces      {said}"] if size else []


def _feedback(stage: Stage, own: dict[str, Any]) -> str:
    if not own:
        return "no synapses of the scheme's own"
    return f"{_size(own)} of the scheme's own, learned by {_described(stage.feedback_optimiser or stage.optimiser)}"


def _described(optimiser: Any) -> str:
    told = [(link.name, {k: v for k, v in vars(link).items() if not k.startswith("_")}) for link in optimiser.links]
    return " -> ".join(f"{name}({', '.join(f'{k}={v}' for k, v in options.items())})" for name, options in told)


def _size(arrays: dict[str, Any]) -> str:
    return f"{sum(value.nbytes for value in arrays.values()) / 2**20:.2f} MiB"
