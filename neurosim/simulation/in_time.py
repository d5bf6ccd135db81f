"""Values that change in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim import reprs
from neurosim.errors import quoted, require


class InTime:
    """What a population or a rule is given, step by step; after the last step, the last one's values stay.

    values : (steps, *shape), the same for all trials, or (batch, steps, *shape); a modulator's shape is ()
    dt : how long a step is: seconds, or a quantity of Brian2

    Raises InputError where values are no finite numbers, or dt is no positive time.
    """

    def __init__(self, values: Any, dt: Any) -> None:
        self.values = np.asarray(values, float)
        self.dt = float(dt)
        finite = self.values.ndim >= 1 and self.values.size > 0 and bool(np.isfinite(self.values).all())
        said = f"values in time {quoted(values)}: expected finite numbers"
        require(finite, f"{said}, such as (steps, n) or (batch, steps, n); correct them")
        require(0 < self.dt < np.inf, f"values in time: dt {quoted(dt)}: expected the seconds of a step; give one such as 1e-3")

    def __repr__(self) -> str:
        return reprs.call("InTime", [self.values, self.dt])
