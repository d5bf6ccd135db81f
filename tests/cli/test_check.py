"""``neurosim check`` on classes: what ``neurosim.check`` prints, and 0 or 2; a file of the name wins."""

import re

import pytest

import neurosim
from neurosim.cli import main

CLASS = """
from neurosim.feedback import Claims
from neurosim.feedback.backprop import Backprop


class Renamed(Backprop):
    name, title, citation = "renamed", "Back-propagation", "nobody (2026)"


class Boasts(Renamed):
    claims = Claims(weight_transport="none", update_locking=True, backward_locking=True)


NUMBER = 3


def makes_nothing():
    return 3
"""


@pytest.fixture
def module(users_module, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return users_module(CLASS)


def without_time(text):
    return re.sub(r"in [\d.]+ s|[\d,]+ bytes|to \de-\d+|to 0e\+00", "...", text)


@pytest.mark.parametrize("named", ["a_users_own", "a_users_own.py"])
def test_a_class_of_a_users_own_prints_what_python_prints(named, module, capsys):
    assert main(["check", "a_users_own:Renamed", "--import", named]) == 0
    printed = capsys.readouterr().out.rstrip("\n")
    import a_users_own

    assert without_time(printed) == without_time(str(neurosim.check(a_users_own.Renamed)))


def test_names_of_the_package_and_several_at_once(module, capsys):
    assert main(["check", "oja", "backprop", "a_users_own:Boasts", "--import", "a_users_own"]) == 2
    captured = capsys.readouterr()
    heads = re.findall(r"^(\w+ '\w+'): (\d+ of \d+) passed", captured.out, re.MULTILINE)
    assert [head for head, _ in heads] == ["rule 'oja'", "scheme 'backprop'", "scheme 'renamed'"]
    assert "claims weight_transport none; measured: full, through" in captured.out
    assert captured.err == "neurosim: failed: a_users_own:Boasts; correct what is printed after FAILED\n"


def test_a_file_of_that_name_wins(module, capsys, tmp_path, synthetic):
    (tmp_path / "backprop").write_text("no run file")
    assert main(["check", "backprop"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("backprop: not an HDF5 file") and captured.err.startswith("neurosim: damaged: backprop; ")
    synthetic.synthetic_run(tmp_path / "run.h5").rename(tmp_path / "oja")
    assert main(["check", "oja"]) == 0
    assert capsys.readouterr().out.startswith("oja: good (complete, ")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (["a_users_own:Renamed"], "needs module 'a_users_own', which was not named: expected --import a_users_own"),
        (["a_users_own:Nothing", "--import", "a_users_own"], "module 'a_users_own' has none of this name"),
        (["a_users_own:NUMBER", "--import", "a_users_own"], "expected a class or function that it defines"),
        (["a_users_own:makes_nothing", "--import", "a_users_own"], "expected a scheme (a class that derives from FeedbackPathway)"),
        (["backprp"], "check: file, folder, scheme or rule 'backprp' is unknown"),
        (["oja", "a_users_own:Renamed"], "needs module 'a_users_own'"),
    ],
)
def test_what_cannot_be_checked_is_told_in_one_line_before_anything_is(what, said, module, capsys):
    assert main(["check", *what]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_a_damaged_file_and_a_class_that_fails_are_told_together(module, capsys, tmp_path, synthetic):
    import h5py

    run = synthetic.synthetic_run(tmp_path / "run.h5")
    with h5py.File(run, "r+") as file:
        del file.attrs["seed"]
    assert main(["check", "run.h5", "a_users_own:Boasts", "--import", "a_users_own"]) == 2
    captured = capsys.readouterr()
    assert "run.h5: attribute 'seed' is missing" in captured.out
    assert "damaged: run.h5; restore from a copy, or run again; and failed: a_users_own:Boasts" in captured.err
