"""Our step on the settings of the papers' released code, beside what that code took and what ours must stay below.

    python -m benchmarks.papers [--out FILE.json] [--seconds 3]

The released code was measured once, on another machine of two cores, under PyTorch 2.13 with the batches in memory; so was the
floor beside it (that method's products in PyTorch's library).  Machines differ, so what counts is how far a step is above its own
floor: "allowed" is the limit over that floor, "over floor" is ours over the floor measured here, in the same run.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.steps import floor_step, optimiser_step, our_step
from benchmarks.timing import machine, medians
from neurosim.backends import NumpyBackend
from neurosim.capture.cost import Cost
from neurosim.experiments.estimate import drafted
from neurosim.feedback.frozen import Frozen
from neurosim.modelfile.model_file import ModelFile
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD, hebbian
from neurosim.training import Trainer


@dataclass(frozen=True)
class Setting:
    """released, floor, limit : milliseconds; model, changes : the model file that stands for it, and what differs."""

    title: str
    released: float
    floor: float
    limit: float
    model: str
    changes: tuple[str, ...] = ()


ONE_PASS = 'stages.0.options={alternate=false, step=0.00328, noise=0.0837}'
SETTINGS = (
    Setting("local errors, predsim, 3 x 1024, batch 128", 38.0, 18.1, 26, "local-errors-mnist"),
    Setting("its global-loss backprop", 18.8, 7.7, 12, "backprop-local-errors-mnist"),
    Setting("HSIC unformatted, 7 blocks of 1024, batch 256", 316, 36.9, 60, "hsic-mnist-unformatted"),
    Setting("alternating minimisation, 2 x 100, batch 200", 7.8, 0.76, 2, "altmin-mnist"),
    Setting("the same, 2 x 500", 22.1, 7.4, 11, "altmin-500-mnist"),
    Setting(
        "difference target propagation, 784-256x5-10, batch 128", 9.4, 2.4, 4, "dtp-mnist",
        ("network.hidden=[256, 256, 256, 256, 256]", "stages.0.batch=128", ONE_PASS),
    ),
    Setting("cDNI, 784-256-256-10, batch 256", 4.8, 1.8, 2.7, "dni-mnist"),
)  # fmt: skip
HEBBIAN = Setting("Hebbian synapse, 784 x 1024, batch 128", 1.45, 0.66, 0.9, "")


def trainer(setting: Setting) -> Trainer:
    """Return the trainer of a setting, drawn weights and all."""
    if not setting.model:
        return hebbian_synapse()
    _, (made,) = drafted(ModelFile.load(setting.model, setting.changes).table, NumpyBackend())
    return made


def hebbian_synapse() -> Trainer:
    """Return one plastic projection with Hebb's rule, whose change is added as it is; nothing teaches it."""
    populations = [Population("x", 784), Population("hidden1", 1024, transfer="tanh"), Population("output", 10, transfer="softmax")]
    projections = [Projection("x", "hidden1", rule=hebbian(eta=1e-3)), Projection("hidden1", "output", rule=None)]
    network, pathway = Network(populations, projections), Frozen()
    pathway.attach(network, 10, 0)
    return Trainer(network, pathway, SGD(1.0), batch=128)


def measured(setting: Setting, seconds: float) -> dict:
    """Return one row."""
    made = trainer(setting)
    (phase,) = made.pathway.phases
    asked = Cost.of(made.recorded(phase))
    found = medians({"ours_ms": our_step(made, phase), "floor_ms": floor_step(asked, made.network.backend)}, seconds)
    found |= medians({"optimiser_ms": optimiser_step(trainer(setting), phase)}, seconds / 10)
    row = {"setting": setting.title, "released_ms": setting.released, "released_floor_ms": setting.floor, "limit_ms": setting.limit}
    row |= found | {"allowed": setting.limit / setting.floor, "over_floor": found["ours_ms"] / found["floor_ms"]}
    return row | {"released_over_floor": setting.released / setting.floor, "asks": asked.describe()}


COLUMNS = {
    "setting": "setting", "ours_ms": "ours ms", "floor_ms": "floor ms", "optimiser_ms": "optimiser ms", "over_floor": "over floor",
    "allowed": "allowed", "released_over_floor": "released code's",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.papers", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="to spend on each row, at least")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    rows = [measured(setting, arguments.seconds) for setting in (*SETTINGS, HEBBIAN)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for key, title in COLUMNS.items():
        table.add_column(title, justify="left" if key == "setting" else "right")
    for row in rows:
        table.add_row(*(f"{row[key]:.2f}" if isinstance(row[key], float) else str(row[key]) for key in COLUMNS))
    Console(width=160).print(table)
    if arguments.out:
        arguments.out.write_text(json.dumps({"about": machine(), "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
