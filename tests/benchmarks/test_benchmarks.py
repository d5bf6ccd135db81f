"""The benchmarks run, and what they call a floor is what the step asks for."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last, so that the package that is installed is the one that is tested

from benchmarks import hsic_precision, papers, scaling, schemes, silence, steps  # noqa: E402
from neurosim.backends import NumpyBackend  # noqa: E402
from neurosim.capture.cost import Cost  # noqa: E402
from neurosim.feedback import pathways  # noqa: E402

NETWORK = "12-9-8-4@16"


def products_of(items):
    """Return how many matrix products items do, those of repeated bodies at every turn."""
    turns = sum(item.nodes[0].detail.times * products_of(item.body) for item in items if item.op == "repeat")
    return turns + sum(item.op == "matmul" for item in items)


@pytest.mark.parametrize("scheme", sorted(pathways()))
def test_the_floor_does_the_step_s_products_and_no_others(scheme, monkeypatch):
    made = steps.trainer(scheme, (12, 9, 8, 4), 16)
    asked = Cost.of(made.recorded(steps.LEARN))
    program = made.network.backend.capture(made.recorded(steps.LEARN))
    assert len(asked.products) == products_of(program.items)
    done, product = [], np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: done.append((a.shape, b.shape)) or product(a, b, out=out))
    steps.floor_step(asked, NumpyBackend())()
    assert done == [((p.rows, p.inner), (p.inner, p.columns)) for p in asked.products]


@pytest.mark.slow
def test_a_row_has_every_number():
    row = schemes.measured("local_errors", NETWORK, 0.01, False)
    assert row["over_floor"] == pytest.approx(row["ours_ms"] / row["floor_ms"])
    assert 0 < row["optimiser_ms"]
    assert json.loads(json.dumps(row)) == row
    assert schemes.shown([row]).row_count == 1


@pytest.mark.parametrize("setting", [*papers.SETTINGS, papers.HEBBIAN], ids=lambda setting: setting.title)
def test_a_setting_is_the_one_that_was_measured(setting):
    made = papers.trainer(setting)
    assert f"batch {made.batch}" in setting.title or setting.title.startswith(("its", "the same", "HSIC"))
    (phase,) = made.pathway.phases
    assert Cost.of(made.recorded(phase)).operations > 0


def test_what_keeps_float32_exact_is_taken_out_of_the_scheme_and_of_nothing_else():
    draw = np.random.default_rng(0)
    z, x, y = draw.normal(size=(20, 6)), draw.random((20, 8)), np.eye(4)[np.arange(20) % 4]
    careful = hsic_precision.attached(hsic_precision.Careless())
    ours = hsic_precision.attached(hsic_precision.HSICBottleneck())
    errors = [scheme._error(z, scheme._target_relation(x, y, 2.0), 2.0) for scheme in (careful, ours)]
    np.testing.assert_allclose(*errors, rtol=0, atol=1e-11 * np.abs(errors[0]).max())
    for row in hsic_precision.clustered(batch=24, width=8):
        assert 1 < row["condition"] <= 1 + 0.5e5
        assert row["ours"] < 10 * row["condition"] * 2**-24


@pytest.mark.slow
def test_a_point_of_the_scaling():
    assert {"width", "batch", "ours_ms", "floor_ms"} <= scaling.measured(8, 16, 0.01).keys()


def test_silence_is_measured_with_small_numbers_taken_as_zero_and_kept(monkeypatch, numpy_target):
    monkeypatch.setattr(silence, "SIZES", (12, 9, 8, 4))
    monkeypatch.setattr(silence, "CELLS", 7)
    for measure in (silence.step, silence.simulation):
        found = measure()
        assert found.keys() == {"lively", "silent"} and found["lively"] > 0
    tiny = np.full(100, 1e-310)
    with silence.kept(), silence.SUBNORMALS_AS_ZERO:  # the numbers they are compared with are of an ordinary processor
        assert (tiny * 1.0).all()
