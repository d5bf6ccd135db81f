"""What the tests of relaxing schemes share: one small chain in float64, and the gradient of a loss by automatic differentiation."""

import autograd.numpy as anp
import numpy as np
from autograd import grad

from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.tasks import Classification, Regression

PHI = {
    "tanh": anp.tanh,
    "sigmoid": lambda a: 1 / (1 + anp.exp(-a)),
    "relu": lambda a: anp.where(a > 0, a, 0.0),
    "linear": lambda a: a,
    "softmax": lambda a: anp.exp(a) / anp.sum(anp.exp(a), axis=1, keepdims=True),
}
SIZES = {"x": 6, "hidden1": 5, "hidden2": 4, "output": 3}


class Problem:
    """A chain with biases off zero, nine samples, and the scheme joined to it.

    task : ``classification`` or ``regression``; seen : the sweep that the scheme teaches from
    """

    def __init__(self, name, transfer="tanh", output="softmax", *, normalisation=None, dropout=0.0, scale=1.0, **options):
        draw = np.random.default_rng(3)
        hidden = {"transfer": transfer, "normalisation": normalisation, "dropout": dropout}
        populations = [Population(n, k, **(hidden if "hidden" in n else {})) for n, k in list(SIZES.items())[:-1]]
        populations.append(Population("output", 3, transfer=output))
        names = list(SIZES)
        links = [Projection(a, b) for a, b in zip(names, names[1:], strict=False)]
        self.network = Network(populations, links, dtype="float64", seed=2)
        for value in self.network.parameters().values():
            value += 0.3 * draw.normal(size=value.shape)
            value *= scale
        self.x, self.target = draw.normal(size=(9, 6)), np.eye(3)[draw.integers(0, 3, 9)]
        self.phi, self.read = PHI[transfer], PHI[output]
        self.draws = self.network.backend.draws(0, 0)
        self.scheme = pathway(name, **options)
        self.scheme.attach(self.network, Regression(3) if output == "linear" else Classification(3), seed=0)
        self.seen = self.network.sweep(self.x, training=True, draws=self.draws)

    def proposed(self):
        """Return what a step proposes for every parameter."""
        return self.network.propose(self.seen, self.scheme.teach(self.seen, self.target, self.draws))[0]

    def weights(self):
        return {name: value.copy() for name, value in self.network.parameters().items()}

    def drive(self, weights, pre, post, rate):
        return anp.dot(rate, weights[f"{pre}__{post}.w"]) + weights[f"{pre}__{post}.b"]

    def feedforward_loss(self, weights):
        """Return the mean loss of the sweep, with the sweep's dropout: what back-propagation descends."""
        rate = self.x
        for pre, post in (("x", "hidden1"), ("hidden1", "hidden2")):
            drive = self.drive(weights, pre, post, rate)
            if f"{post}.gain" in weights:
                drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
                drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
            mask = self.seen[post].mask
            rate = self.phi(drive) if mask is None else self.phi(drive) * mask
        return self.loss_of(self.read(self.drive(weights, "hidden2", "output", rate)))

    def loss_of(self, rate):
        """Return cross-entropy for softmax, half the squared distance for others."""
        if self.read is PHI["softmax"]:
            return -anp.sum(self.target * anp.log(rate)) / len(self.x)
        return anp.sum((self.target - rate) ** 2) / (2 * len(self.x))

    def gradient(self):
        """Return minus the gradient of the sweep's loss."""
        return {name: -value for name, value in grad(self.feedforward_loss)(self.weights()).items()}


def distance(found, wanted):
    """Return the largest relative distance of any parameter's change; biases that a normalisation takes out are left aside."""
    apart = {}
    for name, value in wanted.items():
        size = np.linalg.norm(value)
        if size > 1e-12:
            apart[name] = np.linalg.norm(found[name] - value) / size
    assert set(found) == set(wanted) and len(apart) >= 4, "a change is missing"
    return max(apart.values())
