"""What the fuzzers share: limits of one case's time and memory, and a seed that no run had before, printed to be repeated."""

import os
import secrets
import signal
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent
MEMORY = 4 * 2**30  # bytes that a case may take: without a limit the system would end the tests, and nobody would know by which


class TookTooLong(BaseException):
    """A case that does not end; no handler of the package may swallow it."""


def pytest_collection_modifyitems(items):
    """Leave out, in CI, what draws cases that no run had before: a fault found there would stop somebody else's change."""
    for item in items if os.environ.get("CI") else ():
        if item.path.parent == HERE and ("fresh" in item.name or "never_tried_before" in item.name):
            item.add_marker(pytest.mark.skip(reason="cases that were never tried before are for a desk"))


@pytest.fixture
def limited():
    """Return a context manager: ``with limited(2):`` raises TookTooLong where what is within takes longer than 2 s.

    MemoryError where it takes more than MEMORY.
    """

    def end(*_):
        raise TookTooLong

    @contextmanager
    def within(seconds):
        before = signal.signal(signal.SIGALRM, end)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            with _little_memory():
                yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return within


@contextmanager
def _little_memory():
    """Have the system refuse memory, where it can (elsewhere than on Linux it may not)."""
    resource = None
    with suppress(ImportError, ValueError, OSError):
        import resource

        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + MEMORY, before[1]))
    try:
        yield
    finally:
        if resource is not None:
            resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def fresh_seed():
    """Return the environment's NEUROSIM_FUZZ_SEED, or a new seed; pytest shows what is printed where a test fails."""
    seed = int(os.environ.get("NEUROSIM_FUZZ_SEED") or secrets.randbits(48))
    print(f"repeat with NEUROSIM_FUZZ_SEED={seed}")
    return seed
