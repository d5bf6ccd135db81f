"""The contract of a scheme: what it answers, that it changes nothing while it does, and that a run of it can be had again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from neurosim.capture import Randomness, Reach
from neurosim.checking import bench as benches
from neurosim.checking.bench import ArrayTrainer, Bench, list_differing, make_data, make_trainer
from neurosim.checking.result import Outcome
from neurosim.checking.subject import Subject
from neurosim.errors import InputError, quoted
from neurosim.network import Teaching
from neurosim.plasticity import Adam
from neurosim.tasks import tasks
from neurosim.training import Trainer

TEXTS = ("name", "title", "citation")
FIELDS = ("error", "error_on_activation", "rate")  # of a teaching signal, (batch, *shape) each or None


def names_itself(subject: Subject) -> Outcome:
    """A scheme has a name, a title and a citation, which tables and model files show."""
    pathway = subject.make()
    empty = [name for name in TEXTS if not isinstance(getattr(pathway, name, None), str) or not getattr(pathway, name).strip()]
    if empty:
        return Outcome("a name, a title and a citation", f"no {', '.join(empty)}", f"{empty[0]} is no text: set it on the class")
    return Outcome("a name, a title and a citation", "there")


class Watch:
    """All that a call could change: the arrays and the plain values around a pathway and its network, and random generators."""

    def __init__(self, bench: Bench) -> None:
        self.reach = Reach([bench.network, bench.pathway])
        self.arrays = {**_list_values(bench), **_list_activity(bench), "target": bench.target}
        known = {id(value) for value in self.arrays.values()}
        self.arrays |= {name: value for name, value in collect_arrays(self.reach).items() if id(value) not in known}
        self.copies = {name: np.array(value) for name, value in self.arrays.items()}
        self.randomness = Randomness(self.reach.values())

    def change(self) -> str:
        """Return in words what changed since, or an empty text."""
        changed = list_differing(self.copies, self.arrays)
        if changed:
            return f"changes {sorted(changed)[0]}"
        drawn = self.randomness.drawn_from()
        if drawn is not None:
            return f"draws random numbers from {drawn}"
        name = self.reach.difference()
        return f"changes {name}" if name is not None else ""


def collect_arrays(reach: Reach) -> dict[str, Any]:
    """Return every array that is an attribute or an item of what was looked into, by its place in words."""
    return {
        f"{name!r} of {owner}" if isinstance(noted, dict) else f"item {name} of {owner}": value
        for owner, noted in zip(reach.owners, reach.noted, strict=True)
        for name, value in (noted.items() if isinstance(noted, dict) else enumerate(noted))
        if isinstance(value, np.ndarray)
    }


def _list_values(bench: Bench) -> dict[str, Any]:
    groups = (bench.network.parameters(), bench.network.memory(), bench.pathway.parameters(), bench.pathway.memory())
    return {name: value for group in groups for name, value in group.items()}


def _list_activity(bench: Bench) -> dict[str, Any]:
    return {
        f"{field} of {name} in the sweep": value
        for name, activity in bench.sweep.activity.items()
        for field, value in vars(activity).items()
        if isinstance(value, np.ndarray)
    }


def _watch(subject: Subject, call: Callable[[Bench], Any], name: str) -> Outcome:
    """Return whether a second call changes nothing; the first may fill what is made when it is first needed."""
    bench = Bench(subject.make)
    arrays = Watch(bench)
    call(bench)
    first = list_differing(arrays.copies, arrays.arrays)
    watch = Watch(bench)
    call(bench)
    change = f"changes {sorted(first)[0]}" if first else watch.change()
    expected = f"no change by {name}"
    if change:
        return Outcome(expected, change, f"{name} {change}: return what is to change, and draw from the step's draws")
    return Outcome(expected, "nothing changed")


def teach_is_pure(subject: Subject) -> Outcome:
    return _watch(subject, lambda bench: bench.pathway.teach(bench.sweep, bench.target, bench.draws), "teach")


def adapt_is_pure(subject: Subject) -> Outcome:
    return _watch(subject, Bench.adapt, "adapt")


def reading_is_pure(subject: Subject) -> Outcome:
    def read(bench: Bench) -> None:
        bench.pathway.signals(bench.sweep, bench.target, bench.draws)
        bench.pathway.scores(bench.sweep)
        bench.pathway.loss(bench.sweep, bench.target)

    return _watch(subject, read, "signals, scores and loss")


def forward_never_learns(subject: Subject) -> Outcome:
    """Attaching, remembering and calibrating leave the network's own weights as they are."""
    expected = "no change of forward weights"
    network, bench = benches.make_chain(), Bench(subject.make)
    calls: dict[str, Callable[[], Any]] = {
        "attach": lambda: None,  # is done
        "remember": lambda: bench.pathway.remember(bench.sweep),
        "calibrate": lambda: bench.pathway.calibrate(iter([(bench.sweep, bench.target)])),
    }
    for name, call in calls.items():
        call()
        changed = list_differing(network.parameters(), bench.network.parameters())
        if changed:
            change = f"{name} changes {sorted(changed)[0]}"
            return Outcome(expected, change, f"{change}: forward weights change in the commit only")
    return Outcome(expected, "nothing changed")


def teach_repeats(subject: Subject) -> Outcome:
    """The same sweep, target and draws are answered by the same bits."""
    bench = Bench(subject.make)
    first, second = bench.list_errors(), bench.list_errors()
    changed = list_differing(first, second)
    if changed:
        name = sorted(changed)[0]
        why = f"teach answers the same sweep differently each time (first at {name}): draw from the step's draws"
        return Outcome("the same answer twice", "another one", why)
    return Outcome("the same answer twice", "the same")


def proposals_fit(subject: Subject) -> Outcome:
    """Teaching signals and proposals have the shapes and the type of what they are for, and are finite numbers."""
    expected = "the right shapes and types"
    bench = Bench(subject.make, dtype="float32")
    teaching = bench.pathway.teach(bench.sweep, bench.target, bench.draws)
    why = explain_teaching(bench, teaching)
    if not why:
        deltas, states = bench.network.propose(bench.sweep, teaching)
        changes = bench.adapt()
        why = (
            _explain_changes("propose", deltas, bench.network.parameters())
            or _explain_changes("propose", states, bench.network.memory())
            or _explain_changes("adapt", changes, bench.pathway.parameters())
            or ("" if deltas else "no projection is proposed a change: a scheme that proposes nothing cannot learn")
        )
    return Outcome(expected, "they do not fit" if why else "they fit", why)


def explain_teaching(bench: Bench, teaching: Any) -> str:
    """Return why what ``teach`` answers is no teaching of the bench's network, or an empty text."""
    if not isinstance(teaching, dict):
        return f"teach returns {quoted(teaching)}: expected a dictionary, population -> Teaching"
    for name, signal in teaching.items():
        if name not in bench.network.populations:
            return f"teach answers for {quoted(name)}: expected populations of the network, {', '.join(bench.network.order)}"
        if not isinstance(signal, Teaching):
            return f"teach answers {quoted(signal)} for {name}: expected a Teaching"
        like = bench.sweep.rate[name]
        for field in FIELDS:
            for one in (signal, *signal.phases):
                value = getattr(one, field, None)
                why = "" if value is None else _explain_array(f"teach: {field} of {name}", value, like)
                if why:
                    return why
    return ""


def _explain_changes(call: str, changes: Any, known: Mapping[str, Any]) -> str:
    if not isinstance(changes, dict):
        return f"{call} returns {quoted(changes)}: expected a dictionary, parameter -> change"
    for name, value in changes.items():
        if name not in known:
            return f"{call}: {quoted(name)} is no parameter: expected one of {', '.join(known) or '(none)'}"
        why = _explain_array(f"{call}: {name}", value, known[name])
        if why:
            return why
    return ""


def _explain_array(what: str, value: Any, like: Any) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape != like.shape:
        return f"{what} has shape {shape}: expected {like.shape}"
    if dtype != like.dtype:
        return f"{what} is {dtype} in a network of {like.dtype}: make constants of the array's type, value.dtype.type(0.1)"
    return "" if np.isfinite(value).all() else f"{what} is not finite: expected finite numbers"


def reading_fits(subject: Subject) -> Outcome:
    """There is one score for each class of each sample, and one loss."""
    bench = Bench(subject.make, dtype="float32")
    bench.pathway.calibrate(iter([(bench.sweep, bench.target)]))
    scores, loss = bench.pathway.scores(bench.sweep), bench.pathway.loss(bench.sweep, bench.target)
    expected = "scores (batch, classes), a loss"
    if np.shape(scores) != bench.target.shape:
        why = f"scores have shape {np.shape(scores)}: expected {bench.target.shape}"
        return Outcome(expected, "scores of another shape", why)
    if np.shape(loss) != () or not np.isfinite(loss):
        return Outcome(expected, "another loss", f"loss is {quoted(loss)}: expected one finite number for the batch")
    return Outcome(expected, "they fit")


BUILD = "draw in build with generator(seed, name), and keep nothing outside the object"


def runs_repeat(subject: Subject) -> Outcome:
    """Two runs of one seed are bit-identical."""
    runs = [make_trainer(subject.make, Adam(2e-3), dtype="float32", kind=ArrayTrainer) for _ in range(2)]
    for run in runs:
        run.run_epoch(make_data())
    return _compare_states("two runs of one seed are the same", runs[0], runs[1], BUILD)


def resume_repeats(subject: Subject) -> Outcome:
    """A run that is stopped, within an epoch, and resumed from its state is bit-identical to one that was not stopped."""
    whole, resumed = (make_trainer(subject.make, Adam(2e-3), dtype="float32", epochs=3) for _ in range(2))
    benches.run_into_second_epoch(whole)
    resumed.restore(whole.state())
    for run in (whole, resumed):
        run.fit(make_data(), progress=False)
    return _compare_states("a resumed run is the same", whole, resumed, "return by memory() every array that outlives a step")


def _compare_states(expected: str, one: Trainer, other: Trainer, advice: str) -> Outcome:
    changed = list_differing(one.state(), other.state())
    if not changed:
        return Outcome(expected, "bit-identical")
    name = sorted(changed)[0]
    return Outcome(expected, "another one", f"{len(changed)} arrays differ, the first {name}: {advice}")


def does_tasks(subject: Subject) -> Outcome:
    """Every task is done, with finite numbers, or refused in one line."""
    expected = "each done, or refused"
    done, refused = [], []
    for name, task in tasks().items():
        try:
            made = benches.make_task_trainer(subject.make, task, Adam(2e-3))
        except InputError as reason:
            if "\n" in str(reason) or not str(reason):
                return Outcome(expected, "no line", f"task {name} is refused by {quoted(str(reason))}: expected one line of text")
            refused.append(name)
            continue
        samples = benches.make_data_for(task)
        made.run_epoch(samples)
        made.pathway.calibrate((made.network.sweep(x), made.targets(samples.train)) for x in [samples.train.x])
        ends = made.evaluate(samples.train)
        if not np.isfinite([ends.loss, ends.error]).all():
            ends_at = f"loss {ends.loss}, error {ends.error}"
            return Outcome(expected, f"{name}: {ends_at}", f"task {name}: {ends_at}: expected finite numbers")
        done.append(name)
    measured = ", ".join(done) + (f"; refused: {', '.join(refused)}" if refused else "")
    return Outcome(expected, measured, "" if done else "no task can be done with it: expected one at least")


CONTRACT = {
    holds.__name__: holds
    for holds in (
        names_itself, proposals_fit, reading_fits, teach_is_pure, adapt_is_pure, reading_is_pure, forward_never_learns,
        teach_repeats, runs_repeat, resume_repeats, does_tasks,
    )
}  # fmt: skip
