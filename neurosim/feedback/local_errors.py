"""Local error signals: every population has a readout of its own, and learns from that readout's error alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.backends.base import generator
from neurosim.connectivity import initialiser
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.network import Network, Population, Projection, Sweep, Teaching

LOSSES = ("pred", "sim", "predsim")
CODE = 128  # neurons of the random projection of the label, as in the released code


class LocalErrors(FeedbackPathway):
    """Each hidden population minimises a loss of its own rate h (before dropout); nothing comes from above.

    pred     L(U'h + u, y), L the task's: CE for classes         U starts at zero, u is drawn
    sim      mean_ij (S(M'h)_ij - S(y)_ij)**2                    S: cosines of samples, each less its own mean over features
    predsim  (1 - beta) pred + beta sim                          the output's cross-entropy is taken (1 - beta) times as well

    ``backprop_free``: no weight transport in the heads, no labels as such (each population has a P and an F, drawn once and fixed)
    pred-bpf   binary CE(U'h + u, P'y > 0), mean over 128 neurons; U and u start at zero; its error reaches h through F instead of U
    sim-bpf    mean_ij (S(h)_ij - S(P'y)_ij)**2

    loss : ``pred``, ``sim`` or ``predsim``
    beta : share of ``sim`` in ``predsim``; default .99, backprop-free .01, as in the released scripts
    backprop_free : the variants -bpf

    P and F follow from the seed, so neither is learned, decayed nor stored.

    Raises
    ------
    InputError
        An unknown loss, or a beta out of range or where there is nothing to weigh.
    """

    name = "local_errors"
    title = "Local error signals"
    citation = "Nokland and Eidnes (2019). Training neural networks with local error signals. ICML 2019. arXiv:1901.06656."
    variants = tuple({"loss": loss, "backprop_free": free} for free in (False, True) for loss in LOSSES)

    def __init__(self, *, loss: str = "predsim", beta: float | None = None, backprop_free: bool = False) -> None:
        owner = f"scheme {self.name!r}"
        require(loss in LOSSES, f"{owner}: loss {quoted(loss)}: expected one of {', '.join(LOSSES)}; pick one")
        said = f"{owner}: beta {quoted(beta)}"
        require(beta is None or loss == "predsim", f"{said} with loss {quoted(loss)}: it is for 'predsim'; drop it")
        require(beta is None or 0 < beta < 1, f"{owner}: beta {quoted(beta)} is not in (0, 1); give a share such as 0.99")
        mixed = beta if beta is not None else 0.01 if backprop_free else 0.99
        self.shares = {"pred": (1.0, 0.0), "sim": (0.0, 1.0), "predsim": (1 - mixed, mixed)}[loss]
        self.at_output = 1 - mixed if loss == "predsim" else 1.0
        self.backprop_free = backprop_free

    @property
    def claims(self) -> Claims:
        """Weight transport stays inside the heads, over their one projection; backprop-free, there is none there either."""
        return Claims(
            weight_transport="none",
            update_locking=False,
            backward_locking=False,
            pairwise=self.shares[1] > 0,
            labels_at_hidden=True,
            feedback_learns_from=("activity", "labels") if self.shares[0] or not self.backprop_free else (),  # sim-bpf has no heads
        )

    # ------------------------------------------------------------------ the heads

    def build(self, seed: int) -> None:
        self.seed = seed
        self.codes: dict[str, Any] = {}  # P, (task.size, CODE), of every population
        self.feedback: dict[str, Any] = {}  # F, (n, CODE)
        for name in self.network.hidden:
            size = self.network.populations[name].size
            if self.backprop_free:
                self.codes[name] = self._fixed(f"local/label/{name}", (self.task.size, CODE), self.task.size)
            if self.shares[0]:
                self.networks[f"pred/{name}"] = self._readout(name, size)
                if self.backprop_free:
                    self.feedback[name] = self._fixed(f"local/feedback/{name}", (size, CODE), size)
            if self.shares[1] and not self.backprop_free:
                self.networks[f"sim/{name}"] = self._head(f"sim/{name}/", size, Population("told", size), bias=False)

    def _fixed(self, stream: str, shape: tuple[int, int], fan_in: int) -> Any:
        w = initialiser("lecun")(generator(self.seed, stream), shape, fan_in)
        return self.network.backend.asarray(w, self.network.dtype)

    def _readout(self, population: str, size: int) -> Network:
        neurons, transfer = (CODE, "sigmoid") if self.backprop_free else (self.task.size, self.task.readout)
        readout = self._head(f"pred/{population}/", size, Population("told", neurons, transfer=transfer), bias=True)
        for name, value in readout.projections["seen__told"].parameters.items():
            if name == "w" or self.backprop_free:  # as in the released code: only the plain readout's bias keeps its draw
                value[...] = 0
        return readout

    def _head(self, prefix: str, size: int, told: Population, *, bias: bool) -> Network:
        options: dict[str, Any] = {"dtype": str(self.network.dtype), "backend": self.network.backend, "seed": self.seed}
        link = Projection("seen", "told", initial="lecun", bias=bias)
        return Network([Population("seen", size), told], [link], prefix=prefix, **options)

    # ------------------------------------------------------------------ one step

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> Told:
        network = self.network
        teaching = Told()
        heard = teaching.heard
        for name in network.hidden:
            rate = sweep.rate[name].reshape(len(target), -1)
            code = network.backend.matmul(target, self.codes[name]) if self.backprop_free else target
            error: Any = 0
            if self.shares[0]:
                error = error + self._predict(name, rate, code, heard)
            if self.shares[1]:
                error = error + self._match(name, rate, self._similarity(code)[0], heard)
            teaching[name] = network.populations[name].teach(error.reshape(sweep.rate[name].shape), sweep[name])
        at_output = self.output_teaching(sweep, target)
        scaled = at_output.error * at_output.error.dtype.type(self.at_output)
        teaching[network.output] = network.populations[network.output].teach_potential(scaled, sweep[network.output])
        return teaching

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        told = teaching if isinstance(teaching, Told) else self.teach(sweep, target, draws)
        deltas: Deltas = {}
        for name, (own, taught) in told.heard.items():
            deltas |= self.networks[name].propose(own, {"told": taught})[0]
        return deltas

    def _predict(self, population: str, rate: Any, code: Any, heard: dict[str, tuple[Sweep, Teaching]]) -> Any:
        """Return the readout's error on the rate, (batch, n)."""
        name = f"pred/{population}"
        head = self.networks[name]
        own = head.sweep(rate)
        if self.backprop_free:
            missing = ((code > 0) - own.rate["told"]) / CODE
        else:
            missing = self.task.error(head.populations["told"], own["told"], code)
        missing *= missing.dtype.type(self.shares[0])
        heard[name] = own, head.populations["told"].teach_potential(missing, own["told"])
        if self.backprop_free:
            return self.network.backend.matmul(missing, self.feedback[population].T)
        return head.projections["seen__told"].back(missing)

    def _match(self, population: str, rate: Any, wanted: Any, heard: dict[str, tuple[Sweep, Teaching]]) -> Any:
        """Return the similarity loss's error on the rate, (batch, n)."""
        if self.backprop_free:
            return self._similarity_error(rate, wanted)
        name = f"sim/{population}"
        head = self.networks[name]
        own = head.sweep(rate)
        missing = self._similarity_error(own.rate["told"], wanted)
        heard[name] = own, head.populations["told"].teach_potential(missing, own["told"])
        return head.projections["seen__told"].back(missing)

    def _similarity(self, values: Any) -> tuple[Any, Any, Any]:
        """Return all cosines, (batch, batch), the unit rows, (batch, n), and the rows' norms + 1e-8, (batch, 1)."""
        centred = values - values.mean(axis=1, keepdims=True)
        norms = self.network.backend.xp.sqrt((centred * centred).sum(axis=1, keepdims=True)) + values.dtype.type(1e-8)
        rows = centred / norms
        # the released code clamps the cosines to [-1, 1]; the 1e-8 keeps them there but for rounding
        return self.network.backend.matmul(rows, rows.T), rows, norms

    def _similarity_error(self, values: Any, wanted: Any) -> Any:
        """Return minus batch times the gradient of share * mean_ij (S - wanted)**2 in ``values``, (batch, n)."""
        cosines, rows, norms = self._similarity(values)
        cosines -= wanted
        # 2 of the square, 2 of S = rows rows', batch / batch**2
        cosines *= cosines.dtype.type(-4 * self.shares[1] / len(values))
        at_rows = self.network.backend.matmul(cosines, rows)
        length = norms - norms.dtype.type(1e-8)
        inward = (at_rows * rows).sum(axis=1, keepdims=True) * norms
        inward /= self.network.backend.xp.maximum(length, norms.dtype.type(1e-30))
        return (at_rows - rows * inward) / norms  # a mix of rows: its mean over features is 0, as the centring asks


class Told(dict[str, Teaching]):
    """Teaching signals, with what the heads answered on the way to them: head -> its own sweep and teaching."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, tuple[Sweep, Teaching]] = {}
