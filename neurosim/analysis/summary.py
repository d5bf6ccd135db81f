"""The comparison table of a report: one line for each group of runs, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.analysis.courses import epochs_to, hidden_projections, last_angle, metric, step_ms
from neurosim.analysis.grouping import Group, baselines, seed
from neurosim.runfile import Run

CLAIMS = {  # what a hidden population's update needs, in the words of docs/concepts.md
    "weight_transport": "Weight transport",
    "update_locking": "Update locking",
    "backward_locking": "Backward locking",
    "pairwise": "Other samples",
    "labels_at_hidden": "Labels",
    "raw_input_at_hidden": "Raw input",
    "feedback_learns_from": "Feedback learns from",
}
REACHED = 95  # per cent of test accuracy
FORGETTING = "Forgetting (percentage points)"
MORE_ERROR = "Percentage points more error than backprop"
RELATIVE_STEP = "Step, times backprop's"
SEEDS = 5  # that are told one by one
IN_TABLE = ("weight_transport", "update_locking", "backward_locking", "feedback_learns_from")


@dataclass(frozen=True)
class Cell:
    """What a table shows, and the number it is sorted by; words are sorted as words."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds."""

    mean: float
    std: float | None

    @staticmethod
    def of(values: Sequence[float | None]) -> Spread | None:
        """Return the spread of one value for each seed; None where one is missing."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        if not known or len(known) < len(values):
            return None
        with np.errstate(over="ignore"):  # numbers near the largest that there are
            return Spread(float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None)

    def cell(self, form: str) -> Cell:
        """Return the spread as text, both numbers in the same form."""
        text = format(self.mean, form) + ("" if self.std is None else f" ± {format(self.std, form)}")
        return Cell(text, self.mean)


def table(groups: Sequence[Group]) -> dict[str, list[Cell]]:
    """Return heading -> one cell for each group.

    A column that nobody has anything for is left out, and so is one of which all have the same and the head of a report tells.
    """
    references = baselines(groups)
    seeds, epochs = [_seeds(group) for group in groups], [_epochs(group) for group in groups]
    complete = all(run.status == "complete" for group in groups for run in group.runs)
    columns = {
        "Seeds": seeds if len(set(seeds)) > 1 else [],
        "Epochs": epochs if len(set(epochs)) > 1 or not complete else [],
        accuracy_name(groups): [_shown(accuracy(group), ".2f") for group in groups],
        FORGETTING: [_shown(_over(group, _forgetting), ".2f") for group in groups],
        MORE_ERROR: [_more_error(group, references.get(group.label)) for group in groups],
        "Training loss": [_shown(_over(group, lambda run: last(run, "train", "loss")), ".4f") for group in groups],
        reached_name(groups): [_reached(group) for group in groups],
        "Step (ms)": [_step(group) for group in groups],
        RELATIVE_STEP: [_relative_step(group, references.get(group.label)) for group in groups],
        "Angle to gradient (°)": [_shown(_angle(group), ".1f") for group in groups],
    }
    columns |= {CLAIMS[name]: [Cell(claim(group, name)) for group in groups] for name in IN_TABLE}
    return {heading: cells for heading, cells in columns.items() if any(cell.text for cell in cells)}


def explained(groups: Sequence[Group], columns: Mapping[str, Sequence[Cell]]) -> dict[str, str]:
    """Return heading -> what the column's numbers are, for those of ``columns`` that need it."""
    error = error_words(groups)
    classified = error == "error"
    reached = f"test accuracy is {REACHED} % or more" if classified else f"{error} on the test set is {100 - REACHED} % or less"
    words = {
        accuracy_name(groups): "mean over all tasks that were learned in sequence" if FORGETTING in columns else "",
        FORGETTING: "error of a task in the end above its least after a task before, mean over all tasks but the last; less than 0 "
        "where later tasks made earlier ones better",
        MORE_ERROR: f"{'test error' if classified else f'{error} on the test set'} minus that of back-propagation on the same data "
        "and network; less than 0 is better than back-propagation",
        "Training loss": "cross-entropy in nats, unless the scheme says otherwise" if classified else "in the unit of the task",
        reached_name(groups): f'the first epoch after which {reached}, mean over seeds; "-" where a seed never got there',
        "Step (ms)": "training on one batch, all passes of an epoch together; median over epochs",
        RELATIVE_STEP: "this time over that of back-propagation with the same seed",
        "Angle to gradient (°)": "between the proposed change and minus the exact gradient, mean over the projections into hidden "
        "populations, at the last recording",
    }
    return {heading: said for heading, said in words.items() if said and heading in columns}


def error_words(groups: Sequence[Group]) -> str:
    """Return what the error of these runs is, in words; of runs of different tasks something that fits them all."""
    names = {run.error_name for group in groups for run in group.runs}
    return names.pop() if len(names) == 1 else "error of the task"


def accuracy_name(groups: Sequence[Group]) -> str:
    """Return the heading of the column of accuracies: what 100 is less, where the runs do not count wrong answers."""
    name = error_words(groups)
    return "Test accuracy (%)" if name == "error" else f"Test: 100 - {name} (%)"


def reached_name(groups: Sequence[Group]) -> str:
    """Return the heading of the column that says how soon a run got somewhere."""
    return f"Epochs to {REACHED} % accuracy" if error_words(groups) == "error" else f"Epochs to {100 - REACHED} % error"


def accuracy(group: Group) -> Spread | None:
    """Return the test accuracy (100 less the error) after the last epoch, per cent; None where a run has none."""
    error = _over(group, lambda run: last(run, "test", "error"))
    return None if error is None else Spread(100 - error.mean, error.std)


def last(run: Run, split: str, name: str) -> float | None:
    """Return a metric after the last epoch; None where the run has none."""
    found = metric(run, split, name)
    return None if found is None else float(found.sort_index().iloc[-1])


def claim(group: Group, name: str) -> str:
    """Return one claim of the group's scheme in words; "" where the scheme is not known."""
    return "" if group.claims is None else group.claims.words(name)


def _forgetting(run: Run) -> float | None:
    """Return how much a run forgot of tasks in sequence; None where it had none."""
    return None if run.continual is None else run.continual.forgetting


def _angle(group: Group) -> Spread | None:
    return _over(group, lambda run: last_angle(run, hidden_projections(run, group.contents)))


def _over(group: Group, number: Callable[[Run], float | None]) -> Spread | None:
    return Spread.of([number(run) for run in group.counted])


def _shown(spread: Spread | None, form: str) -> Cell:
    return Cell("") if spread is None else spread.cell(form)


def _seeds(group: Group) -> Cell:
    seeds = [str(seed(run)) for run in group.counted]
    return Cell(", ".join(seeds) if len(seeds) <= SEEDS else f"{len(seeds)} seeds", len(seeds))


def _more_error(group: Group, reference: Group | None) -> Cell:
    own, other = accuracy(group), accuracy(reference) if reference else None
    if own is None or other is None or group is reference:
        return Cell("")
    return Cell(f"{other.mean - own.mean:+.2f}".replace("-", "−"), other.mean - own.mean)


def _reached(group: Group) -> Cell:
    """Return the mean of the first epochs after which the test accuracy is REACHED; "-" where a seed never got there."""
    if accuracy(group) is None:
        return Cell("")
    spread = _over(group, lambda run: epochs_to(run, REACHED))
    return Cell("-") if spread is None else Cell(f"{spread.mean:.3g}", spread.mean)


def _step(group: Group) -> Cell:
    spread = _over(group, lambda run: step_ms(group, run))
    return Cell("") if spread is None else Cell(f"{spread.mean:.3g}", spread.mean)


def _relative_step(group: Group, reference: Group | None) -> Cell:
    """Return the time of a step over that of back-propagation with the same seed, mean over seeds."""
    other = {seed(run): step_ms(reference, run) for run in reference.counted} if reference else {}
    spread = _over(group, lambda run: _ratio(step_ms(group, run), other.get(seed(run))))
    return Cell("") if spread is None else Cell(f"{spread.mean:.2f}", spread.mean)


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _epochs(group: Group) -> Cell:
    found = [int(run.metrics.index.get_level_values(1).max()) for run in group.counted if len(run.metrics)]
    if not found:
        return Cell("")
    low, high = min(found), max(found)
    return Cell(str(high) if low == high else f"{low} to {high}", high)
