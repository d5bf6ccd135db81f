"""What goes by the share of all epochs is found out from the optimisers themselves, a stranger's too."""

import inspect

import numpy as np
import pytest

from neurosim import Network, Population, Projection, Trainer, datasets, pathway
from neurosim.plasticity import SGD, Adam, Decay, Milestones, StepDecay, Update, chain, updates
from neurosim.training.length import dependent


class WarmUp(Update):
    """A stranger's: rises over the first tenth of the training."""

    name = "warm_up"

    def apply(self, backend, change, weight, state, time):
        change *= min(1.0, 10 * time.progress)


class Late(Update):
    """Asks for the share only after many updates, and needs a memory."""

    name = "late"
    memory = ("seen",)

    def apply(self, backend, change, weight, state, time):
        state["seen"] += 1
        if time.updates > 100:
            change *= 1 - time.progress


class Needy(Update):
    """Cannot be asked about another weight than its own."""

    name = "needy"

    def apply(self, backend, change, weight, state, time):
        change *= time.progress
        change += np.ones((3, 9), change.dtype)


def trainer(*links, own=None, feedback=None, scheme="difference_target_propagation"):
    populations = [Population("x", (1, 8, 8)), Population("a", 9, transfer="tanh"), Population("b", 9, transfer="tanh"),
                   Population("output", 10, transfer="softmax")]  # fmt: skip
    network = Network(populations, [Projection("x", "a", optimiser=own), Projection("a", "b"), Projection("b", "output")])
    made = Trainer(network, pathway(scheme), chain(*links), feedback_optimiser=feedback, batch=50)
    made.check(datasets.load("digits", limit=100))
    return made


def test_milestones_say_what_they_do_now():
    (line,), differs = dependent(trainer(Adam(0.01), Milestones([0.5, 0.75], factor=0.5)), 4, 8, 4)
    assert differs
    assert line == (
        "optimiser: milestones(at=[0.5, 0.75], factor=0.5) goes by the share of all epochs, which are 8 now and were 4: "
        "it multiplies changes by 0.5 from epoch 5, by 0.25 from epoch 7; "
        "epochs 1 to 4 went by the other, so this is not what 8 epochs from the start would have given"
    )


def test_what_made_no_difference_so_far_is_said():
    (line,), differs = dependent(trainer(Adam(0.01), Milestones([0.5], factor=0.25)), 8, 12, 3)
    assert not differs and "by 1 from epoch 4, by 0.25 from epoch 7; so far that made no difference" in line


@pytest.mark.parametrize("link", [WarmUp(), Late(), Needy()], ids=lambda link: link.name)
def test_a_strangers_schedule_is_found(link):
    (line,), differs = dependent(trainer(link, SGD(0.1)), 10, 20, 10)
    assert line.startswith(f"optimiser: {link.name}() goes by the share") and differs


def test_wherever_it_is():
    milestones = Milestones([0.5], factor=0.5)
    found, _ = dependent(trainer(SGD(0.1), own=chain(SGD(1.0), milestones), feedback=chain(SGD(0.2), milestones)), 2, 4, 2)
    assert [line.partition(":")[0] for line in found] == ["optimiser of x__a", "feedback optimiser"]
    assert dependent(trainer(SGD(0.1), feedback=chain(SGD(0.2), milestones), scheme="backprop"), 2, 4, 2) == ((), False)


def test_what_goes_by_epochs_alone_does_not_depend_on_their_number():
    assert dependent(trainer(Decay(1e-3), Adam(0.01), StepDecay(2, factor=0.5)), 4, 8, 4) == ((), False)


def test_of_the_packages_own_only_milestones_depend_on_it():
    """Where another one comes to depend on it, the documentation names it as well."""
    given = {"learning_rate": 0.1, "rate": 0.1, "limit": 2.0, "w_min": -1.0, "w_max": 1.0, "at": [0.5], "factor": 0.3, "every": 2,
             "to": 2.0, "of": "norm"}  # fmt: skip
    found = []
    for name, kind in updates().items():
        link = kind(**{option: value for option, value in given.items() if option in inspect.signature(kind).parameters})
        found += [name] if dependent(trainer(link), 4, 8, 4)[0] else []
    assert found == ["milestones"]
