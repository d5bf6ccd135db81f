"""Both estimators keep scikit-learn's contract, as scikit-learn checks it."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from neurosim import NeurosimClassifier, NeurosimRegressor


@parametrize_with_checks([NeurosimClassifier(), NeurosimRegressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)
