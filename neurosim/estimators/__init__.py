"""A network trained under a scheme, as an estimator of scikit-learn."""

from neurosim.estimators.classifier import NeurosimClassifier
from neurosim.estimators.regressor import NeurosimRegressor

__all__ = ["NeurosimClassifier", "NeurosimRegressor"]
