"""Whether a time step suits neuron equations: their fastest time constant at rest, and what an integrator does with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosim.circuit.expressions import evaluate, names
from neurosim.equations.derivatives import derivative
from neurosim.equations.differential import DRIVE, NeuronText, substituted
from neurosim.errors import InputError

GROWTH = {  # what an integrator multiplies a decaying part by in a step, of z = dt * rate of decay
    "euler": lambda z: 1 + z,
    "rk2": lambda z: 1 + z + z**2 / 2,
    "heun": lambda z: 1 + z + z**2 / 2,
    "rk4": lambda z: 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24,
}


def check_step(owner: str, text: NeuronText, values: Mapping[str, Any], method: str, dt: float) -> None:
    """Raise InputError where a decay of the equations, taken as linear about the start, grows under ``method`` in steps of ``dt``.

    values : every constant, and every variable where it starts, in SI units
    """
    if method not in GROWTH:
        return
    lines = {line.name: line for line in text.lines}
    moving = [line.name for line in text.lines if line.kind == "differential"]
    at_start = {name: np.float64(value) for name, value in values.items()} | {DRIVE: np.float64(0)}
    jacobian = np.zeros((len(moving), len(moving)))
    with np.errstate(all="ignore"):
        for row, name in enumerate(moving):
            change = substituted(lines, lines[name].tree)  # type: ignore[arg-type] # it has a right side
            for column, other in enumerate(moving):
                slope = derivative(change, other) if other in names(change) else None
                jacobian[row, column] = 0 if slope is None else evaluate(slope, at_start, owner)
    if not np.isfinite(jacobian).all():
        return
    rates, parts = np.linalg.eig(jacobian)
    for rate, part in zip(rates, parts.T, strict=True):
        if rate.real < 0 and abs(GROWTH[method](dt * rate)) > 1 + 1e-9:
            slowest = moving[int(np.argmax(np.abs(part)))]
            said = f"{owner}: dt {dt * 1e3:g} ms is too large for {slowest!r}, whose time constant is {-1e3 / rate.real:.3g} ms"
            raise InputError(f"{said}: {method!r} does not decay in such steps; give a smaller dt, or method='exponential_euler'")
