"""Model files: what is accepted, and the one line that tells what is wrong."""

import copy
import re
import tomllib
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.errors import InputError
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import override
from neurosim.modelfile.schema import ModelTable, Section
from neurosim.plasticity import CoActivationMemory

MODEL = tomllib.loads("""
title = "m"
[paper]
test_error = 1.5
[data]
name = "digits"
[network]
hidden = [8]
[network.layer]
transfer = { name = "leaky_relu", slope = 0.2 }
normalisation = { affine = false }
[[stages]]
scheme = "difference_target_propagation"
options = { step = 0.01 }
optimiser = [{ name = "decay", rate = 1e-4 }, { name = "adam", learning_rate = 1e-3 }]
epochs = 2
batch = 10
""")


def of(*changes):
    return ModelFile.of("m", override(copy.deepcopy(MODEL), changes))


def test_the_fields_are_ready_for_use():
    table = of("stages.0.options.difference=false").table
    assert table.network.layer.transfer.slope == 0.2
    assert table.network.layer.normalisation.affine is False
    assert [link.name for link in table.stages[0].optimiser.links] == ["decay", "adam"]
    assert table.stages[0].pathway() is not table.stages[0].pathway()
    assert table.stages[0].pathway().difference is False


def test_a_key_with_a_dot_in_it_stands_in_quotes():
    for quote in "\"'":
        changed = override({"simulation": {}}, [f"simulation.initial.{quote}e.v{quote}=-60*mV"])
        assert changed == {"simulation": {"initial": {"e.v": "-60*mV"}}}


def test_an_option_of_one_optimiser_of_a_chain_needs_no_number():
    changed = override(copy.deepcopy(MODEL), ["stages.0.optimiser.learning_rate=0.5"])
    assert changed["stages"][0]["optimiser"] == [{"name": "decay", "rate": 1e-4}, {"name": "adam", "learning_rate": 0.5}]
    assert override(copy.deepcopy(MODEL), ["stages.0.optimiser.0.rate=0.5"])["stages"][0]["optimiser"][0]["rate"] == 0.5
    for key in ("name", "beta1"):  # both have one, neither has
        with pytest.raises(InputError, match=f"no item '{key}' in a list of 2"):
            override(copy.deepcopy(MODEL), [f"stages.0.optimiser.{key}=0.5"])


@pytest.mark.parametrize("path", ['a."b', 'a.""', 'a."b"c', "a.'b\"", ".a", "a..b", ""])
def test_a_path_that_is_no_path_says_so(path):
    with pytest.raises(InputError, match="expected key.path=value"):
        override({}, [f"{path}=1"])


@pytest.mark.parametrize(
    ("rule", "described"),
    [
        ("fixed", None),
        ("error_driven", "dw = eta * error_post * rate_pre"),
        ("oja", "dw = eta * rate_post * (rate_pre - rate_post * w)"),
        ("dw = error_post * rate_pre", "dw = error_post * rate_pre"),
        ("{ equation = 'dw = k * error_post * rate_pre', bias = 'db = error_post', k = 2 }", "dw = k * error_post * rate_pre"),
    ],
)
def test_rules_in_every_form(rule, described):
    made = of(f"network.layer.rule={rule}").table.network.layer.rule
    assert made is None if described is None else made.describe().startswith(described)


def test_a_rule_by_name_with_options():
    made = of("network.layer.rule={ name = 'co_activation_memory', forgetting = 0.1 }").table.network.layer.rule
    assert isinstance(made, CoActivationMemory) and made.forgetting == 0.1


def test_the_text_says_it_all():
    model = of("stages.0.epochs=7", "data.normalise=[0.5, 0.25]")
    assert ModelFile.of("m", tomllib.loads(model.text)).contents == model.contents


BAD = [
    ("tilte=1", "m: key 'tilte' is unknown: .*did you mean 'title'"),
    ("title=1", "m: title = 1: expected text in quotes"),
    ("data.nme=x", "m: data: key 'nme' is unknown.*did you mean 'name'"),
    ("data.validation=1", "m: data.validation = 1: expected less than 1"),
    ("data.limit=many", "m: data.limit = 'many': expected a whole number"),
    ("data.augment.crop_pad=1.5", "m: data.augment.crop_pad = 1.5: expected a whole number"),
    ("network=3", "m: network = 3: expected"),
    ("network.hidden=8", "m: network.hidden = 8: expected a list"),
    ("network.hidden=['a']", "m: network.hidden.0 = 'a': expected a whole number"),
    ("network.layer.transfer=tahn", "m: network.layer.transfer: transfer 'tahn' is unknown.*did you mean 'tanh'"),
    ("network.layer.transfer=5", "m: network.layer.transfer: transfer 5: expected a name"),
    ("network.layer.transfer.slope=2", r"m: network.layer.transfer: transfer 'leaky_relu': slope 2 is not in \[0, 1\]"),
    ("network.layer.normalisation=bach", "m: network.layer.normalisation: normalisation 'bach': expected 'batch', 'none'"),
    ("network.layer.normalisation.epsilon=-1", "epsilon -1 is not positive"),
    ("network.layer.dropout=high", "m: network.layer.dropout = 'high': expected a number"),
    ("network.layer.initial=[1]", r"m: network.layer.initial = \[1\]: expected text in quotes or a number"),
    ("network.layer.rule=hebb", "m: network.layer.rule: rule 'hebb' is unknown.*did you mean 'hebbian'"),
    ("network.layer.rule=dw = eta * rate_of_next", "m: network.layer.rule: "),
    ("network.populations=[]", "m: network: hidden, layer together with populations"),
    ("stages=[]", "m: stages = .*: expected"),
    ("stages.0.schme=x", "m: stages.0: key 'schme' is unknown.*did you mean 'scheme'"),
    ("stages.0.scheme=bakprop", "m: stages.0: scheme 'bakprop' is unknown.*did you mean 'backprop'"),
    ("stages.0.options.stepp=1", "m: stages.0: scheme 'difference_target_propagation': option 'stepp' is unknown.*'step'"),
    ("stages.0.options.step=-1", "m: stages.0: .*step -1 is not positive"),
    ("stages.0.options=5", "m: stages.0.options = 5: expected a table"),
    ("stages.0.optimiser=adam", "m: stages.0.optimiser: optimiser or transform 'adam': learning_rate is missing"),
    ("stages.0.optimiser={name='adam', learning_rate=-1}", "m: stages.0.optimiser: optimiser 'adam': learning_rate -1 is not"),
    ("stages.0.optimiser=[]", "m: stages.0.optimiser: .*at least one"),
    ("stages.0.epochs=2.5", "m: stages.0.epochs = 2.5: expected a whole number"),
    ("stages.0.shuffle=1", "m: stages.0.shuffle = 1: expected true or false"),
    ("record.samples=0", "m: record.samples = 0: expected"),
    ("record=1", "m: record = 1: expected a table"),
    ("record.variables=5", "m: record.variables = 5: expected a list"),
    ("record.variables=x.rate", "m: record.variables = 'x.rate': expected a list"),
    ("record.variables=[{variable='a', every=3}]", "m: record.variables.0.every = 3: expected text in quotes"),
    ("record.variables=[{}]", "m: record.variables.0.variable is missing"),
    ("record.variables=['x.rate every 0 steps']", "m: record: interval: every 0 steps: expected 1 or more"),
    (f"record.variables=['x.rate every {'9' * 5000} steps']", "m: record: record 'x.rate every 999.*': expected VARIABLE"),
    (f"record.variables=['x.rate[random {'9' * 30}]']", r"m: record: neurons \[random 999"),
    (f"record.alignment=every {'9' * 30} steps", "m: record: interval 'every 999"),
    ("record.alignment=every -1 epoch", "m: record: interval 'every -1 epoch': expected a number"),
    (f"record.samples=[{2**64}]", "m: record.samples.0 = 18446744073709551616: expected at most 9223372036854775807"),
    (f"seed={2**64}", "m: seed = 18446744073709551616: expected at most 9223372036854775807"),
    ("seed=-1", "m: seed = -1: expected"),
    ("seed=1.5", "m: seed = 1.5: expected a whole number"),
    ("seed=one", "m: seed = 'one': expected a whole number"),
]


def test_half_a_character_is_told():
    with pytest.raises(InputError, match="m: title = .*: expected text in UTF-8"):
        of("title=a\udcff")


def schema_keys(section=ModelTable, path=""):
    """Yield the path of every key that the schema knows."""
    for key, field in section.model_fields.items():
        yield f"{path}{key}"
        inner = [part for part in (field.annotation, *get_args(field.annotation)) if isinstance(part, type)]
        at = f"{path}{key}.0." if "list" in str(field.annotation) else f"{path}{key}."
        yield from (found for part in inner if issubclass(part, Section) for found in schema_keys(part, at))


ODD = ["1", "-1", "1.5", "nan", "x", "''", "true", "[]", "[1]", "[[]]", "{}", "{a = 1}", "[{}]", "1979-05-27", "9" * 30,
    "x" * 10_000]


@pytest.mark.parametrize("key", list(schema_keys()))
def test_any_value_at_any_key_is_a_model_or_one_short_line(key):
    for value in ODD:
        for setting in (f"{key}={value}", f"{key}.deeper={value}"):
            try:
                of(setting)
            except InputError as error:
                assert "\n" not in str(error) and len(str(error)) < 500, setting


@pytest.mark.parametrize(("change", "said"), BAD, ids=[change for change, _ in BAD])
def test_errors_name_file_key_value_and_expectation(change, said):
    with pytest.raises(InputError, match=said) as caught:
        of(change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["title", "data", "network", "stages"])
def test_a_missing_key_is_told(key):
    contents = {name: value for name, value in MODEL.items() if name != key}
    with pytest.raises(InputError, match=re.escape(f"m: {key} is missing; add it")):
        ModelFile.of("m", contents)


PATHS = [
    "title", "data", "data.name", "data.normalise", "data.limit", "data.augment", "network", "network.hidden", "network.dtype",
    "network.layer", "network.layer.transfer", "network.layer.rule", "network.layer.normalisation", "network.output.initial",
    "network.populations", "network.projections", "stages", "stages.0", "stages.0.scheme", "stages.0.options", "stages.0.optimiser",
    "stages.0.optimiser.1", "stages.0.options.step", "stages.0.epochs", "record", "measured.seeds", "paper.test_error", "new.key",
]  # fmt: skip
words = st.text(max_size=8) | st.sampled_from(["name", "dw = 1", "batch"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
anything = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(["name", "equation", "eta", "x"]), v, max_size=3)
)


def changed(values, keys, new):
    if not keys:
        return new
    if isinstance(values, list):
        return [changed(v, keys[1:], new) if str(k) == keys[0] else v for k, v in enumerate(values)]
    return values | {keys[0]: changed(values.get(keys[0], {}), keys[1:], new)}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATHS), anything)
def test_whatever_a_file_holds_it_is_a_model_or_one_line(path, value):
    try:
        ModelFile.of("m", changed(MODEL, path.split("."), value))
    except InputError as error:
        assert str(error).startswith("m: ") and "\n" not in str(error)
