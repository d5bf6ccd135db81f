"""Sign-symmetric feedback: the error goes back through weights that have the forward weights' signs, and sizes of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.connectivity.initialisers import INITIALISERS
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, list_crossed
from neurosim.network import Projection, Sweep, Teaching

MAGNITUDES = ("uniform", "fixed", "batch")


class SignSymmetric(FeedbackPathway):
    """e_l = (F_{l+1} e_{l+1}) * phi'(a_l) with F = M * sign(W), of the shape of W: the sign of each synapse, and not its size.

    magnitudes : what M is, for each projection
        ``uniform``  one size for all: M = s                               (uSF)
        ``fixed``    each synapse has its own, uniform in (0, sqrt(3) s)   (frSF)
        ``batch``    the same, drawn again for every batch                 (brSF)

    s is the standard deviation of what the projection's initialiser draws, so that errors come back as large as through the weights
    with which training began.  Where it draws nothing (zeros, a number, an array, text), s is Glorot's.

    Raises
    ------
    InputError
        ``magnitudes`` is none of the three.
    """

    name = "sign_symmetric"
    title = "Sign-symmetric feedback"
    citation = "Liao, Leibo and Poggio (2016). How important is weight symmetry in backpropagation? AAAI 2016. arXiv:1510.05067."
    claims = Claims(weight_transport="sign", update_locking=True, backward_locking=True)
    variants = ({}, {"magnitudes": "fixed"}, {"magnitudes": "batch"})

    def __init__(self, *, magnitudes: str = "uniform") -> None:
        known = isinstance(magnitudes, str) and magnitudes in MAGNITUDES
        said = f"scheme {self.name!r}: magnitudes {quoted(magnitudes)}"
        require(known, f"{said}: expected one of {', '.join(MAGNITUDES)}; give one such as 'uniform'")
        self.magnitudes = magnitudes

    def build(self, seed: int) -> None:
        self.crossed = [p for links in list_crossed(self.network).values() for p in links]
        self.sizes: dict[str, Any] = {}  # projection -> M, shaped as its weights, or one number that M follows from
        for p in self.crossed:
            s = find_scale(p, seed)
            size: Any = np.full((), s)
            if self.magnitudes == "fixed":
                size = generator(seed, f"feedback/{p.name}/magnitudes").uniform(0, math.sqrt(3) * s, p.w.shape)
            elif self.magnitudes == "batch":
                size = np.full((), math.sqrt(3) * s)
            self.sizes[p.name] = self.network.backend.asarray(size.astype(self.network.dtype))

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), self.feedback(draws))

    def feedback(self, draws: Draws) -> dict[str, Any]:
        """Return F by projection, each of the shape of its weights."""
        xp, found = self.network.backend.xp, {}
        for p in self.crossed:
            size = self.sizes[p.name]
            if self.magnitudes == "batch":
                size = size * draws.uniform(f"{p.name}/magnitudes", p.w.shape, p.w.dtype)
            found[p.name] = size * xp.sign(p.w)
        return found

    def memory(self) -> dict[str, Any]:
        return super().memory() | {f"feedback/{name}.size": size for name, size in self.sizes.items()}


def find_scale(p: Projection, seed: int) -> float:
    """Return the standard deviation, around 0, of what the initialiser of a projection draws, or else of what Glorot's does."""
    own = p.initial if isinstance(p.initial, str) and p.initial in INITIALISERS and p.initial != "zeros" else "glorot"
    drawn = draw_weights(seed, f"feedback/{p.name}/scale", own, p.w.shape, p.connectivity.fan_in(p.pre_shape))
    return float(np.sqrt((drawn * drawn).mean()))
