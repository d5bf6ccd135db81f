"""What ``neurosim run`` does with a model file that has a simulation, and ``neurosim show`` says of one."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.cli import arguments as args
from neurosim.cli.terminal import say
from neurosim.errors import require

if TYPE_CHECKING:
    from neurosim.experiments.simulating import SimulationJob
    from neurosim.modelfile.simulation import SimulationModel
    from neurosim.runfile import Run


def simulates(model: str | None, out: Path | None, resume: bool) -> bool:
    """Return whether a command is about a simulation: of the model file, or of the run file that is gone on with."""
    from neurosim.modelfile.simulation import is_simulation
    from neurosim.runfile import Run, is_hdf5

    if resume:
        if out is None or not is_hdf5(out):
            return False
        with Run(out) as known:
            return known.is_simulation
    return model is not None and is_simulation(model)


def simulate(
    model: str | None,
    out: Path | None,
    *,
    settings: list[str],
    seed: int | None,
    record: list[str] | None,
    simulator: str | None,
    backend: str,
    imports: list[str] | None,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    others: dict[str, Any],
) -> None:
    """Run a simulation into one run file; the last lines printed are the populations' rates.

    others : options of a training, by their names, which have to be missing
    """
    from neurosim.catalogue import Imports
    from neurosim.experiments import simulating as engine
    from neurosim.experiments.folders import made_folder
    from neurosim.modelfile.simulation import SimulationModel

    unfit = [f"--{name}" for name, value in others.items() if value is not None]
    require(not unfit, f"{', '.join(unfit)}: options of a training: expected none with a simulation; leave them out")
    named, chosen = Imports(imports or ()), {"simulator": simulator, "seed": seed, "backend": backend}
    with ExitStack() as stack:
        with args.interruptible("nothing was written"):
            if resume:
                require(not record, "--resume with --record: a run continues as it was started; leave it out")
                assert out is not None
                job = engine.reopen_simulation(out, named, settings=settings, **chosen)
            else:
                assert model is not None
                found = SimulationModel.load(model, settings, record=record or (), imports=named)
                job = engine.prepare_simulation(found, seed=seed, simulator=simulator or engine.OWN, backend=backend)
        out = out or stack.enter_context(made_folder(job.model.name)) / f"{job.model.name}.h5"
        with args.interruptible(functools.partial(_advice, job, out, imports)):
            if not quiet:
                say("\n".join([*described(job.model), f"simulator {_where(job)}", f"file      {out}"]))
            with engine.run_simulation(job, out, overwrite=overwrite, resume=resume) as run:
                say("\n".join(rate_lines(run)) or "no population spikes")


def _where(job: SimulationJob) -> str:
    return f"{job.simulator}, backend {job.backend}" if job.simulator == "neurosim" else job.simulator


def _advice(job: SimulationJob, out: Path, imports: list[str] | None) -> str:
    """Return how to go on."""
    if not out.exists():
        return "nothing was written"
    if job.simulator != "neurosim":
        return f"{job.simulator} leaves no state to go on from; run it again"
    return f"continue with: {args.pasted('neurosim', 'run', '--resume', '--out', out, *args.imported(imports))}"


def described(model: SimulationModel) -> list[str]:
    """Return what a model file simulates, a line each."""
    table, own = model.table, model.table.simulation
    network = table.network
    made = own.brian or f"{len(network.populations or []) if network else 0} populations"
    lines = [table.title, f"network   {made}", f"duration  {own.duration}, {own.trials} trial{'s' * (own.trials != 1)}"]
    return [*lines, f"record    spikes{''.join(f', {one}' for one in own.record)}"]


def shown(model: SimulationModel) -> list[str]:
    """Return what ``neurosim show`` says of a model file with a simulation: its paper, what was measured, its parts."""
    from neurosim.modelfile import published
    from neurosim.modelfile.building import written_out
    from neurosim.neurons import Equations

    table, own = model.table, model.table.simulation
    paper, said = table.paper, {"measured": table.measured.model_dump()}
    title, *rest = described(model)
    cited = {"paper": paper.citation, "source": paper.source}
    lines = [title, *(f"{key:<9} {text}" for key, text in cited.items() if text)]
    fired = published.fired(said).items()
    numbers = [f"{name} {rate} Hz, CV of intervals {cv}, synchrony {synchrony}" for name, (rate, cv, synchrony) in fired]
    lines.append(f"measured  {'; '.join([*numbers, published.simulated(said)]) if numbers else 'not yet'}")
    lines += [f"note      {text}" for text in (paper.note, table.measured.note) if text]
    lines += rest
    populations, projections = ([], []) if table.network is None else written_out(table.network)
    if table.network is not None:
        lines.append(f"tick      {table.network.dt}")
    for population in populations:
        made = population.neurons or population.transfer
        equations = made.equations.strip().splitlines() if isinstance(made, Equations) else []
        size = " x ".join(map(str, population.shape or ())) or "?"
        lines.append(f"neurons   {population.name}: {size} {made.name if equations else repr(made)}")
        lines += [f"          {line}" for line in equations]
    for p in projections:
        wiring = repr(p.connectivity) if p.connectivity.options() else p.connectivity.name
        parts = [wiring, f"weights {p.initial}", *([f"delay {p.delay}"] if p.delay else [])]
        parts += [repr(p.short_term)] if p.short_term else []
        rule = p.rule.describe() if p.rule else "fixed"
        lines.append(f"synapses  {p.pre} -> {p.post}.{p.into}: {', '.join(parts)}; {rule}")
    lines += [f"initial   {name} = {value}" for name, value in own.initial.items()]
    lines += [f"input     {one.into}: {one.count} Poisson processes of {one.rate}, weight {one.weight}" for one in own.poisson]
    for name, one in own.modulators.items():
        lines.append(f"modulator {name}: {one if isinstance(one, float) else f'{len(one.values)} steps of {one.dt}'}")
    return [*lines, *(f"input     {one.into}: normal, standard deviation {one.sd}, drawn in each tick" for one in own.noise)]


def rate_lines(run: Run) -> list[str]:
    """Return how often each population's neurons fired, a line each."""
    from neurosim.analysis.spike_statistics import simulated

    seconds, lines = simulated(run), []
    trials = int(run.attributes.get("trials", 1))
    for name, spikes in run.spikes.items():
        rate = len(spikes) / (spikes.attrs["neurons"] * trials * seconds) if seconds else 0.0
        lines.append(f"{name}: {len(spikes):,} spikes, {rate:.2f} Hz")
    return lines
