"""Input from outside an exported network: its mean and spread are those of the closed forms."""

import brian2 as b2
import numpy as np
import pytest

from neurosim import brian
from neurosim.errors import InputError, UnknownNameError
from neurosim.network import Network, Population
from neurosim.neurons import Equations

CELLS = "dv/dt = -v / (10*ms) : volt\nI : amp"


@pytest.fixture(scope="module")
def network():
    cells = Equations(CELLS, threshold="v > 1*volt", reset="v = 0*mV", method="exact")
    return Network([Population("e", 1000, neurons=cells)], [], dt="0.1*ms", dtype="float64", seed=1)


def test_shot_noise_and_noise_have_their_moments(network):
    """Campbell: mean n r w tau, variance n r w**2 tau / 2; of ticks of 0.1 ms, both are 0.5 % off."""
    net = brian.export(network)
    brian.add_poisson(net, network, "e.v", 1000, "20*Hz", "0.1*mV")
    brian.add_noise(net, network, "e.I", "3*nA")
    loaded = brian.load(net)
    final = loaded.run(0.1, batch=4, seed=2).final
    np.testing.assert_array_equal(final["e.v"], loaded.run(0.1, batch=4, seed=2).final["e.v"])
    n = final["e.v"].size
    mean, variance = 1000 * 20 * 1e-4 * 0.01, 1000 * 20 * 1e-8 * 0.01 / 2
    assert abs(final["e.v"].mean() / mean - 1) < 0.01
    assert abs(final["e.v"].var() / variance - 1) < 4 * (2 / n) ** 0.5 + 0.005
    assert abs(final["e.I"].mean()) < 4 * 3e-9 / n**0.5 and abs(final["e.I"].std() / 3e-9 - 1) < 4 / (2 * n) ** 0.5
    assert len(np.unique(final["e.I"])) == n


def test_names_are_those_of_the_variable_whatever_was_made_before(network):
    """Random numbers go by them, so that a seed gives the same ones again; Brian2 would count the objects of the process."""
    for _ in range(2):
        net = brian.export(network)
        for _ in range(2):
            brian.add_poisson(net, network, "e.v", 10, "20*Hz", "1*mV")
        names = sorted(one.name for one in net.objects if isinstance(one, b2.PoissonInput))
        assert names == ["e_v_poisson", "e_v_poisson2"]


@pytest.mark.parametrize(
    ("add", "given", "why"),
    [
        (brian.add_poisson, ("e.v", 10, "20*Hz", "1*nA"), r"weight '1\*nA': expected it in volt, as 'e.v' is"),
        (brian.add_poisson, ("e.v", 10, "20*ms", "1*mV"), r"rate '20\*ms': expected a rate of at most one spike in a tick"),
        (brian.add_poisson, ("e.v", 10, "20*kHz", "1*mV"), "rate .*: expected a rate of at most one spike in a tick of 0.0001 s"),
        (brian.add_poisson, ("e.v", 0, "20*Hz", "1*mV"), "count 0: expected 1 or more"),
        (brian.add_noise, ("e.I", "1*mV"), r"sd '1\*mV': expected it in amp"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(network, add, given, why):
    with pytest.raises(InputError, match=rf"^(Poisson input|noise) into 'e\.[vI]': {why}[^\n]*$"):
        add(brian.export(network), network, *given)


def test_a_variable_that_is_not_there_is_told(network):
    with pytest.raises(UnknownNameError, match="noise into 'e.w': variable 'e.w' is unknown: expected one of e.I, e.v"):
        brian.add_noise(brian.export(network), network, "e.w", 3)
