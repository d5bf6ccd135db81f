"""How long a trial is, and when the output is asked."""

from __future__ import annotations

from dataclasses import dataclass

from neurosim.catalogue import Stated
from neurosim.errors import quoted, require

LONGEST = 10_000  # ticks of a trial


@dataclass(frozen=True)
class Clock(Stated):
    """A trial of some ticks.

    ticks : how many ticks; a static network needs one
    asked : in how many of the last ticks the output is compared with the target; the loss is their mean

    Raises
    ------
    InputError
        Ticks out of range, or more asked than there are.
    """

    ticks: int = 1
    asked: int = 1

    def __post_init__(self) -> None:
        for name, value, most in (("ticks", self.ticks, LONGEST), ("asked", self.asked, self.ticks)):
            whole = isinstance(value, int) and not isinstance(value, bool)
            require(whole and 1 <= value <= most, f"clock: {name} {quoted(value)}: expected 1 to {most:,}; change it")

    def asks(self, tick: int) -> bool:
        """Return whether the output is compared with the target in this tick."""
        return tick >= self.ticks - self.asked
