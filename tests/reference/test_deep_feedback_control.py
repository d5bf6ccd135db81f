"""Deep feedback control against the linear algebra of its steady state, on Jacobians by finite differences; its two limits."""

import numpy as np
import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network

HIDDEN = ("hidden1", "hidden2")
PHI = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}


def problem(alpha=0.3, transfer="tanh", dropout=0.0):
    network = Network.layered((6,), [5, 4], 3, transfer=transfer, dtype="float64", seed=2)
    draw = np.random.default_rng(3)
    for p in network.parameters().values():
        p += 0.3 * draw.normal(size=p.shape)
    network.populations["hidden1"].dropout = dropout
    scheme = pathway("deep_feedback_control", alpha=alpha, scale=1.0)
    scheme.attach(network, 3, seed=0)
    draws = network.backend.draws(0, 0)
    sweep = network.sweep(draw.normal(size=(7, 6)), training=True, draws=draws)
    return network, scheme, sweep, np.eye(3)[draw.integers(0, 3, 7)], draws


def feedback(scheme):
    """Return Q_l, (n_l, classes), of both hidden populations and of the output."""
    return [scheme.parameters()[f"feedback/{name}/output__{name}.w"].T for name in HIDDEN] + [np.eye(3)]


def jacobians(network, sweep, draws, row):
    """Return the Jacobians of the output's drive in the drives of both hidden populations and the output, (classes, n)."""

    def output(name, drive):
        rate = network.populations[name].respond(drive, training=True, draws=draws).transmitted
        for link in list(network.projections.values())[1 + HIDDEN.index(name) :]:
            activity = network.respond(link.post, {link.pre: rate}, training=True, draws=draws)
            rate = activity.transmitted
        return activity.drive[row]

    found, step = [], 1e-6
    for name in HIDDEN:
        columns = []
        for k in range(sweep.drive[name].shape[1]):
            moved = np.zeros_like(sweep.drive[name])
            moved[row, k] = step
            columns.append((output(name, sweep.drive[name] + moved) - output(name, sweep.drive[name] - moved)) / (2 * step))
        found.append(np.array(columns).T)
    return [*found, np.eye(3)]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("transfer", ["tanh", "relu"])
def test_errors_are_the_control_of_the_steady_state(transfer, dropout):
    network, scheme, sweep, y, draws = problem(transfer=transfer, dropout=dropout)
    taught, q = scheme.teach(sweep, y, draws), feedback(scheme)
    for row in range(7):
        j = jacobians(network, sweep, draws, row)
        system = sum(a @ b for a, b in zip(j, q, strict=True)) + 0.3 * np.eye(3)
        u = np.linalg.solve(system, (y - sweep.rate["output"])[row])
        np.testing.assert_allclose(taught["output"].error[row], u, rtol=1e-6, atol=1e-8)
        for name, own in zip(HIDDEN, q, strict=False):
            activation = sweep[name].activation[row]
            moved = PHI[transfer](activation + own @ u) - PHI[transfer](activation)
            np.testing.assert_allclose(taught[name].error[row], moved, rtol=1e-6, atol=1e-8)


def test_feedback_learns_from_the_control_that_noise_calls_forth():
    network, scheme, sweep, y, draws = problem()
    proposed, q = scheme.adapt(sweep, y, {}, draws), feedback(scheme)
    noise = [draws.normal(f"{name}/control", sweep.rate[name].shape, "float64") for name in (*HIDDEN, "output")]
    expected = [np.zeros_like(own) for own in q[:2]]
    for row in range(7):
        j = jacobians(network, sweep, draws, row)
        system = sum(a @ b for a, b in zip(j, q, strict=True)) + 0.3 * np.eye(3)
        u = np.linalg.solve(system, -sum(a @ xi[row] for a, xi in zip(j, noise, strict=True)))
        for total, own, xi in zip(expected, q, noise, strict=False):
            total -= np.outer(own @ u + xi[row], u) / 7
    for name, total in zip(HIDDEN, expected, strict=True):
        np.testing.assert_allclose(proposed[f"feedback/{name}/output__{name}.w"], total.T, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("alpha", "cosine"), [(1e-9, "pseudo-inverse"), (1e4, "back-propagation")])
def test_with_transposed_jacobians_a_small_leak_gives_the_pseudo_inverse_and_a_large_one_back_propagation(alpha, cosine):
    """Of one sample, whose Jacobians the feedback can be."""
    network, scheme, sweep, y, draws = problem(alpha=alpha)
    j = jacobians(network, sweep, draws, 0)
    for name, one in zip(HIDDEN, j, strict=False):
        scheme.parameters()[f"feedback/{name}/output__{name}.w"][...] = one
    u = scheme.teach(sweep, y, draws)["output"].error
    found = np.concatenate([*(move[0] for move in scheme.move(u).values()), u[0]])
    exact = network.errors_back(sweep, scheme.output_teaching(sweep, y))
    delta = (y - sweep.rate["output"])[0]
    ends = {
        "pseudo-inverse": np.linalg.pinv(np.concatenate(j, axis=1)) @ delta,
        "back-propagation": np.concatenate([exact[name].error[0] for name in (*HIDDEN, "output")]) / alpha,
    }
    np.testing.assert_allclose(found, ends[cosine], rtol=1e-2 if alpha > 1 else 1e-4, atol=1e-9)
    one, other = ends.values()
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) < 0.99  # the two are not the same direction


class White:
    """Draws without correlations, within a stream and between streams, in each batch: its mean is that over all noise."""

    def __init__(self, batch, **sizes):
        self.sizes, self.draw = sizes, np.random.default_rng(0)
        self.shape = (batch, sum(sizes.values()))

    def renew(self):
        columns = np.sqrt(self.shape[0]) * np.linalg.qr(self.draw.normal(size=self.shape))[0]
        self.parts = dict(zip(self.sizes, np.split(columns, np.cumsum(list(self.sizes.values()))[:-1], axis=1), strict=True))

    def normal(self, stream, shape, dtype):
        return self.parts[stream.removesuffix("/control")]


def test_in_a_linear_network_feedback_becomes_the_jacobian_transposed():
    network = Network.layered((4,), [6, 5], 2, transfer="linear", dtype="float64", seed=1)
    scheme = pathway("deep_feedback_control", alpha=0.3)
    scheme.attach(network, 2, seed=0)
    sweep, y, draws = network.sweep(np.ones((20, 4))), np.eye(2)[np.arange(20) % 2], White(20, hidden1=6, hidden2=5, output=2)
    for _ in range(700):
        draws.renew()
        for key, change in scheme.adapt(sweep, y, {}, draws).items():
            scheme.parameters()[key][...] += change
    w = {name: p.w for name, p in network.projections.items()}
    for name, j in {"hidden2": w["hidden2__output"], "hidden1": w["hidden1__hidden2"] @ w["hidden2__output"]}.items():
        np.testing.assert_allclose(scheme.parameters()[f"feedback/{name}/output__{name}.w"], 1.3 * j.T, atol=1e-3)


def test_a_transfer_without_slopes_of_single_neurons_is_refused():
    for transfer in ("softmax", "sign"):
        with pytest.raises(InputError, match=f"population 'hidden1' has transfer {transfer!r}: .* a slope of its own; use 'tanh'"):
            pathway("deep_feedback_control").attach(Network.layered((6,), [5], 3, transfer=transfer), 3, seed=0)
