"""A study's page: what it says, what it never does, and how a point runs alone."""

import base64
import importlib.util
import math
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.cli import main
from neurosim.cli.report import report as report_command
from neurosim.errors import RunFileError
from neurosim.modelfile.reading import value_of
from neurosim.runfile import Run
from neurosim.studies import Study
from neurosim.studies import report as study_report
from neurosim.studies.charts import is_geometric, shades
from neurosim.studies.figures import Columns, against_parameters, heat_maps, labels_of, short_names
from neurosim.studies.folder import begun
from neurosim.studies.point import perform
from neurosim.studies.report import _setting, command, page, write_study_report
from neurosim.studies.results import read
from neurosim.studies.table import as_frame, write_table

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7 * 7 }}$\\frac{"
SCHEMES = ["backprop", "feedback_alignment"]
RATES = [0.001, 0.01, 0.1]
RATE, BATCH = "stages.0.optimiser.learning_rate", "stages.0.batch"

spec = importlib.util.spec_from_file_location("html_page", Path(__file__).parents[1] / "html_page.py")
html_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(html_page)
Page = html_page.Page


def errors(point):
    """Validation is best at point 10, the test set at point 1."""
    validation = 5.0 + abs(point.number - 10) + 0.5 * point.seed
    return validation, 2.0 + point.number + 0.25 * point.seed


@pytest.fixture(scope="module")
def study():
    return Study("compare").grid({"scheme": SCHEMES, RATE: RATES, BATCH: [16, 32]}).seeds(2)


@pytest.fixture(scope="module")
def folder(study, written, tmp_path_factory):
    return written(study, tmp_path_factory.mktemp("study") / "whole", errors)


@pytest.fixture(scope="module")
def whole(folder):
    return Page(page(read(folder)))


@pytest.fixture(scope="module")
def broken(study, written, tmp_path_factory):
    """Point 10 diverges from one seed, points 3 and 4 fail."""

    def outcome(point):
        if (point.number, point.seed) == (10, 2):
            return "diverged", "population 'output': drive is nan"
        return ("failed", EVIL) if point.number in (3, 4) else errors(point)

    return written(study, tmp_path_factory.mktemp("study") / "broken", outcome)


# ---------------------------------------------------------------------- what is chosen


def test_the_best_point_is_chosen_by_validation(folder, whole):
    assert read(folder).best == 10
    said = whole.text("dd")
    assert "10 feedback_alignment 0.01 32 5.75 ± 0.35 % 12.38 ± 0.18 %" in said
    assert "the test set had no say" in whole.text("p")


def test_a_point_that_did_not_come_to_its_end_is_not_chosen(broken):
    assert read(broken).best in (9, 11)


def test_without_validation_nothing_is_chosen(study, written, tmp_path):
    found = read(written(study, tmp_path / "study", lambda point: (math.nan, errors(point)[1])))
    said = Page(page(found))
    assert "none is chosen on the test set" in said.text("p") and "so none is chosen" in said.text("li")
    assert not [a for a in said.all("pre") if a.get("class") == "commands"][1:] and "Framed" not in said.text("figcaption")
    assert "no validation split to choose one by" in said.text("figcaption")


# ---------------------------------------------------------------------- figures


def test_a_line_is_the_best_point_by_validation_at_each_value(folder):
    columns = Columns(read(folder))
    frame = columns.whole(columns.numbers(columns.results.parameters[1]))
    rows = columns.chosen(frame, ["scheme", "at"], "test").set_index(["scheme", "at"])
    assert rows.loc[(0, 0)].tolist() == [2 + 2 + 0.375, 4.25, 4.5]  # of points 1 and 2, the second is nearer to 10
    assert rows["mean"].tolist() == [number + 2.375 for number in (2, 4, 6, 8, 10, 11)]


def test_without_validation_a_line_is_the_mean_of_all_points(study, written, tmp_path):
    columns = Columns(read(written(study, tmp_path / "study", lambda point: (math.nan, errors(point)[1]))))
    frame = columns.whole(columns.numbers(columns.results.parameters[1]))
    rows = columns.chosen(frame, ["scheme", "at"], "test").set_index(["scheme", "at"])
    assert rows.loc[(0, 0)].tolist() == [1.5 + 2.375, 3.25, 4.5]


def test_each_parameter_has_a_figure_and_every_picture_a_label(folder, whole):
    assert [figure.name for figure in against_parameters(read(folder)).figures] == ["scheme", RATE, BATCH]
    pictures = [picture for picture in whole.all("svg") if "role" in picture]
    assert len(pictures) == 3 * 2 + 2 and all(picture["aria-label"] for picture in pictures)
    assert any(f"test error against {RATE}; lowest of backprop" in picture["aria-label"] for picture in pictures)
    assert "from its lowest to its highest seed" in whole.text("figcaption") and not whole.open


def test_heat_maps_hold_the_numbers_and_mark_what_is_not_there(broken):
    (figure,) = heat_maps(read(broken)).figures
    panels = figure.strips[0].panels
    assert [panel.title for panel in panels] == ["backprop", "feedback alignment"]
    first, second = (Page(str(panel.svg)).text("text") for panel in panels)
    assert "14.8" in first and "×" in first and "10.8" in first  # point 1: 5 + 9 + 0.75; 3 and 4 failed; 5
    assert second.count("×") == 1 and "5.8" not in second
    assert not Page(str(panels[0].svg)).all("image")


def test_combinations_that_a_study_does_not_have_stay_empty(written, tmp_path):
    study = Study("compare").grid({"scheme": ["backprop"], BATCH: [16, 32]})
    study = study.grid({RATE: [0.01, 0.1]}, where={BATCH: [32]})
    assert "×" not in Page(page(read(written(study, tmp_path / "study", lambda point: (1.0, 2.0))))).text("text")


def test_drawn_parameters_are_dots_and_texts_are_rows(written, tmp_path):
    study = Study("compare").grid({"scheme": SCHEMES, "network.layer.transfer": ["tanh", "relu"]})
    study = study.draw(RATE, "log_uniform", 1e-4, 1e-1).draws(9)
    said = Page(page(read(written(study, tmp_path / "study", errors))))
    assert "Every mark is a point" in said.text("figcaption") and "relu" in said.text("text") and "0.001" in said.text("text")


def test_of_many_schemes_and_points_some_are_drawn_and_the_page_says_so(written, tmp_path, monkeypatch):
    monkeypatch.setattr("neurosim.studies.figures.MOST_DOTS", 20)
    monkeypatch.setattr("neurosim.studies.figures.MOST_SCHEMES", 8)
    study = Study("compare").grid({BATCH: [16, 32]}).draw(RATE, "log_uniform", 1e-4, 1e-1).draws(2)
    found = read(written(study, tmp_path / "study", errors))
    schemes, said = Columns(found).schemes, Page(page(found))
    assert len(schemes) == 8 and 2 in schemes  # the scheme of point 10
    captions = said.text("figcaption")
    assert "spreads are in the table alone" in captions and "Of 32 points, one in 3 has a mark" in captions
    assert f"Figures show 8 of {len(found.points) // 4} schemes" in said.text("li")


def test_labels_are_short_as_long_as_they_stay_apart():
    assert labels_of([0.1 + 0.2, 1, "x", True]) == ["0.3", "1", "x", "True"]
    assert labels_of([0.3, 0.1 + 0.2]) == ["0.3", "0.30000000000000004"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 10], True),
        ([16, 32], False),
        ([16, 32, 64], True),
        ([1, 2, 3, 4], False),
        ([0, 1, 10], False),
        ([0.0003, 0.001, 0.003], True),
        ([5], False),
    ],
)
def test_which_values_are_spaced_by_factors(values, expected):
    assert is_geometric(values) is expected


def test_shades_are_of_numbers_that_are_all_alike():
    cells = study_report_cells(np.full((2, 2), 3.0))
    assert shades([cells])(3.0) == 0 and shades([study_report_cells(np.full((1, 1), np.nan))]).vmax == 1


def study_report_cells(errors):
    from neurosim.studies.charts import Cells

    return Cells(errors, np.ones(errors.shape, bool), None)


def test_short_names_stay_apart():
    assert short_names(["scheme", "stages.0.batch", "stages.1.batch", "a.rate"]) == {
        "scheme": "scheme", "stages.0.batch": "0.batch", "stages.1.batch": "1.batch", "a.rate": "rate",
    }  # fmt: skip


# ---------------------------------------------------------------------- tables


def rows_of(text):
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [Page(row + "</tr>").text("td", "th", "span") for row in body.split("</tr>")[:-1]]


def test_points_are_sorted_by_validation_those_not_complete_last(broken):
    rows = rows_of(page(read(broken)))
    assert len(rows) == 12
    assert [row.split()[0] for row in rows][:2] in (["9", "11"], ["11", "9"])
    assert {row.split()[0] for row in rows[-3:]} == {"3", "4", "10"} and "1 of 2" in " ".join(rows[-3:])


def test_reasons_are_told_and_a_strangers_are_texts(broken):
    text = page(read(broken))
    said = Page(text)
    assert "population 'output': drive is nan" in said.text("td") and "alert(1)" in said.text("td")
    assert "scheme=feedback alignment, learning_rate=0.01, batch=32" in said.text("th")
    assert "24: 19 complete, 4 failed, 1 diverged" in said.text("dd") and "3 of 12 points" in said.text("li")


def test_a_long_table_is_cut_and_says_where_the_rest_is(folder, monkeypatch):
    monkeypatch.setattr(study_report, "MOST_ROWS", 5)
    text = page(read(folder))
    assert len(rows_of(text)) == 5 and "The best 5 points; 7 more are in" in Page(text).text("p")
    assert rows_of(text)[0].startswith("10 ")


def test_what_was_measured_when_with_what(whole):
    said = whole.text("dd")
    assert "digits 12 1, 2 24: 24 complete 2026-11-26 08:37 UTC 0.1.0 0123456789ab numpy" in said


# ---------------------------------------------------------------------- a point alone

SMALL = ("training.epochs=1", "data.limit=300")
FILE = """
title = "mine"
data = {name = "digits", limit = 200, validation = 0.1}
network = {hidden = [12]}
[[stages]]
scheme = "feedback_alignment"
optimiser = {name = "adam", learning_rate = 0.003}
epochs = 1
batch = 50
"""


def studies(folder):
    (folder / "my model.toml").write_text(FILE)
    hidden = {"network.hidden": [[12], [8, 6]], "stages.0.optimiser": [{"name": "sgd", "learning_rate": 0.1}], BATCH: [20]}
    yield Study("compare", settings=SMALL).grid({"scheme": ["backprop", "difference_target_propagation"], BATCH: [10, 20]})
    yield Study(folder / "my model.toml").grid(hidden)
    schemes = {"scheme": ["backprop", "direct_feedback_alignment"]}
    yield Study(folder / "my model.toml").grid(schemes).draw(RATE, "uniform", 0.001, 0.01)


@pytest.mark.parametrize("number", range(3))
def test_the_command_on_the_page_runs_the_point_of_the_study(number, written, tmp_path, monkeypatch):
    """The page is all that one needs: the model file from its link, the command from its text; the numbers are the study's."""
    monkeypatch.chdir(tmp_path)
    study = list(studies(tmp_path))[number].seeds([5])
    folder = written(study, tmp_path / "study", lambda point: (1.0, 2.0))
    started = begun(folder)
    outcomes = [perform(task) for task in started.tasks(folder)]
    write_table(as_frame(started.plan, outcomes), folder)
    text = page(read(folder))
    said = Page(text)
    files = {a["download"]: base64.b64decode(a["href"].partition(",")[2]).decode() for a in said.all("a") if "download" in a}
    for name, model in files.items():
        (tmp_path / name).write_text(model, encoding="utf-8")
    (tmp_path / "my model.toml").unlink()
    commands = [data for tag, data in said.texts if tag == "pre" and data.startswith("# point")][0].splitlines()
    assert commands[::2] == [f"# point {row.split()[0]}" for row in rows_of(text)]
    point = len(started.plan.points)
    words = shlex.split(commands[commands.index(f"# point {point}") + 1])
    assert words[:2] == ["neurosim", "run"] and words[2] in files
    assert main([*words[1:], "--quiet", "--out", "alone.h5"]) == 0
    with Run(Path("alone.h5")) as alone, Run(folder / f"{point:05d}-seed5.h5") as known:
        assert tomllib.loads(alone.model) == tomllib.loads(known.model) and int(alone.attributes["seed"]) == 5
        clocks = [name for name in alone.metrics if "seconds" in name]
        pd.testing.assert_frame_equal(alone.metrics.drop(columns=clocks), known.metrics.drop(columns=clocks))


SCHEME = """
from neurosim.feedback.backprop import Backprop

class Halved(Backprop):
    pass
"""


def test_a_class_that_only_a_parameter_names_is_imported_by_the_command(users_module, tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    users_module(SCHEME, "mine_of_values")
    (tmp_path / "mine.toml").write_text(FILE)
    study = Study(tmp_path / "mine.toml", imports="mine_of_values").grid({"stages.0.scheme": ["backprop", "mine_of_values:Halved"]})
    folder = written(study, tmp_path / "study", lambda point: (1.0, 2.0))
    found = read(folder)
    assert found.modules == ("mine_of_values",) and "--import" not in command(found, 1, 1)
    words = shlex.split(command(found, 2, 1))
    assert words[-2:] == ["--import", "mine_of_values"]
    assert main([*words[1:], "--quiet", "--out", "alone.h5"]) == 0


def test_an_error_that_is_no_wrong_answer_is_named(folder):
    frame = pd.read_csv(folder / "study.csv")
    assert "unexplained variance" not in page(read(folder))
    frame.assign(score="unexplained variance").to_csv(folder / "study.csv", index=False)
    assert "unexplained variance" in page(read(folder))


TEXTS = ["tanh", "true", "1", "a b", " a", "", "é\n", "\"'\\"]


@pytest.mark.parametrize("value", [*TEXTS, 1, 1.0, 1e-5, True, [1, 2.5], [], ["a", [1]], {}, {"a": {"b": [1, "x\ny"]}}, [{"a": 1}]])
def test_a_setting_says_the_value(value):
    found = value_of(_setting(value))
    assert found == value and type(found) is type(value)


# ---------------------------------------------------------------------- files from strangers


@pytest.fixture
def hostile(folder, tmp_path):
    """A study whose every text is an attack."""
    text = (folder / "study.toml").read_text()
    quoted = "'''" + EVIL + "'''"
    text = text.replace('name = "compare"', f"name = {quoted}").replace('name = "digits"', f"name = {quoted}")
    text = text.replace('"feedback_alignment",\n]', f"{quoted},\n]").replace('key = "stages.0.batch"', f"key = {quoted}")
    text = text.replace('data_dir = ""', f"data_dir = {quoted}")
    place = tmp_path / "hostile"
    place.mkdir()
    (place / "study.toml").write_text(text)
    table = pd.read_csv(folder / "study.csv", dtype=str, keep_default_na=False).rename(columns={BATCH: EVIL})
    table = table.replace({"scheme": {"feedback_alignment": EVIL}})
    names = ["neurosim", "commit", "backend", "created"]
    table[names] = EVIL
    table.loc[:3, ["status", "reason"]] = EVIL
    table.to_csv(place / "study.csv", index=False)
    return place


@pytest.mark.filterwarnings("error")
def test_a_strangers_texts_are_texts(hostile):
    said = Page(page(read(hostile)))
    assert len(said.all("script")) == 1 and not said.all("img") and not said.open
    assert not [key for _, attributes in said.elements for key in attributes if key.startswith("on")]
    assert "alert(1)" in said.text("h1") and "49" not in said.text("h1")
    links = [a["href"] for a in said.all("a")]
    assert all(link.startswith(("#", "data:text/plain;base64,")) for link in links)


def test_a_command_made_from_a_strangers_texts_is_harmless(hostile):
    words = shlex.split(command(read(hostile), 7, 1))
    assert words[:2] == ["neurosim", "run"] and words[2].replace("-", "").replace("_", "").removesuffix(".toml").isalnum()
    assert words[-2:] == ["--data-dir", EVIL] and EVIL in words and f"{EVIL}=16" in words


NUMBER = st.one_of(st.floats(), st.integers(-(2**63), 2**63 - 1))
CELL = st.one_of(st.text(max_size=8), NUMBER.map(str), st.floats(0, 100).map(str))
VALUE = st.one_of(NUMBER, st.booleans(), st.text(st.characters(codec="utf-8"), max_size=5), st.just([1, [2]]), st.just({"a": 1}))
VALUES = st.lists(VALUE, min_size=1, max_size=4, unique_by=lambda value: (type(value), repr(value)))


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_table_makes_a_page_or_one_line(folder, tmp_path, data):
    """Any values of any parameters, any cells."""
    import tomli_w

    from neurosim.modelfile.model_file import validated
    from neurosim.modelfile.schema import StartedStudy
    from neurosim.studies.plan import Base, values_of, varied
    from neurosim.studies.space import Parameter, Space
    from neurosim.studies.table import COMPLETE, FIRST, METRICS, STATUS, cell_of

    keys = data.draw(st.lists(st.sampled_from(["scheme", "a", "b.c", "d.scheme"]), unique=True, max_size=3))
    parameters = [{"key": key, "values": data.draw(VALUES)} for key in keys]
    if data.draw(st.booleans()):
        parameters.append({"key": "z", "log_uniform": [1e-5, 1e5]})
    models = data.draw(st.sampled_from([{"": {}}, {"backprop": {"data": 3}, "other": {"modules": {"m": "d"}}}]))
    seeds = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3, unique=True))
    facts = {"backend": "auto", "data_dir": "", "data_digest": "", "draws": 1, "draw_seed": 0}
    started = {"name": "any", "models": models, "parameters": parameters, "seeds": seeds} | facts
    (tmp_path / "study.toml").write_text(tomli_w.dumps(started), encoding="utf-8")
    table = validated(StartedStudy, started, "any")
    try:
        base, space = Base(table.name, table.models), Space(tuple(map(Parameter.of, table.parameters)))
        points, names = values_of(base, space), [parameter.key for parameter in varied(base, space)]
    except ValueError:
        return
    rows = []
    for number, values in enumerate(points, start=1):
        for seed in seeds:
            row = {"point": number, **{key: cell_of(value) for key, value in values.items()}, "seed": seed}
            row |= {name: data.draw(CELL) for name in ("reason", "test_error", "validation_error", "created")}
            rows.append(row | {"status": data.draw(st.sampled_from([COMPLETE, COMPLETE, "diverged", "<b>"]))})
    columns = [*FIRST, *names, "seed", *STATUS, *METRICS]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "study.csv", index=False, encoding="utf-8", errors="replace")
    try:
        text = page(read(tmp_path))
    except RunFileError as error:
        assert "\n" not in str(error)
    else:
        assert "<h1" in text and text.count("<script") == 1


# ---------------------------------------------------------------------- the file, and the commands


def test_the_page_is_written_once(folder, tmp_path):
    out = tmp_path / "page.html"
    assert write_study_report(folder, out) == out
    assert out.read_text(encoding="utf-8") == page(read(folder))
    with pytest.raises(RunFileError, match="exists; give --overwrite"):
        write_study_report(folder, out)
    with pytest.raises(RunFileError, match="one of the files it is about"):
        write_study_report(folder, folder / "study.csv", overwrite=True)


def told(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(report_command)
    app([str(argument) for argument in arguments], standalone_mode=False)


def test_neurosim_report_on_a_study(folder, tmp_path, capsys):
    told(folder, "--out", tmp_path / "page.html")
    assert capsys.readouterr().out == f"{tmp_path / 'page.html'}\n"
    assert "Best point by validation" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(RunFileError, match="a study, which has a page of its own: expected it alone; name it alone"):
        told(folder, tmp_path / "other.h5", "--out", tmp_path / "other.html")


def test_neurosim_study_ends_with_a_page(tmp_path, capfd):
    model = tmp_path / "small.toml"
    model.write_text(FILE)
    out = tmp_path / "out"
    assert main(["study", str(model), "--grid", f"{BATCH}=20,50", "--workers", "1", "--quiet", "--out", str(out)]) == 0
    assert "report.html" in capfd.readouterr().out
    assert "Small over batch" in (out / "report.html").read_text(encoding="utf-8").replace("small over", "Small over")
