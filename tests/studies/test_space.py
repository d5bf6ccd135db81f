"""The points of a study: every combination once, draws that do not move, conditions, and one line for what is none."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import InputError
from neurosim.studies.space import Parameter, Space

VALUES = st.lists(st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.floats(allow_nan=False)), min_size=1, max_size=4)


def unlike(values):
    return list({(type(value), value): value for value in values}.values())


@given(grids=st.lists(VALUES.map(unlike), max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_grid_is_the_product_of_its_values(grids):
    space = Space(tuple(Parameter(f"key{k}", tuple(values)) for k, values in enumerate(grids)))
    expected = [{f"key{k}": value for k, value in enumerate(chosen)} for chosen in itertools.product(*grids)]
    found = space.points()
    assert found == expected
    assert [list(map(type, point.values())) for point in found] == [list(map(type, point.values())) for point in expected]


def test_a_parameter_counts_only_beside_the_values_it_names():
    step = Parameter("step", (0.01, 0.1), when={"scheme": ("dtp",)})
    noise = Parameter("noise", (1, 2), when={"step": (0.1,)})
    found = Space((Parameter("scheme", ("bp", "dtp")), step, noise)).points()
    assert found == [
        {"scheme": "bp"},
        {"scheme": "dtp", "step": 0.01},
        {"scheme": "dtp", "step": 0.1, "noise": 1},
        {"scheme": "dtp", "step": 0.1, "noise": 2},
    ]


def test_draws_are_within_their_bounds_and_of_their_kind():
    kinds = {"a": ("uniform", -1, 2), "b": ("log_uniform", 1e-4, 1e-1), "c": ("integers", 1, 3)}
    points = Space(tuple(Parameter(key, (), *drawn) for key, drawn in kinds.items()), draws=400).points()
    assert len(points) == 400
    assert all(-1 <= point["a"] <= 2 and 1e-4 <= point["b"] <= 1e-1 for point in points)
    assert {point["c"] for point in points} == {1, 2, 3} and all(type(point["c"]) is int for point in points)
    decades = [sum(10.0**k <= point["b"] < 10.0 ** (k + 1) for point in points) for k in (-4, -3, -2)]
    assert min(decades) > 100, "each decade is as likely as another"  # 133 each, with a standard deviation of 9


def test_a_draw_is_the_same_beside_every_combination_and_however_many_there_are():
    rate = Parameter("rate", (), "log_uniform", 1e-4, 1e-1)
    one = Space((Parameter("scheme", ("bp", "fa")), rate), draws=3).points()
    assert [point["rate"] for point in one[:3]] == [point["rate"] for point in one[3:]]
    more = Space((Parameter("batch", (16, 32)), Parameter("scheme", ("bp", "fa")), rate), draws=5).points()
    assert [point["rate"] for point in more[:3]] == [point["rate"] for point in one[:3]]
    assert len(set(point["rate"] for point in more[:5])) == 5
    assert Space((rate,), draws=3, seed=1).points() != Space((rate,), draws=3).points()


def test_where_nothing_drawn_counts_there_is_one_point():
    rate = Parameter("rate", (), "uniform", 0, 1, {"scheme": ("fa",)})
    found = Space((Parameter("scheme", ("bp", "fa")), rate), draws=3).points()
    assert [point["scheme"] for point in found] == ["bp", "fa", "fa", "fa"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Parameter("", (1,)), "parameter '': expected a key of a model file"),
        (lambda: Parameter("a..b", (1,)), "expected a key of a model file"),
        (lambda: Parameter("a", ()), "no values: expected at least one"),
        (lambda: Parameter("a", (1, 2, 1)), "\\[1\\]|1 is there twice"),
        (lambda: Parameter("a", (), "normal", 0, 1), "distribution 'normal': expected one of uniform, log_uniform, integers"),
        (lambda: Parameter("a", (), "uniform", 1, 1), "expected two numbers, the smaller one first; correct them"),
        (lambda: Parameter("a", (), "uniform", 0, float("nan")), "expected two numbers"),
        (lambda: Parameter("a", (), "uniform", 0, "b"), "expected two numbers"),
        (lambda: Parameter("a", (), "log_uniform", 0, 1), "log_uniform from 0: expected more than 0"),
        (lambda: Parameter("a", (), "integers", 0, 1.5), "expected whole numbers"),
        (lambda: Space((Parameter("a", (1,)), Parameter("a", (2,)))), "parameter 'a' is there twice"),
        (lambda: Space((Parameter("a", (1,)), Parameter("a.b", (2,)))), "'a.b' and 'a': one lies within the other"),
        (lambda: Space((Parameter("a", (1,), when={"b": (1,)}), Parameter("b", (1,)))), "where 'b' .* before it \\(there"),
        (lambda: Space((Parameter("b", (), "uniform", 0, 1), Parameter("a", (1,), when={"b": (1,)}))), "with listed values"),
        (lambda: Space((Parameter("a", (1,)),), draws=3), "3 draws of nothing"),
        (lambda: Space((), draws=0), "draws 0: expected 1 or more"),
        (lambda: Space(tuple(Parameter(f"a{k}", tuple(range(100))) for k in range(9))).points(), "more than 100,000 points"),
    ],
)
def test_what_is_none_is_one_line(make, said):
    with pytest.raises(InputError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)


TABLES = st.dictionaries(
    st.sampled_from(["key", "values", "uniform", "log_uniform", "integers", "when", "other"]),
    st.one_of(st.none(), st.integers(), st.text(max_size=4), st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
              st.dictionaries(st.text(max_size=3), st.lists(st.integers(), max_size=2), max_size=2)),
)  # fmt: skip


@given(table=TABLES)
@settings(max_examples=300, deadline=None)
def test_a_table_is_a_parameter_or_one_line(table):
    try:
        parameter = Parameter.of(table)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert Parameter.of(parameter.stated()) == parameter
