"""Studies as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import InputError
from neurosim.studies.reading import load, parse_draw, parse_grid
from neurosim.studies.space import Parameter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stages.0.batch=16,32", Parameter("stages.0.batch", (16, 32))),
        ("rate=0.1, 1e-3", Parameter("rate", (0.1, 1e-3))),
        ("scheme=backprop,feedback_alignment", Parameter("scheme", ("backprop", "feedback_alignment"))),
        ("network.hidden=[64],[64,64]", Parameter("network.hidden", ([64], [64, 64]))),
        ("a=true,2,x", Parameter("a", (True, 2, "x"))),
        ("a='x,y',\"z\"", Parameter("a", ("x,y", "z"))),
        ("a=1 where scheme=bp,fa and b=2", Parameter("a", (1,), when={"scheme": ("bp", "fa"), "b": (2,)})),
    ],
)
def test_grids(text, expected):
    assert parse_grid(text) == expected


def test_draws():
    assert parse_draw("rate=log_uniform:1e-4:0.1") == Parameter("rate", (), "log_uniform", 1e-4, 0.1)
    assert parse_draw("n=integers:1:9 where a=x") == Parameter("n", (), "integers", 1, 9, {"a": ("x",)})


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_grid, "batch"),
        (parse_grid, "=1"),
        (parse_grid, "batch="),
        (parse_grid, "a=1 where b"),
        (parse_draw, "a=1,2"),
        (parse_draw, "a=uniform:1"),
        (parse_draw, "a=uniform:x:y"),
        (parse_draw, "a=normal:0:1"),
    ],
)
def test_what_is_none_is_one_line(parse, text):
    with pytest.raises(InputError, match=r"^(--|study)[^\n]*expected [^\n]*$"):
        parse(text)


@given(text=st.text(max_size=40), parse=st.sampled_from([parse_grid, parse_draw]))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_parameter_or_one_line(text, parse):
    try:
        parse(text)
    except InputError as error:
        assert "\n" not in str(error)


FILE = """
model = "compare"
settings = ["training.epochs=2"]
seeds = [3, 5]
draws = 2
[[parameters]]
key = "scheme"
values = ["backprop", "difference_target_propagation"]
[[parameters]]
key = "stages.0.options.step"
log_uniform = [0.01, 1.0]
when = { scheme = ["difference_target_propagation"] }
"""


def test_a_study_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    plan = load(path).plan()
    assert [(point.number, point.seed) for point in plan.points] == [(k, seed) for k in (1, 2, 3) for seed in (3, 5)]
    assert [point.values.get("stages.0.options.step", 0) > 0 for point in plan.points[::2]] == [False, True, True]
    assert all(point.model.table.stages[0].epochs == 2 for point in plan.points)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("seeds = [3, 5]", "seeds = 0"), "seeds: none"),
        (("seeds = [3, 5]", "seed = 1"), "seed"),
        (("draws = 2", "draws = 'a'"), "draws"),
        (('model = "compare"', 'model = "comparr"'), "did you mean 'compare'"),
        (("log_uniform", "log_normal"), "expected values, uniform, log_uniform, integers, or when"),
        (('"backprop", ', '"bakprop", '), "did you mean 'backprop'"),
    ],
)
def test_a_wrong_study_file_is_one_line(change, said, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(FILE.replace(*change))
    with pytest.raises(InputError, match=said) as caught:
        load(path).plan()
    assert "\n" not in str(caught.value)
