"""Where model files lie, how they extend each other, and what --set changes."""

import copy
import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import InputError, UnknownNameError
from neurosim.experiments.comparison_folder import begun
from neurosim.modelfile.reading import contents, installed, locate, merged, models, override, parsed, recording


def write(folder, name, **values):
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
    return path


def test_a_child_lays_its_keys_over_its_parents(tmp_path):
    write(tmp_path, "parent", title="p", data={"name": "mnist", "limit": 5}, stages=[{"epochs": 1}, {"epochs": 2}], paper={"a": 1})
    child = write(tmp_path, "child", extends="parent", data={"limit": 7}, stages=[{"epochs": 3}])
    assert contents(child) == {"title": "p", "data": {"name": "mnist", "limit": 7}, "stages": [{"epochs": 3}]}


def test_a_circle_is_told(tmp_path):
    write(tmp_path, "a", extends="b")
    write(tmp_path, "b", extends="a")
    with pytest.raises(InputError, match="extends itself"):
        contents(tmp_path / "a.toml")


def test_files_are_found_by_path_and_by_name(tmp_path):
    path = write(tmp_path, "mine", title="t")
    assert locate(path) == path
    assert locate("dtp-mnist") == installed()["dtp-mnist"]
    with pytest.raises(UnknownNameError, match="did you mean 'dtp-mnist'"):
        locate("dtp-mnits")
    with pytest.raises(InputError, match="no such file"):
        locate(tmp_path / "absent.toml")


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe", b"a = 1\na = 2", b"x = " + b"[" * 5000])
def test_what_is_no_toml_is_told_in_one_line(content, tmp_path):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="broken.toml"):
        contents(path)


def test_comparisons_are_no_models():
    assert "compare" in installed() and "compare" not in models()


# ---------------------------------------------------------------------- --set

BASE = {"title": "t", "data": {"name": "digits"}, "stages": [{"epochs": 1}, {"epochs": 2}]}


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("title=new", ("title",), "new"),
        ("data.name = mnist", ("data", "name"), "mnist"),
        ("data.limit=100", ("data", "limit"), 100),
        ("stages.1.epochs=3", ("stages", 1, "epochs"), 3),
        ("stages.0.options.step=1e-3", ("stages", 0, "options", "step"), 1e-3),
        ("network.hidden=[1, 2]", ("network", "hidden"), [1, 2]),
        ("record.variables=['a.rate']", ("record", "variables"), ["a.rate"]),
        ("stages.0={epochs=9}", ("stages", 0), {"epochs": 9}),
        ("title=a=b", ("title",), "a=b"),
        ("title=1\nother = 2", ("title",), "1\nother = 2"),
    ],
)
def test_set_changes_one_value(setting, path, value):
    before = copy.deepcopy(BASE)
    found = override(BASE, [setting])
    assert before == BASE
    for key in path:
        found = found[key]
    assert found == value


@pytest.mark.parametrize("setting", ["title", "=1", "a..b=1", "stages.2.epochs=1", "stages.x=1", "stages.²=1", "title.deeper=1"])
def test_bad_settings_are_told(setting):
    with pytest.raises(InputError, match="--set"):
        override(BASE, [setting])


@given(st.lists(st.text(max_size=20), max_size=3))
def test_any_text_is_a_setting_or_an_input_error(settings):
    try:
        assert isinstance(override(BASE, settings), dict)
    except InputError as error:
        assert "--set" in str(error)


keys = st.text("abc", min_size=1, max_size=2)
scalars = st.integers(-(2**63), 2**63 - 1) | st.text(max_size=3) | st.booleans()
values = st.recursive(scalars, lambda inner: st.dictionaries(keys, inner, max_size=3))
tables = st.dictionaries(keys, values, max_size=3)


@given(tables, tables)
def test_merging_keeps_what_only_one_side_has(under, over):
    both = merged(under, over)
    assert both.keys() == under.keys() | over.keys()
    for key in both:
        if key not in over:
            assert both[key] == under[key]
        elif key not in under or not isinstance(under[key], dict) or not isinstance(over[key], dict):
            assert both[key] == over[key]
        else:
            assert both[key] == merged(under[key], over[key])


@given(tables)
def test_merging_with_nothing_changes_nothing(table):
    assert merged(table, {}) == merged({}, table) == table
    assert parsed(tomli_w.dumps(table), "here") == tomllib.loads(tomli_w.dumps(table))


# ---------------------------------------------------------------------- what neither TOML nor a run file can hold

DEEP = "[" * 30 + "]" * 30


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("a" + ".a" * 100_000 + "=1", "100,001 keys: expected at most 20"),
        ("title" + ".a" * 100_000 + "=1", "expected at most 20"),
        (f"title.{'a' * 10_000}=1", "cannot be set inside 't', which is not a table"),
        ("stages." + "9" * 5000 + "=1", "no item '999"),
        ("nothing", "expected key.path=value"),
    ],
)
def test_a_path_of_any_length_is_told_in_short(setting, said):
    with pytest.raises(InputError, match=said) as caught:
        override(BASE, [setting])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"seed = {2**63}", "here: seed = 9223372036854775808: expected at most 9223372036854775807"),
        (f"seed = {-(2**63) - 1}", "here: seed = -9223372036854775809: expected"),
        (f"a.b = [1, {10**30}]", r"here: a.b.1 = 1000000000000000000000000000000: expected"),
        (f"seed = {'9' * 5000}", "here: .*digits"),
        (f"a = {DEEP}", "here: a.0.*expected at most 20 tables within each other"),
        (".".join(["a"] * 30) + " = 1", "expected at most 20 tables within each other"),
        ("a = " + "'" + "x" * 2**20 + "'", "characters: expected at most 1,048,576"),
    ],
)
def test_what_cannot_be_held_is_told(text, said):
    with pytest.raises(InputError, match=said) as caught:
        parsed(text, "here")
    assert len(str(caught.value)) < 300


def test_of_a_file_that_is_no_model_only_the_beginning_is_read(tmp_path):
    """16 GB that take no room on the disk."""
    path = tmp_path / "model.toml"
    with path.open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(InputError, match="over 1,048,576 characters"):
        contents(path)
    path.rename(tmp_path / "comparison.toml")
    with pytest.raises(InputError, match="over 1,048,576 characters"):
        begun(tmp_path)


def test_the_largest_numbers_of_toml_are_taken():
    assert parsed(f"a = {2**63 - 1}\nb = {-(2**63)}", "here") == {"a": 2**63 - 1, "b": -(2**63)}


@pytest.mark.parametrize("name", ["a" * 10_000, "a/" * 5000, "nothing\n.toml", "\udcff.toml"])
def test_names_that_no_file_can_have_are_told(name):
    with pytest.raises(InputError) as caught:
        locate(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("record", [1, "x", [1], None, {"variables": 5}, {"variables": {"a": 1}}])
def test_recording_leaves_to_the_check_what_is_no_table(record):
    assert recording({"record": record}, ["x.rate"], "1 epoch") == {"record": record}


def test_recording_adds_to_what_is_there():
    found = recording({"record": {"variables": ["a"], "keep": 2}}, ["b"], {"alignment": "1 epoch", "step_effect": None})
    assert found == {"record": {"variables": ["a", "b"], "keep": 2, "alignment": "1 epoch"}}
