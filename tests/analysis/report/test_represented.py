"""What a report says of representations: numbers against those of single runs, what bounds it, and what never fails it."""

import itertools

import numpy as np
import pytest

from neurosim.analysis import represented as bounds
from neurosim.analysis.figures import styles
from neurosim.analysis.grouping import grouped, seed
from neurosim.analysis.report import page
from neurosim.analysis.representation_figures import section
from neurosim.analysis.representations import debiased_cka, linear_probe, of_population
from neurosim.analysis.represented import represented
from neurosim.analysis.responses import recorded

SCHEMES = ("backprop", "feedback_alignment", "hsic_bottleneck")


@pytest.fixture
def six(make_run):
    """Two seeds of three schemes: five recordings of three populations, of 20 samples."""
    return grouped([make_run(scheme, seed=k) for scheme in SCHEMES for k in (1, 2)])


def last(run, population):
    return run.recordings[f"{population}.rate"].values[-1]


def test_numbers_are_those_of_single_runs(six):
    found, notes = represented(six, recorded)
    assert notes == [] and found.left_out == [] and found.samples == [20] and found.chance == 10
    assert found.populations == ["hidden1", "hidden2", "output"] and [group.label for group in found.groups] == list(SCHEMES)
    own = [of_population(last(run, "hidden2"), run.probe["label"]) for run in six[1].runs]
    assert found.values["feedback_alignment", "hidden2"]["probe"] == [one["probe"] for one in own]
    assert found.values["feedback_alignment", "hidden2"]["dimension"] == [one["dimension"] for one in own]
    course = found.courses["backprop", "hidden1"]
    assert course.at.tolist() == [0, 1, 2, 3, 4] and course.seeds == 2
    first = [linear_probe(run.recordings["hidden1.rate"].values[0], run.probe["label"]) for run in six[0].runs]
    assert course.mean[0] == np.mean(first) and course.low[0] == min(first)


def test_cka_between_schemes_is_the_mean_over_pairs_of_different_seeds(six):
    found, _ = represented(six)
    for a, b in itertools.product(range(3), repeat=2):
        runs = itertools.product(six[a].runs, six[b].runs)
        pairs = [debiased_cka(last(one, "hidden1"), last(other, "hidden1")) for one, other in runs if seed(one) != seed(other)]
        assert found.between["hidden1"][a, b] == pytest.approx(np.mean(pairs), abs=1e-5)
    within = [debiased_cka(last(run, "hidden1"), last(run, "output")) for run in six[2].runs]
    assert found.within["hsic_bottleneck"][0, 2] == pytest.approx(np.mean(within), abs=1e-5)
    assert np.diagonal(found.within["hsic_bottleneck"]) == pytest.approx(1)


def test_runs_that_were_shown_other_samples_have_no_cka(make_run, edited):
    other = edited(make_run("frozen"), lambda file: file["probe/sample"].__setitem__(slice(None), np.arange(20) + 1))
    found, _ = represented(grouped([make_run(), other]))
    assert all(np.isnan(pairs).all() for pairs in found.between.values())


def test_what_is_left_out_is_told(six, make_run, edited, monkeypatch):
    silent = edited(make_run("frozen"), lambda file: file.__delitem__("populations"))
    told = section(represented([*six, *grouped([silent])])[0], styles(six)).left_out
    ask = "neurosim report --representations"
    assert told == [
        f"{ask} adds the linear probe, also over epochs.",
        f"Without recorded rates, and so not here: frozen ({ask} shows them their test images again).",
    ]
    for name, most in {"SCHEMES": 2, "SEEDS": 1, "POPULATIONS": 2, "NEURONS": 5, "MAPPED": 1}.items():
        monkeypatch.setattr(bounds, name, most)
    found, _ = represented(six, recorded)
    assert [group.label for group in found.groups] == list(SCHEMES[:2]) and found.populations == ["hidden1", "output"]
    assert found.left_out == [
        "Left out: the schemes that stand last in Table 1, 1 of 3.",
        "Of each scheme, runs of the lowest seeds are measured, 1 at most.",
        "Left out: populations between those shown, 1 of 3.",
        "Of populations with more than 5 neurons, every second, third and so on is measured.",
    ]  # fmt: skip
    assert {len(values["probe"]) for values in found.values.values()} == {1} and len(found.between) == 1
    monkeypatch.setattr(bounds, "QUICK", 3)
    nothing, notes = represented(six)
    assert nothing is None and "of 6 populations in all: neurosim report --representations tells" in notes[0]
    assert represented(six, recorded)[0] is not None  # asked for


def test_a_network_that_cannot_be_shown_again_is_a_note(six):
    def again(run):
        if run is six[1].runs[0]:
            raise ValueError("its data have moved")
        return recorded(run)

    text = page([run for group in six for run in group.runs], again)
    assert "What the populations of feedback_alignment-seed1.h5 represent is left out: its data have moved." in text
    assert 'id="representations"' in text
