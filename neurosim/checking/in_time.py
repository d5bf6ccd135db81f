"""What a scheme's update depends on in other ticks, and whether all it is told is one number: measured, as ``Claims`` says it.

The sweeps of a trial are frozen.  One tick's records and target are perturbed, and the teaching of all other ticks is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from neurosim.checking.bench import CLASSES, HIDDEN, INPUTS, SAMPLES, Arrays, Bench, list_differing, make_chain
from neurosim.checking.result import Measured, list_first
from neurosim.errors import InputError
from neurosim.feedback import FeedbackPathway
from neurosim.network import Network, Population, Projection, Sweep
from neurosim.neurons import Leaky
from neurosim.plasticity import error_driven
from neurosim.training.trial import teach_ticks

TICKS = 4

Make = Callable[[], FeedbackPathway]


def make_recurrent() -> Network:
    """Return x -> hidden1 -> hidden2 -> output, with a loop, a way back and a skip that take a tick or two."""
    first, second, *_ = HIDDEN
    populations = [Population("x", INPUTS), Population("hidden1", first, transfer="tanh")]
    populations += [Population("hidden2", second, transfer="tanh"), Population("output", CLASSES, transfer="softmax")]
    ways = [("x", "hidden1", "in", 0), ("hidden1", "hidden2", "up", 0), ("hidden2", "output", "out", 0)]
    ways += [("hidden1", "hidden1", "loop", 1), ("hidden2", "hidden1", "back", 2), ("x", "output", "skip", 1)]
    rule = error_driven()  # one for all, as in ``make_chain``
    links = [Projection(pre, post, name=name, delay=delay, rule=rule) for pre, post, name, delay in ways]
    return Network(populations, links, dtype="float64", seed=2)


def make_leaky() -> Network:
    """Return ``make_recurrent()`` with hidden populations that are leaky: their own state goes from tick to tick."""
    network = make_recurrent()
    populations = [
        Population(name, one.shape, neurons=Leaky(tau=2.0) if name in network.hidden else one.neurons)
        for name, one in network.populations.items()
    ]
    links = [Projection(p.pre, p.post, name=p.name, delay=p.delay, rule=p.rule) for p in network.projections.values()]
    return Network(populations, links, dtype="float64", seed=2)


class TrialBench:
    """One scheme on one network, one frozen trial, and every pathway weight off zero.

    Raises InputError where the scheme is not defined for the network.
    """

    def __init__(self, make: Make, network: Network) -> None:
        draw = np.random.default_rng(5)
        self.network, self.pathway = network, make()
        self.pathway.attach(network, CLASSES, seed=0)
        for values in self.pathway.parameters().values():  # what starts at zero would hide what it carries
            values += 0.3 * draw.normal(size=values.shape)
        self.draws = network.backend.draws(0, 0)
        self.targets = [np.eye(CLASSES)[draw.integers(0, CLASSES, SAMPLES)] for _ in range(TICKS)]
        self.sweeps: list[Sweep] = []
        for tick in range(TICKS):
            state = self.sweeps[-1].state if self.sweeps else None
            x, training = draw.normal(size=(SAMPLES, INPUTS)), self.pathway.training_sweep
            self.sweeps.append(network.sweep(x, state, training=training, draws=self.draws.at(tick)))

    def list_errors(self, sweeps: Sequence[Sweep], targets: Sequence[Any]) -> list[Arrays]:
        """Return for each tick population -> its error, (batch, *shape)."""
        teaching = teach_ticks(self.pathway, sweeps, targets, self.draws)
        return [{name: np.array(one.error) for name, one in tick.items() if one.error is not None} for tick in teaching]

    def perturb(self, tick: int) -> tuple[list[Sweep], list[Any]]:
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


def choose_networks(make: Make) -> list[Callable[[], Network]]:
    """Return what makes those of the recurrent networks that the scheme takes or, where it refuses both, the chain."""
    taken = []
    for network in (make_recurrent, make_leaky):
        try:
            TrialBench(make, network())
        except InputError:
            continue
        taken.append(network)
    return taken or [make_chain]


def list_all_crossings(make: Make, perturbed: Sequence[int]) -> list[tuple[int, int, str]]:
    """Return the crossings on every network that the scheme takes (see ``list_crossings``), each once."""
    found = [crossing for network in choose_networks(make) for crossing in list_crossings(make, network, perturbed)]
    return list(dict.fromkeys(found))


def list_crossings(make: Make, make_network: Callable[[], Network], perturbed: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """Yield (tick that was perturbed, other tick, population whose error in that one moved)."""
    plain = TrialBench(make, make_network())
    before = plain.list_errors(plain.sweeps, plain.targets)
    for tick in perturbed:
        bench = TrialBench(make, make_network())  # a new one: it may keep something of the trial before
        after = bench.list_errors(*bench.perturb(tick))
        for other in range(TICKS):
            if other != tick:
                yield from ((tick, other, name) for name in sorted(list_differing(before[other], after[other])))


def history(make: Make) -> Measured:
    """Which of ``trace`` and ``full`` a scheme needs that is handed whole trials is not seen: it is believed."""
    crossings = list_all_crossings(make, range(TICKS - 1))
    through = _in_words([crossing for crossing in crossings if crossing[0] < crossing[1]])
    if not through:
        return Measured("none")
    pathway = make()
    claimed = pathway.claims.history
    return Measured("trace" if pathway.answers == "tick" else "full" if claimed == "none" else claimed, through)


def future(make: Make) -> Measured:
    crossings = list_all_crossings(make, range(1, TICKS))
    through = _in_words([crossing for crossing in crossings if crossing[0] > crossing[1]])
    return Measured(bool(through), through)


def _in_words(crossings: Sequence[tuple[int, int, str]]) -> str:
    return list_first([f"tick {tick} at {name} in tick {other}" for tick, other, name in crossings])


def scalar_broadcast(make: Make) -> Measured:
    """Whatever happens to the targets, each sample's hidden errors move along one line only."""
    bench = Bench(make)
    draw, before = np.random.default_rng(0), bench.list_errors()
    moves = []
    for k in range(6):
        target = np.roll(bench.target, k % CLASSES, axis=1) + 0.3 * draw.normal(size=bench.target.shape) * (k >= CLASSES)
        after = bench.list_errors(target=target)
        moved = [(after[name] - before[name]).reshape(SAMPLES, -1) for name in sorted(before)]
        moves.append(np.concatenate([np.zeros((SAMPLES, 1)), *moved], axis=1))
    sizes = np.linalg.svd(np.stack(moves, axis=1), compute_uv=False)  # (samples, 6)
    largest = sizes[:, 0].max()
    return Measured(bool(largest > 1e-12 and sizes[:, 1:].max() < 1e-9 * largest))


IN_TIME = {measure.__name__: measure for measure in (scalar_broadcast, history, future)}
