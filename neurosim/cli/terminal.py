"""What is printed arrives: in any encoding, and whatever Python was told to make of warnings."""

from __future__ import annotations

import codecs
import sys
import warnings

IN_ASCII = {"±": "+-", "°": " deg", "µ": "u", "−": "-", "–": "-", "…": "...", "→": "->", "×": "x", "≤": "<=", "≥": ">="}  # noqa: RUF001
LINES = range(0x2500, 0x2580)  # box drawing
ESCAPED = range(0xDC80, 0xDD00)  # how Python holds the bytes of a path that are no UTF-8


def survive() -> None:
    """Let stdout and stderr take every text, and no warning end the command, ``python -W error`` or not."""
    codecs.register_error("neurosim", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="neurosim")
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.simplefilter("default")


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what stands for characters that an encoding lacks: bytes of a path as they are, signs in ASCII, otherwise ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if ord(character) in ESCAPED:
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return IN_ASCII.get(character, "-" if ord(character) in LINES else "?"), error.start + 1


codecs.register_error("neurosim", _replaced)
