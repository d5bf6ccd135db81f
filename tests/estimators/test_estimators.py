"""What the estimators are: the package's network and trainer, with scikit-learn's words, in scikit-learn's tools."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from neurosim import Adam, Network, NeurosimClassifier, NeurosimRegressor, Trainer, pathway
from neurosim.datasets import from_arrays
from neurosim.errors import InputError
from neurosim.feedback import Claims, FeedbackPathway
from neurosim.neurons import transfer

X, Y = load_iris(return_X_y=True)
X, NAMES = scale(X), np.array(["setosa", "versicolor", "virginica"])[Y]


class SignSymmetry(FeedbackPathway):
    """A stranger's."""

    claims = Claims(weight_transport="sign", update_locking=True, backward_locking=True)

    def teach(self, sweep, target, draws):
        network, xp = self.network, self.network.backend.xp
        signs = {name: xp.sign(p.w) / len(p.w) ** 0.5 for name, p in network.projections.items()}
        return network.errors_back(sweep, self.output_teaching(sweep, target), signs)


def small(**parameters):
    return NeurosimClassifier(**{"hidden_layer_sizes": [8], "max_iter": 3, "random_state": 1} | parameters)


def weights(estimator):
    return {name: np.array(value) for name, value in estimator.network_.parameters().items()}


def same(one, other):
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


# ---------------------------------------------------------------------- the package's own network and trainer


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_it_is_the_network_and_the_trainer_of_the_same_seed(precision):
    found = small(scheme="feedback_alignment", random_state=7).fit(X.astype(precision), Y)
    data = from_arrays(X.astype("float32"), Y, X[:1].astype("float32"), Y[:1], classes=3)
    network = Network.layered((4,), [8], 3, seed=7, dtype=precision)
    history = Trainer(network, pathway("feedback_alignment"), Adam(3e-3), epochs=3, batch=32, seed=7).fit(data)
    assert same(weights(found), network.parameters())
    assert found.loss_curve_ == [metrics["train"].loss for metrics in history] and found.n_iter_ == 3
    assert found.trainer_.network is found.network_ and found.network_.dtype == precision


def test_a_regressor_has_a_linear_output_of_the_targets_size():
    x, y = load_diabetes(return_X_y=True)
    found = NeurosimRegressor([8], max_iter=2, random_state=1).fit(x, np.stack([y, -y], axis=1) / 100)
    assert (found.network_.populations["output"].neurons.name, found.predict(x[:5]).shape) == ("linear", (5, 2))
    assert NeurosimRegressor([8], max_iter=2).fit(x, y / 100).predict(x[:5]).shape == (5,)


def test_fewer_samples_than_a_batch_are_one_batch():
    found = small(batch_size=1000).fit(X, Y)
    assert (found.trainer_.batch, found.trainer_.steps, found.batch_size) == (150, 3, 1000)


def test_one_class_is_learned_without_a_warning(caplog):
    assert (small().fit(X, ["only"] * len(X)).predict(X) == "only").all()
    assert not caplog.records


# ---------------------------------------------------------------------- random state


def test_the_same_state_is_the_same_estimator():
    again = [small(random_state=state).fit(X, Y) for state in (1, np.int64(1), 2, None, None)]
    assert same(*map(weights, again[:2]))
    assert not any(same(weights(again[0]), weights(other)) for other in again[2:]) and not same(*map(weights, again[3:]))


def test_a_generator_goes_on_from_fit_to_fit():
    found = small(random_state=np.random.RandomState(0))
    first = weights(found.fit(X, Y))
    assert not same(first, weights(found.fit(X, Y)))
    assert same(first, weights(small(random_state=np.random.RandomState(0)).fit(X, Y)))


# ---------------------------------------------------------------------- parameters


@pytest.mark.parametrize("given", ["hsic_bottleneck", pathway("hsic_bottleneck", beta=50.0), SignSymmetry, SignSymmetry()])
def test_a_scheme_is_a_name_a_class_or_an_object_that_stays_as_it_is(given):
    found = small(scheme=given, max_iter=30).fit(X, Y)
    assert found.score(X, Y) > 0.7 and found.scheme is given
    assert not (isinstance(given, FeedbackPathway) and given.attached)
    assert same(weights(found), weights(clone(found).fit(X, Y)))


def test_objects_for_transfer_and_optimiser():
    found = small(activation=transfer("relu"), solver=Adam(0.1), learning_rate_init=0).fit(X, Y)
    assert found.network_.populations["hidden1"].neurons.name == "relu" and found.score(X, Y) > 0.7
    assert small(learning_rate_init=0.0).fit(X, Y).score(X, Y) < 0.7


@pytest.mark.parametrize("parameters, said", [
    ({"scheme": "backprob"}, "scheme 'backprob' is unknown: .* did you mean 'backprop'?"),
    ({"scheme": 3}, "scheme 3: expected a name such as 'backprop', a class of schemes or an object of one"),
    ({"scheme": Adam}, "scheme <class .*Adam'>: expected a name"),
    ({"solver": "lbfgs"}, "optimiser or transform 'lbfgs' is unknown"),
    ({"solver": 0.1}, "solver 0.1: expected a name such as 'adam', or an optimiser"),
    ({"activation": "logistic"}, "transfer 'logistic' is unknown"),
    ({"hidden_layer_sizes": 64}, "hidden 64: expected the hidden populations' sizes; give a list"),
    ({"max_iter": 0}, "epochs 0: expected 1 or more"),
    ({"batch_size": "auto"}, "batch 'auto': expected 1 or more"),
    ({"batch_size": 0}, "batch 0: expected 1 or more"),
    ({"learning_rate_init": -1}, "learning_rate -1 is not a number of 0 or more"),
    ({"random_state": -1}, "seed -1: expected a whole number from 0"),
    ({"random_state": "one"}, "'one' cannot be used to seed"),
])  # fmt: skip
def test_a_wrong_parameter_is_told_in_one_line(parameters, said):
    with pytest.raises(ValueError, match=said) as raised:
        NeurosimClassifier(**parameters).fit(X, Y)
    assert "\n" not in str(raised.value)


def test_a_scheme_that_teaches_a_network_already_is_refused():
    used = small(scheme=pathway("backprop")).fit(X, Y).trainer_.pathway
    with pytest.raises(InputError, match="teaches another network: expected a new one"):
        small(scheme=used).fit(X, Y)


def test_numbers_beyond_float32_are_refused():
    found, far = small().fit(X, Y), np.where(np.arange(4) == 2, 1e39, X)
    for refused in (lambda: found.predict(far), lambda: small().fit(far, Y), lambda: NeurosimRegressor().fit(X, far[:, 2])):
        with pytest.raises(InputError, match="a number too large"):
            refused()


def test_nothing_is_predicted_before_fit():
    with pytest.raises(NotFittedError):
        small().predict(X)


def test_weights_of_samples_are_refused():
    with pytest.raises(TypeError, match="sample_weight"):
        small().fit(X, Y, sample_weight=np.ones(len(X)))


# ---------------------------------------------------------------------- scikit-learn's tools


def test_texts_for_classes_in_a_pipeline_searched_over_schemes():
    model = make_pipeline(StandardScaler(), small(max_iter=20))
    schemes = ["backprop", pathway("hsic_bottleneck", beta=50.0), SignSymmetry, "none"]
    found = GridSearchCV(model, {"neurosimclassifier__scheme": schemes}, cv=3, error_score="raise").fit(X, NAMES)
    assert found.best_score_ > 0.85 and found.best_params_["neurosimclassifier__scheme"] != "none"
    assert set(found.predict(X)) == {"setosa", "versicolor", "virginica"} and list(found.classes_) == sorted(set(NAMES))


def test_a_regressor_in_cross_validation():
    x, y = load_diabetes(return_X_y=True)
    assert cross_val_score(NeurosimRegressor(max_iter=5, random_state=1), scale(x), scale(y), cv=3).mean() > 0.3


def test_a_copy_from_a_file_answers_alike_and_is_fitted_on():
    found = small().fit(X, NAMES)
    again = pickle.loads(pickle.dumps(found))
    assert (found.predict_proba(X) == again.predict_proba(X)).all()
    again.trainer_.epochs += 1
    assert same(weights(found), weights(again.fit(X, NAMES)))


def test_many_samples_are_answered_as_few_are():
    found = small().fit(X, Y)
    many = np.concatenate([X] * 20)  # 3,000: more than one batch of an evaluation
    np.testing.assert_allclose(found.predict_proba(many), np.concatenate([found.predict_proba(X)] * 20))
