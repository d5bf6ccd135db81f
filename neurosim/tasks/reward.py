"""Reward: the network acts, and is told how good that was; never what would have been best."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.backends import Backend, Draws
from neurosim.errors import quoted, require
from neurosim.network import Activity, Population
from neurosim.plasticity.optimisers import is_number
from neurosim.tasks.classification import Classification, one_hot
from neurosim.tasks.task import Sizes


class Reward(Classification):
    """A contextual bandit: action a is drawn from the softmax output p, and reward r(a) follows.

    outcome_k = (r - baseline) [k = a]                    all that a pathway is given
    error     = outcome - p sum_k outcome_k               on the softmax's argument; its mean over actions is the gradient of E[r]

    Source: Williams (1992), Machine Learning 8, 229-256 (REINFORCE), equation 4 for a softmax unit.

    size : how many actions
    baseline : what a reward is compared with; it changes how noisy learning is, not where it leads

    Data with classes reward the right class with 1 and others with 0; real targets are the rewards of each action.  Of the reward
    that acting at random misses, the error in per cent is what actions drawn from p still miss, so that random actions have 100.
    """

    name = "reward"
    score = "missed reward"
    guess = "always taking the action that is best on average"
    gives_target = False
    modulators = ("reward",)

    def __init__(self, size: int, *, baseline: float = 0.0) -> None:
        super().__init__(size)
        said = f"task 'reward': baseline {quoted(baseline)}"
        require(is_number(baseline), f"{said}: expected a finite number; give one such as 0.5")
        self.baseline = baseline

    @classmethod
    def of(cls, sizes: Sizes, **options: Any) -> Reward:
        return cls(sizes.classes or sizes.targets, **options)

    def targets(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float32]:
        """Return the reward of each action, (n, size)."""
        return one_hot(y, self.size) if y.dtype.kind == "i" else np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float32)

    def outcome(self, backend: Backend, output: Activity, target: Any, draws: Draws) -> Any:
        p, xp = output.rate, backend.xp
        tiny = p.dtype.type(1e-30)
        # the largest of p_k / t_k is that of action k with probability p_k, where the t_k are exponential waiting times
        waiting = -xp.log(1 - draws.uniform("action", p.shape, p.dtype))
        race = xp.log(p + tiny) - xp.log(waiting + tiny)
        taken = race >= race.max(axis=1, keepdims=True)
        return xp.where(taken, target - p.dtype.type(self.baseline), xp.zeros_like(p))

    def broadcast(self, outcome: Any) -> dict[str, Any]:
        """Return ``reward``, less the baseline."""
        return {"reward": outcome.sum(axis=1)}

    def error(self, population: Population, activity: Activity, outcome: Any) -> Any:
        return outcome - activity.rate * outcome.sum(axis=1, keepdims=True)

    def answer(self, scores: NDArray[Any], sizes: Sizes) -> NDArray[np.int64]:
        """Return the number of the likeliest action, (n,)."""
        return super().answer(scores, sizes)

    def loss(self, backend: Backend, rate: Any, target: Any) -> Any:
        """Return minus the reward that is to be expected, in the reward's own unit."""
        return -(target * rate).sum() / len(rate)

    def missed(self, scores: Any, target: Any) -> Any:
        return (target.max(axis=1) - (target * scores).sum(axis=1)).sum()

    def most(self, target: NDArray[Any]) -> float:
        wide = target.astype(np.float64)
        return float((wide.max(axis=1) - wide.mean(axis=1)).sum()) or float(target.size)

    def chance(self, target: NDArray[Any]) -> float:
        wide = target.astype(np.float64)
        return 100 * float(wide.max(axis=1).sum() - wide.sum(axis=0).max()) / self.most(target)
