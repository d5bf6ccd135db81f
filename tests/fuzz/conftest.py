"""What the fuzzers share: a time limit for one case, and a seed that no run had before, printed so that it can be repeated."""

import os
import secrets
import signal
from contextlib import contextmanager

import pytest


class TookTooLong(BaseException):
    """A case that does not end; no handler of the package may swallow it."""


@pytest.fixture
def limited():
    """Return a context manager: ``with limited(2):`` raises TookTooLong where what is within takes longer than 2 s."""

    def end(*_):
        raise TookTooLong

    @contextmanager
    def within(seconds):
        before = signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return within


@pytest.fixture
def fresh_seed():
    """Return the environment's NEUROSIM_FUZZ_SEED, or a new seed; pytest shows what is printed where a test fails."""
    seed = int(os.environ.get("NEUROSIM_FUZZ_SEED") or secrets.randbits(48))
    print(f"repeat with NEUROSIM_FUZZ_SEED={seed}")
    return seed
