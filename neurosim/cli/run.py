"""``neurosim run MODEL``: train one model file into one run file."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurosim.cli import arguments as args
from neurosim.cli import completion
from neurosim.cli.helping import Help
from neurosim.cli.simulating import simulate, simulates
from neurosim.cli.terminal import say
from neurosim.errors import require

if TYPE_CHECKING:
    from neurosim.experiments.run import Job
    from neurosim.modelfile.model_file import ModelFile
    from neurosim.runfile import Run

HELP = Help(
    "Train one model, or simulate one; write one run file.",
    (
        "neurosim run dtp-mnist --data digits",
        "neurosim run mine.toml --epochs 5 -o mine.h5",
        "neurosim run spikes.toml --simulator brian2",
        "neurosim run --resume -o mine.h5",
    ),
)

Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL", help="A name that `neurosim models` lists, or the path of a model file.", autocompletion=completion.model
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", parser=args.file, help="The run file.",
        show_default="MODEL.h5, in a new folder in neurosim-runs",
    ),
]  # fmt: skip
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs", metavar="N", parser=args.whole(1),
        help="Epochs, of a model that has one stage (of tasks in sequence: for each); with --resume, how many the run gets in all.",
    ),
]  # fmt: skip
Checkpoint = Annotated[
    str | None,
    typer.Option("--checkpoint", metavar="WHEN", help="Write checkpoints, as 'every 500 steps'.", show_default="every 1 epoch"),
]
Simulator = Annotated[
    str | None,
    typer.Option(
        "--simulator", metavar="NAME", autocompletion=completion.simulator,
        help="What runs a spiking network in time: neurosim, brian2 (its NumPy target), brian2-cython, or brian2-cpp (standalone).",
        show_default="neurosim",
    ),
]  # fmt: skip
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run file --out where it stopped.")]


def run(
    model: Model = None,
    out: Out = None,
    settings: args.Settings = None,
    data: args.Data = None,
    data_dir: args.DataDir = None,
    epochs: Epochs = None,
    seed: args.Seed = None,
    record: args.Record = None,
    alignment: args.Align = None,
    gauss_newton: args.GaussNewton = None,
    step_effect: args.StepEffect = None,
    checkpoint: Checkpoint = None,
    backend: args.Backend = "auto",
    blas: args.Blas = None,
    simulator: Simulator = None,
    imports: args.Import = None,
    resume: Resume = False,
    overwrite: args.Overwrite = False,
    quiet: args.Quiet = False,
    debug: args.Debug = False,
) -> None:
    """Train one model, or simulate a spiking network, and write all of it into one run file.

    The last line printed is the error on the test set; of a simulation, how often each population fired.
    """
    from neurosim.catalogue import Imports
    from neurosim.cli.progress import progress_of
    from neurosim.experiments import run as engine
    from neurosim.experiments.folders import made_folder
    from neurosim.modelfile.model_file import ModelFile

    require(not (resume and overwrite), "--resume and --overwrite: expected only one of the two; leave one out")
    asked = {"alignment": alignment, "gauss_newton": gauss_newton, "step_effect": step_effect}
    if simulates(model, out, resume):
        others = {"data": data, "data-dir": data_dir, "epochs": epochs, "checkpoint": checkpoint}
        others |= {name.replace("_", "-"): when for name, when in asked.items()}
        given: dict[str, Any] = {"seed": seed, "record": record, "simulator": simulator, "backend": backend, "imports": imports}
        how: dict[str, Any] = {"resume": resume, "overwrite": overwrite, "quiet": quiet, "others": others}
        simulate(model, out, settings=args.settings(settings, None), **given, **how)
        return
    training = f"--simulator {simulator}: {model or out}: a training: expected a model with a [simulation]"
    require(simulator is None, f"{training}; leave it out")
    chosen = args.settings(settings, data, None if resume else epochs)
    chosen += [f"record.checkpoint={checkpoint}"] if checkpoint is not None else []
    options: dict[str, Any] = {"seed": seed, "backend": backend, "data_dir": data_dir}
    named = Imports(imports or ())
    with ExitStack() as stack:
        with args.interruptible("nothing was written"):
            if resume:
                told = record or checkpoint is not None or any(when is not None for when in asked.values())
                named_options = "--record, --alignment, --gauss-newton, --step-effect or --checkpoint"
                require(not told, f"--resume with {named_options}: a run continues as it was started; leave them out")
                out = _given(out, "run: no file to resume: expected --out FILE.h5; add it")
                job = engine.reopen(out, model=model, settings=chosen, epochs=epochs, imports=named, **options)
            else:
                name = _given(model, "run: no model given: expected a name that neurosim models lists, or a path; add it")
                found = ModelFile.load(name, chosen, record=record or (), comparisons=asked, imports=named)
                job = _fresh(found, out, overwrite, **options)
                _check_epochs(job, epochs)
        out = out or stack.enter_context(made_folder(job.model.name)) / f"{job.model.name}.h5"
        with args.interruptible(functools.partial(_advice, out, imports)):
            if not quiet:
                say(_introduction(job, out))
            with progress_of(job, quiet) as observers:
                result = engine.resume(job, out, *observers) if resume else engine.run(job, out, *observers, overwrite=overwrite)
    if not quiet:
        for line in _prices(result):
            say(line)
    tasks = result.continual
    if tasks is not None and not quiet:
        say("\n".join(["test error in %, before learning and after each task:", *tasks.lines()]))
    if tasks is not None:
        say(f"forgetting {tasks.forgetting:.2f} percentage points")
    over = f", mean over {len(tasks.names)} tasks" if tasks is not None else ""
    say(f"test {result.error_name} {result.metrics.loc['test', 'error'].iloc[-1]:.2f} %{over}")


def _given(value: Any, otherwise: str) -> Any:
    require(value is not None, otherwise)
    return value


def _fresh(model: ModelFile, out: Path | None, overwrite: bool, **options: Any) -> Job:
    """Return the job, the cheap checks done first."""
    from neurosim.experiments.run import prepare
    from neurosim.runfile.disk import check_free

    if out is not None:
        check_free(out, overwrite)
    return prepare(model, **options)


def _check_epochs(job: Job, epochs: int | None) -> None:
    require(
        epochs is None or len(job.trainers) == 1,
        f"--epochs {epochs}: {job.model.name} has {len(job.trainers)} stages: expected one; use --set stages.0.epochs=...",
    )


def _advice(out: Path, imports: list[str] | None) -> str:
    """Return how to go on."""
    command = args.pasted("neurosim", "run", "--resume", "--out", out, *args.imported(imports))
    return f"continue with: {command}" if out.exists() else "nothing was written"


def _prices(result: Run) -> Iterator[str]:
    """Yield what looking at steps has cost."""
    from neurosim.modelfile.schema import COMPARISONS

    for name in COMPARISONS:
        if f"{name}_seconds" in result.metrics:
            spent, steps = result.metrics.loc["train", [f"{name}_seconds", "seconds"]].sum()
            times = getattr(result, name)["epoch"].groupby("step").size().size
            yield f"{name.replace('_', ' ')}  measured {times} times in {spent:.2g} s; training took {steps:.2g} s"


def _introduction(job: Job, out: Path) -> str:
    """Return what is run, on which data, where, and into which file."""
    data = job.data
    parts = [f"{len(data.train):,} training", f"{len(data.validation):,} validation" if len(data.validation) else ""]
    samples = f"{', '.join(filter(None, [*parts, f'{len(data.test):,} test']))} samples"
    lines = [job.model.table.title, f"data     {data.name}: {samples}", f"backend  {job.network.backend.describe()}"]
    if data.tasks:
        each = job.epochs // len(data.tasks)
        what = f"{len(data.tasks)} in sequence, {each} epoch{'s' * (each > 1)} each"
        lines.append(f"tasks    {what}; validation and test errors are means over all of them")
    lines += [f"epochs   {job.extension}"] if job.extension else []
    return "\n".join([*lines, f"file     {out}"])
