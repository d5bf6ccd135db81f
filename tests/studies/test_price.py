"""What a study would take is told, and refused, before anything runs."""

import pytest

from neurosim.backends import limits
from neurosim.cli import main
from neurosim.errors import InputError
from neurosim.studies import Study, price

SMALL = ("training.epochs=2", "data.limit=300")


@pytest.fixture
def study():
    return Study("compare", settings=SMALL).grid({"scheme": ["backprop"], "network.hidden": [[8], [2048, 2048]]})


def test_models_that_differ_in_rates_alone_are_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr(price, "_seconds", lambda point, data_dir: tried.append(point.label) or float(point.number))
    rates = Study("compare", settings=SMALL).grid({"scheme": ["backprop"], "stages.0.optimiser.learning_rate": [0.001, 0.01]})
    found = price.price(rates.seeds(3).plan(), 1)
    assert len(tried) == 1 and found.seconds == 6.0
    other = rates.grid({"stages.0.batch": [16, 32]})
    assert price.price(other.plan(), 1).seconds == 2 * 1.0 + 2 * 2.0 and len(tried) == 3


def test_of_many_kinds_some_are_tried_and_stand_for_all(monkeypatch):
    monkeypatch.setattr(price, "_seconds", lambda point, data_dir: 1.5)
    monkeypatch.setattr(price, "_memory", lambda point, workers, data_dir, data: point.number)
    plan = Study("compare", settings=SMALL).grid({"scheme": ["backprop"], "stages.0.batch": list(range(10, 40))}).plan()
    assert price.price(plan, 2) == price.Price(30, 1.5 * 30)


def test_the_largest_point_is_told_and_refused_where_the_workers_do_not_fit(monkeypatch, study, tmp_path):
    monkeypatch.setattr(price, "_seconds", lambda point, data_dir: 1.0)
    plan = study.plan()
    largest = price.price(plan, 1).memory
    assert largest > 2 * 4 * 2048 * 2048  # weights and gradients of the wide one
    monkeypatch.setattr(limits, "free_memory", lambda: limits.Room(3 * largest, "a test"))
    assert price.price(plan, 3).memory == largest
    said = r"^study: scheme=backprop, network.hidden=\[2048, 2048\]: needs [^\n]* in each of 4 workers"
    with pytest.raises(InputError, match=said):
        price.price(plan, 4)
    assert price.price(plan, 4, here=False).memory == largest  # other machines have memories of their own
    with pytest.raises(InputError, match=said):
        study.run(tmp_path / "out", workers=4)
    assert not (tmp_path / "out").exists()


def test_each_kind_is_told_of_its_own_data(monkeypatch):
    sizes = []
    monkeypatch.setattr(price, "timings", lambda table, budget, entry: {"numpy": [sizes.append((entry.name, entry.train)) or 0.0]})
    plan = Study("compare", settings=("training.epochs=1",)).grid({"scheme": ["backprop"], "data.name": ["digits", "mnist"]}).plan()
    monkeypatch.setattr(price, "_memory", lambda point, workers, data_dir, data: 0)
    price.price(plan, 1)
    assert [name for name, _ in sizes] == ["digits", "mnist"] and sizes[1][1] > 10 * sizes[0][1]


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_a_study_that_does_not_fit_is_refused_however_quiet(monkeypatch, capsys, tmp_path, quiet):
    def refuse(point, workers, data_dir, data):
        raise InputError("study: does not fit")

    monkeypatch.setattr(price, "_memory", refuse)
    out = tmp_path / "out"
    assert main(["study", "compare", "--grid", "scheme=backprop", "--workers", "1", "--out", str(out), *quiet]) == 2
    assert "does not fit" in capsys.readouterr().err and not out.exists()


def test_a_halved_study_takes_its_share(monkeypatch):
    monkeypatch.setattr(price, "_seconds", lambda point, data_dir: 6.0)
    rates = Study("compare", settings=("training.epochs=4", "data.limit=300")).grid({"scheme": ["backprop"]})
    rates = rates.grid({"stages.0.optimiser.learning_rate": [0.001, 0.003, 0.01, 0.03]})
    assert price.price(rates.plan(), 1).seconds == 24.0
    assert price.price(rates.halving(2, eta=2).plan(), 1).seconds == 24.0 * (4 * 2 + 2 * 2) / (4 * 4)
