"""The sign of what a scheme answers, measured by training: with the sign turned, it must not learn better."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurosim.checking.bench import Bench
from neurosim.checking.result import Outcome
from neurosim.checking.subject import Subject
from neurosim.datasets import DataSet, from_arrays
from neurosim.errors import DivergedError
from neurosim.feedback import FeedbackPathway
from neurosim.network import Network, Teaching
from neurosim.plasticity import Adam
from neurosim.training import Trainer


def scale(signal: Teaching, factor: float) -> Teaching:
    """Return a teaching signal with its errors times ``factor``."""
    error, inner = signal.error, signal.error_on_activation
    return dataclasses.replace(signal, error=error * factor, error_on_activation=None if inner is None else inner * factor)


def scale_teach(teach: Callable[..., Any], output: str, at_output: bool, factor: float) -> Callable[..., Any]:
    """Return ``teach`` with the errors of the output (``at_output``), or of all other populations, times ``factor``."""

    def changed(sweep: Any, target: Any, draws: Any) -> Any:
        teaching = copy.copy(teach(sweep, target, draws))  # a scheme may hand itself more than a plain dictionary
        for name, signal in teaching.items():
            if signal.error is not None and (name == output) == at_output:
                teaching[name] = scale(signal, factor)
        return teaching

    return changed


def scale_adapt(adapt: Callable[..., Any], factor: float) -> Callable[..., Any]:
    """Return ``adapt`` with its proposals times ``factor``."""

    def changed(sweep: Any, target: Any, teaching: Any, draws: Any) -> Any:
        return {name: change * factor for name, change in adapt(sweep, target, teaching, draws).items()}

    return changed


# ---------------------------------------------------------------------- by training

SAMPLES, INPUTS, CLASSES, EPOCHS, BATCH = 256, 10, 4, 20, 32
CLEARLY = 0.75  # of the loss: feedback at random learns as well with its sign turned, give or take a fifth


def make_samples() -> DataSet:
    """Return samples whose class is two exclusive ors of signs: without hidden populations that learn, two in three are missed."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(SAMPLES, INPUTS))
    y = 2 * (x[:, 0] * x[:, 1] > 0) + (x[:, 2] * x[:, 3] > 0)
    return from_arrays(x, y, x[:8], np.arange(8) % CLASSES)


TURNED: Mapping[str, Callable[[FeedbackPathway, str], None]] = {
    "": lambda pathway, output: None,
    "hidden": lambda pathway, output: setattr(pathway, "teach", scale_teach(pathway.teach, output, False, -1.0)),
    "output": lambda pathway, output: setattr(pathway, "teach", scale_teach(pathway.teach, output, True, -1.0)),
    "adapt": lambda pathway, output: setattr(pathway, "adapt", scale_adapt(pathway.adapt, -1.0)),
}
WORDS = {"hidden": "errors of hidden populations point", "output": "the output's error points", "adapt": "what adapt proposes goes"}


def measure_loss(subject: Subject, turned: str) -> float:
    """Return the loss after some epochs with one of ``TURNED``; infinite where training diverged."""
    network = Network.layered((INPUTS,), (24, 16), CLASSES, transfer="tanh", seed=0)
    pathway, samples = subject.make(), make_samples()
    made = Trainer(network, pathway, Adam(0.01), epochs=EPOCHS, batch=BATCH, seed=0)  # any size of error: Adam scales it
    made.check(samples)
    TURNED[turned](pathway, network.output)
    try:
        for _ in range(EPOCHS):
            made.run_epoch(samples)
        pathway.calibrate(iter([(network.sweep(samples.train.x), made.targets(samples.train))]))
        return made.evaluate(samples.train).loss
    except DivergedError:
        return float("inf")


def signs_point_up(subject: Subject) -> Outcome:
    """Errors point where activity should go: turned at hidden populations, at the output, or in ``adapt``, they serve no better."""
    expected = "no better with a sign turned"
    bench = Bench(subject.make)
    teaching = bench.pathway.teach(bench.sweep, bench.target, bench.draws)
    taught = [name for name, signal in teaching.items() if signal.error is not None]
    kinds = {"output" if name == bench.network.output else "hidden" for name in taught}
    if bench.pathway.adapt(bench.sweep, bench.target, teaching, bench.draws):
        kinds.add("adapt")
    loss = measure_loss(subject, "")
    others = {kind: measure_loss(subject, kind) for kind in WORDS if kind in kinds}
    if not others:
        return Outcome(expected, "no signal")
    measured = f"loss {loss:.2f}; turned: " + ", ".join(f"{kind} {value:.2f}" for kind, value in others.items())
    best = min(others, key=others.__getitem__)
    if others[best] < CLEARLY * loss:
        why = f"{WORDS[best]} the wrong way: with the sign turned the loss is {others[best]:.2f}, not {loss:.2f}; turn it"
        return Outcome(expected, measured, why)
    return Outcome(expected, measured)
