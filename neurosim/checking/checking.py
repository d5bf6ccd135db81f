"""All properties of a class, one after the other, and what they came to."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from neurosim.checking import capturing, cards, contract, measuring, rules, signs
from neurosim.checking.bench import HIDDEN, Bench
from neurosim.checking.result import Finding, Outcome, Result
from neurosim.checking.subject import Subject, list_subjects
from neurosim.errors import quoted
from neurosim.feedback import Claims

Property = Callable[[Subject], Outcome]

LONGEST_MESSAGE = 300  # characters of an error that a finding quotes


def works(subject: Subject) -> Outcome:
    """The class can be made, joined to a network, and asked."""
    names = [f"hidden{k}" for k, _ in enumerate(HIDDEN, start=1)]
    if subject.kind == "rule":
        rules.Bench(subject)
    else:
        claims = subject.make().claims_on(names)
        if not isinstance(claims, Claims):
            why = f"claims is {quoted(claims)}: expected Claims(weight_transport=..., ...); make it one"
            return Outcome("can be made and asked", "no Claims", why)
        bench = Bench(subject.make)
        teaching = bench.pathway.teach(bench.sweep, bench.target, bench.draws)
        if not contract.explain_teaching(bench, teaching):  # otherwise proposals_fit says what is wrong with it
            bench.adapt()
    return Outcome("can be made and asked", "yes")


SCHEME: Mapping[str, Mapping[str, Property]] = {
    "contract": {"works": works, **contract.CONTRACT, "signs_point_up": signs.signs_point_up},
    "capture": capturing.CAPTURE,
    "claims": {
        **{name: functools.partial(measuring.claims_are_measured, name) for name in measuring.NAMES},
        "same_unattached": measuring.same_unattached,
        "card_agrees": cards.card_agrees,
    },
}
RULE: Mapping[str, Mapping[str, Property]] = {
    "contract": {"works": works, **rules.CONTRACT},
    "capture": rules.CAPTURE,
    "claims": {"card_agrees": cards.card_agrees},
}
PROPERTIES = {"scheme": SCHEME, "rule": RULE}


def check(what: Any, **options: Any) -> Result:
    """Hold a scheme or a plasticity rule, from anywhere, to the contract, and measure what it claims.

    check(MyScheme, gain=2.0)           check("dw = eta * error_post * rate_pre", eta=0.1)

    what : a class that derives from FeedbackPathway or Rule, an object of one, a function that returns one, an equation, or the
        name of a shipped scheme or rule
    options : what the class is called with; without any, a scheme is checked in each of its ``variants``

    Networks and data are small and made here.  Nothing is written, and what the class raises is a finding, not an error.

    Returns
    -------
    Result
        True where all passed; printed, a table of what was expected, what was measured, and why it failed.

    Raises
    ------
    InputError
        ``what`` is neither a scheme nor a rule, or is an object that teaches a network already.
    """
    started = time.perf_counter()
    with _silence():
        variants = list_subjects(what, options)
        findings = tuple(finding for subject in variants for finding in _list_findings(subject))
    return Result(variants[0].title, findings, time.perf_counter() - started)


def _list_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what each property comes to; of a class that cannot be asked, the first only."""
    for group, properties in PROPERTIES[subject.kind].items():
        for name in properties:
            finding = measure(subject, group, name)
            yield finding
            if name == works.__name__ and not finding.passed:
                return


def measure(subject: Subject, group: str, name: str) -> Finding:
    """Return what one of ``PROPERTIES`` comes to; whatever the class raises fails it."""
    holds = PROPERTIES[subject.kind][group][name]
    with _silence():
        try:
            outcome = holds(subject)
        except (Exception, SystemExit) as cause:
            kind = type(cause).__name__
            outcome = Outcome("no error", kind, f"{_find_place(cause)}raised {kind}: {_quote_message(cause)}")
    return Finding(subject.variant, group, name, outcome)


def _quote_message(cause: BaseException) -> str:
    """Return an error's text on one line."""
    try:
        return " ".join(str(cause).split())[:LONGEST_MESSAGE]
    except Exception:  # a stranger's error may fail to say what it is
        return "no text"


def _find_place(cause: BaseException) -> str:
    """Return the function of the user's in which an error was raised, as the beginning of a sentence."""
    trace, place = cause.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not str(trace.tb_frame.f_globals.get("__name__", "")).startswith("neurosim."):
            place = f"{code.co_qualname}, line {trace.tb_lineno}, "
        trace = trace.tb_next
    return place


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what training warns of from the terminal: a finding says it."""
    log = logging.getLogger("neurosim")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
