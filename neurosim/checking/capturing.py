"""A scheme's step, captured: it does what array code does, whatever changes in between, and once warm it asks for no memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np

from neurosim.backends import Program
from neurosim.checking.bench import ArrayTrainer, list_differing, make_data, make_trainer
from neurosim.checking.result import Outcome
from neurosim.checking.subject import Subject
from neurosim.errors import NotCapturableError
from neurosim.plasticity import SGD, Adam, chain
from neurosim.training import Observer, Trainer

RTOL, ATOL = 1e-7, 1e-11  # captured code takes sums in another order
BATCH, WIDE = 64, (90, 80, 70)  # of the step whose memory is measured: arrays must be large beside the interpreter's few kB


def explain_refusal(made: Trainer) -> str:
    """Return why the trainer's steps have no program, or an empty text where all have one."""
    for phase in made.pathway.phases:
        try:
            made.recorded(phase)
        except NotCapturableError as reason:
            return str(reason)
    return ""


def step_is_captured(subject: Subject) -> Outcome:
    """What cannot be captured runs all the same, as array code: no failure, but slower, and worth knowing."""
    reason = explain_refusal(make_trainer(subject.make, Adam(1e-3), dtype="float32"))
    return Outcome("captured, or array code", f"array code: {reason}" if reason else "captured")


def array_code_agrees(subject: Subject) -> Outcome:
    return _compare_codes(subject, normalised=False)


def array_code_agrees_normalised(subject: Subject) -> Outcome:
    return _compare_codes(subject, normalised=True)


def _compare_codes(subject: Subject, *, normalised: bool) -> Outcome:
    captured, plain = (
        make_trainer(subject.make, SGD(0.01), normalised=normalised, kind=kind) for kind in (Trainer, ArrayTrainer)
    )
    before = plain.state()
    captured.run_epoch(make_data())
    plain.run_epoch(make_data())
    moved = any(name.endswith(".w") and name in before and not np.array_equal(before[name], w) for name, w in plain.state().items())
    if not moved:
        return Outcome("array code's numbers", "no weight moves", "after an epoch every weight is what it was: nothing learns")
    return _compare(captured.state(), plain.state())


def _compare(captured: dict[str, Any], plain: dict[str, Any]) -> Outcome:
    expected = "array code's numbers"
    largest = 0.0
    for name, value in plain.items():
        if name not in captured or captured[name].shape != value.shape:
            return Outcome(expected, f"{name} is missing or of another shape", f"{name} is not what array code makes of it")
        if not np.allclose(captured[name], value, rtol=RTOL, atol=ATOL):
            off = float(np.max(np.abs(captured[name] - value)))
            why = f"captured, {name} is off by {off:.2g}: the step reads what changes unseen, such as a global"
            return Outcome(expected, "others", why)
        largest = max(largest, float(np.max(np.abs(captured[name] - value), initial=0)))
    return Outcome(expected, f"the same to {largest:.0e}")


class Meddler(Observer):
    """Changes, between steps, what a user might; before the last of every four steps it stops the learning.

    stopped : the network's parameters as they were then
    """

    __module__ = "outside"  # the trainer looks for changes at every step only where somebody else's code runs in between
    stopped: dict[str, Any]

    def on_step(self, made: Trainer) -> None:
        network = made.network
        if made.steps % 4 == 1:
            network.populations["hidden1"].dropout, network.populations["hidden2"].noise = 0.5, 0.0
        elif made.steps % 4 == 2:
            network.projections["hidden1__hidden2"].rule = None
            made.commit.chain.links[0].learning_rate = 0.003  # type: ignore[attr-defined]
            made.feedback_commit.chain = chain(SGD(0.02))
        elif made.steps % 4 == 3:
            made.commit.chain.links[0].learning_rate = 0.0  # type: ignore[attr-defined]
            self.stopped = {name: value.copy() for name, value in network.parameters().items()}


def changes_take_effect(subject: Subject) -> Outcome:
    """What changes between steps is in the next one, and a learning rate of zero stops the learning."""
    captured, meddler = make_trainer(subject.make, SGD(0.01)), Meddler()
    captured.run_epoch(make_data(), meddler)
    changed = list_differing(meddler.stopped, captured.network.parameters())
    if changed:
        why = f"with a learning rate of 0 {sorted(changed)[0]} still changes: only the optimiser may change forward weights"
        return Outcome("array code's numbers", "others", why)
    plain = make_trainer(subject.make, SGD(0.01), kind=ArrayTrainer)
    plain.run_epoch(make_data(), Meddler())
    return _compare(*(made.network.parameters() | made.pathway.parameters() for made in (captured, plain)))


def recording_changes_nothing(subject: Subject) -> Outcome:
    """To write a step down leaves everything as it was."""
    made = make_trainer(subject.make, Adam(1e-3), dtype="float32", normalised=True)
    before = made.state()
    explain_refusal(made)
    after = made.state()  # to which optimisers may add memory
    changed = list_differing(before, {name: after[name] for name in before.keys() & after.keys()})
    if changed:
        change = f"changes {sorted(changed)[0]}"
        return Outcome("everything as it was", change, f"capturing the step {change}: keep it in an array of memory()")
    return Outcome("everything as it was", "as it was")


def warm_step_needs_no_memory(subject: Subject) -> Outcome:
    """A step that has run once finds every array in its place."""
    made = make_trainer(subject.make, Adam(1e-3), dtype="float32", batch=BATCH, hidden=WIDE)
    try:
        graphs = [made.recorded(phase) for phase in made.pathway.phases]
    except NotCapturableError:
        return Outcome("no new arrays", "array code makes its arrays anew")
    smallest, asked = BATCH * min(WIDE) * 4, 0  # bytes of one batch of the smallest hidden population
    train = make_data(samples=BATCH).train
    for graph in graphs:
        program = made.network.backend.capture(graph)
        program.hold({"x": train.x, "target": made.targets(train)})
        program.order(np.arange(BATCH))
        program.run(0)
        asked = max(asked, min(_measure_peak(program, step) for step in range(1, 6)))  # other threads ask too, now and then
    why = "" if asked < smallest else f"a warm step asks for {asked:,} bytes: expected fewer than {smallest:,}, one array"
    return Outcome("no new arrays", f"{asked:,} bytes", why)


def _measure_peak(program: Program, step: int) -> int:
    """Return by how many bytes Python's and NumPy's memory grew, at most, while one step ran."""
    program.order(np.arange(BATCH))
    tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    program.run(step)
    _, peak = tracemalloc.get_traced_memory()
    if not tracing:
        tracemalloc.stop()
    return peak - before


CAPTURE = {
    holds.__name__: holds
    for holds in (
        step_is_captured, array_code_agrees, array_code_agrees_normalised, changes_take_effect, recording_changes_nothing,
        warm_step_needs_no_memory,
    )
}  # fmt: skip
