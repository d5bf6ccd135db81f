"""Classes, told apart by a network."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from neurosim.estimators.estimator import DESCRIBED, PRECISIONS, NetworkEstimator


class NeurosimClassifier(ClassifierMixin, NetworkEstimator):
    __doc__ = f"""A classifier: a network with a softmax over the classes, trained under a scheme.
{DESCRIBED}    classes_ : (n_classes,) the labels, sorted
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network; X : (n, n_features), y : (n,) labels of any kind.  Return the estimator."""
        x, y = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        return self._train(x, numbers.astype(np.int64), len(self.classes_))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class, (n, n_classes), in the order of ``classes_``."""
        return self._answers(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of highest probability, (n,)."""
        answers = self._answers(X)
        return self.classes_[answers.argmax(axis=1)]  # type: ignore[no-any-return]
