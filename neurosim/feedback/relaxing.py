"""What schemes share whose populations take other activity than the sweep's within a step: the two directions of a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.capture import repeat
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import FeedbackPathway
from neurosim.network import Activity, Population, Projection, Sweep
from neurosim.neurons import Transfer

MOST_TURNS = 1000


class Relaxing(FeedbackPathway):
    """A scheme of chains, in which populations relax.

    f_l maps the rates below to the activation: the projection into population l, then its normalisation and its noise.

    links : population -> the projection into it, input side first
    """

    links: dict[str, Projection]

    def build(self, seed: int) -> None:
        for name in self.network.hidden:
            self.check_transfer(f"scheme {self.name!r}: population {name!r}", self.population(name).transfer)
        self.links = {link.post: link for link in self.network.chain(f"scheme {self.name!r}")}

    def check_transfer(self, owner: str, curve: Transfer) -> None:
        """Raise InputError, naming ``owner``, where hidden populations cannot relax with this transfer."""
        said = f"{owner} has transfer {curve.name!r}: expected one with a slope of its own, along which its neurons can relax"
        require(not curve.straight_through, f"{said}; use 'tanh' or 'sigmoid'")

    def check_turns(self, option: str, turns: Any, least: int = 1) -> int:
        """Return how often something is repeated; raise InputError where that is no whole number from ``least`` on."""
        whole = isinstance(turns, int) and not isinstance(turns, bool) and least <= turns <= MOST_TURNS
        said = f"scheme {self.name!r}: {option} {quoted(turns)}: expected a whole number, {least} to {MOST_TURNS}"
        require(whole, f"{said}; give one such as 20")
        return turns  # type: ignore[no-any-return]

    def population(self, name: str) -> Population:
        """Return a population of the network."""
        return self.network.populations[name]

    def hold(self, name: str, activation: Any, sweep: Sweep) -> Activity:
        """Return the activity of a population with another ``activation``, (batch, *shape); dropout stays the sweep's."""
        rate = self.population(name).transfer.rate(self.network.backend, activation, None, name)
        mask = sweep[name].mask
        return replace(sweep[name], activation=activation, rate=rate, transmitted=rate if mask is None else rate * mask)

    def respond(self, name: str, at: Mapping[str, Activity], sweep: Sweep, draws: Draws | None) -> Activity:
        """Return what the population below makes of ``name``: f_l and its rate, with the sweep's own noise.

        at : the populations that are not as in the sweep; what the input makes of the first population never changes
        """
        pre = self.links[name].pre
        if pre not in at:
            return sweep[name]
        return self.network.respond(name, {pre: at[pre].transmitted}, training=sweep.training, draws=draws)

    def send_down(self, name: str, signal: Any, local: Activity) -> Any:
        """Return a ``signal`` on the activation of ``name``, (batch, *shape), as it arrives below: through f_l transposed.

        local : what f_l made of the rates below; a normalisation is transposed there
        """
        return self.links[name].back(self.population(name).teach_activation(signal, local).error)

    def settle(
        self,
        turns: int,
        at: Mapping[str, Activity],
        moving: Sequence[str],
        sweep: Sweep,
        draws: Draws | None,
        pull: Callable[[str, Mapping[str, Activity]], Any] | None = None,
        feedback: float = 1.0,
    ) -> dict[str, Activity]:
        """Return the populations after ``turns`` of  a_l <- f_l(h_{l-1}) + feedback f_{l+1}^T(h_{l+1}) + pull_l, last one first.

        Each takes the newest activity of its neighbours.  Those of ``at`` that do not move stay as they are, and a neuron that
        dropout silences sends nothing either way.

        pull : of a population, given where all are now: what is added to its activation, (batch, *shape), or None
        """

        def turn(*activations: Any) -> tuple[Any, ...]:
            now = {**at, **{name: self.hold(name, a, sweep) for name, a in zip(moving, activations, strict=True)}}
            above = {link.pre: name for name, link in self.links.items() if name in at}
            made = {name: self.respond(name, now, sweep, draws) for name in at if name not in moving}
            for name in reversed(moving):
                made[name] = self.respond(name, now, sweep, draws)
                total = made[name].activation
                if name in above:
                    down = self.send_down(above[name], now[above[name]].transmitted, made[above[name]])
                    total = total + down * down.dtype.type(feedback)
                extra = None if pull is None else pull(name, now)
                now[name] = self.hold(name, total if extra is None else total + extra, sweep)
            return tuple(now[name].activation for name in moving)

        if not moving:
            return dict(at)
        ends = repeat(turns, turn, *(at[name].activation for name in moving))
        return {**at, **{name: self.hold(name, a, sweep) for name, a in zip(moving, ends, strict=True)}}
