"""Forward passes and training steps of a spiking network, beside snnTorch's and SpikingJelly's of the same network.

    pip install torch snntorch spikingjelly
    python -m benchmarks.spiking [--out FILE.json] [--inputs current spikes few] [--hidden 1000] [--ticks 100] [--batch 128]

784-hidden-10, leaky integrate-and-fire.  Theirs are trained by back-propagation through time; ours by that too, and online, as
DECOLLE is.  All training steps include Adam.  The input is the same current in each tick (``current``), or in each tick other
spikes, of a fifth of the inputs (``spikes``), or of a fiftieth (``few``), as many as a digit sends at 0.2 spikes in a tick of a
white pixel.  ``neurosim_all_elements`` multiplies the zeros as well.  Times are medians of runs that take turns.
"""

import argparse
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.timing import Others, machine, medians
from neurosim.backends import llvm_events
from neurosim.backends.numpy_backend import NumpyProgram
from neurosim.encoders import Constant, Encoder, Sequence
from neurosim.feedback import pathway
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.neurons.lif import LIF
from neurosim.plasticity import Adam
from neurosim.tasks import one_hot
from neurosim.training import Trainer
from neurosim.training.answering import Answers, answer
from neurosim.training.captured import CapturedStep, EvaluationSource
from neurosim.training.step import list_inputs

SCHEMES = {"backprop_through_time": "bptt_ms", "decolle": "online_ms"}
INPUTS = {"current": 0.0, "spikes": 0.2, "few": 0.02}  # what share of the inputs spikes in a tick
GAIN = 1 / (1 - np.exp(-1 / 20))  # what makes v = exp(-dt / tau) v + drive of the exact solution, as the others have it


def trainer(scheme: str, sizes: tuple[int, int, int], ticks: int, batch: int, encoder: Encoder) -> Trainer:
    """Return a trainer of the network whose output is asked in every tick."""
    shape = (sizes[0],) if isinstance(encoder, Constant) else (1, sizes[0])
    populations = [
        Population("x", shape), Population("hidden", sizes[1], neurons=LIF(tau="20*ms", resistance=GAIN)),
        Population("output", sizes[2], neurons=Leaky(tau=20.0, resistance=20.0, transfer="softmax")),
    ]  # fmt: skip
    network = Network(populations, [Projection("x", "hidden"), Projection("hidden", "output")], seed=1, dt="1*ms")
    made = Trainer(network, pathway(scheme), Adam(5e-4), clock=Clock(ticks, ticks), encoder=encoder, batch=batch)
    made.sample = shape if isinstance(encoder, Constant) else (1, ticks, sizes[0])
    made.trial.check(network, made.sample, "benchmark")
    made.pathway.attach(network, sizes[2], 0)
    return made


def forward(made: Trainer, x: np.ndarray, y: np.ndarray) -> tuple[Callable[[], None], Answers]:
    """Return a captured evaluation of one batch, and where its scores and losses come."""
    network = made.network
    answers = Answers(network.backend, len(x), y.shape[1], len(list_inputs(network)), network.dtype)
    source = EvaluationSource(
        network=network, pathway=made.pathway, batch=len(x), seed=0, trial=made.trial, sample=made.sample, outside=(Trainer,),
        answers=answers,
    )  # fmt: skip
    program = CapturedStep(lambda: source, network.backend, "evaluation").prepared(0, 1)
    assert isinstance(program, NumpyProgram)
    hold(program, x, y)
    return lambda: program.replay(0), answers


def step(made: Trainer, x: np.ndarray, y: np.ndarray) -> Callable[[], None]:
    """Return a training step on one batch."""
    program = made.network.backend.capture(made.recorded(made.pathway.phases[0]))
    assert isinstance(program, NumpyProgram)
    hold(program, x, y)
    count = iter(range(10**9))
    return lambda: program.replay(next(count))


def hold(program: NumpyProgram, x: np.ndarray, y: np.ndarray) -> None:
    """Put a batch in a program's inputs, as the others' is in their memory."""
    for name, values in {"x": x, "target": y}.items():
        if name in program.inputs:
            program.inputs[name][...] = values


def batch_of(inputs: str, ticks: int, batch: int, pixels: int) -> np.ndarray:
    """Return random currents, (batch, pixels), or spikes of some inputs in each tick, (ticks, batch, pixels)."""
    draw = np.random.default_rng(0)
    if inputs == "current":
        return draw.random((batch, pixels), np.float32) * np.float32(0.1)
    return (draw.random((ticks, batch, pixels), np.float32) < INPUTS[inputs]).astype(np.float32)


def none(*_: object) -> dict[str, Callable[[], None]]:
    return {}


@contextmanager
def all_elements() -> Iterator[None]:
    """Let products that are made here multiply zeros, too."""
    usual, llvm_events.DENSE = llvm_events.DENSE, -1.0
    try:
        yield
    finally:
        llvm_events.DENSE = usual


def own_runs(name: str, sizes: tuple[int, int, int], ticks: int, encoder: Encoder, x: np.ndarray, y: np.ndarray) -> dict:
    """Return our own programs, made and run once."""
    runs: dict[str, Callable] = {}
    for scheme, what in SCHEMES.items():
        runs[f"{name} {what}"] = step(trainer(scheme, sizes, ticks, len(x), encoder), x, y)
    runs[f"{name} forward_ms"] = forward(trainer("backprop_through_time", sizes, ticks, len(x), encoder), x, y)[0]
    for run in runs.values():
        run()
    return runs


def measured(inputs: str, sizes: tuple[int, int, int], ticks: int, batch: int, seconds: float) -> list[dict]:
    """Return one row for each program."""
    x, labels = batch_of(inputs, ticks, batch, sizes[0]), np.random.default_rng(1).integers(0, sizes[2], batch)
    own, y = (x if x.ndim == 2 else np.ascontiguousarray(x.swapaxes(0, 1)[:, None])), one_hot(labels, sizes[2]).astype(np.float32)
    encoder = Constant() if inputs == "current" else Sequence(axis=1)
    runs = own_runs("neurosim", sizes, ticks, encoder, own, y)
    with all_elements():
        runs |= own_runs("neurosim_all_elements", sizes, ticks, encoder, own, y)
    made = trainer("backprop_through_time", sizes, ticks, batch, encoder)
    runs["neurosim_array_code forward_ms"] = lambda: answer(made.network, made.pathway, made.trial, own, y, None)
    other = none
    if importlib.util.find_spec("torch") is not None:
        from benchmarks.torch_spiking import theirs as other  # type: ignore[assignment]
    with Others(other, sizes, ticks, x, labels) as others:
        found = medians(runs, seconds, others)
    told = f"{inputs}, {INPUTS[inputs]:.0%} of the inputs" if INPUTS[inputs] else inputs
    rows: dict[str, dict] = {}
    for name, took in found.items():
        program, _, what = name.partition(" ")
        about = {"network": f"{'-'.join(map(str, sizes))}, {ticks} ticks", "batch": batch, "inputs": told, "program": program}
        rows.setdefault(program, about)[what] = took
    return list(rows.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spiking", description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--inputs", choices=INPUTS, nargs="+", default=INPUTS)
    parser.add_argument("--seconds", type=float, default=20.0, help="to spend on each row, at least")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    rows = []
    for inputs in arguments.inputs:
        rows += measured(inputs, (784, arguments.hidden, 10), arguments.ticks, arguments.batch, arguments.seconds)
        print(json.dumps(rows, indent=1), flush=True)
    if arguments.out:
        versions = {}
        for name in ("torch", "snntorch", "spikingjelly"):
            versions[name] = importlib.metadata.version(name) if importlib.util.find_spec(name) else None
        arguments.out.write_text(json.dumps({"about": machine() | versions, "steps": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
