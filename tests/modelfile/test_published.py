"""What is said of numbers: how long was trained, on which seeds, and which seeds are not in the mean."""

import pytest

from neurosim.cli import main
from neurosim.modelfile import published
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import models
from neurosim.tasks import Classification

LEFT_OUT = {"failed_seeds": [1, 3], "failed_error": [13.0, 15.5]}
MODEL = {
    "stages": [{"epochs": 5}, {"epochs": 15}],
    "paper": {"test_error": 1.8, "verified": True},
    "measured": {"test_error": 2.5, "std": 0.125, "seeds": [0, 2], "epochs": 20} | LEFT_OUT,
}


def measured(**changed):
    return MODEL | {"measured": MODEL["measured"] | changed}


def test_a_number_comes_with_epochs_and_seeds():
    assert published.measured(MODEL) == "2.50 ± 0.12 %"
    assert (published.epochs(MODEL), published.seeds(MODEL), published.is_whole(MODEL)) == ("20", "0, 2", True)
    assert published.paper(MODEL) == "1.8 %"


def test_a_shorter_training_is_told():
    assert published.epochs(measured(epochs=3)) == "3 of 20" and not published.is_whole(measured(epochs=3))


def test_seeds_that_are_not_in_the_mean_are_told():
    assert published.failed(MODEL) == ("1, 3", "13 to 15.5 %")
    assert published.failed(measured(failed_error=[14, 14])) == ("1, 3", "14 %")
    assert published.failed(measured(failed_error=[])) == ("1, 3", "not told")
    assert published.failed(measured(failed_seeds=[])) == ("", "")


@pytest.mark.parametrize("said", [{"test_error": 1.8}, {"test_error": 1.8, "verified": False}, {"verified": True}, {}])
def test_a_papers_number_is_shown_only_where_its_source_was_read(said):
    assert published.paper({"paper": said}) == "-"


def test_nothing_measured_is_no_number():
    nothing = {"stages": [{"epochs": 2}]}
    assert (published.measured(nothing), published.epochs(nothing), published.is_whole(nothing)) == ("-", "", True)


def test_no_source_is_a_memory():
    for name, model in models().items():
        assert "memory" not in model.get("paper", {}).get("source", ""), name
        assert "test_error" not in model.get("paper", {}) or model["paper"]["verified"], name


def test_every_measured_number_has_epochs_and_seeds():
    for name, model in models().items():
        if "test_error" in model.get("measured", {}):
            assert model["measured"]["epochs"] > 0 and model["measured"]["seeds"], name
            assert not set(model["measured"]["seeds"]) & set(model["measured"].get("failed_seeds", [])), name


@pytest.mark.parametrize("name", [name for name, model in models().items() if not published.is_whole(model)])
def test_the_list_marks_what_was_trained_for_less(name, capsys):
    assert main(["models"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f" {name} "))
    assert published.epochs(models()[name]) + " *" in line and " of " in line


def test_the_list_and_show_tell_the_seeds_that_a_mean_leaves_out(capsys):
    assert main(["models"]) == 0
    assert "1, 3, 5 !" in capsys.readouterr().out
    from neurosim.cli.show import _origin

    table = ModelFile.load("hsic-mnist-unformatted").table

    assert "left out    seeds 1, 3, 5, test error 12.85 to 14.73 %: they are not in the mean" in _origin(table, Classification(10))
