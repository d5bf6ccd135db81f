"""Adaptive exponential integrate-and-fire neurons."""

from __future__ import annotations

from typing import Any

from neurosim.errors import UnknownNameError
from neurosim.neurons.equations import Equations
from neurosim.neurons.surrogates import Surrogate

TEXT = """
dv/dt = (g_l * (E_l - v) + g_l * D * exp((v - V_T) / D) - w + drive) / C : volt
dw/dt = (a * (v - E_l) - w) / tau_w : amp
drive : amp
"""
UNITS = {
    "C": "pF", "g_l": "nS", "E_l": "mV", "V_T": "mV", "D": "mV", "a": "nS", "tau_w": "ms", "b": "pA", "V_r": "mV", "current": "pA",
}  # fmt: skip
PATTERNS = {  # Naud et al. 2008, table 1, in the order of UNITS
    "tonic": (200, 10, -70, -50, 2, 2, 30, 0, -58, 500),
    "adaptation": (200, 12, -70, -50, 2, 2, 300, 60, -58, 500),
    "initial_burst": (130, 18, -58, -50, 2, 4, 150, 120, -50, 400),
    "regular_bursting": (200, 10, -58, -50, 2, 2, 120, 100, -46, 210),
    "delayed_accelerating": (200, 12, -70, -50, 2, -10, 300, 0, -58, 300),
    "delayed_regular_bursting": (100, 10, -65, -50, 2, -10, 90, 30, -47, 110),
    "transient": (100, 10, -65, -50, 2, 10, 90, 100, -47, 180),
    "irregular": (100, 12, -60, -50, 2, -11, 130, 30, -48, 160),
}
USUAL = {
    "C": "281*pF", "g_l": "30*nS", "E_l": "-70.6*mV", "V_T": "-50.4*mV", "D": "2*mV", "a": "4*nS", "tau_w": "144*ms",
    "b": "80.5*pA", "V_r": "-70.6*mV",
}  # fmt: skip


class AdEx(Equations):
    """C dv/dt = g_l (E_l - v) + g_l D exp((v - V_T) / D) - w + drive;  tau_w dw/dt = a (v - E_l) - w;  by Euler's method.

    A spike where v > V_T + 5 D, where v rises by itself; then v = V_r and w + b.  ``drive`` is a current, in A.

    pattern : a set of constants, one of ``tonic``, ``adaptation``, ``initial_burst``, ``regular_bursting``,
        ``delayed_accelerating``, ``delayed_regular_bursting``, ``transient``, ``irregular`` (Naud et al. 2008);
        None: those of Brette and Gerstner (2005)
    constants : C, g_l, E_l, V_T, D, a, tau_w, b, V_r, unless they are to be those of the set

    Brette and Gerstner (2005). Adaptive exponential integrate-and-fire model as an effective description of neuronal activity.
    Journal of Neurophysiology 94, 3637-3642.  Naud, Marcille, Clopath and Gerstner (2008). Firing patterns in the adaptive
    exponential integrate-and-fire model. Biological Cybernetics 99, 335-347.

    Raises
    ------
    InputError
        An unknown pattern, or a constant that is not theirs.
    """

    name = "adex"

    def __init__(
        self, *, pattern: str | None = None, surrogate: str | Surrogate = "fast_sigmoid", **constants: str | float
    ) -> None:
        if pattern is not None and pattern not in PATTERNS:
            raise UnknownNameError("neurons 'adex': pattern", pattern, PATTERNS)
        self.pattern = pattern
        usual = USUAL if pattern is None else _of_pattern(pattern)
        values: dict[str, Any] = {**{name: usual[name] for name in USUAL}, **constants}
        super().__init__(
            TEXT,
            threshold="v > V_T + 5 * D",
            reset="v = V_r; w += b",
            method="euler",
            start={"v": "E_l"},
            surrogate=surrogate,
            **values,
        )

    @staticmethod
    def current(pattern: str) -> float:
        """Return the step of current, in A, under which the neurons of ``pattern`` show it."""
        return float(PATTERNS[pattern][-1]) * 1e-12


def _of_pattern(pattern: str) -> dict[str, str]:
    return {name: f"{value}*{unit}" for (name, unit), value in zip(UNITS.items(), PATTERNS[pattern], strict=True)}
