"""What several references share."""

import numpy as np
import pytest


class PlainAdam:
    """Adam as Kingma and Ba's algorithm 1, parameter by parameter."""

    def __init__(self, rate):
        self.rate, self.memory = rate, {}

    def __call__(self, name, weight, gradient):
        t, m, v = self.memory.get(name, (0, 0.0, 0.0))
        t, m, v = t + 1, 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        self.memory[name] = (t, m, v)
        weight -= self.rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


@pytest.fixture
def adam():
    """Adam at rate 0.01: a function (name, weight, gradient) that makes one step in place."""
    return PlainAdam(0.01)
