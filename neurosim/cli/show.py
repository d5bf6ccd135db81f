"""``neurosim show MODEL``: what a model file describes, without its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli.models import measured, paper

if TYPE_CHECKING:
    from neurosim.experiments.schema import ModelTable, Stage
    from neurosim.feedback import FeedbackPathway
    from neurosim.network import Network

Model = Annotated[str, typer.Argument(help="A name that `neurosim models` lists, or the path of a model file.")]


def show(model: Model, settings: args.Settings = None, data: args.Data = None, debug: args.Debug = False) -> None:
    """Print populations, projections, rules, memory, the steps of training, and what each scheme claims to need."""
    from neurosim.backends import NumpyBackend
    from neurosim.datasets.registry import find
    from neurosim.experiments.building import build_network
    from neurosim.experiments.model_file import ModelFile

    table = ModelFile.load(model, args.settings(settings, data)).table
    entry = find(table.data.name)
    network = build_network(table.network, entry.shape, entry.classes, seed=1, backend=NumpyBackend())
    typer.echo("\n".join([*_origin(table), "", network.summary(), f"memory      {_size(network.parameters())}"]))
    for number, stage in enumerate(table.stages, start=1):
        pathway = stage.pathway()
        pathway.attach(network, entry.classes, seed=1)
        typer.echo("\n".join(["", f"stage {number} of {len(table.stages)}", *_stage(stage, pathway, network)]))


def _origin(table: ModelTable) -> list[str]:
    found, own = table.paper, table.measured
    lines = [table.title, *([f"paper       {found.citation}"] if found.citation else [])]
    source = f", {found.source}" if found.source else ""
    lines.append(f"paper       test error {paper(found.model_dump())}{source}")
    seeds = f", seeds {own.seeds}, {own.epochs} epochs, {own.date}, {own.trained_on}" if own.test_error is not None else ""
    lines.append(f"measured    test error {measured(own.model_dump())}{seeds}")
    lines += [f"note        {note}" for note in (found.note, own.note) if note]
    held_out = f", {table.data.validation:.1%} of the training images held out" if table.data.validation else ""
    return [*lines, f"data        {table.data.name}{held_out}"]


def _stage(stage: Stage, pathway: FeedbackPathway, network: Network) -> list[str]:
    from neurosim.experiments.cost import Cost
    from neurosim.training import Trainer

    claims = [f"{name}: {_answer(value)}".replace("_", " ") for name, value in vars(pathway.claims).items()]
    own = pathway.parameters() | pathway.memory()
    options: dict[str, Any] = {"feedback_optimiser": stage.feedback_optimiser, "epochs": stage.epochs, "batch": stage.batch}
    trainer = Trainer(network, pathway, stage.optimiser, **options)
    return [
        f"scheme      {stage.scheme} ({pathway.citation})",
        f"options     {stage.options or 'as they are by default'}",
        f"training    {stage.epochs} epochs, batch {stage.batch}, {'shuffled' if stage.shuffle else 'in file order'}",
        f"optimiser   {_described(stage.optimiser)}",
        f"feedback    {_feedback(stage, own)}",
        f"passes      {' -> '.join(phase.name for phase in pathway.phases)}",
        *(f"step        {p.name}: {Cost.of(trainer.recorded(p)).describe()}" for p in pathway.phases),
        f"claims      {', '.join(claims)}",
    ]


def _feedback(stage: Stage, own: dict[str, Any]) -> str:
    if not own:
        return "no synapses of its own"
    return f"{_size(own)} of its own, {_described(stage.feedback_optimiser or stage.optimiser)}"


def _described(optimiser: Any) -> str:
    links = (f"{link.name}({', '.join(f'{k}={v}' for k, v in vars(link).items())})" for link in optimiser.links)
    return " -> ".join(links)


def _answer(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _size(arrays: dict[str, Any]) -> str:
    return f"{sum(value.nbytes for value in arrays.values()) / 2**20:.2f} MiB"
