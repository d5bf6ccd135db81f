"""Tasks in sequence: what each holds, and errors and forgetting by hand."""

import numpy as np
import pytest

from neurosim import datasets
from neurosim.datasets import from_arrays
from neurosim.datasets.sequences import few_shot, permute, split_by_class
from neurosim.errors import DataError, InputError
from neurosim.feedback import pathway
from neurosim.network import Network
from neurosim.plasticity import Adam
from neurosim.training import Trainer
from neurosim.training.continual import Continual, learn_in_sequence


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", validation=0.2)


def trainer(data, seed=1):
    network = Network.layered(data.shape, [32], data.classes, seed=seed)
    return Trainer(network, pathway("backprop"), Adam(3e-3), batch=16, seed=seed)


def test_groups_hold_their_classes_and_together_all_samples(digits):
    tasks = split_by_class(digits)
    for part in ("train", "validation", "test"):
        assert sum(len(getattr(task, part)) for task in tasks) == len(getattr(digits, part))
        for k, task in enumerate(tasks):
            assert set(getattr(task, part).y) == {2 * k, 2 * k + 1}
    assert all(task.classes == 10 for task in tasks)
    rows = np.isin(digits.train.y, (2, 3))
    np.testing.assert_array_equal(tasks[1].train.x, digits.train.x[rows])


def test_orders_are_one_for_all_splits_and_lose_nothing():
    draw = np.random.default_rng(0)
    data = from_arrays(draw.random((30, 12)), np.arange(30) % 3, draw.random((9, 12)), np.arange(9) % 3)
    first, *others = permute(data, 3, seed=5)
    np.testing.assert_array_equal(first.train.x, data.train.x)
    for task in others:
        order = [int(np.flatnonzero(data.train.x[0] == value)[0]) for value in task.train.x[0]]
        assert sorted(order) == list(range(12)) != order
        for part in ("train", "test"):
            np.testing.assert_array_equal(getattr(task, part).x, getattr(data, part).x[:, order])
            np.testing.assert_array_equal(getattr(task, part).y, getattr(data, part).y)
    assert not np.array_equal(others[0].train.x, others[1].train.x)
    np.testing.assert_array_equal(permute(data, 2, seed=5)[1].train.x, others[0].train.x)


def test_what_is_learned_later_makes_forget_and_by_how_much(digits):
    tasks = split_by_class(digits, [[0, 1], [2, 3], [4, 5]])
    learner = trainer(digits)
    found = learn_in_sequence(learner, tasks, epochs=4)
    assert found.errors.shape == (4, 3)
    assert found.errors[0].min() > 50  # one of ten classes, before learning
    assert all(found.errors[k + 1, k] < 10 for k in range(3))
    assert found.errors[2, 0] > 50  # the classes of before are no answer any more
    assert found.errors[-1, 0] == learner.evaluate(tasks[0].test).error
    by_hand = [found.errors[3, j] - min(found.errors[1, j], found.errors[2, j]) for j in range(2)]
    assert found.forgetting == pytest.approx(np.mean(by_hand)) and found.forgetting > 40
    assert found.final_error == pytest.approx(found.errors[3].mean())
    table = found.table.set_index(["after", "task"])
    assert table.loc[(2, 1), "test_error"] == found.errors[2, 0] and table.loc[(0, 3), "name"] == tasks[2].name


def test_the_orders_of_before_are_remembered_better_than_classes(digits):
    found = learn_in_sequence(trainer(digits), permute(digits, 2), epochs=4)
    assert found.errors[1, 0] < 15 and found.errors[2, 1] < 20
    assert found.errors[2, 0] < 60


def test_few_samples_of_each_class(digits):
    few, more = few_shot(digits, 3, seed=2), few_shot(digits, 5, seed=2)
    assert np.bincount(few.train.y).tolist() == [3] * 10 and np.bincount(more.train.y).tolist() == [5] * 10
    taken, among = ({one.tobytes() for one in data.train.x} for data in (few, more))
    assert taken < among <= {one.tobytes() for one in digits.train.x}
    assert few.test is digits.test and few.name == "digits, 3 of each class"
    assert {one.tobytes() for one in few_shot(digits, 3, seed=3).train.x} != taken


@pytest.mark.parametrize("shots", [0, 500])
def test_shots_that_there_are_not(digits, shots):
    with pytest.raises(DataError, match=f"few_shot: shots {shots}: expected 1 to [0-9]+, the samples of the rarest class"):
        few_shot(digits, shots)


def test_forgetting_is_against_the_best_of_before_and_may_be_less_than_none():
    assert Continual(("a",), np.array([[90.0], [3.0]])).forgetting == 0
    two = Continual(("a", "b"), np.array([[90.0, 80.0], [3.0, 70.0], [1.0, 9.0]]))
    assert (two.forgetting, two.done, two.final_error) == (-2, 2, 5)
    begun = Continual(("a", "b", "c"), np.array([[90.0, 80.0, 85.0], [3.0, 70.0, 85.0], [13.0, 9.0, 85.0]]))
    assert (begun.forgetting, begun.done) == (10, 2)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([[0, 10]], "class 10: expected 0 to 9"),
        ([[0, 1], [1]], "class 1 is in two groups"),
        ([["a"]], "class 'a': expected 0 to 9"),
        ([[]], r"group \[\]: 0 train samples"),
    ],
)
def test_groups_that_are_none(digits, groups, said):
    with pytest.raises(DataError, match=said):
        split_by_class(digits, groups)


def test_other_tasks_that_are_none(digits):
    draw = np.random.default_rng(0)
    real = from_arrays(draw.random((9, 3)), draw.random((9, 1)), draw.random((2, 3)), draw.random((2, 1)))
    with pytest.raises(DataError, match="targets are real"):
        split_by_class(real)
    with pytest.raises(DataError, match="targets are real"):
        few_shot(real, 1)
    with pytest.raises(DataError, match="tasks 0: expected 1 or more"):
        permute(digits, 0)
    with pytest.raises(InputError, match="no task"):
        learn_in_sequence(trainer(digits), [])
    with pytest.raises(InputError, match="differs from 'digits' in its shape or its targets"):
        learn_in_sequence(trainer(digits), [digits, real])
