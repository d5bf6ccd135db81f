"""What recording costs: a run with and without it, writing against plain h5py, reading by chunk shape.

    python -m benchmarks.recording --out benchmarks/results/recording.json [--part cost|writing|reading] [--rounds 5]

Cost: 784-512-512-10 under back-propagation, batch 128, on 50,000 images of noise, with every hidden rate of 1,000 probe samples
recorded after each epoch, and with updates compared with the exact gradient's after each epoch beside it.  Runs take turns.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from benchmarks.timing import machine
from neurosim.datasets import DataSet, from_arrays
from neurosim.feedback import pathway
from neurosim.modelfile.schema import Record
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.recording.plan import RecordingPlan
from neurosim.recording.recorder import BUFFER, Recorder, create
from neurosim.runfile import Background, RunFile, Series, series
from neurosim.runfile.packing import FILTERS
from neurosim.runfile.run_file import LIBRARY
from neurosim.training import Trainer

EPOCHS = 3
RECORDS = {
    "nothing": {},
    "rates": {"variables": ["hidden*.rate every 1 epoch"], "samples": 1000},
    "rates and alignment": {"variables": ["hidden*.rate every 1 epoch"], "samples": 1000, "alignment": "1 epoch"},
    "rates every 10 steps": {"variables": ["hidden*.rate every 10 steps"], "samples": 1000},
    "weights every 100 steps": {"variables": ["x__hidden1.w every 100 steps"]},
}


def images(count: int = 50_000) -> DataSet:
    """Return noise in the shape of MNIST; what it is takes no part in how long anything takes."""
    draw = np.random.default_rng(0)
    x, y = draw.random((count + 1000, 784), np.float32), draw.integers(0, 10, count + 1000)
    return from_arrays(x[:count], y[:count], x[count:], y[count:], name="noise")


def seconds(data: DataSet, record: dict, folder: Path) -> float:
    """Return the seconds of EPOCHS epochs as a user has them, the step's compilation apart; checkpoints come with all of them."""
    network = Network.layered(data.shape, [512, 512], data.classes, seed=1)
    trainer = Trainer(network, pathway("backprop"), Adam(1e-3), epochs=EPOCHS, batch=128, seed=1)
    trainer.check(data)
    for phase in trainer.pathway.phases:
        trainer._captured(phase).prepared(0, EPOCHS)
    plan = RecordingPlan([trainer], data, Record(**record))
    path = folder / "run.h5"
    began = time.perf_counter()
    with Recorder(plan, create(path, plan, {"seed": 1}, overwrite=True)) as recorder:
        trainer.fit(data, recorder)
    return time.perf_counter() - began


def cost(rounds: int, folder: Path) -> list[dict]:
    """Return each kind of recording with its median seconds, and how much slower the run was than beside it, per cent."""
    data = images()
    times: dict[str, list[float]] = {name: [] for name in RECORDS}
    for _ in range(rounds):
        for name, record in RECORDS.items():
            times[name].append(seconds(data, record, folder))
    plain = times["nothing"]
    rows = []
    for name, own in times.items():
        slower = statistics.median(100 * (a / b - 1) for a, b in zip(own, plain, strict=True))
        rows.append({"recorded": name, "seconds": statistics.median(own), "slower_percent": slower})
    return rows


# ---------------------------------------------------------------------- writing


def rates(kind: str) -> np.ndarray:
    """Return what 512 neurons might do on 1,000 samples."""
    drive = np.random.default_rng(0).normal(size=(1000, 512)).astype(np.float32)
    return np.maximum(drive, 0) if kind == "relu" else np.tanh(drive)


def megabytes_a_second(write: Callable[[np.ndarray, int], None], values: np.ndarray, count: int) -> float:
    began = time.perf_counter()
    write(values, count)
    return count * values.nbytes / 2**20 / (time.perf_counter() - began)


def plain_h5py(path: Path, options: dict) -> Callable[[np.ndarray, int], None]:
    """Return a writer as a script of one's own would have it: a dataset that grows, a row a recording."""

    def write(values: np.ndarray, count: int) -> None:
        with h5py.File(path, "w", libver=LIBRARY) as file:
            shapes = {"shape": (0, *values.shape), "maxshape": (None, *values.shape)}
            chunks = Series("rate", values.shape, values.dtype).chunks
            dataset = file.create_dataset("rate", dtype=values.dtype, chunks=chunks, **shapes, **options)
            for _ in range(count):
                dataset.resize(len(dataset) + 1, axis=0)
                dataset[-1] = values
                file.flush()

    return write


def ours(path: Path) -> Callable[[np.ndarray, int], None]:
    """Return what a recorder does, its thread included."""

    def write(values: np.ndarray, count: int) -> None:
        one = Series("populations/hidden1/rate", values.shape, values.dtype)
        with RunFile.create(path, model="", attributes={}, series=[one], overwrite=True) as file:
            background = Background(BUFFER)
            for _ in range(count):
                row = {"rate": values.copy()}
                background.put(values.nbytes, lambda row=row: lambda: file.append("populations/hidden1", row))
                background.put(0, lambda: file.flush)
            background.wait()
            background.close()

    return write


def writing(rounds: int, folder: Path) -> list[dict]:
    """Return the throughput of each way of writing, MiB a second of values."""
    path, rows = folder / "written.h5", []
    ways = {
        "h5py, as it is": plain_h5py(path, {}),
        "h5py, compressed and with checksums": plain_h5py(path, FILTERS),
        "neurosim": ours(path),
    }
    for kind in ("tanh", "relu"):
        values = rates(kind)
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, write in ways.items():
                found[way].append(megabytes_a_second(write, values, 40))
        size = os.path.getsize(path) / (40 * values.nbytes)
        rows += [{"values": kind, "way": way, "mib_a_second": statistics.median(own)} for way, own in found.items()]
        rows.append({"values": kind, "way": "size of neurosim's file, of the values", "share": size})
    return rows


# ---------------------------------------------------------------------- reading


def reading(rounds: int, folder: Path) -> list[dict]:
    """Return for several sizes of chunks how long the two ways of reading take: 100 recordings of 1,000 samples of 512 neurons."""
    path, rows, values = folder / "read.h5", [], rates("tanh")
    kept = series.CHUNK
    for size in (2**16, 2**18, 2**20, 2**22):
        series.CHUNK = size
        chunks = Series("rate", values.shape, values.dtype).chunks
        with h5py.File(path, "w", libver=LIBRARY) as file:
            dataset = file.create_dataset("rate", (100, *values.shape), values.dtype, chunks=chunks, **FILTERS)
            for k in range(100):
                dataset[k] = values
        neuron, moment = [], []
        for k in range(rounds):
            with h5py.File(path) as file:
                began = time.perf_counter()
                file["rate"][:, :, 37 * k]
                neuron.append(time.perf_counter() - began)
                began = time.perf_counter()
                file["rate"][50 + k]
                moment.append(time.perf_counter() - began)
        found = {"one_neuron_ms": 1000 * statistics.median(neuron), "one_moment_ms": 1000 * statistics.median(moment)}
        rows.append({"chunk_kib": size // 1024, "chunk": list(chunks), **found, "file_mib": os.path.getsize(path) / 2**20})
    series.CHUNK = kept
    return rows


PARTS = {"cost": cost, "writing": writing, "reading": reading}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {name: PARTS[name](arguments.rounds, Path(folder)) for name in arguments.part or PARTS}
    arguments.out.write_text(json.dumps({"about": machine(), **found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
