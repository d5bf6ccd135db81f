"""What an evaluation finds, and the evaluations of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MOST_LINES = 16  # of a history that is printed


@dataclass(frozen=True)
class Evaluation:
    """Loss in the task's unit (cross-entropy in nats for classes) and error in per cent: what ``Task.score`` says.

    tasks : where it is the mean over tasks that are learned one after the other, that of each
    """

    loss: float
    error: float
    tasks: tuple[Evaluation, ...] = ()

    @staticmethod
    def over(tasks: Sequence[Evaluation]) -> Evaluation:
        """Return the mean over tasks, each of which counts as much as any other."""
        loss, error = (float(np.mean([getattr(one, name) for one in tasks])) for name in ("loss", "error"))
        return Evaluation(loss, error, tuple(tasks))

    def __repr__(self) -> str:
        return f"Evaluation(loss={self.loss:.4g}, error={self.error:.2f})"


class History(list[Mapping[str, Evaluation]]):
    """The evaluation of each epoch that was trained: a list of split name -> Evaluation, printed as a table.

    first : the number of the first of these epochs
    """

    def __init__(self, evaluations: Iterable[Mapping[str, Evaluation]] = (), *, first: int = 1) -> None:
        super().__init__(evaluations)
        self.first = first

    def __repr__(self) -> str:
        if not self:
            return "History: no epoch trained"
        splits = list(self[0])
        lines = ["epoch  " + "  ".join(f"{split + ' loss':>15}  {'error %':>7}" for split in splits)]
        shown = range(len(self))
        if len(self) > MOST_LINES:
            shown = range(len(self) - MOST_LINES, len(self))
            lines.append(f"  ...  ({shown.start} epochs more)")
        for at in shown:
            cells = (f"{self[at][split].loss:>15.4g}  {self[at][split].error:>7.2f}" for split in splits)
            lines.append(f"{self.first + at:>5}  " + "  ".join(cells))
        return "\n".join(lines)
