"""Noise whose mean over one batch is exact, for what a scheme learns on average."""

import numpy as np


class White:
    """Draws of mean 0 and variance 1, without correlations, in each batch: its mean is that over all noise."""

    def __init__(self):
        self.draw = np.random.default_rng(0)

    def normal(self, stream, shape, dtype):
        columns = np.concatenate([np.ones((shape[0], 1)), self.draw.normal(size=shape)], axis=1)
        return np.sqrt(shape[0]) * np.linalg.qr(columns)[0][:, 1:]
