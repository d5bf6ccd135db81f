"""``neurosim run MODEL``: train one model file into one run file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli import arguments as args

Model = Annotated[str | None, typer.Argument(help="A name that `neurosim models` lists, or the path of a model file.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run file.  [default: neurosim-runs/MODEL-TIME/MODEL.h5]")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as stages.0.epochs=3.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs of a model that has one stage.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run file --out where it stopped.")]


def run(
    model: Model = None,
    out: Out = None,
    settings: Settings = None,
    data: args.Data = None,
    data_dir: args.DataDir = None,
    epochs: Epochs = None,
    seed: args.Seed = None,
    backend: args.Backend = "auto",
    resume: Resume = False,
    overwrite: args.Overwrite = False,
    quiet: args.Quiet = False,
    debug: args.Debug = False,
) -> None:
    """Train one model file; the last line printed is the test error."""
    from neurosim.cli.progress import progress_of
    from neurosim.errors import InputError
    from neurosim.experiments import run as engine
    from neurosim.experiments.model_file import ModelFile
    from neurosim.recording.run_file import check_free

    if model is None:
        raise InputError("run: no model given: expected a name or a path; see neurosim models")
    loaded = ModelFile.load(model, _settings(settings, data, epochs))
    out = out or args.default_folder(loaded.name) / f"{loaded.name}.h5"
    check_free(out, overwrite)
    job = engine.prepare(loaded, seed=1 if seed is None else seed, backend=backend, data_dir=data_dir)
    if not quiet:
        typer.echo(_introduction(job, out))
    with progress_of(job, quiet) as observers:
        final = engine.run(job, out, *observers, overwrite=overwrite)
    typer.echo(f"test error {final['test'].error:.2f} %")


def _settings(settings: list[str] | None, data: str | None, epochs: int | None) -> list[str]:
    chosen = list(settings or [])
    chosen += [f"data.name={data}"] if data is not None else []
    return chosen + ([f"stages.0.epochs={epochs}"] if epochs is not None else [])


def _introduction(job, out: Path) -> str:  # type: ignore[no-untyped-def]
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in vars(job.data).items() if name in ("train", "validation", "test"))
    return "\n".join([job.model.table.title, f"data     {job.data.name}: {sizes}",
                      f"backend  {job.network.backend.describe()}", f"file     {out}"])  # fmt: skip
