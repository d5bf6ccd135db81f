"""A model file's simulation, run by one of the simulators into one run file."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim import reprs
from neurosim.backends import select
from neurosim.catalogue import NO_IMPORTS, Imports
from neurosim.errors import RunFileError, UnknownNameError, quoted, require
from neurosim.modelfile.building import build_network, initial_values
from neurosim.modelfile.reading import override, parsed
from neurosim.modelfile.simulation import SimulationModel
from neurosim.runfile import Run
from neurosim.runfile.disk import check_free

OWN = "neurosim"
SIMULATORS = (OWN, "brian2", "brian2-cython", "brian2-cpp")


@dataclass(frozen=True)
class SimulationJob:
    """A simulation made ready to run.  simulator : one of SIMULATORS; backend : of neurosim's own"""

    model: SimulationModel
    seed: int
    simulator: str = OWN
    backend: str = "numpy"

    __repr__ = reprs.fields


def prepare_simulation(
    model: SimulationModel, *, seed: int | None = None, simulator: str = OWN, backend: str = "auto"
) -> SimulationJob:
    """Return a model's simulation, ready to run; raise InputError where it cannot be."""
    if simulator not in SIMULATORS:
        raise UnknownNameError("simulator", simulator, SIMULATORS)
    own = simulator == OWN
    require(own or backend in ("auto", "numpy"), f"backend {quoted(backend)}: expected with simulator neurosim only; leave it out")
    chosen = "numpy" if backend == "auto" else backend
    select(chosen)
    return SimulationJob(model, model.table.seed if seed is None else seed, simulator, chosen)


def reopen_simulation(path: str | os.PathLike[str], imports: Imports = NO_IMPORTS, **given: Any) -> SimulationJob:
    """Return the job of a run file that holds a simulation, to go on with it.

    given : model, settings, seed, simulator, backend as the caller has them, None or empty where not; they have to agree

    Raises RunFileError where they do not, or the file cannot be gone on with.
    """
    with Run(path) as known:
        said, text = known.attributes, known.model
    told = f"run file {path}: simulated from Python: it holds no model; go on there, with run(..., file=..., resume=True)"
    require(bool(text), told, RunFileError)
    contents = parsed(text, f"run file {path}")
    own: dict[str, Any] = {"seed": int(said["seed"]), "simulator": str(said["simulator"]), "backend": str(said["backend"])}
    conflicts = [f"--set {setting}" for setting in given.get("settings") or () if override(contents, [setting]) != contents]
    conflicts += [f"--{key} {given[key]}" for key in own if given.get(key) not in (None, "auto", own[key])]
    advice = "expected the same options; leave these out to resume"
    require(not conflicts, f"run file {path}: was not started with {', '.join(conflicts)}: {advice}", RunFileError)
    model = SimulationModel.of(str(said["model_name"]), contents, imports)
    return prepare_simulation(model, **own)


def run_simulation(
    job: SimulationJob, out: str | os.PathLike[str], *, overwrite: bool = False, resume: bool = False
) -> Run:
    """Run a simulation into the run file ``out``, or go on with the one that it holds; return what the file says.

    Raises InputError where the network cannot be simulated, RunFileError where ``out`` exists or cannot be gone on with.
    """
    from neurosim import brian

    table, notes = job.model.table.simulation, {"model_name": job.model.name}
    told: dict[str, Any] = {"batch": table.trials, "seed": job.seed, "record": table.record}
    told |= {"notes": notes, "model": job.model.text}
    if not resume:
        check_free(Path(out), overwrite)
    make, namespace = _network(job)
    if job.simulator == OWN:
        loaded = brian.load(make(), namespace)
        loaded.run(table.seconds(), file=out, backend=job.backend, overwrite=overwrite, resume=resume, **told)
    else:
        said = f"run file {out}: simulated by {quoted(job.simulator)}, which leaves no state to go on from; run it again"
        require(not resume, said, RunFileError)
        brian.simulate_in_brian(
            make, table.seconds(), out, simulator=job.simulator, namespace=namespace, overwrite=overwrite, **told
        )
    return Run(out)


def _network(job: SimulationJob) -> tuple[Callable[[], Any], Mapping[str, Any]]:
    """Return what makes the network for Brian2, the same each time, and the names that its equations may leave open."""
    from neurosim import brian

    given = job.model.table.simulation.user_function()
    if given is None:
        return functools.partial(_exported, job), {}
    label = f"brian {quoted(job.model.table.simulation.brian)}"
    return functools.partial(brian.made_by, given, job.seed, label), dict(vars(inspect.getmodule(given)))


def _exported(job: SimulationJob) -> Any:
    """Return the network of ``[network]`` as a Brian2 network."""
    from neurosim import brian

    own = job.model.table.simulation
    assert job.model.table.network is not None
    network = build_network(job.model.table.network, (), (), seed=job.seed, backend=select("numpy"))
    net = brian.export(network, modulators=own.modulating(), initial=initial_values(network, own.initial))
    brian.drawn_input(net, network, own.poisson, own.noise)
    return net
