"""What a check found, and its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_NAMES = 2  # in one line


class Measured(NamedTuple):
    """A claim's measured value, and through what the dependence came, as text (empty where there is none)."""

    value: Any
    through: str = ""


def list_first(names: Sequence[str]) -> str:
    """Return the first of the names as text."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


class Outcome(NamedTuple):
    """What one property came to.

    claimed : what has to hold; measured : what was found; why : one line where it fails, empty where it holds
    """

    claimed: str
    measured: str
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """One property of one variant.

    variant : the options it was made with, as text; group : ``contract``, ``capture`` or ``claims``; name : of the property
    """

    variant: str
    group: str
    name: str
    outcome: Outcome

    @property
    def passed(self) -> bool:
        """Whether the property holds."""
        return not self.outcome.why

    def __str__(self) -> str:
        claimed, measured, why = self.outcome
        return f"{self.name} failed: {why}" if why else f"{self.name} passed: expected {claimed}; measured: {measured}"


@dataclass(frozen=True, repr=False)
class Result:
    """All findings of one check; true where everything passed, and printed as a table."""

    title: str
    findings: tuple[Finding, ...]
    seconds: float

    def __bool__(self) -> bool:
        return not self.failed

    def __getitem__(self, name: str) -> Finding:
        """Return the property's first finding that failed, or its first; raise KeyError where there is none."""
        named = [finding for finding in self.findings if finding.name == name]
        if not named:
            raise KeyError(name)
        return next((finding for finding in named if not finding.passed), named[0])

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def __str__(self) -> str:
        passed = len(self.findings) - len(self.failed)
        head = f"{self.title}: {passed} of {len(self.findings)} passed in {self.seconds:.1f} s"
        return "\n".join([head, *self._lines()])

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        names = max(len(finding.name) for finding in self.findings)
        claims = max(len(finding.outcome.claimed) for finding in self.findings)
        section = ("", "")
        for finding in self.findings:
            if (finding.variant, finding.group) != section:
                if finding.variant != section[0]:
                    yield f"with {finding.variant}"
                section = finding.variant, finding.group
                yield f"{finding.group:<10}{'property':<{names}}  {'expected':<{claims}}  measured"
            claimed, measured, why = finding.outcome
            verdict = "passed" if finding.passed else "FAILED"
            yield f"  {verdict:<8}{finding.name:<{names}}  {claimed:<{claims}}  {measured}".rstrip()
            if why:
                yield f"          {why}"
