"""What a trained network answers, and how good that is: every task, in batches, with errors for people."""

import copy

import numpy as np
import pytest

from neurosim import datasets
from neurosim.checking.bench import ArrayTrainer, make_data_for, make_task_trainer
from neurosim.datasets import from_arrays
from neurosim.errors import DataError, InputError
from neurosim.feedback import pathway, pathways
from neurosim.network import Clock, Network, Population, Projection
from neurosim.neurons import Leaky
from neurosim.plasticity import Adam
from neurosim.tasks import Reconstruction, Regression, Sizes, Task, tasks
from neurosim.training import trainer as module

DATA = datasets.load("digits", limit=300, validation=0.2)


def trainer(scheme="backprop", **options):
    return ArrayTrainer(Network.layered(DATA.shape, [16], 10, seed=1), pathway(scheme), Adam(0.01), batch=32, **options)


@pytest.mark.parametrize("task", tasks().values(), ids=tasks())
def test_every_task_has_an_answer_and_a_score(task):
    data = make_data_for(task)
    made = make_task_trainer(pathways()["backprop" if task.has_error else "none"], task, Adam(0.05))
    metrics = made.fit(data, epochs=20)[-1]
    answers = made.predict(data.train.x)
    for name in ("train", "test"):
        assert made.score(getattr(data, name)) == 1 - metrics[name].error / 100
    assert made.score(data) == made.score(data.test)
    if issubclass(task, Regression):
        targets = data.train.x if task is Reconstruction else data.train.y
        assert answers.shape == targets.shape
        residual = ((answers - targets) ** 2).sum() / ((targets - targets.mean(axis=0)) ** 2).sum()
        assert 1 - residual == pytest.approx(made.score(data.train), abs=1e-5)  # R squared
    else:
        assert answers.shape == (64,) and answers.dtype == np.int64
        right = (answers == data.train.y).mean()
        # the score of reward is of actions drawn from the output, of which the answer is the likeliest
        assert right >= made.score(data.train) if task.name == "reward" else right == pytest.approx(made.score(data.train))
        assert right > 0.35


def test_real_targets_have_their_own_shape():
    x = np.random.default_rng(0).normal(size=(60, 6))
    data = from_arrays(x, x.reshape(60, 2, 3) + 0.5, x, x.reshape(60, 2, 3) + 0.5)
    populations = [Population("x", 6), Population("output", 6, transfer="linear")]
    made = ArrayTrainer(Network(populations, [Projection("x", "output")]), pathway("backprop"), Adam(0.05), batch=30)
    made.fit(data, epochs=200)
    assert made.predict(x).shape == (60, 2, 3)
    np.testing.assert_allclose(made.predict(x), data.test.y, atol=0.3)


def test_batches_are_small_and_change_nothing(monkeypatch):
    made = trainer()
    made.fit(DATA, epochs=3)
    whole, sizes = made.predict(DATA.train.x), []
    scores = made.scores
    monkeypatch.setattr(module, "EVALUATION_BATCH", 7)
    monkeypatch.setattr(made, "scores", lambda x: sizes.append(len(x)) or scores(x))
    np.testing.assert_array_equal(made.predict(DATA.train.x.astype(np.float64)), whole)
    assert max(sizes) == 7 and sum(sizes) == len(DATA.train)


@pytest.mark.parametrize("scheme", pathways())
def test_every_scheme_answers_as_it_is_evaluated(scheme):
    made = trainer(scheme)
    error = made.fit(DATA, epochs=1)[-1]["validation"].error
    assert 100 * (made.predict(DATA.validation.x) != DATA.validation.y).mean() == pytest.approx(error)


def test_the_last_tick_answers():
    hidden, output = Population("a", 9, neurons=Leaky(tau=2)), Population("output", 10, transfer="softmax")
    network = Network([Population("x", (1, 8, 8)), hidden, output], [Projection("x", "a"), Projection("a", "output")], seed=1)
    made = ArrayTrainer(network, pathway("backprop"), Adam(0.01), clock=Clock(4), batch=32)
    error = made.fit(DATA, epochs=2)[-1]["test"].error
    assert 100 * (made.predict(DATA.test.x) != DATA.test.y).mean() == pytest.approx(error)


def test_samples_come_as_the_data_set_takes_them():
    made = trainer()
    made.fit(DATA, epochs=1)
    x, answers = DATA.test.x, made.predict(DATA.test.x)
    for given in (x.reshape(-1, 64), x[:, 0], x.tolist(), x.astype(np.float64)):
        np.testing.assert_array_equal(made.predict(given), answers)
    assert made.predict(x[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((3, 5)), r"given to predict: images of shape \(5,\): expected \(1, 8, 8\)"),
        (np.zeros(64), "given to predict: images float64"),
        (3.0, "given to predict: images float64"),
        ([["a"] * 64], "given to predict: .*expected real numbers"),
        (np.full((2000, 64), np.nan), r"samples given to predict: sample 0 holds nan"),
        (np.where(np.arange(2000 * 64).reshape(2000, 64) == 1500 * 64, np.inf, 0), "sample 1500 holds inf"),
        (np.zeros((0, 3)), "given to predict: images of shape"),
    ],
)
def test_what_are_no_samples_is_told(x, said):
    made = trainer()
    made.check(DATA)
    with pytest.raises(DataError, match=said) as caught:
        made.predict(x)
    assert "\n" not in str(caught.value)


def test_a_trainer_without_data_says_so():
    for ask in (lambda made: made.predict(DATA.test.x), lambda made: made.score(DATA.test)):
        with pytest.raises(InputError, match=r"^training: .*: the trainer has not seen its data yet: expected fit\(data\)"):
            ask(trainer())
    assert 0 <= trainer().score(DATA) < 0.4  # a data set joins it
    with pytest.raises(InputError, match="score: .*: expected a data set or a split"):
        trainer().score(DATA.test.x)


def test_a_probe_that_was_never_fitted_says_so():
    made = trainer("none", task=tasks()["unsupervised"].of(Sizes.of(DATA)))
    made.check(DATA)
    with pytest.raises(InputError, match=r"task 'unsupervised': its probe is not fitted yet: expected a fit"):
        made.predict(DATA.test.x)
    assert made.score(DATA) > 0.3
    assert (made.predict(DATA.test.x) == DATA.test.y).mean() == pytest.approx(made.score(DATA.test))


def test_a_strangers_task_answers_with_its_scores_or_says_why_not():
    class Whole(Reconstruction):
        def answer(self, scores, sizes):
            return Task.answer(self, scores, sizes)

    class Silent(Reconstruction):
        def answer(self, scores, sizes):
            raise InputError("task 'silent': it has no answer to predict; look at trainer.show(x)")

    populations = [Population("x", (1, 8, 8)), Population("output", 64)]
    for task, network in ((kind(64), Network(copy.deepcopy(populations), [Projection("x", "output")])) for kind in (Whole, Silent)):
        made = ArrayTrainer(network, pathway("backprop"), Adam(0.01), task=task, batch=32)
        made.check(DATA)
        if isinstance(task, Whole):
            np.testing.assert_array_equal(made.predict(DATA.test.x), made.show(DATA.test.x).rate["output"])
        else:
            with pytest.raises(InputError, match="no answer to predict"):
                made.predict(DATA.test.x)
