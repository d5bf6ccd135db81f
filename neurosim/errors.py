"""Every error a user can cause.

Each message is one line: the object, its value, what was expected, and what to do next.  The command line prints that line
and leaves with the class's ``exit_status``; a traceback reaches the user only with ``--debug``.
"""

from __future__ import annotations

import difflib
import itertools
import numbers
import os
import shlex
from collections.abc import Iterable

MANY = 300  # characters; more names than fit into them are no help in one line
LONGEST = 80  # characters of a value that a message quotes
LISTED = 1000  # files of a folder among whose names one is looked for
LONGEST_NAME = 255  # characters of a file's name


class NeurosimError(Exception):
    """Base of every error in this package; ``exit_status`` is what the command line returns."""

    exit_status = 2


class InputError(NeurosimError, ValueError):
    """The user's input was wrong: a value, a name, a file.  Nothing was written."""


class UnknownNameError(InputError):
    """A name that is not among the known ones; the message names the nearest, and all of them unless there are many.

    where : what lists all of them
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        known, start = sorted(known), str(name)[:200]  # to compare names takes as long as they are
        near = difflib.get_close_matches(start, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        listed = known
        if len(", ".join(known)) > MANY:
            nearest = difflib.get_close_matches(start, known, n=6, cutoff=0)
            listed = [*nearest, f"... ({len(known)} in all{': ' if where else ''}{where})"]
        super().__init__(f"{kind} {quoted(name)} is unknown: expected one of {', '.join(listed)}{hint}")


class ShapeError(InputError):
    """Shapes that do not chain."""


class EquationError(InputError):
    """A plasticity equation that cannot be parsed, resolved or separated."""


class DataError(InputError):
    """A data set or data file that is missing, damaged, empty, or holds NaN or infinity."""


class BackendError(InputError):
    """A backend that cannot be had on this machine."""


class RunFileError(InputError):
    """A run file that is missing, damaged, in use, of a newer schema, or none at all; or one that must not be overwritten."""


class LostFileError(NeurosimError):
    """A run file that somebody deleted, renamed, replaced or cut short while it was written."""

    exit_status = 3


class DivergedError(NeurosimError):
    """Activity or weights left the finite numbers while training."""

    exit_status = 3


class NotCapturableError(NeurosimError):
    """A training step does something that cannot be written down and replayed; it runs as ordinary array code instead."""


def require(condition: bool, message: str, error: type[NeurosimError] = InputError) -> None:
    """Raise ``error(message)`` unless ``condition`` holds."""
    if not condition:
        raise error(message)


def quoted(value: object) -> str:
    """Return ``value`` as a message quotes it: its ``repr`` on one line, cut at LONGEST characters."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = f"a number of {getattr(value, 'bit_length', lambda: 0)():,} bits"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]}...{text[-1]}"


def meant(path: str | os.PathLike[str], more: Iterable[str] = ()) -> str:
    """Return ``; did you mean ...?`` with the name most like that of ``path``, which is not there; "" where none is like it.

    more : names that are known beside those in its folder
    """
    folder, name = os.path.split(os.path.normpath(os.fspath(path)))
    try:
        there = list(itertools.islice((entry.name for entry in os.scandir(folder or os.curdir)), LISTED))
    except OSError:
        there = []
    near = difflib.get_close_matches(name[:LONGEST_NAME], [*more, *(one for one in there if not one.startswith("."))], n=1)
    if not near:
        return ""
    return f"; did you mean {near[0] if near[0] in more else os.path.join(folder, near[0])!r}?"


def span(low: int, high: int) -> str:
    """Return whole numbers as a message says them: ``0 to 9``, or ``0`` alone where there is no other."""
    return f"{low} to {high}" if low < high else f"{high}" if low == high else "none"


def utf8(text: str) -> str:
    """Return text that every file can hold: bytes of a path that are no UTF-8 are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


def pasteable(word: object) -> str:
    """Return a word of a command, a path for example, as a shell takes it: nothing in it stands for something else."""
    text = str(word)
    if text.startswith("-") and isinstance(word, os.PathLike):
        text = f"./{text}"  # or it would be taken for an option
    if any(character in text for character in "\n\r\v\f\t\x1b"):
        return "$'" + "".join(f"\\x{ord(c):02x}" if ord(c) < 32 or c in "\\'" else c for c in text) + "'"
    return shlex.quote(text)


def require_number(owner: str, name: str, value: object, such_as: object) -> None:
    """Raise InputError unless ``value`` is a real number that floating point can hold."""
    try:
        fits = isinstance(value, numbers.Real) and isinstance(float(value), float)
    except OverflowError:
        fits = False
    require(fits, f"{owner}: {name} {quoted(value)}: expected a number; give one such as {such_as}")
