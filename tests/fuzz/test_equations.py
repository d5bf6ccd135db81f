"""Equations that are wrong in every way: each is a rule or one line within two seconds, and runs nothing.

A case is named by its seed alone: ``case(7)`` is the same text everywhere.
"""

import os
import random
import warnings

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.connectivity import Dense
from neurosim.equations import FUNCTIONS
from neurosim.errors import EquationError
from neurosim.plasticity import PlasticityRule, Synapses

SECONDS = 2  # for one case
LONGEST = 800  # characters of a message: all functions are listed where one is unknown

NAMES = ["rate_pre", "rate_post", "error_post", "drive_pre", "w", "eta", "alpha", "pi", "e", "I", "w", "η", "x_pre"]
ODD_NAMES = ["inf", "b", "rate_psot", "N", "exp", "zoo"]
NUMBERS = ["0", "1", "2", "3", "0.5", "1e-3", "100", "101", "-1", "1e308", "1e-308", "2.5", "10**6", "1e15", "9" * 30, "4",
    "0.1", "0.25"]
OPERATORS = ["+", "-", "*", "/", "**", "//", "%", "*-", "**-"]
COMPARISONS = [">", "<", ">=", "<=", "==", "!="]
CALLED = [*FUNCTIONS, "print", "exit", "exec", "eval", "open", "sum", "mean", "getattr", "__import__", "Symbol", "sympify",
    "lambdify"]
JUNK = [
    "'", '"', "'PWNED'", "[0]", ".real", ".__class__", "{", "}", "(", ")", ",", ";", ":", ":=", "=", "\\", "\n", "\0", "#",
    "@", "&", "|",
    "^", "~", "$", "`", "!", "?", "lambda", "if", "else", "for", "in", "is", "not", "and", "or", "None", "True", "False", "*w",
    "**w",
    "j", "0x10", "1_0", "f'{w}'", "ｅｖａｌ", "µ", "ﬁ", "е", "\u202e", "\ufeff", "💥", "\ud800", "9" * 400, "(" * 60, ")" * 60,
    "-" * 60, "open('PWNED','w')", "exec(chr(111))", "...", "await", "yield", "\x1b[31m", "\u2028", "²", "٣", "−", "×",
]  # fmt: skip


def expression(draw, depth):
    """Return a formula of the language, and now and then of what is not."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice(draw.choices([NAMES, NUMBERS, ODD_NAMES], [65, 33, 2])[0])

    def part():
        return expression(draw, depth - 1)

    kind = draw.random()
    if kind < 0.5:
        parts = [part() for _ in range(draw.choice([2, 2, 2, 3, 5, 12]))]
        return "".join(x + draw.choice(OPERATORS) for x in parts[:-1]) + parts[-1]
    if kind < 0.6:
        return f"({part()})**{draw.choice(['2', '3', '9', '50', '99', '100', '0.5', '-1', part()])}"
    if kind < 0.7:
        return f"({part()})"
    if kind < 0.78:
        compared = f"{part()} {draw.choice(COMPARISONS)} {part()}"
        return f"int({compared})" if draw.random() < 0.5 else f"int({compared} {draw.choice(['and', 'or not'])} {part()} > 0)"
    if kind < 0.82:
        return f"clip({part()}, {part()}, {part()})"
    name = draw.choice(list(FUNCTIONS) if draw.random() < 0.97 else CALLED)
    return f"{name}({part()})"


def mutated(draw, text):
    """Return ``text`` with something cut out, doubled, put in, or wrapped, one to four times."""
    for _ in range(draw.randint(1, 4)):
        at, to = sorted(draw.choices(range(len(text) + 1), k=2))
        kind = draw.random()
        if kind < 0.45:
            text = text[:at] + draw.choice(JUNK) + text[at:]
        elif kind < 0.6:
            text = text[:at] + text[to:]
        elif kind < 0.75:
            text = text[:to] + text[at:to] * draw.choice([1, 1, 3, 40]) + text[to:]
        elif kind < 0.9:
            text = f"({text}){draw.choice(['**2', '**9', '**99', '/0', '*0', '(w)', ''])}"
        else:
            text = "".join(draw.sample(text, len(text))) if len(text) < 40 else text[: at or 1]
    return text


def case(seed):
    """Return the text and the options of one case."""
    draw = random.Random(seed)
    text = expression(draw, draw.choice([1, 2, 3, 3, 4]))
    text = mutated(draw, text) if draw.random() < 0.4 else text
    constants = {name: draw.choice([0.3, 0, -1, 2, 1e308, 1e-320]) for name in ("eta", "alpha", "I", "η") if name in text}
    start = "dw = " if draw.random() < 0.95 else draw.choice(["", "db = ", "dw == ", "dw", "d = ", "dw = dw = "])
    bias = {"bias": f"db = {expression(draw, 2)}"} if draw.random() < 0.2 else {}
    return start + text, constants | bias | {"method": draw.choice(["separable", "separable", "explicit"])}


VARIABLES = {"rate": np.linspace(-1, 2, 6).reshape(2, 3), "drive": np.ones((2, 3)), "x": np.zeros((2, 3)), "error": np.ones((2, 3))}
SYNAPSES = Synapses(NumpyBackend(), Dense(), np.linspace(-1, 1, 9).reshape(3, 3), np.ones(3), {})


def tried(text, options):
    """Build the rule and apply it; return whether it could be built."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rule = PlasticityRule(text, **options)
    except EquationError as error:
        said = str(error)
        assert "\n" not in said and len(said) < LONGEST, said
        return False
    if (rule.pre | rule.post) <= VARIABLES.keys():
        with np.errstate(all="ignore"):
            change = rule.delta(VARIABLES, VARIABLES, SYNAPSES)
        assert change.dw.shape == SYNAPSES.w.shape and change.dw.dtype == np.float64
    return True


def tried_all(seeds, limited, folder, capsys):
    """Try cases; return how many of them were rules."""
    built = 0
    capsys.readouterr()
    for seed in seeds:
        text, options = case(seed)
        try:
            with limited(SECONDS):
                built += tried(text, options)
        except BaseException as cause:
            raise AssertionError(f"case({seed}): {text!r} with {options}: {type(cause).__name__}: {cause}") from cause
        assert os.listdir(folder) == [], f"case({seed}): {text!r} left a file"
    assert capsys.readouterr().out == ""
    return built


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_some_equations(limited, folder, capsys):
    """Two hundred of them, in the fast tests, of which some are rules and some are not."""
    assert 20 < tried_all(range(200), limited, folder, capsys) < 180


@pytest.mark.slow
def test_many_equations(limited, folder, capsys):
    assert tried_all(range(200, 5_000), limited, folder, capsys) > 600


@pytest.mark.slow
def test_equations_never_tried_before(limited, folder, capsys, fresh_seed):
    assert tried_all(range(fresh_seed, fresh_seed + 4_000), limited, folder, capsys) > 400


def test_a_case_that_hangs_is_noticed(limited, folder, capsys, monkeypatch):
    """The control: the fuzzer sees a hang, an exception of another kind, and a file."""
    monkeypatch.setitem(globals(), "SECONDS", 0.1)

    def hangs(*_, **__):
        while True:
            pass

    def leaves_a_file(*_, **__):
        open("PWNED", "w").close()
        raise EquationError("no")

    def fails(*_, **__):
        raise TypeError("no")

    for broken, said in ((hangs, "TookTooLong"), (fails, "TypeError"), (leaves_a_file, "left a file")):
        monkeypatch.setitem(globals(), "PlasticityRule", broken)
        with pytest.raises(AssertionError, match=said):
            tried_all([0], limited, folder, capsys)
