"""Traces of spikes, as rules write them: which spikes of a neuron its trace knows."""

from __future__ import annotations

from neurosim.errors import quoted, require

PAIRINGS = ("all_to_all", "nearest")


def trace(name: str, side: str, tau: str, pairing: str = "all_to_all") -> dict[str, str]:
    """Return the equation of a trace that decays with the constant called ``tau``.

    pairing : ``all_to_all``: a spike adds 1, so the trace knows all spikes; ``nearest``: a spike sets it to 1, so it knows the last

    Raises InputError for another pairing.
    """
    require(pairing in PAIRINGS, f"pairing {quoted(pairing)}: expected 'all_to_all' or 'nearest'; pick one")
    added = f"spike_{side}" if pairing == "all_to_all" else f"(1 - {name}) * spike_{side}"
    return {name: f"d{name}/dt = {added} - {name} / {tau}"}
