"""Short-term plasticity: what a spike transmits depends on the spikes before it, and the weight stays as it is."""

from __future__ import annotations

from typing import Any

from neurosim.catalogue import Stated
from neurosim.equations import Quantity, quantity
from neurosim.equations.quantities import TIME
from neurosim.errors import InputError, quoted, require
from neurosim.plasticity.event_code import SpikeCode


class TsodyksMarkram(Stated):
    """A spike transmits ``w * u * R``: the share u of what the synapse still has, R.

    Between spikes, u goes back to 0 with tau_f, and R to 1 with tau_d.  At a spike, in this order:
    u <- u + U (1 - u);  the spike transmits w u R;  R <- R - u R.
    So the first spike transmits U w.  (In another convention in use, u goes back to U; at low rates the two differ by a factor.)

    U : the share that a spike after a long pause transmits, above 0 and at most 1
    tau_d : time constant of recovery, such as "800*ms"; tau_f : of facilitation; 0 has none, u is always U

    Published sets: depressing U = 0.5, tau_d 800 ms, tau_f 0; facilitating U = 0.04, tau_d 100 ms, tau_f 1000 ms (Tsodyks, Uziel
    and Markram 2000).  Sources: Tsodyks and Markram 1997; Markram, Wang and Tsodyks 1998.

    Raises InputError for a U or a time that is none.
    """

    name = "tsodyks_markram"

    def __init__(self, U: float = 0.5, tau_d: Any = "800*ms", tau_f: Any = 0) -> None:
        share = isinstance(U, int | float) and not isinstance(U, bool) and 0 < U <= 1
        require(share, f"short-term plasticity: U {quoted(U)}: expected a share above 0 and up to 1; give one such as 0.5")
        self.U = U
        self.tau_d = _time("tau_d", tau_d)
        self.tau_f = None if not isinstance(tau_f, str) and tau_f == 0 else _time("tau_f", tau_f)

    def code(self) -> SpikeCode:
        """Return the equations and the statement of a spike, as ``spike_code`` combines them with a rule's."""
        fixed = self.tau_f is None
        model = [*([] if fixed else ["du/dt = -u / tau_f : 1 (event-driven)"]), "dR/dt = (1 - R) / tau_d : 1 (event-driven)"]
        statements = [*([] if fixed else ["u += U * (1 - u)"]), f"released = {'U' if fixed else 'u'} * R", "R -= released"]
        constants: dict[str, float | Quantity] = {"U": self.U, "tau_d": self.tau_d}
        constants |= {} if self.tau_f is None else {"tau_f": self.tau_f}
        names = {"R": "R"} if fixed else {"u": "u", "R": "R"}
        return SpikeCode("\n".join(model), "\n".join(statements), amplitude="w * released", constants=constants,
                         starts={"R": 1.0}, names=names)  # fmt: skip


def _time(name: str, value: Any) -> Quantity:
    said = f"short-term plasticity: {name} {quoted(value)}: expected a time such as '800*ms'; give one"
    found = quantity(value, f"short-term plasticity: {name}")
    if found is None or found.dimensions != TIME or found.value <= 0:
        raise InputError(said)
    return found
