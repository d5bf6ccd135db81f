"""The command line: ``neurosim compare``, ``run``, ``models``, ``show``."""

from neurosim.cli.main import main

__all__ = ["main"]
