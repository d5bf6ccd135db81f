"""Every option of every class, given what it is not, is refused in one line that names it."""

import inspect

import pytest

from neurosim.errors import InputError
from neurosim.feedback import pathways
from neurosim.network import Network, Population
from neurosim.neurons import BatchNormalisation, transfers
from neurosim.plasticity import SGD, rules, updates
from neurosim.training import Trainer


def population(*, dropout: float = 0.0, noise: float = 0.0):
    return Population("x", 3, dropout=dropout, noise=noise)


MAKERS = [*pathways().values(), *updates().values(), *rules().values(), *transfers().values(), BatchNormalisation, population]
NEEDED = {"learning_rate": 0.1, "every": 1, "factor": 0.5, "at": [0.5], "w_min": -1, "w_max": 1}
PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
NUMBERS = [
    pytest.param(maker, name, id=f"{maker.__name__}.{name}")
    for maker in MAKERS
    for name, parameter in inspect.signature(maker).parameters.items()
    if parameter.kind in PLAIN and str(parameter.annotation) in ("float", "int", "float | None", "float | Mapping[str, float]")
]


def test_there_are_options_to_try():
    assert len(NUMBERS) > 20


@pytest.mark.parametrize(("maker", "name"), NUMBERS)
def test_what_is_no_number_is_told(maker, name):
    needed = {k: NEEDED[k] for k, p in inspect.signature(maker).parameters.items() if p.default is p.empty and k in NEEDED}
    for value in ("0.1", "", [1], {1}, 1j, object(), float, 10**400):
        with pytest.raises(InputError, match=f"{name} .*(expected|is not) ") as caught:
            maker(**needed | {name: value})
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(("maker", "name"), NUMBERS)
def test_what_is_not_finite_is_told(maker, name):
    needed = {k: NEEDED[k] for k, p in inspect.signature(maker).parameters.items() if p.default is p.empty and k in NEEDED}
    for value in (float("inf"), -float("inf"), float("nan")):
        with pytest.raises(InputError, match=rf"\b{name}\b") as caught:
            maker(**needed | {name: value})
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("value", ["no", None, [], 0.5])
def test_what_is_neither_true_nor_false_is_told(value):
    with pytest.raises(InputError, match="difference .*: expected True or False"):
        pathways()["difference_target_propagation"](difference=value)


@pytest.mark.parametrize("value", [True, 5, "hidden1"])
def test_what_is_no_list_of_names_is_told(value):
    with pytest.raises(InputError, match="interfaces .*: expected a list or None"):
        pathways()["synthetic_gradients"](interfaces=value)


@pytest.mark.parametrize("name", ["epochs", "batch"])
@pytest.mark.parametrize("value", [1.5, "3", None, True, [1], float("inf")])
def test_counts_are_whole_numbers(name, value):
    with pytest.raises(InputError, match=f"^training: {name} .*: expected 1 or more; give a positive whole number$"):
        Trainer(Network.layered((3,), [2], 2), pathways()["backprop"](), SGD(0.1), **{name: value})


@pytest.mark.parametrize("hidden", ["64", 64, None, 6.4])
def test_sizes_of_hidden_populations_are_a_list(hidden):
    with pytest.raises(InputError, match="^network: hidden .*: expected the hidden populations' sizes"):
        Network.layered((3,), hidden, 2)


def test_truth_is_no_size():
    with pytest.raises(InputError, match="shape True is not one or more"):
        Population("x", True)
