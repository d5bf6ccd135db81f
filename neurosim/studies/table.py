"""The one tidy table of a study: a row for each point and seed, in the order of the points, whatever order they ended in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.runfile.disk import replacing
from neurosim.studies.plan import StudyPlan
from neurosim.studies.point import COMPLETE, PointResult

if TYPE_CHECKING:
    import pandas

FIRST = ("point",)  # beside the parameters and the seed
STATUS = ("status", "reason")
METRICS = (
    "epochs", "train_loss", "train_error", "validation_loss", "validation_error", "test_loss", "test_error", "score",
    "angle_to_backprop", "seconds", "neurosim", "commit", "backend", "threads", "created", "file",
)  # fmt: skip
MISSING = "missing"  # the status of a point that has no outcome yet


def as_frame(plan: StudyPlan, outcomes: Sequence[PointResult]) -> pandas.DataFrame:
    """Return the table: point, the parameters, seed, status and reason, metrics of the last epoch, and what made them.

    A parameter that does not count in a point is NaN there; so is a number that is not there.  Losses are in the task's unit,
    errors in per cent of what ``score`` says (wrong answers, unexplained variance, ...), ``angle_to_backprop`` in degrees,
    ``seconds`` those spent in steps.
    """
    import pandas as pd

    known = {(outcome.number, outcome.seed): outcome for outcome in outcomes}
    rows: list[dict[str, Any]] = []
    for point in plan.points:
        outcome = known.get((point.number, point.seed))
        row = {"point": point.number, **{key: cell_of(value) for key, value in point.values.items()}, "seed": point.seed}
        row |= {"status": outcome.status if outcome else MISSING, "reason": outcome.reason if outcome else ""}
        rows.append(row | (outcome.numbers if outcome else {}) | {"file": f"{point.name}.h5"})
    return pd.DataFrame(rows, columns=[*FIRST, *plan.parameters, "seed", *STATUS, *METRICS])


def cell_of(value: Any) -> Any:
    """Return a parameter's value as a table holds it: a list or a table as JSON."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, default=str)


def write_table(frame: pandas.DataFrame, folder: Path) -> None:
    """Write ``study.csv`` and, where pyarrow is there, ``study.parquet``; each replaces the one before as a whole."""
    with replacing(folder / "study.csv") as fresh:
        frame.to_csv(fresh, index=False)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return
    mixed = {name: column.astype(str) for name, column in frame.items() if _is_mixed(column)}
    with replacing(folder / "study.parquet") as fresh:
        frame.assign(**mixed).to_parquet(fresh, index=False)


def _is_mixed(column: pandas.Series) -> bool:
    """Return whether a column has both texts and numbers, which Parquet cannot hold."""
    kinds = {str if isinstance(value, str) else float for value in column.dropna()}
    return len(kinds) > 1


def best(frame: pandas.DataFrame) -> int | None:
    """Return the number of the best point: the lowest validation error, mean over its seeds, all of them complete.

    None where there is no validation split: nothing is chosen on the test set.
    """
    if "validation_error" not in frame or frame["validation_error"].isna().all():
        return None
    whole = (frame["status"] == COMPLETE).groupby(frame["point"]).all()
    errors = frame.groupby("point")["validation_error"].mean()[whole]
    return int(errors.idxmin()) if errors.notna().any() else None
