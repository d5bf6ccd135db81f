"""An attack: wherever a stranger's step reads a number, what changes there takes effect, or the step says why it is slow."""

import array
import collections
import copyreg
import functools
import itertools
import sys
import threading
import types
import weakref

import numpy as np
import pytest

from neurosim.backends import NumpyBackend
from neurosim.capture import Reach
from neurosim.datasets import from_arrays
from neurosim.feedback import pathways
from neurosim.feedback.direct_feedback_alignment import DirectFeedbackAlignment
from neurosim.network import Network, Population, Projection
from neurosim.plasticity import SGD
from neurosim.training import Observer, Trainer
from neurosim.training.captured import CapturedStep

draw = np.random.default_rng(0)
DATA = from_arrays(draw.normal(size=(40, 6)), draw.integers(0, 3, 40), draw.normal(size=(4, 6)), draw.integers(0, 3, 4))
BEFORE, AFTER = 1.0, 5.0
GLOBAL = BEFORE
LISTED = [BEFORE]
ARRAY = np.full(3, BEFORE)


class Asks(pathways()["backprop"]):
    """Back-propagation whose output errs by a tenth of what ``ask`` answers."""

    name = "asks"
    title = citation = ""

    def __init__(self, ask, held):
        self.ask, self.held = ask, held

    def teach(self, sweep, target, draws):
        output = sweep["output"]
        error = target - output.rate + 0.1 * self.ask(self)
        return self.network.errors_back(sweep, self.network.populations["output"].teach_activation(error, output))


class Private:
    __slots__ = ("__value",)

    def __init__(self):
        self.__value = BEFORE

    def get(self):
        return self.__value

    def put(self, value):
        self.__value = value


class Kept:
    """A descriptor that keeps its values elsewhere."""

    values = weakref.WeakKeyDictionary()

    def __get__(self, owner, kind):
        return self.values.get(owner, BEFORE)

    def __set__(self, owner, value):
        self.values[owner] = value


class Described:
    value = Kept()


class Static:
    value = BEFORE
    array = np.full(3, BEFORE)


def sub(kind, *given):
    """Return an object of a class derived from a built-in one, with an attribute."""
    made = type("Derived", (kind,), {"__module__": __name__})(*given)
    made.value = BEFORE
    return made


def closure():
    value = BEFORE

    def get():
        return value

    def put(new):
        nonlocal value
        value = new

    return types.SimpleNamespace(get=get, put=put)


def local():
    made = threading.local()
    made.value = BEFORE
    return made


def module():
    made = types.ModuleType("settings_of_a_stranger")
    made.value = BEFORE
    return made


def with_default(values=LISTED):
    return values[0]


def function():
    def made():
        return made.value

    made.value = BEFORE
    return made


def set_global(name, value):
    setattr(sys.modules[__name__], name, value)


def fill(values):
    values[...] = AFTER


def attribute(own):
    own.held.value = AFTER


def item(own):
    own.held[0] = AFTER


WATCHED = {  # what the scheme holds, what it asks, what changes
    "a private slot": (Private, lambda own: own.held.get(), lambda own: own.held.put(AFTER)),
    "a descriptor": (Described, lambda own: own.held.value, attribute),
    "a class": (lambda: type("Other", (Static,), {"__module__": __name__, "value": BEFORE}), lambda own: own.held.value, attribute),
    "an array of a class": (None, lambda own: 1.0 * Static.array, lambda own: fill(Static.array)),
    "a number that is more": (lambda: sub(float, 1.0), lambda own: own.held.value, attribute),
    "a text that is more": (lambda: sub(str, ""), lambda own: own.held.value, attribute),
    "a list that is more": (lambda: sub(list), lambda own: own.held.value, attribute),
    "a dictionary that is more": (lambda: sub(dict), lambda own: own.held.value, attribute),
    "a tuple that is more": (lambda: sub(tuple), lambda own: own.held.value, attribute),
    "an array that is more": (
        lambda: np.ones(3).view(type(sub(np.ndarray, 3))),
        lambda own: getattr(own.held, "value", 1.0),
        attribute,
    ),
    "a closure": (closure, lambda own: own.held.get(), lambda own: own.held.put(AFTER)),
    "a partial": (
        lambda: functools.partial(lambda values: values[0], [BEFORE]),
        lambda own: own.held(),
        lambda own: fill_list(own.held.args[0]),
    ),
    "an array of a partial": (
        lambda: functools.partial(np.multiply, np.full(3, BEFORE)),
        lambda own: own.held(1.0),
        lambda own: fill(own.held.args[0]),
    ),
    "a global": (None, lambda own: GLOBAL, lambda own: set_global("GLOBAL", AFTER)),
    "a list that is global": (None, lambda own: LISTED[0], lambda own: fill_list(LISTED)),
    "an array that is global": (None, lambda own: 1.0 * ARRAY, lambda own: fill(ARRAY)),
    "a default": (None, lambda own: with_default(), lambda own: fill_list(LISTED)),
    "a function's attribute": (function, lambda own: own.held(), attribute),
    "a module": (module, lambda own: own.held.value, attribute),
    "bytes": (lambda: bytearray(b"\1"), lambda own: own.held[0], lambda own: own.held.__setitem__(0, 5)),
    "a view of bytes": (lambda: memoryview(bytearray(b"\1")), lambda own: own.held[0], lambda own: own.held.__setitem__(0, 5)),
    "an array of Python's": (lambda: array.array("d", [BEFORE]), lambda own: own.held[0], item),
    "a chain of dictionaries": (lambda: collections.ChainMap({0: BEFORE}), lambda own: own.held[0], item),
    "a dictionary of collections": (lambda: collections.UserDict({0: BEFORE}), lambda own: own.held[0], item),
    "a list of collections": (lambda: collections.UserList([BEFORE]), lambda own: own.held[0], item),
    "a thread's own": (local, lambda own: own.held.value, attribute),
    "a view in another order": (
        lambda: np.full((20, 6), BEFORE)[::2, ::-2],
        lambda own: 0.5 * own.held,
        lambda own: fill(own.held),
    ),
    "a masked array": (
        lambda: np.ma.masked_array(np.full((10, 3), BEFORE), np.eye(10, 3)),
        lambda own: (0.5 * own.held).filled(0.25),
        lambda own: fill(own.held),
    ),
    "an iterator": (lambda: itertools.cycle([1.0, 1.0, 3.0, 3.0]), lambda own: next(own.held), lambda own: None),
    "a generator in a closure": (lambda: drawing(), lambda own: own.held(), lambda own: None),
    "the trainer's steps": (lambda: [], lambda own: own.held[0].steps, lambda own: None),
    "an observer's number": (lambda: [], lambda own: own.held[1].number, lambda own: None),
}
SLOW = {"an array that is more", "a view in another order", "a masked array", "an iterator", "a generator in a closure"}
SLOW |= {"the trainer's steps", "an observer's number"}


def fill_list(values):
    values[:] = [AFTER]


def drawing():
    generator = np.random.default_rng(1)
    return lambda: generator.random()


class Once(Observer):
    """Makes a change after the second step, and counts."""

    number = 0

    def __init__(self, change):
        self.change, self.number = change, 0

    def on_step(self, made):
        self.number += 1
        if made.steps == 2 and self.change:
            self.change(made.pathway)


def trained(monkeypatch, case, captured=True, changed=True):
    make, ask, change = WATCHED[case]
    set_global("GLOBAL", BEFORE)
    LISTED[:] = [BEFORE]
    Static.array[:] = ARRAY[:] = BEFORE
    populations = [Population("x", 6), Population("hidden1", 5, transfer="tanh"), Population("output", 3, transfer="softmax")]
    links = [Projection("x", "hidden1"), Projection("hidden1", "output")]
    network = Network(populations, links, dtype="float64", backend=NumpyBackend())
    scheme, once = Asks(ask, make and make()), Once(change if changed else None)
    made = Trainer(network, scheme, SGD(0.1), epochs=9, batch=10, seed=1)
    if isinstance(scheme.held, list) and not scheme.held:
        scheme.held += [made, once]
    with monkeypatch.context() as patch:
        if not captured:
            patch.setattr(CapturedStep, "prepared", lambda self, epoch, epochs: None)
        for _ in range(2):
            made.run_epoch(DATA, once)
    return made


@pytest.mark.parametrize("case", WATCHED)
def test_what_changes_takes_effect_wherever_it_is_read_from(monkeypatch, caplog, case):
    plain = trained(monkeypatch, case, captured=False)
    assert not caplog.records
    made = trained(monkeypatch, case)
    for name, value in plain.state().items():
        np.testing.assert_allclose(made.state()[name], value, rtol=1e-7, atol=1e-11, err_msg=name)
    (step,) = made._programs.values()
    assert (step.program is None) == (case in SLOW) == bool(caplog.records)
    assert all("\n" not in record.message for record in caplog.records)
    if case not in SLOW:
        unchanged = trained(monkeypatch, case, changed=False)
        assert any(not np.allclose(value, unchanged.state()[name]) for name, value in plain.state().items())


def test_what_pickling_notes_in_a_class_is_no_change():
    """Another thread of the process may pickle an object of a class for the first time while a step is recorded."""

    class Own(DirectFeedbackAlignment):
        name = "own"

    scheme = Own()
    reach = Reach([scheme])
    copyreg._slotnames(Own)
    assert "__slotnames__" in vars(Own) and not reach.changed() and reach.difference() is None
    reach.restore()
    assert "__slotnames__" in vars(Own)
