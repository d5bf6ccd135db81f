"""``neurosim.check``: a scheme or a rule from anywhere, held to the contract, its claims measured."""

from neurosim.checking.checking import check
from neurosim.checking.result import Finding, Outcome, Result

__all__ = ["Finding", "Outcome", "Result", "check"]
