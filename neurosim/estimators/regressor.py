"""Real numbers, told by a network."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from neurosim.estimators.estimator import DESCRIBED, PRECISIONS, NetworkEstimator, as_float32


class NeurosimRegressor(RegressorMixin, NetworkEstimator):
    __doc__ = f"""A regressor: a network with a linear output, trained under a scheme to the least squared error.

    Targets are taken as they are: scale them, or wrap it in ``TransformedTargetRegressor``, where they are far from 0 or 1.
{DESCRIBED}    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network; X : (n, n_features), y : (n,) or (n, n_targets) numbers.  Return the estimator."""
        x, y = validate_data(self, X, y, dtype=PRECISIONS, multi_output=True, y_numeric=True)
        self._flat = y.ndim == 1
        return self._train(x, as_float32(y.reshape(len(y), -1)))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the answers, (n,) or (n, n_targets), as ``y`` was."""
        answers = self._answers(X)
        return answers[:, 0] if self._flat else answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
