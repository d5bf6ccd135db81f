"""``neurosim.check`` holds a scheme or a rule from anywhere to the contract; ``neurosim.card`` draws up its locality card."""

from neurosim.checking.cards import card, write_cards
from neurosim.checking.checking import check
from neurosim.checking.result import Finding, Outcome, Result
from neurosim.runfile.locality_card import Card

__all__ = ["Card", "Finding", "Outcome", "Result", "card", "check", "write_cards"]
