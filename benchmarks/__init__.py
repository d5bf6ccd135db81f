"""Measurements of speed; run from the repository's root."""
