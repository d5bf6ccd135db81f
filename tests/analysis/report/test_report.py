"""The page: what it says, what it never does, and what keeps it from being written."""

import base64
import hashlib
import importlib.util
import re
import shlex
import tomllib
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from neurosim.analysis.courses import epochs_to, step_ms
from neurosim.analysis.figures import figures, styles
from neurosim.analysis.grouping import grouped, seed
from neurosim.analysis.palette import COLOURS
from neurosim.analysis.report import file_name, page, write_report
from neurosim.analysis.summary import MORE_ERROR, RELATIVE_STEP, table
from neurosim.errors import RunFileError
from neurosim.experiments.comparison_table import Result, summarised
from neurosim.runfile import Run

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7 * 7 }}"
spec = importlib.util.spec_from_file_location("html_page", Path(__file__).parents[2] / "html_page.py")
html_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(html_page)
Page = html_page.Page


@pytest.fixture(scope="module")
def three(synthetic, tmp_path_factory):
    """Back-propagation, with spikes, and two schemes, two seeds each."""
    folder = tmp_path_factory.mktemp("three")
    with ExitStack() as opened:
        yield [
            opened.enter_context(Run(synthetic.synthetic_run(folder / f"{k}-{seed}.h5", scheme=scheme, seed=seed, spikes=not k)))
            for k, scheme in enumerate(("backprop", "feedback_alignment", "hsic_bottleneck"))
            for seed in (1, 2)
        ]


@pytest.fixture(scope="module")
def of_three(three):
    """The report on them."""
    return page(three)


def cells(columns, heading):
    return [cell.text for cell in columns[heading]]


# ---------------------------------------------------------------------- numbers


def test_table_is_means_over_seeds(three):
    columns = table(grouped(three))
    errors = np.array([run.metrics.loc["test"]["error"].iloc[-1] for run in three]).reshape(3, 2)
    losses = np.array([run.metrics.loc["train"]["loss"].iloc[-1] for run in three]).reshape(3, 2)
    accuracy = 100 - errors
    assert cells(columns, "Test accuracy (%)") == [f"{row.mean():.2f} ± {row.std(ddof=1):.2f}" for row in accuracy]
    assert cells(columns, "Training loss") == [f"{row.mean():.4f} ± {row.std(ddof=1):.4f}" for row in losses]
    more = [errors[k].mean() - errors[0].mean() for k in (1, 2)]
    assert cells(columns, MORE_ERROR) == ["", *(f"{value:+.2f}".replace("-", "−") for value in more)]
    assert [cell.value for cell in columns[MORE_ERROR][1:]] == pytest.approx(more)
    assert cells(columns, "Step (ms)") == ["50"] * 3 and cells(columns, RELATIVE_STEP) == ["1.00"] * 3
    assert cells(columns, "Weight transport") == ["full", "none", "none"] and cells(columns, "Update locking") == [
        "yes",
        "yes",
        "no",
    ]


def test_one_seed_has_no_spread(make_run):
    assert "±" not in cells(table(grouped([make_run()])), "Test accuracy (%)")[0]


def test_seeds_and_epochs_have_a_column_where_they_differ(make_run):
    same = [make_run(), make_run("frozen")]
    assert not {"Seeds", "Epochs"} & set(table(grouped(same)))
    more = [make_run("local_errors", seed=seed, epochs=2) for seed in range(6)]
    columns = table(grouped([*same, *more]))
    assert cells(columns, "Seeds") == ["1", "1", "6 seeds"] and cells(columns, "Epochs") == ["4", "4", "2"]
    assert cells(table(grouped([make_run("hsic_bottleneck", status="interrupted")])), "Epochs") == ["4"]


def as_results(group):
    """What a comparison says of the runs of a group."""
    for run in group.runs:
        last = {split: run.metrics.loc[split].iloc[-1] for split in ("train", "test")}
        reached = {
            "test_accuracy": 100 - last["test"]["error"], "train_loss": last["train"]["loss"],
            "epochs_to_95": epochs_to(run, 95), "step_ms": step_ms(group, run),
        }  # fmt: skip
        yield Result(group.label, seed(run), angle=50.0, claims=group.claims, **reached)


def test_epochs_to_95_are_those_of_the_table_of_a_comparison(make_run, edited):
    def at(*errors):
        return lambda file: file["metrics/test/error"].__setitem__(slice(None), errors)

    runs = [
        edited(make_run(seed=1), at(90, 6, 5, 4, 6)), edited(make_run(seed=2), at(90, 5.01, 5.001, 4.99, 3)),
        edited(make_run("frozen"), at(90, 80, 70, 60, 50)), edited(make_run("frozen", seed=2), at(90, 80, 70, 60, 4)),
    ]  # fmt: skip
    groups = grouped(runs)
    assert cells(table(groups), "Epochs to 95 % accuracy") == ["2.5", "-"]
    lines = summarised([result for group in groups for result in as_results(group)])
    assert [line[4] for line in lines] == cells(table(groups), "Epochs to 95 % accuracy")
    assert [line[6] for line in lines] == cells(table(groups), RELATIVE_STEP)
    said = Page(page(runs))
    assert "the first epoch after which test accuracy is 95 % or more, mean over seeds" in said.text("p")


def test_a_step_is_set_against_that_of_back_propagation_with_the_same_seed(make_run, edited):
    def took(seconds):
        return lambda file: file["metrics/train/seconds"].__setitem__(slice(None), seconds)

    backprop = [edited(make_run(seed=seed), took(seconds)) for seed, seconds in ((1, 1.0), (2, 4.0))]
    other = [edited(make_run("frozen", seed=seed), took(seconds)) for seed, seconds in ((1, 3.0), (2, 2.0))]
    assert cells(table(grouped([*backprop, *other])), RELATIVE_STEP) == ["1.00", "1.75"]  # of 3 and 0.5
    assert cells(table(grouped([*backprop, make_run("frozen", seed=3)])), RELATIVE_STEP) == ["1.00", ""]
    instant = edited(backprop[0], took(0.0))
    assert RELATIVE_STEP not in table(grouped([instant, other[0]]))


def test_a_run_without_accuracy_or_angles_has_no_such_columns(make_run, edited):
    def change(file):
        del file["alignment"]
        for split in ("train", "validation", "test"):
            del file[f"metrics/{split}/error"]

    run = edited(make_run(), change)
    columns = table(grouped([run]))
    missing = {"Test accuracy (%)", MORE_ERROR, "Epochs to 95 % accuracy", "Angle to gradient (°)"}
    assert "Training loss" in columns and not missing & set(columns)
    said = Page(page([run])).text("h2")
    assert "Training loss" in said and "error" not in said and "Alignment" not in said


def test_a_file_with_nothing_in_it_is_still_a_page(make_run, edited):
    def change(file):
        for place in ("metrics", "alignment", "populations", "projections", "probe"):
            del file[place]

    assert "What was run" in Page(page([edited(make_run(), change)])).text("h2")


def test_a_network_built_in_python_has_no_model_file(make_run, edited):
    def change(file):
        del file["model"]
        file["model"] = ""

    assert "the run file holds no model file" in Page(page([edited(make_run(), change)])).text("p")


# ---------------------------------------------------------------------- what the page says


def test_page_has_every_figure_with_a_caption_and_every_picture_a_label(of_three):
    read = Page(of_three)
    headings = [
        "Comparison",
        "Test error",
        "Training loss",
        "Alignment with back-propagation",
        "Activity",
        "Weights and other variables",
    ]
    headings += ["Spikes", "What the populations represent", "What each scheme needs", "What was run"]
    assert read.text("h2").startswith(" ".join(headings))
    pictures = [picture for picture in read.all("svg") if picture.get("class") != "key"]
    assert len(pictures) == (2 + 3) + (2 + 3) + 3 + 3 * 3 + 3 + 2 + (4 + 3 + 3)
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert len(read.all("figure")) == len(read.all("figcaption")) == 7
    assert not read.open


def test_all_schemes_are_together_against_epochs_and_against_seconds(three):
    for figure in list(figures(grouped(three)))[:2]:
        together, apart = figure.strips
        assert [panel.title for panel in together.panels] == ["Against epochs", "Against seconds of training"]
        assert [panel.title for panel in apart.panels] == ["backprop", "feedback_alignment", "hsic_bottleneck"]
        for panel in together.panels:
            assert all(f"stroke: var({name})" in panel.svg for name in ("--grey", "--blue", "--ochre"))
        assert [words for _, words in figure.legend] == ["backprop", "feedback alignment", "hsic bottleneck"]


def test_seconds_are_left_off_where_a_run_does_not_tell_them(make_run, edited):
    def change(file):
        del file["metrics/train/seconds"]

    runs = [make_run(), edited(make_run("frozen"), change)]
    first = next(figures(grouped(runs)))
    assert [panel.title for panel in first.strips[0].panels] == ["Against epochs"] and "Seconds" not in first.caption


def test_a_colour_is_one_scheme_in_all_figures(three):
    groups = grouped(three)
    drawn = styles(groups)
    assert drawn == styles(groups[::-1]) and len({style.colour for style in drawn.values()}) == 3
    colours = {label: f"var({COLOURS[style.colour]})" for label, style in drawn.items()}
    for figure in figures(groups):
        for strip in figure.strips[-1 if figure.legend else 0 :]:
            for panel in strip.panels:
                own = colours.get(panel.title, colours["backprop"])  # a spike raster is named by its population
                others = set(colours.values()) - {own, colours["backprop"] if figure.legend else own}
                assert own in panel.svg and not [other for other in others if other in panel.svg]
                assert panel.style.colour == next(s.colour for label, s in drawn.items() if colours[label] == own)


def test_bands_and_deviations_are_named_where_they_are(three, make_run):
    read = Page(page(three))
    assert "After the last epoch: mean ± standard deviation over 2 seeds" in read.text("p")
    assert read.text("figcaption").count("Line: mean over 2 seeds; band: from the lowest to the highest seed.") == 3
    read = Page(page([three[0], three[2], three[3]]))
    assert "standard deviation over the seeds that the row names" in read.text("p") and "Seeds" in read.text("th")
    assert "mean over the seeds of each scheme, 1 to 2 of them; band" in read.text("figcaption")
    read = Page(page([make_run()]))
    assert "After the last epoch, of one seed." in read.text("p") and "band" not in read.text("figcaption", "p")


def test_links_within_the_page_lead_somewhere(of_three):
    read = Page(of_three)
    ids = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    links = [a["href"][1:] for a in read.all("a") if a["href"].startswith("#")]
    assert len(links) > 5 and set(links) <= ids


def test_the_variables_of_one_scheme_stand_side_by_side(make_run):
    read = Page(page([make_run()]))
    assert "hidden1.rate" in read.text("b") and "x → hidden1.w" in read.text("b") and not read.text("h3").count("rate")


def test_many_variables_are_bounded_and_told(three, monkeypatch):
    monkeypatch.setattr("neurosim.analysis.figures.VARIABLES", 2)
    read = Page(page(three))
    assert "1 more variables are in the files" in read.text("figcaption") and "output.rate" not in read.text("h3")


def test_nothing_comes_from_elsewhere_and_the_one_script_is_the_pages_own(of_three):
    read = Page(of_three)
    assert not [tag for tag, _ in read.elements if tag in ("link", "iframe", "object", "embed", "img", "base", "form")]
    outside = [value for _, attributes in read.elements for key, value in attributes.items() if key in ("src", "href") and value]
    assert all(value.startswith(("#", "data:text/plain;base64,")) for value in outside)
    assert "@import" not in of_three and "url(http" not in of_three
    (policy,) = [meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    (script,) = [data for tag, data in read.texts if tag == "script"]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';") and len(read.all("script")) == 1


def test_the_same_runs_make_the_same_page(three, of_three):
    assert page(three) == of_three


def test_how_to_run_again(three, of_three):
    read = Page(of_three)
    assert "neurosim run feedback_alignment.toml --seed 2 --backend numpy" in read.text("pre")
    saved = {a["download"]: base64.b64decode(a["href"].partition(",")[2]).decode() for a in read.all("a") if "download" in a}
    assert list(saved) == ["backprop.toml", "feedback_alignment.toml", "hsic_bottleneck.toml"]
    assert saved["backprop.toml"] == three[0].model
    for name, text in saved.items():
        assert tomllib.loads(text)["stages"][0]["scheme"] == name.removesuffix(".toml")


def test_what_all_runs_have_in_common_is_said_once(of_three):
    read = Page(of_three)
    assert "numpy on CPU" in read.text("dd") and "numpy on CPU" not in read.text("td") and "Status" in read.text("dt")


# ---------------------------------------------------------------------- what a reader has to know


def notes(runs):
    return Page(page(runs)).text("li")


def test_nothing_unusual_makes_no_note(of_three):
    assert not Page(of_three).text("li")


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_runs_that_did_not_complete_are_marked(make_run, status):
    runs = [make_run(seed=1), make_run(seed=2, status=status), make_run("frozen", status=status)]
    read = Page(page(runs))
    assert [attributes.get("class") for attributes in read.all("span")].count("state") == 2
    assert read.text("span").startswith(f"backprop 1 of 2 {status} frozen {status}")
    assert "backprop: 1 of 2 runs did not complete" in read.text("li") and "frozen: no run is complete" in read.text("li")
    assert "Seeds" not in table(grouped(runs))  # of both it is the first


def test_other_networks_data_and_missing_references_are_told(make_run, edited):
    def change(old, new):
        def within(file):
            text = file["model"].asstr()[()].replace(old, new)
            del file["model"]
            file["model"] = text

        return within

    plain = make_run()
    wide, other = edited(make_run("frozen"), change("12,", "13,")), edited(make_run("local_errors"), change('"digits"', '"mnist"'))
    assert "Networks differ: hidden 12, 8 (backprop); hidden 13, 8 (frozen)." in notes([plain, wide])
    assert "Data sets differ: digits (backprop); mnist (local_errors)." in notes([plain, other])
    assert not {MORE_ERROR, RELATIVE_STEP} & set(table(grouped([wide, other])))
    assert "No run of back-propagation" in notes([wide]) and "No run of back-propagation" not in notes([plain, wide])


def test_a_seed_that_is_there_twice_is_told(make_run):
    assert "some seeds are there more than once" in notes([make_run(name="a.h5"), make_run(name="b.h5")])


def test_models_of_one_name_are_told_apart(make_run, edited):
    def change(file):
        text = file["model"].asstr()[()].replace("0.000804436870084", "0.5")
        del file["model"]
        file["model"] = text

    said = notes([make_run(), edited(make_run(seed=2), change)])
    assert (
        "backprop (1), backprop (2) differ in stages.0.optimiser.learning_rate (0.000804436870084, 0.5); they are not averaged."
        in said
    )


# ---------------------------------------------------------------------- files from strangers


@pytest.fixture
def hostile(make_run, edited):
    """A run whose every text is an attack."""

    def change(file):
        for name in ("model_name", "backend", "device", "created", "git_commit", "neurosim_version", "reason", "data_dir"):
            file.attrs[name] = EVIL
        file.attrs["versions"] = '{"<script>alert(3)</script>": "<b>"}'
        text = file["model"].asstr()[()] + f"\n# {EVIL}\n"
        text = text.replace('"digits"', '"<script>alert(4)</script>"').replace('scheme = "backprop"', 'scheme = "<u>"')
        del file["model"]
        file["model"] = text
        for old, new in (
            ("populations/hidden1", "populations/<script>alert(5)<"),
            ("alignment/x__hidden1", 'alignment/x__<b onload="x">'),
        ):
            file.move(old, new)
        file["projections/x__hidden1/w"].attrs["units"] = "$\\frac{<script>"

    return edited(make_run(spikes=True), change)


def test_a_strangers_texts_are_texts(hostile):
    text = page([hostile])
    read = Page(text)
    assert len(read.all("script")) == 1 and not read.all("img") and not read.all("u")
    assert not [key for _, attributes in read.elements for key in attributes if key.startswith("on")]
    assert "alert(1)" in read.text("h1") and "49" not in read.text("h1") and not read.open
    assert re.search(r"alert\(1\)", read.text("pre"))


def test_a_command_made_from_a_strangers_texts_is_harmless(hostile):
    said = next(data for tag, data in Page(page([hostile])).texts if tag == "pre")
    words = shlex.split(said)
    assert words[:3] == ["neurosim", "run", f"{file_name(EVIL)}.toml"] and words[-2:] == ["--data-dir", EVIL]


@pytest.mark.parametrize(
    ("label", "name"), [("dtp-mnist", "dtp-mnist"), ("a (2)", "a-2"), ("../../x; rm -rf ~", "x-rm-rf"), ("--", "model")]
)
def test_file_names_are_plain(label, name):
    assert file_name(label) == name


def test_text_that_no_encoding_has_is_written(make_run, tmp_path):
    run = make_run()
    run.attributes["device"] = "\ud800"
    write_report([run], tmp_path / "r.html")
    assert b"on ?" in (tmp_path / "r.html").read_bytes()


# ---------------------------------------------------------------------- the file


def test_report_is_written_once(make_run, tmp_path):
    runs = [make_run()]
    out = tmp_path / "report.html"
    assert write_report(runs, out) == out and out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    out.write_text("mine")
    with pytest.raises(RunFileError, match=r"report .*report.html: exists; give --overwrite"):
        write_report(runs, out)
    assert out.read_text() == "mine"
    write_report(runs, out, overwrite=True)
    assert out.read_text(encoding="utf-8") == page(runs)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "a folder"),
        ("backprop-seed1.h5/r.html", "is a file: expected a folder"),
        ("backprop-seed1.h5", "one of the files it is about"),
    ],
)
def test_places_that_cannot_be_written_are_refused(make_run, tmp_path, name, said):
    run = make_run()
    with pytest.raises(RunFileError, match=said):
        write_report([run], tmp_path / name, overwrite=True)
    assert run.path.stat().st_size > 10_000


def test_no_runs_are_no_report(tmp_path):
    with pytest.raises(RunFileError, match="no run given"):
        write_report([], tmp_path / "r.html")


# ---------------------------------------------------------------------- numbers that are none, and runs that hardly began

NUMBERS = {
    "metrics/train/loss": [np.nan, np.inf, 1e308, 5e-324, -1.0],
    "metrics/test/error": [np.nan, -np.inf, 3e38],
    "metrics/train/seconds": [np.nan, np.inf, 0.0],
    "populations/hidden1/rate": [np.nan, np.inf, 3e38, -3e38],
    "projections/x__hidden1/w": [np.nan, 3e38],
    "alignment/x__hidden1/angle": [np.nan, np.inf, 1e308],
    "spikes/hidden1/time": [np.nan, np.inf, 1e308],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, marks=[pytest.mark.slow] if k else [])
        for name, values in NUMBERS.items()
        for k, value in enumerate(values)
    ],
)
@pytest.mark.filterwarnings("error")
def test_any_number_makes_a_page_or_one_line(make_run, edited, name, value):
    def change(file):
        file[name][-2:] = value

    try:
        text = page([edited(make_run(spikes=True), change)])
    except RunFileError as error:
        assert "\n" not in str(error)
    else:
        assert "<h1" in text


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.filterwarnings("error")
def test_a_run_that_hardly_began_makes_a_page(make_run, epochs):
    assert "<h1" in page([make_run(epochs=epochs)])


@pytest.mark.parametrize("most", [0, 1000])
def test_a_full_disk_leaves_the_page_before_or_none(made_up, most, files_of, tmp_path):
    old, new = tmp_path / "old.html", tmp_path / "new.html"
    old.write_text("the page before")
    there = sorted(tmp_path.iterdir())
    with Run(made_up) as run:
        for out in (old, new):
            with files_of(most), pytest.raises(OSError, match=f"too large: '{out}'"):
                write_report([run], out, overwrite=out == old)
    assert old.read_text() == "the page before" and sorted(tmp_path.iterdir()) == there


def test_a_page_goes_where_a_link_leads(made_up, tmp_path):
    (tmp_path / "link.html").symlink_to("page.html")
    with Run(made_up) as run:
        write_report([run], tmp_path / "link.html", overwrite=True)
    assert (tmp_path / "link.html").is_symlink() and (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!")
