"""Triplets of spikes: potentiation needs a postsynaptic spike before the pair, depression a presynaptic one."""

from __future__ import annotations

from typing import Any

from neurosim.errors import UnknownNameError
from neurosim.plasticity.rule import PlasticityRule
from neurosim.plasticity.traces import trace

FITS: dict[str, dict[str, Any]] = {  # Pfister and Gerstner 2006, tables 3 and 4; tau_plus and tau_minus are those of all fits
    "visual_cortex": {"A2_plus": 5e-10, "A3_plus": 6.2e-3, "A2_minus": 7e-3, "A3_minus": 2.3e-4, "tau_x": 101, "tau_y": 125},
    "visual_cortex_minimal": {"A2_plus": 0, "A3_plus": 6.5e-3, "A2_minus": 7.1e-3, "A3_minus": 0, "tau_y": 114},
    "visual_cortex_nearest": {
        "A2_plus": 0, "A3_plus": 5e-2, "A2_minus": 8e-3, "A3_minus": 0, "tau_y": 40, "pairing": "nearest",
    },
    "hippocampus": {"A2_plus": 6.1e-3, "A3_plus": 6.7e-3, "A2_minus": 1.6e-3, "A3_minus": 1.4e-3, "tau_x": 946, "tau_y": 27},
    "hippocampus_minimal": {"A2_plus": 5.3e-3, "A3_plus": 8e-3, "A2_minus": 3.5e-3, "A3_minus": 0, "tau_y": 40},
}  # fmt: skip
TAU_PLUS, TAU_MINUS = "16.8*ms", "33.7*ms"


def triplet_stdp(*, fit: str = "visual_cortex_minimal", eta: Any = 1.0) -> PlasticityRule:
    """A post spike adds fast_pre (A2_plus + A3_plus slow_post); a pre spike takes fast_post (A2_minus + A3_minus slow_pre).

    Each side has a fast and a slow trace; the slow ones are read as they were before the spike's own increment.

    fit : ``visual_cortex``, ``hippocampus``: all terms; with ``_minimal``: without those that the fit does not need; or
        ``visual_cortex_nearest``: minimal, and only the nearest spikes count
    eta : scales all changes

    Minimal, independent Poisson trains: d<w>/dt = r_x r_y (A3_plus tau_plus tau_y r_y - A2_minus tau_minus).  That is BCM's rule;
    depression turns to potentiation at r_y = 19.2 Hz (visual_cortex_minimal).

    Source: Pfister and Gerstner 2006, equations 2 to 4.

    Raises UnknownNameError for another fit.
    """
    if fit not in FITS:
        raise UnknownNameError("triplet_stdp: fit", fit, FITS)
    values = {"pairing": "all_to_all", "tau_x": None, **FITS[fit]}
    constants: dict[str, Any] = {name: values[name] for name in ("A2_plus", "A3_plus", "A2_minus", "A3_minus") if values[name]}
    constants |= {"tau_plus": TAU_PLUS, "tau_minus": TAU_MINUS, "eta": eta}
    sides = {"pre": ("plus", "minus", "x"), "post": ("minus", "plus", "y")}
    traces: dict[str, dict[str, str]] = {}
    gains: dict[str, str] = {}
    for side, (fast, sign, slow) in sides.items():
        traces[side] = trace("fast", side, f"tau_{fast}", values["pairing"])
        gains[side] = " + ".join(name for name in [f"A2_{sign}"] if name in constants)
        if f"A3_{sign}" in constants:
            constants[f"tau_{slow}"] = f"{values[f'tau_{slow}']}*ms"
            traces[side] |= trace("slow", side, f"tau_{slow}", values["pairing"])
            if values["pairing"] == "nearest":  # what it was before it was set to 1
                traces[side] |= {"before": f"dbefore/dt = (slow - before) * spike_{side}"}
            old = f"(slow_{side} - spike_{side})" if values["pairing"] == "all_to_all" else f"before_{side}"
            gains[side] = " + ".join(filter(None, [gains[side], f"A3_{sign} * {old}"]))
    return PlasticityRule(
        f"dw = eta * (fast_pre * ({gains['post']}) * spike_post - fast_post * ({gains['pre']}) * spike_pre)",
        pre=traces["pre"],
        post=traces["post"],
        per_sample=tuple(f"{name}_{side}" for side, states in traces.items() for name in states),
        **constants,
    )
