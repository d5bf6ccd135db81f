"""Claims about ticks, broadcasts and signs, measured: for all schemes in time, and for strangers that claim too little.

The sweeps of a trial are frozen.  One tick's records and target are perturbed, and the teaching of all other ticks is compared.
"""

import numpy as np
import pytest

from neurosim.checking.checking import measure
from neurosim.checking.subject import list_subjects
from neurosim.errors import ShapeError
from neurosim.feedback import Claims, FeedbackPathway, pathways
from neurosim.network import Network, Population, Projection, Sweep

TICKS, BATCH = 4, 7
CASES = [
    pytest.param(scheme, options, id=f"{scheme.name}-{'-'.join(map(str, options.values())) or 'default'}")
    for scheme in pathways().values()
    for options in scheme.variants
]


def chain():
    return Network.layered((6,), [5, 4, 4], 3, transfer="tanh", dtype="float64", seed=2)


def recurrent():
    """Return x -> hidden1 -> hidden2 -> output, with a loop, a way back and a skip that take a tick or two."""
    populations = [Population("x", 6), Population("hidden1", 5, transfer="tanh"), Population("hidden2", 4, transfer="tanh")]
    links = [Projection("x", "hidden1"), Projection("hidden1", "hidden2"), Projection("hidden2", "output")]
    links += [Projection("hidden1", "hidden1", name="loop", delay=1), Projection("hidden2", "hidden1", name="back", delay=2)]
    links += [Projection("x", "output", name="skip", delay=1)]
    return Network([*populations, Population("output", 3, transfer="softmax")], links, dtype="float64", seed=2)


class Bench:
    """One scheme on one network, and one frozen trial."""

    def __init__(self, scheme, options, network):
        draw = np.random.default_rng(5)
        self.network, self.scheme = network, scheme(**options)
        self.scheme.attach(network, 3, seed=0)
        for values in self.scheme.parameters().values():  # what starts at zero would hide what it carries
            values += 0.3 * draw.normal(size=values.shape)
        self.draws = network.backend.draws(0, 0)
        self.targets = [np.eye(3)[draw.integers(0, 3, BATCH)] for _ in range(TICKS)]
        self.sweeps = []
        for tick in range(TICKS):
            state = self.sweeps[-1].state if self.sweeps else None
            x, training = draw.normal(size=(BATCH, 6)), self.scheme.training_sweep
            self.sweeps.append(network.sweep(x, state, training=training, draws=self.draws.at(tick)))

    def errors(self, sweeps, targets):
        """Return the errors of each tick, taught in the order of a trial."""
        if self.scheme.answers == "trial":
            teaching = self.scheme.teach_trial(sweeps, targets, self.draws)
        else:
            teaching = [self.scheme.teach(*of, self.draws.at(k)) for k, of in enumerate(zip(sweeps, targets, strict=True))]
        return [{name: np.array(one.error) for name, one in tick.items() if one.error is not None} for tick in teaching]

    def perturbed(self, tick):
        """Return the trial's records and targets, those of one tick moved."""
        noise = np.random.default_rng(tick)
        sweep, moved = self.sweeps[tick], {}
        for name in self.network.order:
            drive = sweep.drive[name] + noise.normal(size=sweep.drive[name].shape)
            moved[name] = self.network.populations[name].respond(drive, training=sweep.training)
        arrived = {name: rate + noise.normal(size=rate.shape) for name, rate in sweep.arrived.items()}
        other = Sweep.of(moved, sweep.training, arrived, sweep.state)
        sweeps = [other if k == tick else s for k, s in enumerate(self.sweeps)]
        return sweeps, [noise.permuted(t, axis=1) if k == tick else t for k, t in enumerate(self.targets)]


def differ(one, other):
    return set(one) != set(other) or any(not np.array_equal(one[name], other[name]) for name in one)


def measured_ticks(scheme, options, make):
    """Return (depends on earlier ticks, on later ones)."""
    plain = Bench(scheme, options, make())
    errors = plain.errors(plain.sweeps, plain.targets)
    history = future = False
    for tick in range(TICKS):
        bench = Bench(scheme, options, make())  # a new one: it may keep something of the trial before
        moved = bench.errors(*bench.perturbed(tick))
        if errors[tick]:
            assert differ(errors[tick], moved[tick]), "the perturbation reaches its own tick"
        history |= any(differ(errors[k], moved[k]) for k in range(tick + 1, TICKS))
        future |= any(differ(errors[k], moved[k]) for k in range(tick))
    return history, future


def runs(scheme, options, make):
    try:
        Bench(scheme, options, make())
    except ShapeError as refused:
        assert "no chain" in str(refused)
        return False
    return True


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_earlier_and_later_ticks_matter_where_they_are_claimed_to(scheme, options):
    """On the recurrent network, or on the chain where a scheme is defined for chains only."""
    make = recurrent if runs(scheme, options, recurrent) else chain
    claims = Bench(scheme, options, make()).scheme.claims
    assert measured_ticks(scheme, options, make) == (claims.history != "none", claims.future)
    assert claims.history != "full" or scheme.answers == "trial", "who answers each tick is handed no record of another"


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_without_delays_no_tick_matters_to_another(scheme, options):
    assert measured_ticks(scheme, options, chain) == (False, False)


# ---------------------------------------------------------------------- one number for all


def measured_broadcast(scheme, options):
    """Return whether, whatever happens to the target, a sample's hidden errors move along one line only."""
    bench = Bench(scheme, options, chain())
    draw, sweep, target = np.random.default_rng(0), bench.sweeps[0], bench.targets[0]
    moves = []
    for k in range(6):
        changed = target.copy()
        changed[0] = np.roll(target[0], k % 3) + 0.3 * draw.normal(size=3) * (k >= 3)
        errors = [bench.scheme.teach(sweep, each, bench.draws) for each in (target, changed)]
        both = [[e[name].error[0] for name in bench.network.hidden if name in e and e[name].error is not None] for e in errors]
        moves.append(np.concatenate(both[1]) - np.concatenate(both[0]) if both[0] else np.zeros(1))
    sizes = np.linalg.svd(np.array(moves), compute_uv=False)
    return bool(sizes[0] > 1e-12 and sizes[1:].max(initial=0) < 1e-9 * sizes[0])


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_hidden_populations_get_one_number_where_it_is_claimed(scheme, options):
    assert measured_broadcast(scheme, options) == Bench(scheme, options, chain()).scheme.claims.scalar_broadcast


# ---------------------------------------------------------------------- signs


def measured_signs(scheme, options):
    """Return whether the forward weights' sizes reach hidden errors, and whether their signs do."""
    bench = Bench(scheme, options, chain())
    plain, reached = bench.errors(bench.sweeps, bench.targets), []
    for factor in (lambda w: np.random.default_rng(1).uniform(0.5, 2, w.shape), lambda w: -1.0):
        changed = False
        for p in bench.network.projections.values():
            before = p.w.copy()
            p.w[...] *= factor(p.w)
            after = bench.errors(bench.sweeps, bench.targets)
            changed |= any(differ(*({n: tick[n] for n in bench.network.hidden if n in tick} for tick in pair))
                           for pair in zip(plain, after, strict=True))  # fmt: skip
            p.w[...] = before
        reached.append(changed)
    return tuple(reached)


@pytest.mark.parametrize(("scheme", "options"), CASES)
def test_only_signs_cross_where_it_is_claimed(scheme, options):
    claims = Bench(scheme, options, chain()).scheme.claims
    assert (measured_signs(scheme, options) == (False, True)) == (claims.weight_transport == "sign")


# ---------------------------------------------------------------------- strangers


class Stranger(FeedbackPathway):
    """What those below share."""

    name, title, citation = "stranger", "A stranger's", "none (2026)"
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=False)

    def teach(self, sweep, target, draws):
        network, teaching = self.network, {self.network.output: self.output_teaching(sweep, target)}
        for name in network.hidden:
            error = self.error(name, sweep, teaching[network.output].error)
            teaching[name] = network.populations[name].teach(error, sweep[name])
        return teaching

    def error(self, name, sweep, at_output):
        return np.ones(sweep.rate[name].shape)


class Remembers(Stranger):
    """A running mean of the output's error, which no claim tells of."""

    trace = 0

    def teach(self, sweep, target, draws):
        self.trace = 0.5 * self.trace + self.output_teaching(sweep, target).error.mean()
        return super().teach(sweep, target, draws)

    def error(self, name, sweep, at_output):
        return np.full(sweep.rate[name].shape, self.trace)


class LooksBack(Stranger):
    """Answers a trial by the first tick's rates, as well as the tick's."""

    answers = "trial"

    def teach_trial(self, sweeps, targets, draws):
        self.first = sweeps[0]
        return [self.teach(s, t, draws) for s, t in zip(sweeps, targets, strict=True)]

    def error(self, name, sweep, at_output):
        return sweep.rate[name] - self.first.rate[name] + 1


class LooksAhead(LooksBack):
    """The same, by the last tick's."""

    def teach_trial(self, sweeps, targets, draws):
        self.first = sweeps[-1]
        return [self.teach(s, t, draws) for s, t in zip(sweeps, targets, strict=True)]


@pytest.mark.parametrize("make", [chain, recurrent])
@pytest.mark.parametrize(
    ("scheme", "found"),
    [(Stranger, (False, False)), (Remembers, (True, False)), (LooksBack, (True, False)), (LooksAhead, (False, True))],
)
def test_a_strangers_other_ticks_are_found(scheme, found, make):
    assert measured_ticks(scheme, {}, make) == found


class Broadcasts(Stranger):
    """The loss, to every neuron through a fixed number of its own."""

    def error(self, name, sweep, at_output):
        fixed = np.random.default_rng(len(name)).normal(size=sweep.rate[name].shape[1:])
        return -np.abs(at_output).sum(axis=1, keepdims=True) * fixed * sweep.rate[name]


class BroadcastsTwo(Stranger):
    """One number to one population, another to the next."""

    def error(self, name, sweep, at_output):
        return at_output[:, [0 if name == "hidden1" else 1]] * sweep.rate[name]


@pytest.mark.parametrize(("scheme", "found"), [(Stranger, False), (Broadcasts, True), (BroadcastsTwo, False)])
def test_a_strangers_broadcast_is_found(scheme, found):
    assert measured_broadcast(scheme, {}) is found


class Signs(Stranger):
    """Sign-symmetric feedback: the transposed weights, all of one size."""

    def teach(self, sweep, target, draws):
        signs = {name: np.sign(p.w) for name, p in self.network.projections.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), signs)


class Rounded(Stranger):
    """As it seems, but for large weights."""

    def teach(self, sweep, target, draws):
        rounded = {name: np.sign(p.w) * np.where(abs(p.w) > 0.8, 1.1, 1) for name, p in self.network.projections.items()}
        return self.network.errors_back(sweep, self.output_teaching(sweep, target), rounded)


@pytest.mark.parametrize(("scheme", "found"), [(Stranger, (False, False)), (Signs, (False, True)), (Rounded, (True, True))])
def test_a_strangers_signs_are_found(scheme, found):
    assert measured_signs(scheme, {}) == found
    (subject,) = list_subjects(scheme, {})
    measured = {(False, False): "none", (False, True): "sign", (True, True): "full"}[found]
    assert measure(subject, "claims", "weight_transport").outcome.measured == measured


def test_claims_are_words_that_are_known():
    for wrong in ({"history": "some"}, {"weight_transport": "signs"}):
        with pytest.raises(AssertionError):
            Claims(**{"weight_transport": "none", "update_locking": False, "backward_locking": False, **wrong})
    claims = Claims(weight_transport="sign", update_locking=True, backward_locking=True, history="trace")
    words = ("weight_transport", "history", "future", "scalar_broadcast")
    assert [claims.words(name) for name in words] == ["sign", "trace", "no", "no"]


