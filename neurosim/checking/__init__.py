"""``neurosim.check`` holds a scheme or a rule from anywhere to the contract; ``neurosim.card`` draws up its locality card."""

from neurosim.checking.cards import card
from neurosim.checking.checking import check
from neurosim.checking.locality_card import Card
from neurosim.checking.result import Finding, Outcome, Result

__all__ = ["Card", "Finding", "Outcome", "Result", "card", "check"]
