"""Local error signals: every population has a readout of its own, and learns from that readout's error alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.feedback.synapses import draw_weights, feedback, meet, synapses
from neurosim.network import Network, Population, Projection, Sweep, Teaching

LOSSES = ("pred", "sim", "predsim")
CODE = 128  # neurons of the random projection of the label, as in the released code

Heads = dict[str, tuple[Sweep, Mapping[str, Teaching]]]


class LocalErrors(FeedbackPathway):
    """Each hidden population minimises a loss of its own rate h (before dropout); nothing comes from above.

    pred     L(U'h + u, y), L the task's: CE for classes         U starts at zero, u is drawn
    sim      mean_ij (S(M'h)_ij - S(y)_ij)**2                    S: cosines of samples, each less its own mean over features
    predsim  (1 - beta) pred + beta sim                          the output's cross-entropy is taken (1 - beta) times as well

    ``backprop_free``: no weight transport in the heads, no labels as such (each population has a P and an F, drawn once and fixed)
    pred-bpf   binary CE(U'h + u, P'y > 0), mean over 128 neurons; U and u start at zero; its error reaches h through F instead of U
    sim-bpf    mean_ij (S(h)_ij - S(P'y)_ij)**2

    loss : ``pred``, ``sim`` or ``predsim``
    beta : the share of ``sim`` in ``predsim``; by default 0.99, or 0.01 when ``backprop_free``, as in the released scripts
    backprop_free : True selects the variants without back-propagation in the heads (bpf)

    P and F are projections without a rule: neither is learned nor decayed.

    Raises
    ------
    InputError
        An unknown loss, or a beta out of range or where there is nothing to weigh.
    """

    name = "local_errors"
    title = "Local error signals"
    citation = "Nokland and Eidnes (2019). Training neural networks with local error signals. ICML 2019. arXiv:1901.06656."
    variants = tuple({"loss": loss, "backprop_free": free} for free in (False, True) for loss in LOSSES)
    made_for = ("rate", "spike")

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
        for name in self.network.hidden:
            size = self.network.populations[name].size
            if self.backprop_free:
                code = Projection("target", "code", initial="lecun", bias=False, rule=None, stream=f"local/label/{name}")  # P
                ends = [Population("target", self.task.size), Population("code", CODE)]
                self.networks[f"label/{name}"] = self._network(f"label/{name}/", ends, code, seed)
            if self.shares[0]:
                self.networks[f"pred/{name}"] = self._readout(name, size, seed)
            if self.shares[0] and self.backprop_free:
                weights = draw_weights(seed, f"local/feedback/{name}", "lecun", (size, CODE), size)  # F
                below = Population(name, self.network.populations[name].shape)
                errors = Population("output", CODE)
                self.networks[f"feedback/{name}"] = feedback(self.network, errors, below, weights, f"feedback/{name}/")
            if self.shares[1] and not self.backprop_free:
                self.networks[f"sim/{name}"] = self._head(f"sim/{name}/", size, Population("output", size), seed, bias=False)

    def _readout(self, population: str, size: int, seed: int) -> Network:
        neurons, transfer = (CODE, "sigmoid") if self.backprop_free else (self.task.size, self.task.readout)
        readout = self._head(f"pred/{population}/", size, Population("output", neurons, transfer=transfer), seed, bias=True)
        for name, value in synapses(readout).parameters.items():
            if name == "w" or self.backprop_free:  # as in the released code: only the plain readout's bias keeps its draw
                value[...] = 0
        return readout

    def _head(self, prefix: str, size: int, output: Population, seed: int, *, bias: bool) -> Network:
        link = Projection("input", "output", initial="lecun", bias=bias, stream=f"weights/{prefix}seen__told")  # its name in 2026
        return self._network(prefix, [Population("input", size), output], link, seed)

    def _network(self, prefix: str, ends: list[Population], link: Projection, seed: int) -> Network:
        options: dict[str, Any] = {"dtype": str(self.network.dtype), "backend": self.network.backend, "seed": seed}
        return Network(ends, [link], prefix=prefix, **options)

    def renew(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Rename the heads' synapses, ``seen__told`` until November 2026; P and F, not stored then, are as the seed makes them."""
        host = self.network.backend.to_host
        fixed = {f"pathway|{name}": host(value) for name, value in self.fixed_weights().items()}
        mine = ("pathway|", "feedback_optimiser|")
        return fixed | {
            key.replace("/seen__told.", "/input__output.") if key.startswith(mine) else key: value for key, value in state.items()
        }

    # ------------------------------------------------------------------ one step

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> TeachingWithHeads:
        network = self.network
        teaching = TeachingWithHeads()
        for name in network.hidden:
            activity = sweep[name]
            rate, code = activity.rate.reshape(len(target), -1), target
            if self.backprop_free:
                coded = self.networks[f"label/{name}"].sweep(target)
                code, teaching.heads[f"label/{name}"] = coded.rate["code"], (coded, {})
            error: Any = 0
            if self.shares[0]:
                error = error + self._predict(name, rate, code, teaching.heads)
            if self.shares[1]:
                error = error + self._match(name, rate, self._similarity(code)[0], teaching.heads)
            teaching[name] = network.populations[name].teach(error.reshape(activity.rate.shape), activity)
            if self.shares[0] and self.backprop_free:
                sent = teaching.heads[f"pred/{name}"][1]["output"].error
                both = meet(self.networks[f"feedback/{name}"], sent, activity)
                teaching.heads[f"feedback/{name}"] = both, {name: Teaching(teaching[name].error)}
        at_output = self.output_teaching(sweep, target)
        share = at_output.error.dtype.type(self.at_output)
        on_inputs = {name: error * share for name, error in at_output.inputs.items()}
        output, activity = network.populations[network.output], sweep[network.output]
        teaching[network.output] = output.teach_activation(at_output.error * share, activity, on_inputs)
        return teaching

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        complete = teaching if isinstance(teaching, TeachingWithHeads) else self.teach(sweep, target, draws)
        deltas: Deltas = {}
        for name, (response, errors) in complete.heads.items():
            deltas |= self.networks[name].propose(response, errors)[0]
        return deltas

    def _predict(self, population: str, rate: Any, code: Any, heads: Heads) -> Any:
        """Return the readout's error on the rate, (batch, n)."""
        name = f"pred/{population}"
        head = self.networks[name]
        response = head.sweep(rate)
        if self.backprop_free:
            error = ((code > 0) - response.rate["output"]) / CODE
        else:
            error = self.task.error(head.populations["output"], response["output"], code)
        error *= error.dtype.type(self.shares[0])
        heads[name] = response, {"output": head.populations["output"].teach_activation(error, response["output"])}
        if self.backprop_free:
            return synapses(self.networks[f"feedback/{population}"]).drive(error).reshape(rate.shape)
        return synapses(head).back(error)

    def _match(self, population: str, rate: Any, similarity: Any, heads: Heads) -> Any:
        """Return the similarity loss's error on the rate, (batch, n); similarity : of the targets, (batch, batch)."""
        if self.backprop_free:
            return self._similarity_error(rate, similarity)
        name = f"sim/{population}"
        head = self.networks[name]
        response = head.sweep(rate)
        error = self._similarity_error(response.rate["output"], similarity)
        heads[name] = response, {"output": head.populations["output"].teach_activation(error, response["output"])}
        return synapses(head).back(error)

    def _similarity(self, values: Any) -> tuple[Any, Any, Any]:
        """Return all cosines, (batch, batch), the unit rows, (batch, n), and the rows' norms + 1e-8, (batch, 1)."""
        centred = values - values.mean(axis=1, keepdims=True)
        norms = self.network.backend.xp.sqrt((centred * centred).sum(axis=1, keepdims=True)) + values.dtype.type(1e-8)
        rows = centred / norms
        # the released code clamps the cosines to [-1, 1]; the 1e-8 keeps them there but for rounding
        return self.network.backend.matmul(rows, rows.T), rows, norms

    def _similarity_error(self, values: Any, target: Any) -> Any:
        """Return minus batch times the gradient of share * mean_ij (S - target)**2 in ``values``, (batch, n)."""
        cosines, rows, norms = self._similarity(values)
        cosines -= target
        # 2 of the square, 2 of S = rows rows', batch / batch**2
        cosines *= cosines.dtype.type(-4 * self.shares[1] / len(values))
        at_rows = self.network.backend.matmul(cosines, rows)
        length = norms - norms.dtype.type(1e-8)
        inward = (at_rows * rows).sum(axis=1, keepdims=True) * norms
        inward /= self.network.backend.xp.maximum(length, norms.dtype.type(1e-30))
        return (at_rows - rows * inward) / norms  # a mix of rows: its mean over features is 0, as the centring asks


class TeachingWithHeads(dict[str, Teaching]):
    """Teaching signals, with the heads' part in them: network of the pathway -> its sweep and its teaching."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: Heads = {}
