"""What a run file says of how it was made, for ``neurosim show FILE``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neurosim.analysis.spike_statistics import simulated
from neurosim.cli.simulating import rate_lines
from neurosim.runfile import Continual, Run, extensions
from neurosim.runfile.opening import plain

FEW = 6  # checkpoints that are told one by one


def run_facts(path: Path) -> list[str]:
    """Return what the run file at ``path`` says, a line each."""
    with Run(path) as run:
        said = run.attributes
        reason = f": {said['reason']}" if said.get("reason") else ""
        lines = [f"run         {said.get('model_name') or 'made in Python'}, seed {said.get('seed', '?')}, {run.status}{reason}"]
        lines += _simulation(run) if run.is_simulation else []
        metrics = run.metrics
        if "test" in metrics.index.get_level_values("split"):
            error = metrics.loc["test"]["error"]
            over = f", mean over {len(run.continual.names)} tasks" if run.continual else ""
            lines.append(f"test        {run.error_name} {error.iloc[-1]:.2f} % after {error.index[-1]} epochs{over}")
            lines += _tasks(run.continual) if run.continual else []
        lines.append(f"checkpoints {_checkpoints(run.checkpoint_steps, 'ticks' if run.is_simulation else 'steps')}")
        lines.append(f"created     {said.get('created', 'not told')}, {_versions(said)}")
        lines += [f"commit      {said['git_commit']}"] if said.get("git_commit") else []
        lines.append(f"backend     {said.get('backend', 'not told')} on {said.get('device', 'not told')}")
        lines.append(f"threads     {_threads(said)}")
        for entry in extensions(said):
            lines += _extended(entry)
        for card in run.cards:
            lines += ["", *card.lines()]
        return [" ".join(str(plain(line)).splitlines()) for line in lines]  # what texts of JSON hold is a stranger's


def _tasks(found: Continual) -> list[str]:
    """Return how well each task was done after each, and what was forgotten by then."""
    done = f"{found.done} of {len(found.names)} learned"
    forgotten = f"; forgetting {found.forgetting:.2f} percentage points" if found.done > 1 else ""
    return [f"tasks       {done}{forgotten}; test error of each in %:", *(f"            {line}" for line in found.lines())]


def _simulation(run: Run) -> list[str]:
    """Return what a simulation is, and what it left."""
    said, reached = run.attributes, simulated(run)
    trials = said.get("trials", "?")
    lines = [f"simulation  {said.get('duration', '?')} s by {said.get('simulator')}, {trials} trials, dt {said.get('dt', '?')} s"]
    lines += [] if run.status == "complete" else [f"            {reached:.6g} s of it are in the file; {_going_on(run)}"]
    lines += [f"spikes      {line}" for line in rate_lines(run)]
    return lines + [f"recorded    {name}, {dict(values.sizes)}" for name, values in run.recordings.items()]


def _going_on(run: Run) -> str:
    """Return whether a simulation that is not complete can be gone on with."""
    if run.attributes.get("simulator") != "neurosim":
        return "it cannot be resumed: Brian2 leaves no state to go on from"
    return "neurosim run --resume goes on from the last checkpoint, or from the beginning where there is none"


def _checkpoints(steps: list[int], unit: str) -> str:
    if not steps:
        return "none"
    shown = ", ".join(map(str, steps[-FEW:]))
    return f"after {unit} {'..., ' if len(steps) > FEW else ''}{shown}"


def _versions(said: Mapping[str, Any]) -> str:
    try:
        others = json.loads(str(said.get("versions", "{}")))
    except (ValueError, RecursionError):
        others = {}
    known = {"neurosim": said.get("neurosim_version", "?")} | (others if isinstance(others, dict) else {})
    return ", ".join(f"{name} {version}" for name, version in known.items())


def _threads(said: Mapping[str, Any]) -> str:
    """Return threads and BLAS of matrix products, which decide the last digits."""
    if "threads" not in said:
        return "not told"
    return f"{said['threads']} of {said.get('blas', 'an unknown BLAS')}, on {said.get('processors', '?')} processors"


def _extended(entry: Mapping[str, Any]) -> Iterator[str]:
    epochs = f"from {entry.get('before')} to {entry.get('after')} epochs, {entry.get('done')} done"
    yield f"extended    {epochs}, {entry.get('created')}; threads {_threads(entry)}"
    schedules = entry.get("schedules")
    for line in schedules if isinstance(schedules, list) else ():
        yield f"            {line}"
