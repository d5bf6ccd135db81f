"""What a comparison reached: one result for each row and seed, and the tables made of them."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.analysis.summary import Spread
from neurosim.experiments.comparison_plan import BASELINE, BASELINE_IN_TIME
from neurosim.feedback import Claims
from neurosim.runfile.disk import replacing
from neurosim.runfile.run import WRONG

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "scheme", "seed", "test_accuracy", "train_loss", "epochs_to_95", "step_ms", "step_relative_to_backprop", "angle_to_backprop",
    "weight_transport", "update_locking", "backward_locking", "feedback_learns_from",
    "weights_read", "layers_read", "labels_read",
)  # fmt: skip
FORGETTING = "forgetting"  # the column after them, where tasks were learned in sequence
CLAIMED, MEASURED = COLUMNS[-7:-3], COLUMNS[-3:]


@dataclass(frozen=True)
class Result:
    """What one row reached with one seed.

    test_accuracy : per cent, after the last epoch; 100 less the error, whatever the task says that is; of tasks in sequence the
        mean over all of them
    train_loss : in the scheme's own unit, nats unless the scheme says otherwise
    epochs_to_95 : the first epoch whose test accuracy is 95 % or more; None where there was none
    angle : degrees between proposed changes and backprop's at the last comparison, mean over hidden projections; nan without one
    step_ms : training on one batch of data, all passes of an epoch together; median over epochs, the first left out
    failure : "" or why the run stopped early; the numbers are then those it had
    score : what the error is, as the task says it
    locality : what changes at hidden populations were found to depend on (see ``Card.summary``); empty where it is not known
    forgetting : percentage points, of tasks in sequence (see ``runfile.Continual``); None of data that are learned as a whole
    """

    scheme: str
    seed: int
    test_accuracy: float
    train_loss: float
    epochs_to_95: int | None
    step_ms: float
    angle: float
    claims: Claims
    failure: str = ""
    score: str = WRONG
    locality: Mapping[str, str] = field(default_factory=dict, hash=False)
    forgetting: float | None = None

    def measured(self) -> list[str]:
        """Return the words of MEASURED."""
        return [self.locality.get(name.removesuffix("_read"), "") for name in MEASURED]

    @property
    def test_error(self) -> float:
        """Per cent, after the last epoch: of what the ``score`` says."""
        return 100 - self.test_accuracy


def in_order(results: Iterable[Result], rows: Iterable[str], seeds: Iterable[int]) -> list[Result]:
    """Return results seed by seed in the order of the rows, whatever order they came in."""
    places = {place: k for k, place in enumerate(itertools.product(seeds, rows))}
    return sorted(results, key=lambda result: places[result.seed, result.scheme])


def baseline_of(results: Iterable[Result]) -> str:
    """Return the row that the others are compared with: back-propagation, through time if there is a row of it."""
    return BASELINE_IN_TIME if any(result.scheme == BASELINE_IN_TIME for result in results) else BASELINE


def relative_steps(results: Sequence[Result]) -> list[float | None]:
    """Return each result's step time over that of backprop with the same seed; None where there is no backprop."""
    row = baseline_of(results)
    baseline = {result.seed: result.step_ms for result in results if result.scheme == row and not result.failure}
    return [result.step_ms / baseline[result.seed] if result.seed in baseline else None for result in results]


def summarised(results: Sequence[Result]) -> list[list[str]]:
    """Return one line of text cells for each scheme: means over seeds (accuracy with standard deviation), and what it needs.

    Cells: scheme, test accuracy, percentage points more error than backprop, training loss, epochs to 95 %, step, step over that of
    backprop, angle, the claims, what hidden populations were found to read; and forgetting, where tasks were learned in sequence.
    """
    relative = dict(zip(results, relative_steps(results), strict=True))
    row = baseline_of(results)
    baseline = _mean([r.test_accuracy for r in results if r.scheme == row and not r.failure])
    lines = []
    for scheme in dict.fromkeys(result.scheme for result in results):
        runs = [result for result in results if result.scheme == scheme]
        claimed = [runs[0].claims.words(name) for name in CLAIMED]
        lost = "" if any(r.failure for r in runs) else _with_spread(Spread.of([r.forgetting for r in runs]), ".2f")
        forgotten = [lost] if has_forgetting(results) else []
        lines.append([scheme, *_numbers(runs, baseline, [relative[r] for r in runs]), *claimed, *runs[0].measured(), *forgotten])
    return lines


def _numbers(runs: Sequence[Result], baseline: float | None, relative: Sequence[float | None]) -> list[str]:
    if any(result.failure for result in runs):
        return ["diverged", *[""] * 6]
    accuracy = Spread.of([result.test_accuracy for result in runs])
    return [
        _with_spread(accuracy, ".2f"),
        _shown(None if baseline is None or accuracy is None else baseline - accuracy.mean, "+.2f"),
        _shown(_mean([result.train_loss for result in runs]), ".4f"),
        _shown(_mean([result.epochs_to_95 for result in runs]), ".3g") or "-",
        _shown(_mean([result.step_ms for result in runs]), ".2f"),
        _shown(_mean(relative), ".2f"),
        _with_spread(Spread.of([result.angle for result in runs]), ".0f"),
    ]


def _with_spread(spread: Spread | None, form: str) -> str:
    """Return mean and spread; "-" where something is missing: nothing was compared, or nothing proposed."""
    if spread is None:
        return "-"
    return format(spread.mean, form) + ("" if spread.std is None else f"±{format(spread.std, form)}")


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where there is nothing, or something is missing."""
    spread = Spread.of(values)
    return None if spread is None else spread.mean


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def columns_of(results: Sequence[Result]) -> tuple[str, ...]:
    """Return COLUMNS; of a task whose error does not count wrong answers, that error in per cent instead of an accuracy.

    It is then named by what it is, as ``test_unexplained_variance``, and ``epochs_to_5`` is the first epoch with 5 % of it or less.
    """
    last = (FORGETTING,) if has_forgetting(results) else ()
    if _is_accuracy(results):
        return COLUMNS + last
    other = {"test_accuracy": "test_" + re.sub(r"\W+", "_", results[0].score.lower()), "epochs_to_95": "epochs_to_5"}
    return tuple(other.get(name, name) for name in COLUMNS) + last


def has_forgetting(results: Sequence[Result]) -> bool:
    """Return whether tasks were learned in sequence."""
    return any(result.forgetting is not None for result in results)


def _is_accuracy(results: Sequence[Result]) -> bool:
    return all(result.score == WRONG for result in results)


def as_rows(results: Sequence[Result]) -> list[list[Any]]:
    """Return one row of ``columns_of`` for each scheme and seed; None where a number is not there, as after divergence."""
    rows, accuracy = [], _is_accuracy(results)
    for result, relative in zip(results, relative_steps(results), strict=True):
        reached = result.test_accuracy if accuracy else result.test_error
        numbers = (reached, result.train_loss, result.epochs_to_95, result.step_ms, relative, result.angle)
        forgotten = [_known(result.forgetting, result)] if has_forgetting(results) else []
        known = [_known(number, result) for number in numbers]
        claimed = [result.claims.words(name) for name in CLAIMED]
        rows.append([result.scheme, result.seed, *known, *claimed, *result.measured(), *forgotten])
    return rows


def _known(number: float | None, result: Result) -> float | None:
    return None if number is None or np.isnan(number) or result.failure else round(number, 6)


def as_frame(results: Sequence[Result]) -> pandas.DataFrame:
    """Return the table as a data frame, a number that is not there as NaN."""
    import pandas as pd

    frame = pd.DataFrame(as_rows(results), columns=list(columns_of(results)))
    numbers = [*frame.columns[2:8], *([FORGETTING] if FORGETTING in frame else [])]
    frame[numbers] = frame[numbers].astype(float)
    return frame


def write_table(results: Sequence[Result], path: Path) -> None:
    """Write one line for each scheme and seed; a number that is not there is left blank."""
    with replacing(path) as fresh, fresh.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns_of(results))
        table.writerows(as_rows(results))
