"""What tasks that were learned one after the other came to: the error of each after each, and how much is forgotten."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.runfile.opening import plain

if TYPE_CHECKING:
    import pandas

ATTRIBUTE = "tasks"  # of a run file: JSON, a list of {"name": ..., "last": ...}


@dataclass(frozen=True)
class Continual:
    """What a sequence of tasks came to.

    names : of the tasks, in order
    errors : test errors in per cent, (1 + tasks, tasks): row 0 before learning, row k after the k-th task; column j of task j.  A
        run that has not come to its end has fewer rows
    """

    names: tuple[str, ...]
    errors: NDArray[np.float64]

    def __repr__(self) -> str:
        end = f"test error {self.final_error:.2f} %, forgetting {self.forgetting:.2f} percentage points"
        return f"<Continual: {self.done} of {len(self.names)} tasks learned, {end}>"

    @property
    def done(self) -> int:
        """How many tasks have been learned."""
        return len(self.errors) - 1

    @property
    def final_error(self) -> float:
        """The mean test error of all tasks at the end."""
        return float(self.errors[-1].mean())

    @property
    def forgetting(self) -> float:
        """How much error each task but the last one learned has at the end above its least after a task before, on average.

        Chaudhry, Dokania, Ajanthan and Torr (2018). Riemannian walk for incremental learning. ECCV 2018, equation 3.  It is less
        than 0 where what came later made earlier tasks better, and 0 of one task.
        """
        last = [self.errors[-1, j] - self.errors[1:-1, j].min() for j in range(self.done - 1)]
        return float(np.mean(last)) if last else 0.0

    @property
    def short_names(self) -> tuple[str, ...]:
        """The names without the data set's, which all begin with."""
        begin = os.path.commonprefix(self.names)
        size = begin.rfind(", ") + 2 if ", " in begin and len(self.names) > 1 else 0
        return tuple(name[size:] for name in self.names)

    @property
    def table(self) -> pandas.DataFrame:
        """One row for each error: after (how many tasks), task (its number, from 1), name, test_error."""
        import pandas as pd

        rows = [
            {"after": after, "task": task + 1, "name": self.names[task], "test_error": float(error)}
            for after, errors in enumerate(self.errors)
            for task, error in enumerate(errors)
        ]
        return pd.DataFrame(rows)

    def lines(self) -> list[str]:
        """Return the errors as a table of text: a line for each task, its name and its error before learning and after each."""
        heads = ["task", "before", *(f"after {k}" for k in range(1, len(self.errors)))]
        names = enumerate(self.short_names, start=1)
        rows = [[f"{k}: {name}", *(f"{error:.2f}" for error in self.errors[:, k - 1])] for k, name in names]
        widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
        first, *others = widths
        return ["  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]) for row in (heads, *rows)]


def said_of(names: Sequence[str], epochs: int) -> dict[str, str]:
    """Return what a run file says of its tasks, which have so many epochs together; nothing where it has none."""
    each = epochs // (len(names) or 1)
    told = [{"name": name, "last": each * number} for number, name in enumerate(names, start=1)]
    return {ATTRIBUTE: json.dumps(told)} if names else {}


def known(said: Mapping[str, Any]) -> dict[int, str]:
    """Return last epoch -> name of each task, in order, from the attributes of a run file; nothing where that is no such list."""
    try:
        found = json.loads(str(said.get(ATTRIBUTE, "[]")))
        return {int(one["last"]): " ".join(str(plain(str(one["name"])[:200])).split()) for one in found}
    except (ValueError, TypeError, KeyError, RecursionError):  # a stranger's text
        return {}
