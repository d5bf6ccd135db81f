"""What is to be checked: a scheme or a rule, as a class, an object, a name, an equation, or a function that returns one."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from neurosim.errors import InputError, UnknownNameError, quoted, require
from neurosim.feedback import FeedbackPathway, pathways
from neurosim.plasticity import PlasticityRule, Rule, rules


@dataclass(frozen=True)
class Subject:
    """One variant of a scheme or of a rule.

    kind : ``scheme`` or ``rule``; title : how a table calls it; variant : its options as text
    make : returns a new object each time
    """

    kind: str
    title: str
    variant: str
    make: Callable[[], Any]


def list_subjects(what: Any, options: Mapping[str, Any]) -> list[Subject]:
    """Return what is to be checked, one for each variant; with ``options``, only the variant that they select.

    Raises
    ------
    InputError
        It is neither a scheme nor a rule, is a pathway that teaches a network already, or is an object and has options.
    """
    if isinstance(what, str):
        what = _find(what)
    if isinstance(what, FeedbackPathway | Rule):
        return [_take_object(what, options)]
    kind = _tell_kind(what, options)
    title = _title(kind, what)
    listed = getattr(what, "variants", ()) if kind == "scheme" and not options else ()
    variants = listed if isinstance(listed, tuple | list) and listed and all(isinstance(v, Mapping) for v in listed) else (options,)
    return [Subject(kind, title, in_words(variant), functools.partial(_make, what, variant)) for variant in variants]


def _title(kind: str, what: Any) -> str:
    name = getattr(what, "name", None)
    return f"{kind} {quoted(name if isinstance(name, str) and name else getattr(what, '__name__', what))}"


def in_words(options: Mapping[str, Any]) -> str:
    """Return options as text."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in options.items()) or "no options"


def _make(what: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    return what(**copy.deepcopy(dict(options)))


def _find(text: str) -> Any:
    """Return the class of a shipped scheme or rule, or what makes the rule of an equation."""
    if "=" in text:
        make = functools.partial(PlasticityRule, text)
        make.__name__ = " ".join(text.split())  # type: ignore[attr-defined]
        return make
    shipped = {**pathways(), **rules()}
    if text not in shipped:
        raise UnknownNameError("scheme or rule", text, shipped, "a class, or an equation such as 'dw = eta * error_post', will do")
    return shipped[text]


def _take_object(what: Any, options: Mapping[str, Any]) -> Subject:
    kind = "scheme" if isinstance(what, FeedbackPathway) else "rule"
    title = _title(kind, type(what))
    given = f"check: {title}: an object was given with {in_words(options)}"
    require(not options, f"{given}: expected options with a class only; give the class, or the object alone")
    if isinstance(what, FeedbackPathway):
        require(not what.attached, f"check: {title}: this object teaches a network already: expected a new one; give the class")
    return Subject(kind, title, "its options", functools.partial(copy.deepcopy, what))


def _tell_kind(what: Any, options: Mapping[str, Any]) -> str:
    """Return ``scheme`` or ``rule``."""
    if inspect.isclass(what):
        if issubclass(what, FeedbackPathway):
            return "scheme"
        if issubclass(what, Rule):
            return "rule"
    elif isinstance(what, functools.partial) and what.func is PlasticityRule:
        return "rule"
    elif callable(what):
        try:
            made = _make(what, options)
        except Exception as cause:
            raised = f"{type(cause).__name__}: {quoted(str(cause))}"
            raise InputError(f"check: {quoted(what)} raised {raised}; expected a rule or a scheme from it") from cause
        if isinstance(made, FeedbackPathway | Rule):
            return "scheme" if isinstance(made, FeedbackPathway) else "rule"
    raise InputError(
        f"check: {quoted(what)}: expected a scheme (a class that derives from FeedbackPathway), a plasticity rule (a class that "
        "derives from Rule), or an equation; give one"
    )
