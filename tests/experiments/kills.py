"""Run every scheme, kill it at random moments, resume it, kill that too, and compare with the run that was never interrupted.

Every second run is finished after half of its epochs, and then given the others: the kills are of what goes on.

    python tests/experiments/kills.py KILLS SEED FOLDER [CASES]

Goes on until KILLS runs were hit on their way, and every scheme in two variants, or so many CASES of these.  Prints one JSON line:
those, how many more were hit before they had a file, or when they were complete, and what was wrong.  Each run is a process of its
own, forked from this one, which has loaded everything and runs no thread; without that, most of the time would go into starting
Python.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import h5py
import numpy as np

from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.feedback import pathways
from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import Run, problems

TEACHING = {name: scheme for name, scheme in pathways().items() if scheme.needs_error}  # their errors are recorded
CASES = [(name, dict(options)) for name, scheme in TEACHING.items() for options in scheme.variants[:2]]


EPOCHS = 12


def model(scheme, options, epochs=EPOCHS):
    stage = {"scheme": scheme, "options": options, "optimiser": {"name": "adam", "learning_rate": 0.003}, "batch": 50}
    return ModelFile.of(
        "small",
        {
            "title": "small",
            "data": {"name": "digits", "limit": 200, "validation": 0.1},
            "network": {"hidden": [12, 12], "input": {"noise": 0.1}, "layer": {"dropout": 0.1}},
            "stages": [stage | {"epochs": epochs}],
            "record": {
                "variables": ["hidden1.rate every 1 step", "*.w", "output.error"],
                "samples": 20,
                "alignment": "1 epoch",
                "checkpoint": "7 steps",
            },
        },
    )


def going_on(path, scheme, options):
    """Run from the start, or from where the file is; one that is finished is given more epochs."""
    if not path.exists():
        run(prepare(model(scheme, options)), path)
        return
    with Run(path) as said:
        whole = said.status == "complete" and said.done == EPOCHS
    resume(reopen(path, epochs=None if whole else EPOCHS), path)


def forked(work):
    """Do ``work`` in another process; return its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    return child


def ended(child):
    return os.waitpid(child, 0)[1]


def content(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    found = {name: value for name, value in found.items() if not name.startswith("checkpoints/")}
    with Run(path) as run:  # wherever they lie
        for step in run.checkpoint_steps:
            found |= {f"step {step}: {name}": value for name, value in run.checkpoint(step=step).items()}
    return {name: (np.shape(value), np.asarray(value).tobytes()) for name, value in found.items() if not name.endswith("seconds")}


def different(one, other):
    a, b = content(one), content(other)
    return [name for name in a.keys() | b.keys() if a.get(name) != b.get(name)]


def main(kills, seed, folder, most=None):
    took, draw, counts = {}, random.Random(seed), {"kills": 0, "without a file": 0, "complete": 0, "wrong": []}
    cases = draw.sample(CASES, most or len(CASES))
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        if number >= len(cases) and counts["kills"] >= kills:
            break
        scheme, options = cases[number % len(cases)]
        whole, parts = folder / f"whole-{number % len(cases)}.h5", folder / f"parts-{number}.h5"
        if not whole.exists():
            run(prepare(model(scheme, options)), whole).close()
            began = time.perf_counter()
            assert ended(forked(lambda: run(prepare(model(scheme, options)), parts))) == 0  # noqa: B023 it ends within the turn
            took[whole] = time.perf_counter() - began
            parts.unlink()
        finished = number % 2
        if finished:
            assert ended(forked(lambda: run(prepare(model(scheme, options, EPOCHS // 2)), parts))) == 0  # noqa: B023
        while True:
            child = forked(lambda: going_on(parts, scheme, options))  # noqa: B023
            time.sleep(draw.uniform(0, 0.9 * took[whole]))
            os.kill(child, signal.SIGKILL)
            ended(child)
            counts["without a file"] += not parts.exists()
            if not parts.exists():
                continue
            found = problems(parts)
            with Run(parts) as said:
                counts["complete" if said.status == "complete" else "kills"] += 1
                counts["wrong"] += [f"{scheme}: {said.done} epochs"] if finished and said.done < EPOCHS // 2 else []
                counts["wrong"] += (
                    [] if said.status in ("running", "complete") and not found else [f"{scheme}: {said.status} {found}"]
                )
            if draw.random() < 0.7:
                break
        assert ended(forked(lambda: going_on(parts, scheme, options))) == 0, scheme  # noqa: B023
        counts["wrong"] += [f"{scheme} {options}: {name}" for name in different(whole, parts)]
        counts["wrong"] += [f"{scheme}: {problem}" for problem in problems(parts)]
        left = {path.name for path in folder.glob(f"{parts.name}*")} - {
            f"{parts.name}.lock"
        }  # one killed when complete leaves that
        counts["wrong"] += [] if left == {parts.name} else [f"{scheme}: left behind {left}"]
        parts.unlink()
    print(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
