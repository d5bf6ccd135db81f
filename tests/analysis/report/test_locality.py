"""Locality cards on the page: drawn from what a run file holds, and left off where that is no card."""

import importlib.util
import json
from pathlib import Path

import pytest

from neurosim.analysis.report import page
from neurosim.runfile import Card
from neurosim.runfile.locality_card import COLUMNS, Cell, Row, Through

spec = importlib.util.spec_from_file_location("html_page", Path(__file__).parents[2] / "html_page.py")
html_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(html_page)

CELLS = dict.fromkeys(COLUMNS, Cell("no")) | {
    "pre": Cell("yes"), "post": Cell("reads"), "later": Cell("-"),
    "layers": Cell.join([Through("output"), Through("<b>hidden2", "!!")]),
}  # fmt: skip
ROW = Row("x__hidden1", "network", "x", "hidden1", CELLS)
CARD = Card("scheme 'mine'", "a small network", (ROW,), ("a note",), {"step, learn": "2 GFLOP"})


def hold(*cards):
    return lambda file: file.attrs.update({"locality": json.dumps([card.as_data() for card in cards])})


def test_a_run_gives_its_cards_back(make_run, edited):
    assert make_run().cards == ()
    assert edited(make_run("frozen"), hold(CARD, CARD)).cards == (CARD, CARD)


def test_the_page_draws_them(make_run, edited):
    found = html_page.Page(page([make_run(), edited(make_run("feedback_alignment"), hold(CARD))]))
    assert {"class": "card"} in found.all("table") and not found.open
    marks = [attributes for attributes in found.all("td") if attributes.get("class", "").split()[0:1] in (["yes"], ["unexplained"])]
    assert [attributes.get("title") for attributes in marks] == [None, "output, <b>hidden2 [!!]"]
    text = found.text("p", "li", "span", "i", "b")
    assert all(words in text for words in ("a small network", "a note", "2 GFLOP", "the activity of its own presynaptic neuron"))
    assert "layers output, <b>hidden2 [!!]" in text
    assert text.count("\N{BLACK CIRCLE}") == 2 and text.count("\N{WHITE CIRCLE}") == 2  # one in the caption, which explains it


def test_two_stages_have_two(make_run, edited):
    found = html_page.Page(page([edited(make_run("frozen"), hold(CARD, CARD))]))
    assert found.all("table").count({"class": "card"}) == 2
    assert "stage 2" in found.text("summary")


@pytest.mark.parametrize("text", ["", "[", "{}", "[3]", "[{}]", '[{"title": 3}]', "[" * 100_000, '"text"', "7"])
def test_what_is_no_card_is_left_off(make_run, edited, text):
    run = edited(make_run(), lambda file: file.attrs.update({"locality": text[:60_000]}))
    assert run.cards == ()
    assert {"class": "card"} not in html_page.Page(page([run])).all("table")
