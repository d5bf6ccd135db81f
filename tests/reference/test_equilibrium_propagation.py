"""Equilibrium propagation against the gradient through its fixed point, and against derivatives of its primitive function."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from neurosim.errors import InputError
from neurosim.feedback import pathway
from neurosim.network import Network, Population, Projection
from neurosim.neurons import BatchNormalisation
from neurosim.tasks import Reward
from tests.reference.relaxing import PHI, Problem, distance

OUTPUTS = ("softmax", "sigmoid", "linear")


def problem_of(transfer="tanh", output="softmax", **options):
    """Return a problem whose phases come to rest."""
    return Problem("equilibrium_propagation", transfer, output, scale=0.3, **{"free": 100, "nudged": 100} | options)


def at_rest(problem, weights):
    """Return the free equilibrium's output, (batch, 3): all populations at once, from zero, for a long time."""
    h1, h2, out = (np.zeros((9, n)) for n in (5, 4, 3))
    reads = problem.read in (PHI["softmax"], PHI["linear"])
    for _ in range(60):
        up1, up2 = problem.drive(weights, "x", "hidden1", problem.x), problem.drive(weights, "hidden1", "hidden2", h1)
        top = problem.drive(weights, "hidden2", "output", h2)
        down2 = 0 if reads else anp.dot(out, weights["hidden2__output.w"].T)
        h1, h2 = problem.phi(up1 + anp.dot(h2, weights["hidden1__hidden2.w"].T)), problem.phi(up2 + down2)
        out = problem.read(top)
    return out


def off(beta, **options):
    """Return how far a step is from minus the gradient of the loss at the free equilibrium."""
    problem = problem_of(beta=beta, **options)
    true = grad(lambda weights: problem.loss_of(at_rest(problem, weights)))(problem.weights())
    return distance(problem.proposed(), {name: -value for name, value in true.items()})


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("transfer", ["tanh", "sigmoid"])
def test_half_the_nudge_is_a_quarter_of_the_error_with_both_signs_and_half_with_one(transfer, output):
    for centred, factor in ((True, 4), (False, 2)):
        large, small = (off(beta, transfer=transfer, output=output, centred=centred) for beta in (0.1, 0.05))
        assert 1e-6 < small < 0.05 and large / small == pytest.approx(factor, rel=0.12), centred


def functions(problem, target):
    """Return F(rates, weights, beta), the primitive function minus beta times the loss, summed over the batch."""
    moving = ["hidden1", "hidden2"] + ([] if problem.read in (PHI["softmax"], PHI["linear"]) else ["output"])

    def energy(rates, weights, beta):
        total, below = 0.0, problem.x
        for pre, post in (("x", "hidden1"), ("hidden1", "hidden2"), ("hidden2", "output")):
            drive = problem.drive(weights, pre, post, below)
            if f"{post}.gain" in weights:
                drive = (drive - anp.mean(drive, axis=0)) / anp.sqrt(anp.var(drive, axis=0) + 1e-5)
                drive = drive * weights[f"{post}.gain"] + weights[f"{post}.shift"]
            if post not in moving:
                return total - beta * 9 * problem.loss_of(problem.read(drive))
            total = total + anp.sum(rates[post] * drive)
            below = rates[post]
        return total - beta * 9 * problem.loss_of(rates["output"])

    return moving, energy


@pytest.mark.parametrize("more", [{}, {"normalisation": BatchNormalisation()}, {"dropout": 0.4}, {"output": "sigmoid"}])
@pytest.mark.parametrize("centred", [True, False])
def test_a_step_is_the_derivative_of_the_primitive_function_by_the_weights(more, centred):
    """With a large nudge; of normalisation and of silenced neurons as well."""
    beta, problem = 0.4, problem_of(beta=0.4, centred=centred, **more)
    moving, energy = functions(problem, problem.target)
    weights = problem.weights()

    def settled(rates, beta):
        for _ in range(100):
            for name in moving:
                total = grad(lambda one, name=name, others=rates: energy({**others, name: one}, weights, beta))(rates[name])
                rate = (problem.read if name == "output" else problem.phi)(total)
                mask = problem.seen[name].mask
                rates = {**rates, name: rate if mask is None else rate * mask}
        return rates

    free = settled({name: problem.seen[name].rate for name in moving}, 0.0)
    ends = (settled(free, beta), settled(free, -beta) if centred else free)
    nudges = (beta, -beta if centred else 0.0)
    plus, minus = (grad(lambda w, at=at, b=b: energy(at, w, b))(weights) for at, b in zip(ends, nudges, strict=True))
    for name, value in problem.proposed().items():
        wanted = (plus[name] - minus[name]) / (nudges[0] - nudges[1]) / 9
        if name.startswith("hidden2__output") and len(moving) == 2 and not centred:
            continue  # a readout learns half in each phase, also in the free one, in which this function has no loss
        np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_answer_is_the_free_equilibrium(output):
    problem = problem_of("sigmoid", output)
    rest = at_rest(problem, problem.weights())
    seen = problem.network.sweep(problem.x)
    if output == "sigmoid":  # what a readout does not hear of moves with the rest
        assert np.abs(rest - seen.rate["output"]).max() > 1e-3
    np.testing.assert_allclose(problem.scheme.scores(seen), rest, rtol=1e-8)
    assert problem.scheme.loss(seen, problem.target) == pytest.approx(problem.loss_of(rest), rel=1e-8)


@pytest.mark.parametrize(
    ("options", "named"), [({"beta": 0.0}, "beta 0.0"), ({"free": 0}, "free 0"), ({"nudged": 2.5}, "nudged 2.5")]
)
def test_options_out_of_range(options, named):
    with pytest.raises(InputError, match=f"^scheme 'equilibrium_propagation': {named}"):
        pathway("equilibrium_propagation", **options)


def chain(output, size=3, transfer="sigmoid"):
    populations = [Population("x", 4), Population("hidden", 5, transfer=transfer), Population("output", size, transfer=output)]
    return Network(populations, [Projection("x", "hidden"), Projection("hidden", "output")])


@pytest.mark.parametrize(
    ("network", "task", "said"),
    [
        (chain("sign"), 3, "output population 'output' has transfer 'sign': expected one with a slope"),
        (chain("sigmoid", 4), 3, "output population 'output' has 4 neurons: expected 3"),
        (chain("softmax", transfer="bernoulli"), 3, "population 'hidden' has transfer 'bernoulli': expected one with a slope"),
        (chain("softmax"), Reward(3), "task 'reward' gives no targets"),
    ],
)
def test_what_it_is_not_defined_for_is_told(network, task, said):
    with pytest.raises(InputError, match=f"^scheme 'equilibrium_propagation': {said}"):
        pathway("equilibrium_propagation").attach(network, task, seed=0)
