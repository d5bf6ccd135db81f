"""What the site collects from the package: complete, in words, and safe to put on a page."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from neurosim.feedback import pathways
from neurosim.modelfile.reading import models, simulations

EXTENSION = Path(__file__).parents[2] / "docs/_extension"


@pytest.fixture(scope="module")
def collected():
    """Return the modules of the site's own extension that need no Sphinx."""
    sys.path.insert(0, str(EXTENSION))
    yield lambda name: importlib.import_module(name)
    sys.path.remove(str(EXTENSION))


def test_claims_table_has_every_scheme_and_says_what_the_class_says(collected):
    text = collected("tables").claims_table()
    for name in pathways():
        assert f"](/schemes/{name}.md)" in text
    row = next(line for line in text.splitlines() if "direct_feedback_alignment" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["none", "yes", "no", "no", "no", "no", "nothing", "no", "none", "no"]


@pytest.mark.parametrize("name", sorted(pathways()))
def test_every_option_is_explained(collected, name):
    for line in collected("tables").scheme_options(name).splitlines()[2:]:
        if line.startswith("|"):
            assert line.split("|")[3].strip(), f"the docstring of {name} does not say what {line.split('|')[1]} is"


def test_numbers_from_papers_are_not_shown_where_unverified(collected):
    tables = collected("tables")
    assert tables.paper({"paper": {"test_error": 1.8, "source": "memory"}}) == "not verified"
    assert tables.paper({"paper": {"test_error": 1.8, "source": "page 3", "verified": True}}) == "1.8 %; page 3"
    for name, model in models().items():
        assert f"`{name}`" in tables.model_table()
        if "test_error" in model.get("paper", {}):
            assert model["paper"]["source"], f"{name}: a paper's number needs its source"


def test_the_table_of_simulations_says_what_was_measured_and_when(collected):
    text = collected("tables").simulation_table()
    for name, model in simulations().items():
        row = next(line for line in text.splitlines() if f"`{name}`" in line)
        assert f"{model['measured']['populations'][next(iter(model['measured']['populations']))]['rate']:.2f} Hz" in row
        assert f"seed 1, {model['measured']['date']}" in row
    keys = collected("tables").model_keys("simulation")
    for key in ("[simulation]", "[[simulation.poisson]]", "[[simulation.noise]]", "[measured.populations]", "**`into`**"):
        assert key in keys, key


def test_measured_numbers_come_with_spread_and_circumstances(collected):
    model = {"measured": {"test_error": 2.051, "std": 0.04, "seeds": [1, 2], "epochs": 100}, "stages": [{"epochs": 100}]}
    assert collected("tables").measured(model) == "2.05 ± 0.04 %; 100 epochs, seeds 1, 2"
    less = model | {"stages": [{"epochs": 150}]}
    assert collected("tables").measured(less) == "2.05 ± 0.04 %; **100 of 150 epochs**, seeds 1, 2"
    model["measured"] |= {"failed_seeds": [3], "failed_error": [15]}
    assert collected("tables").measured(model) == "2.05 ± 0.04 %; 100 epochs, seeds 1, 2, **15 % on seeds 3**"
    assert collected("tables").measured({}) == "not measured yet"


def test_docstrings_cannot_be_misread_as_markup(collected):
    doc = "||a - b||**2 of x_ and ``x_``\n\nname : the *text*\n    goes on\n\na = b\nc  = d\n\nRaises\n------\nInputError\n    why"
    out = collected("docstrings").convert(doc.splitlines())
    assert out[0] == r"\|\|a - b\|\|\*\*2 of x\_ and ``x_``"
    assert "**name**" in out and r"    the \*text\*" in out and "    goes on" in out
    assert "::" in out and "    a = b" in out and "    c  = d" in out
    assert ".. rubric:: Raises" in out and "**InputError**" in out and "    why" in out


def test_every_module_has_its_place_in_the_api_pages(collected):
    pages = collected("pages").render()
    package = EXTENSION.parents[1] / "neurosim"
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        if module != "neurosim" and not module.endswith("__main__"):
            assert any(re.search(rf"automodule:: {re.escape(module)}$", text, re.MULTILINE) for text in pages.values()), module


def shell_lines():
    """Return (page, line) of every line in a ``bash`` block of a page that calls the program."""
    for path in [*EXTENSION.parents[1].glob("*.md"), *EXTENSION.parent.rglob("*.md")]:
        for block in re.findall(r"^```bash\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            yield from ((path.name, call) for call in re.findall(r"(?:^|&& *)neurosim +([^&\n#]*)", block, re.MULTILINE))


def test_commands_on_the_pages_exist_with_their_options(collected):
    sections = re.split(r"^## `neurosim ", collected("tables").command_table(), flags=re.MULTILINE)[1:]
    known = {re.split(r"[ `]", section)[0]: set(re.findall(r"`(--[\w-]+)", section)) for section in sections}
    known[""] = {"--version", "--help", "--install-completion", "--show-completion"}  # of the program itself
    calls = list(shell_lines())
    assert calls
    for page, call in calls:
        command, options = "" if call.startswith("-") else call.split()[0], re.findall(r"--[\w-]+", call)
        assert command in known, f"{page}: neurosim {call}"
        assert known[command] >= set(options), f"{page}: neurosim {call}"
