"""What classifier and regressor share: from scikit-learn's parameters and arrays to a network and its trainer."""

from __future__ import annotations

import copy
import inspect
import numbers
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from neurosim.datasets import DataSet, Split
from neurosim.errors import DataError, quoted, require
from neurosim.feedback import FeedbackPathway, pathway
from neurosim.network import Network
from neurosim.neurons import Transfer
from neurosim.plasticity import Update, update
from neurosim.tasks import of_data
from neurosim.training import EVALUATION_BATCH, Trainer

PRECISIONS = [np.float64, np.float32]  # of samples, and so of the network; what is neither becomes the first
DESCRIBED = """
    hidden_layer_sizes : how many neurons each hidden population has
    scheme : how the error reaches hidden populations: a name (see ``neurosim.pathways()``), a class, or an object with options,
        such as ``pathway("hsic_bottleneck", beta=50.0)``, of which each fit takes a copy
    activation : the transfer of hidden populations, a name or a Transfer
    solver : the optimiser: a name, or an Update with a learning rate of its own
    learning_rate_init : where ``solver`` is a name
    batch_size : samples a step, all there are where they are fewer; those that fill no last batch rest until the next epoch
    max_iter : epochs
    shuffle : a new order of the samples each epoch
    random_state : decides initial weights, order and noise; a whole number is the seed of network and trainer

    Attributes
    ----------
    network_, trainer_ : what ``fit`` built and trained, in the samples' precision: float32, or else float64
    n_iter_ : epochs
    loss_curve_ : the training loss after each, in the task's unit
    n_features_in_, feature_names_in_ : as everywhere in scikit-learn
"""


class NetworkEstimator(BaseEstimator):
    """A chain of populations, trained under a scheme to do what its targets are made for."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (64, 64),
        *,
        scheme: str | type[FeedbackPathway] | FeedbackPathway = "backprop",
        activation: str | Transfer = "tanh",
        solver: str | Update = "adam",
        learning_rate_init: float = 3e-3,
        batch_size: int = 32,
        max_iter: int = 40,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.scheme = scheme
        self.activation = activation
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state

    # ------------------------------------------------------------------ fit

    def _train(self, x: NDArray[Any], y: NDArray[Any], classes: int = 0) -> Self:
        """Build network and trainer, and train.

        x : (n, n_features); y : (n,) numbers of ``classes``, or (n, n_targets) real targets where there are none

        Raises InputError (a ValueError) where a parameter does not fit, DivergedError where activity is no longer finite.
        """
        data, seed = _training_data(x, y, classes), self._seed()
        task = of_data(data)
        shown: dict[str, Any] = {"transfer": self.activation, "readout": task.readout, "dtype": str(x.dtype)}
        self.network_ = Network.layered(data.shape, self.hidden_layer_sizes, task.size, seed=seed, **shown)
        how: dict[str, Any] = {"epochs": self.max_iter, "batch": self._batch(len(x)), "shuffle": self.shuffle, "seed": seed}
        self.trainer_ = Trainer(self.network_, self._pathway(), self._optimiser(), **how)
        history = self.trainer_.fit(data, progress=False)
        self.n_iter_ = self.trainer_.epoch
        self.loss_curve_ = [metrics["train"].loss for metrics in history]
        return self

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _batch(self, samples: int) -> int:
        whole = isinstance(self.batch_size, numbers.Integral)
        return min(int(self.batch_size), samples) if whole else self.batch_size  # of which the trainer says what is wrong

    def _pathway(self) -> FeedbackPathway:
        """Return a pathway of this fit's own."""
        given = self.scheme
        if isinstance(given, str):
            return pathway(given)
        is_one = issubclass(given, FeedbackPathway) if inspect.isclass(given) else isinstance(given, FeedbackPathway)
        expected = "expected a name such as 'backprop', a class of schemes or an object of one; change it"
        require(is_one, f"scheme {quoted(given)}: {expected}")
        return given() if inspect.isclass(given) else copy.deepcopy(given)

    def _optimiser(self) -> Update:
        if isinstance(self.solver, str):
            return update(self.solver, learning_rate=self.learning_rate_init)
        expected = "expected a name such as 'adam', or an optimiser; change it"
        require(isinstance(self.solver, Update), f"solver {quoted(self.solver)}: {expected}")
        return self.solver

    # ------------------------------------------------------------------ predict

    def _answers(self, x: Any) -> NDArray[Any]:
        """Return the network's answer to each sample, (n, size)."""
        check_is_fitted(self)
        x, trainer = validate_data(self, x, dtype=PRECISIONS, reset=False), self.trainer_
        to_host = self.network_.backend.to_host
        parts = [as_float32(x[start : start + EVALUATION_BATCH]) for start in range(0, len(x), EVALUATION_BATCH)]
        return np.concatenate([to_host(trainer.scores(part)) for part in parts])


def _training_data(x: NDArray[Any], y: NDArray[Any], classes: int) -> DataSet:
    """Return a data set of training samples; the test split that it has to have is one of them, and nobody asks for it."""
    train = Split(as_float32(x), y)
    none, one = Split(train.x[:0], y[:0]), Split(train.x[:1], y[:1])
    return DataSet("X", train, none, one, classes, x.shape[1:], target_shape=() if classes else y.shape[1:])


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return values as data sets hold them; raise DataError where one is too large for that."""
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(values, dtype=np.float32)
    largest = float(np.finfo(np.float32).max)
    require(bool(np.isfinite(found).all()), f"X or y: a number too large: expected at most {largest:.1e}; scale them", DataError)
    return found
