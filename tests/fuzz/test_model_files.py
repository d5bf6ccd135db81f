"""Model files and ``--set`` options that are wrong in every way: each is a model or one line, within seconds.

A case is named by its number alone: ``case(7)`` makes the same mutations everywhere.
"""

import copy
import datetime
import random
import tomllib
import warnings

import pytest
import tomli_w

from neurosim.errors import InputError
from neurosim.experiments.comparison_plan import Plan
from neurosim.experiments.estimate import memory
from neurosim.experiments.run import prepare
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import contents, installed
from neurosim.modelfile.simulation import SimulationModel

SECONDS = 60  # for one case; most take less than a tenth of one
LONGEST = 1500  # characters of a message: names that are known may be listed
NUMBERS = [0, 1, -1, 2, 1000, 2**31, 2**40, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**5000]
NUMBERS += [0.5, -0.5, 1e-320, 1e40, 1e308, float("inf"), float("-inf"), float("nan")]
TEXTS = [
    "", "\n", "\0", "a\tb", "é", "💥", "ﬁ", "\u202e", "\ud800", "<b>&", "'", '"', "a" * 100_000, "[" * 2000, "-1", "..", "*", "a.b",
    "all", "hidden*.rate every 2 steps", "every 1 epoch", f"every {'9' * 5000} steps", "every 0 steps", "x.rate[5:1]",
    "x.rate[random 3]", "dw = eta * rate_pre", "dw = ", "db = 1", "dw = nothing_post", "fixed", "none", "batch", "standard", "relu",
    "backprop", "frozen", "sgd", "float64", "train", "zeros", "orthogonal", "one_to_one", "output", "x", "hidden1", "digits",
]  # fmt: skip
OTHERS = [True, False, [], {}, [[]], [{}], {"": 1}, datetime.date(2026, 11, 25), datetime.time(1, 2)]


def value(draw, depth=0):
    """Return a value of any type, nested at random."""
    kind = draw.random()
    if kind < 0.35:
        return draw.choice(NUMBERS)
    if kind < 0.7:
        return draw.choice(TEXTS)
    if kind < 0.8 or depth > 3:
        return copy.deepcopy(draw.choice(OTHERS))
    if kind < 0.82:
        return nested(draw.choice([10, 60, 150]))
    if kind < 0.9:
        return [value(draw, depth + 1) for _ in range(draw.randrange(1, 5))] * draw.choice([1, 1, 20])
    keys = [draw.choice(["name", "equation", "rate", "eta", *TEXTS[:10]]) for _ in range(draw.randrange(1, 4))]
    return {key: value(draw, depth + 1) for key in keys}


def nested(depth):
    """Return lists within each other."""
    found = []
    for _ in range(depth):
        found = [found]
    return found


def places(values, path=()):
    """Yield the path of everything within."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def mutate(model, draw):
    """Change one thing in a model: drop it, replace it, put another key beside it, or let it change places with another."""
    *path, key = draw.choice(list(places(model)))
    inside = model
    for step in path:
        inside = inside[step]
    kind = draw.random()
    if kind < 0.15:
        del inside[key]
    elif kind < 0.75:
        inside[key] = value(draw)
    elif kind < 0.85 and isinstance(inside, dict):
        inside[draw.choice([*TEXTS, f"{key}s", str(key).upper()])] = value(draw)
    elif kind < 0.92 and isinstance(inside, list):
        inside.insert(draw.randrange(len(inside) + 1), copy.deepcopy(draw.choice(inside)))
    else:
        *other, last = draw.choice(list(places(model)))
        there = model
        for step in other:
            there = there[step]
        inside[key] = copy.deepcopy(there[last])


def small(model):
    """Return a model that is quickly made, on few images of digits."""
    model = copy.deepcopy(model)
    if "simulation" in model:
        return model
    model["data"] = model.get("data", {}) | {"name": "digits", "limit": 60, "validation": 0.0}
    if "hidden" in model["network"]:
        model["network"]["hidden"] = [7 for _ in model["network"]["hidden"]][:3]
    for stage in [*model.get("stages", []), model.get("training", {})]:
        stage |= {"epochs": 1, "batch": 20}
    return model


MODELS = {name: small(contents(path)) for name, path in installed().items()}


def case(number):
    """Return (name, contents, settings) of one case."""
    draw = random.Random(number)
    name = draw.choice(sorted(MODELS))
    model = copy.deepcopy(MODELS[name])
    for _ in range(draw.choice([0, 1, 1, 1, 2, 4])):
        mutate(model, draw)
    return name, model, [setting(MODELS[name], draw) for _ in range(draw.choice([0, 0, 1, 2]))]


def setting(model, draw):
    """Return a ``--set`` that may say anything."""
    path = [str(key) for key in draw.choice(list(places(model)))]
    kind = draw.random()
    if kind < 0.2:
        path.insert(draw.randrange(len(path) + 1), draw.choice(TEXTS))
    elif kind < 0.25:
        path = path * draw.choice([2, 30_000])
    said = draw.choice(TEXTS)
    if draw.random() < 0.7:
        try:
            said = tomli_w.dumps({"v": value(draw)}).removeprefix("v = ")
        except (RecursionError, ValueError):  # what the writer of TOML cannot say
            pass
    return f"{'.'.join(path)}{draw.choice(['=', '=', '=', ''])}{said}"


def tried(number, folder):
    """Try one case as ``show`` and ``run`` would; return what was refused, or ""."""
    name, model, settings = case(number)
    try:
        path = folder / f"{name}.toml"
        try:
            path.write_text(tomli_w.dumps(model), encoding="utf-8", errors="surrogatepass")
        except (RecursionError, ValueError, AttributeError, TypeError):  # no TOML: as Python would give it
            made = ModelFile.of(name, model)
        else:
            if "simulation" in model:
                assert tomllib.loads(SimulationModel.load(path, settings).text) is not None
                return ""
            if "rows" in model:
                made = next(iter(Plan.load(path, settings=settings).models.values()))
            else:
                made = ModelFile.load(path, settings)
        memory(made.table)
        assert tomllib.loads(made.text) is not None
        prepare(made, backend="numpy")
    except InputError as error:
        return str(error)
    return ""


def fails(number, folder, limited):
    """Return what is wrong with how one case ends, or ""; one that does not end in time raises what ``limited`` does."""
    print(f"case({number})")
    try:
        with limited(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="brian2|pyparsing")  # its old names
            said = tried(number, folder)
    except Exception as error:
        return f"case({number}): {type(error).__name__}: {str(error)[:200]}"
    return f"case({number}): {said[:200]!r}" if "\n" in said or len(said) > LONGEST else ""


def test_mutated_models_are_models_or_one_line(tmp_path, limited):
    assert [wrong for number in range(60) if (wrong := fails(number, tmp_path, limited))] == []


def test_the_cases_reach_all_ends(tmp_path):
    """Some are refused and some are not, or the mutations would be of no use."""
    ends = [bool(tried(number, tmp_path)) for number in range(60)]
    assert 10 < sum(ends) < 55


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [False, True], ids=["fixed", "fresh"])
def test_many_mutated_models_are_models_or_one_line(fresh, fresh_seed, tmp_path, limited):
    start = fresh_seed if fresh else 0
    wrong = [said for number in range(start, start + 400) if (said := fails(number, tmp_path, limited))]
    assert wrong == [], f"cases from {start}"
