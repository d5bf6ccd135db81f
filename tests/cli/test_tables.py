"""Tables on terminals of every width: nothing is cut, and every line fits."""

import io
import random

import pytest
from rich.console import Console

from neurosim.cli import compare, models, progress
from neurosim.cli.tables import fitted, folded, show
from neurosim.experiments.comparison import Result
from neurosim.feedback import pathways
from neurosim.modelfile.reading import models as model_files
from neurosim.modelfile.reading import simulations

WIDTHS = (40, 60, 80, 100, 128, 200)


def printed(width, encoding, call, monkeypatch):
    """Return what is printed on a terminal of so many columns."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="neurosim", newline="\n")
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    monkeypatch.setattr(models, "say", lambda text: console.print(text, soft_wrap=True))
    call()
    stream.flush()
    return raw.getvalue().decode(encoding)


def results():
    """Return two seeds of every scheme, with numbers as long as they come."""
    claims = pathways()["difference_target_propagation"]().claims
    made = [
        Result(name, seed, 97.31 + seed / 3, 0.1234 * seed, 12, 1.234 * seed, 40.0 + 3 * seed, claims)
        for seed in (1, 2)
        for name in pathways()
    ]
    return [*made, Result("a_row_of_ones_own_with_a_long_name", 1, 10.0, 123456.75, None, 12345.6, float("nan"), claims)]


NUMBERS = ["97.81±0.24", "0.1851", "1.85", "44±2", "123456.7500", "12345.60", "+87.81", "output"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "koi8-r"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_is_whole_at_any_width(width, encoding, monkeypatch):
    found = printed(width, encoding, lambda: compare._print_table(results(), "Two hidden layers"), monkeypatch)
    assert "…" not in found and "..." not in found and "?" not in found
    for number in NUMBERS:
        assert number.replace("±", "±" if encoding == "utf-8" else "+-") in found, number
    for row in {result.scheme for result in results()}:
        assert set(folded(row, width // 2).split("\n")) <= set(found.split()), row
    assert max(map(len, found.split("\n"))) <= width
    assert found.count("Two hidden layers") == 1


def test_a_wide_terminal_has_one_table_and_a_narrow_one_has_more(monkeypatch):
    heads = [printed(w, "utf-8", lambda: compare._print_table(results(), "t"), monkeypatch).count("scheme") for w in WIDTHS]
    assert heads == sorted(heads, reverse=True) and heads[-1] == 1 and heads[0] > heads[2] > 1


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_models_is_whole_at_any_width(width, monkeypatch):
    found = printed(width, "utf-8", models.models, monkeypatch)
    assert "…" not in found
    for name, model in model_files().items():
        assert set(folded(name, width // 2).split("\n")) <= set(found.split()), name
        error = model.get("measured", {}).get("test_error")
        assert error is None or f"{error:.2f}" in found
    for name, model in simulations().items():
        assert set(folded(name, width // 2).split("\n")) <= set(found.split()), name
        assert all(f"{of['rate']:.2f}" in found for of in model["measured"]["populations"].values()), name


def test_any_table_fits_or_is_one_column_wide():
    draw = random.Random(3)
    for _ in range(200):
        rows, width = draw.randrange(1, 4), draw.randrange(10, 150)
        cells = [["x" * draw.randrange(1, 12) for _ in range(rows)] for _ in range(draw.randrange(1, 12))]
        blocks = [[(f"h{k}", column)] for k, column in enumerate(cells)]
        console = Console(file=io.StringIO(), width=width, color_system=None)
        show(console, fitted(console, ("name", ["[bold]" * draw.randrange(1, 3)] * rows), blocks, "a title"))
        text = console.file.getvalue()
        assert "…" not in text and "[bold]" in text
        for column in cells:
            for cell in column:
                assert cell in text.split()


@pytest.mark.parametrize(("name", "most", "lines"), [
    ("difference_target_propagation", 20, ["difference_target_", "propagation"]),
    ("frozen", 3, ["frozen"]),
    ("hidden1__hidden2.w", 10, ["hidden1__", "hidden2.w"]),
    ("", 5, [""]),
])  # fmt: skip
def test_names_are_folded_behind_underscores(name, most, lines):
    assert folded(name, most).split("\n") == lines
