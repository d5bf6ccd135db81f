"""Decoupled neural interfaces: a module beside each population predicts the error before anything above has answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from neurosim.backends import Draws
from neurosim.errors import UnknownNameError, quoted, require
from neurosim.feedback.pathway import Claims, Deltas, FeedbackPathway
from neurosim.network import Activity, Network, Population, Projection, Sweep, Teaching
from neurosim.neurons import BatchNormalisation


class SyntheticGradients(FeedbackPathway):
    """d_l = M_l(h_l [, y]) stands in for the error on h_l, and M_l learns from the one that comes a layer later.

    e_l  = d_l * phi'(a_l)                                   the population's update, at once
    M_l  minimises ||M_l(h_l) - W_{l+1} e_{l+1}||**2         bootstrapped: e_{l+1} is itself predicted, but for the output's
    N_l  minimises ||N_l(x) - h_{l-1}||**2                   with ``synthetic_inputs``: population l then learns from N_l(x)

    Errors are per sample.  The paper's loss is a mean over the batch; taken so, the predicted gradients are batch times smaller,
    and Adam's first steps drown them.  The M's hidden layers are normalised and rectified, their last layer starts at zero.

    hidden_layers, width : hidden layers of the modules M; the paper uses none with the label, and 2 of 1024 without it
    conditioned : the modules M get the label too (cDNI)
    interfaces : the populations with a module M (default: all hidden ones); the others get exact errors from the next one above
    p_update : the probability that a population is updated in a step; a module M learns when the population above is updated
    synthetic_inputs : also predict inputs, with modules N of one hidden layer of ``width``; evaluation is the real forward pass

    Raises
    ------
    InputError
        An option out of range, an interface that is no hidden population, or a network that is not one chain.
    """

    name = "synthetic_gradients"
    title = "Synthetic gradients (decoupled neural interfaces)"
    citation = (
        "Jaderberg, Czarnecki, Osindero, Vinyals, Graves, Silver and Kavukcuoglu (2017). Decoupled neural interfaces using "
        "synthetic gradients. ICML 2017. arXiv:1608.05343."
    )
    variants = (
        {},
        {"conditioned": False},
        {"hidden_layers": 2, "width": 8},
        {"interfaces": ["hidden1"]},
        {"interfaces": ["hidden2"]},
        {"p_update": 0.5},
        {"synthetic_inputs": True, "hidden_layers": 1, "width": 8},
    )

    def __init__(
        self,
        *,
        hidden_layers: int = 0,
        width: int = 1024,
        conditioned: bool = True,
        interfaces: Sequence[str] | None = None,
        p_update: float = 1.0,
        synthetic_inputs: bool = False,
    ) -> None:
        owner = f"scheme {self.name!r}"
        require(hidden_layers in (0, 1, 2), f"{owner}: hidden_layers {quoted(hidden_layers)}: expected 0, 1 or 2; pick one")
        require(width >= 1, f"{owner}: width {quoted(width)}: expected 1 neuron or more; give a size such as 1024")
        require(0 < p_update <= 1, f"{owner}: p_update {quoted(p_update)} is not in (0, 1]; give a probability such as 0.2")
        require(interfaces is None or len(interfaces) > 0, f"{owner}: interfaces [] is empty; name a population, or use backprop")
        self.hidden_layers, self.width, self.conditioned = hidden_layers, width, conditioned
        self.interfaces, self.p_update, self.synthetic_inputs = interfaces, p_update, synthetic_inputs

    @property
    def claims(self) -> Claims:
        """Those on the network it is attached to; InputError where there is none yet, since its populations decide."""
        require(self.attached, f"scheme {self.name!r}: its claims depend on the network; attach it first, or ask claims_on(hidden)")
        return self.claims_on(self.network.hidden)

    def claims_on(self, hidden: Sequence[str]) -> Claims:
        """An interface at every population unlocks them all; where one is missing, errors come down from the next above.

        The M's own targets cross one transposed projection, or several where interfaces are missing.
        """
        have = [name for name in hidden if self.interfaces is None or name in self.interfaces]
        transport = _transport(hidden, have, [name for name in hidden if name not in have])
        sources = ["activity", "labels", *(["input", "responses"] if self.synthetic_inputs else [])]
        return Claims(
            weight_transport=transport,
            update_locking=transport != "none",
            backward_locking=transport in ("one_hop", "full"),
            labels_at_hidden=self.conditioned,
            raw_input_at_hidden=self.synthetic_inputs,
            feedback_learns_from=(*sources, _transport(hidden, have, have)),
        )

    # ------------------------------------------------------------------ the modules

    def build(self, seed: int) -> None:
        hidden = self.network.hidden
        for name in self.interfaces or ():
            if name not in hidden:
                raise UnknownNameError(f"scheme {self.name!r}: interface", name, hidden)
        self.links = {link.post: link for link in self.network.chain(f"scheme {self.name!r}")}
        context = self.task.size if self.conditioned else 0
        self.modules = {}
        for name in self.interfaces or hidden:
            size = self.network.populations[name].size
            self.modules[name] = self._module(f"gradient/{name}/", size + context, self.hidden_layers, size, seed)
        self.inputs = {}
        for link in self.links.values() if self.synthetic_inputs else ():
            if link.pre != self.network.input:
                sizes = [self.network.populations[name].size for name in (self.network.input, link.pre)]
                self.inputs[link.post] = self._module(f"input/{link.post}/", sizes[0], 1, sizes[1], seed)
        self.networks = {f"gradient/{n}": m for n, m in self.modules.items()} | {f"input/{n}": m for n, m in self.inputs.items()}

    def _module(self, prefix: str, size: int, layers: int, out: int, seed: int) -> Network:
        """Return input -> inner1 -> ... -> output, its inner populations normalised and rectified, its last weights zero."""
        populations = [Population("input", size)]
        for k in range(1, layers + 1):
            populations.append(Population(f"inner{k}", self.width, transfer="relu", normalisation=BatchNormalisation()))
        populations.append(Population("output", out))
        names = [population.name for population in populations]
        links = []
        for pre, post in zip(names, names[1:], strict=False):
            stream = f"weights/{prefix}{'seen' if pre == 'input' else pre}__{'told' if post == 'output' else post}"  # names in 2026
            links.append(Projection(pre, post, initial="zeros" if post == "output" else "lecun", stream=stream))
        options: dict[str, Any] = {"dtype": str(self.network.dtype), "backend": self.network.backend}
        return Network(populations, links, seed=seed, prefix=prefix, **options)

    def renew(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Rename the modules' synapses: their input was called ``seen``, their output ``told``, until November 2026."""
        return {_renamed(key): value for key, value in state.items()}

    # ------------------------------------------------------------------ one step

    def teach(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        signals = self._signals(sweep, target, draws)
        for name, taught in signals.items():
            if not self._updates(name, draws):
                signals[name] = replace(taught, error=None, error_on_activation=None)
        return signals

    def adapt(self, sweep: Sweep, target: Any, teaching: Mapping[str, Teaching], draws: Draws) -> Deltas:
        signals = teaching if self.p_update == 1 else self._signals(sweep, target, draws)
        deltas: Deltas = {}
        for name, module in self.modules.items():
            above = next(link.post for link in self.links.values() if link.pre == name)
            if self._updates(above, draws):  # only then does the population above send an error down
                inputs = self._module_input(learning_from(signals[name]), target)
                deltas |= regress(module, inputs, self.network.error_from_above(name, signals))
        x = flat(sweep.rate[self.network.input])
        for name, module in self.inputs.items():
            deltas |= regress(module, x, learning_from(signals[self.links[name].pre]).transmitted)
        return deltas

    def signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, dict[str, Any]]:
        taught = self._signals(sweep, target, draws)
        return {name: {"synthetic_gradient": self._predicted(name, learning_from(taught[name]), target)} for name in self.modules}

    def _updates(self, population: str, draws: Draws) -> bool:
        """Return whether ``population`` takes this step's update."""
        return self.p_update == 1 or float(draws.uniform(f"{population}/update", (), "float64")) < self.p_update

    def _signals(self, sweep: Sweep, target: Any, draws: Draws) -> dict[str, Teaching]:
        """Return the teaching signal of every population, as though all of them took their update."""
        network = self.network
        predicted = {name: self._predicted_input(name, sweep) for name in self.inputs}
        activity = dict(sweep.activity)
        for name, rate in predicted.items():
            activity[name] = network.respond(name, {self.links[name].pre: rate}, training=sweep.training, draws=draws)
        output = activity[network.output]
        signals = {network.output: self.task.teach(network.populations[network.output], output, target)}
        for name in reversed(network.hidden):
            population = network.populations[name]
            if name in self.modules:
                error = self._predicted(name, activity[name], target)
            else:
                error = network.error_from_above(name, signals)
            signals[name] = population.teach(population.error_on_rate(error, activity[name]), activity[name])
        for name, rate in predicted.items():
            below = self.links[name].pre
            signals[below] = replace(signals[below], rate=rate)
        return signals

    def _predicted(self, population: str, activity: Activity, target: Any) -> Any:
        """Return M's prediction of the error on what ``population`` transmits, (batch, *shape)."""
        return predict(self.modules[population], self._module_input(activity, target)).reshape(activity.rate.shape)

    def _predicted_input(self, population: str, sweep: Sweep) -> Any:
        """Return what N predicts ``population`` receives, (batch, *pre)."""
        below = self.links[population].pre
        return predict(self.inputs[population], flat(sweep.rate[self.network.input])).reshape(sweep.rate[below].shape)

    def _module_input(self, activity: Activity, target: Any) -> Any:
        """Return the input of an M: what the population transmits, and the label where it is conditioned on it."""
        rate = flat(activity.transmitted)
        return self.network.backend.xp.concatenate([rate, target], axis=1) if self.conditioned else rate


def _transport(hidden: Sequence[str], interfaces: Sequence[str], taught: Sequence[str]) -> str:
    """Return how far forward weights reach down to ``taught``, each given an error by the next interface above, or the output."""
    if not taught:
        return "none"
    if any(above not in interfaces for below, above in zip(hidden, hidden[1:], strict=False) if below in taught):
        return "full"  # that error has crossed another projection already
    return "output" if list(taught) == list(hidden[-1:]) else "one_hop"


def _renamed(key: str) -> str:
    if not key.startswith(("pathway|", "feedback_optimiser|")):
        return key
    return key.replace("/seen__", "/input__").replace("__told.", "__output.")


def learning_from(taught: Teaching) -> Activity:
    """Return the activity that a teaching signal refers to."""
    assert taught.activity is not None
    return taught.activity


def flat(values: Any) -> Any:
    """Return ``values``, (batch, *shape), as (batch, n)."""
    return values.reshape(len(values), -1)


def predict(module: Network, values: Any) -> Any:
    """Return a module's prediction, (batch, n).  Modules act in training only, so always with the batch's own statistics."""
    return module.sweep(values, training=True).rate["output"]


def regress(module: Network, values: Any, target: Any) -> Deltas:
    """Return the module's proposals: minus the gradient of ||module(values) - target||**2, summed over neurons."""
    response = module.sweep(values, training=True)
    at_output = module.populations["output"].teach(2 * (flat(target) - response.rate["output"]), response["output"])
    return module.propose(response, module.errors_back(response, at_output))[0]
