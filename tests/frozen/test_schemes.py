"""Did it change: the loss of every scheme, in every variant, after twenty steps in float64, against numbers of a date.

A number that is missing is written, and no other; one that moves on purpose is deleted first, with the reason in the commit:

    python tests/frozen/test_schemes.py
"""

import datetime
import json
from pathlib import Path

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.datasets import from_arrays
from neurosim.errors import NotCapturableError
from neurosim.feedback import pathways
from neurosim.network import Network
from neurosim.neurons import BatchNormalisation
from neurosim.plasticity import Adam
from neurosim.training import Trainer

KEPT = Path(__file__).with_suffix(".json")
CASES = {
    f"{scheme.name} {json.dumps(options, sort_keys=True)}": (scheme, options)
    for scheme in pathways().values()
    for options in scheme.variants
}
# Signals that come down through a normalisation are divided by its small deviation.  In populations that settle together, what two
# processors round differently came to .003 of the loss after twenty steps; without normalisation, to less than 1e-9.
ENLARGING = ("contrastive_hebbian", "equilibrium_propagation")


def loss_after_twenty_steps(scheme, options):
    """Return the training loss; data without a generator, so that no library's stream of random numbers decides it."""
    count = np.arange(60 * 6).reshape(60, 6)
    x, y = np.sin(count**1.5), (np.arange(60) * 7 // 4) % 3
    data = from_arrays(x, y, x, y)
    normalised = scheme.takes_normalised and scheme.name not in ENLARGING
    normalisation = BatchNormalisation(affine=False) if normalised else None
    network = Network.layered((6,), [8, 7, 5], 3, transfer="tanh", normalisation=normalisation, dtype="float64", initial="zeros")
    for k, value in enumerate(network.parameters().values()):
        value[...] = np.cos(np.arange(value.size) ** 1.3 + k).reshape(value.shape) / 2
    trainer = Trainer(network, scheme(**options), Adam(0.01), epochs=5, batch=15, shuffle=False, seed=1)
    return trainer.fit(data)[-1]["train"].loss


def write_missing(path, cases):
    """Measure the cases that ``path`` has no number of; drop those that are no cases any more."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    now = {"date": str(datetime.date.today()), "numpy": np.__version__}
    found = {case: kept.get(case) or {"loss": loss_after_twenty_steps(*made), **now} for case, made in cases.items()}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def test_every_case_is_kept():
    assert set(json.loads(KEPT.read_text(encoding="utf-8"))) == set(CASES)


def refuse(*_):
    raise NotCapturableError("array code adds up in another order")


@pytest.mark.parametrize("case", CASES)
def test_it_did_not_change(case, monkeypatch):
    kept = json.loads(KEPT.read_text(encoding="utf-8"))[case]
    found = loss_after_twenty_steps(*CASES[case])
    if found != pytest.approx(kept["loss"], rel=1e-6):  # a loss may hang on its sums' order, which processors differ in
        monkeypatch.setattr(NumpyBackend, "capture", refuse)
        assert abs(found - kept["loss"]) <= abs(found - loss_after_twenty_steps(*CASES[case])) < 1e-3


def test_only_what_is_missing_is_written(tmp_path):
    case = "backprop {}"
    path = tmp_path / "kept.json"
    path.write_text(json.dumps({case: {"loss": 1.0, "date": "2020-01-01", "numpy": "1"}, "gone {}": {}}), encoding="utf-8")
    write_missing(path, {case: CASES[case], "frozen {}": CASES["frozen {}"]})
    written = json.loads(path.read_text(encoding="utf-8"))
    assert list(written) == [case, "frozen {}"] and written[case]["loss"] == 1.0 and written["frozen {}"]["date"] > "2020"


if __name__ == "__main__":
    write_missing(KEPT, CASES)
