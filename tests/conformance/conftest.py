"""What the conformance tests share."""

import functools

import pytest

from neurosim.checking import checking


@pytest.fixture(scope="session")
def measure():
    """Return ``measure``, with each property of a subject measured once."""
    return functools.cache(checking.measure)
