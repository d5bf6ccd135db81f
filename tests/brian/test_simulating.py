"""Brian2 networks that run in Brian2 and here, into run files: the same spikes and recordings."""

import brian2 as b2
import numpy as np
import pytest
from brian2 import ms, mV

import neurosim.brian
from neurosim.errors import InputError, RunFileError
from neurosim.runfile import Run, problems

RECORD = ["cells.v[0:2] every 1 ms", "synapses.w every 5 ms"]


pytestmark = pytest.mark.usefixtures("numpy_target")


def network():
    """Leaky cells in millivolts that drive each other; no function of the C library is called within a tick."""
    cells = b2.NeuronGroup(
        3, "dv/dt = (I - v) / (10*ms) : volt (unless refractory)\nI : volt",
        threshold="v > 1*mV", reset="v = 0*mV", refractory=1 * ms, method="euler", name="cells",
    )  # fmt: skip
    cells.I = [1.5, 1.2, 1.1] * mV
    synapses = b2.Synapses(cells, cells, "w : volt", on_pre="v_post += w", delay=0.3 * ms, name="synapses")
    synapses.connect("i != j")
    synapses.w = 0.2 * mV
    return b2.Network(cells, synapses)


def equal(here, there, states=("cells.v", "synapses.w"), rtol=0.0):
    for key in ("index", "tick", "trial", "time"):
        np.testing.assert_array_equal(getattr(here.spikes["cells"], key), getattr(there.spikes["cells"], key))
    assert len(here.spikes["cells"]) > 40 and set(here.states) == set(there.states) == set(states)
    for name, own in here.states.items():
        assert own.time.tolist() == there.states[name].time.tolist()
        for variable, values in own.values.items():
            np.testing.assert_allclose(values, there.states[name][variable], rtol=rtol, atol=0)


def test_brian2_leaves_the_same_file(tmp_path):
    here = neurosim.brian.load(network()).run(100 * ms, batch=2, record=RECORD, file=tmp_path / "here.h5")
    there = neurosim.brian.simulate_in_brian(network, 100 * ms, tmp_path / "there.h5", batch=2, record=RECORD)
    equal(here, there)
    assert problems(here.path) == problems(there.path) == []
    with Run(here.path) as one, Run(there.path) as other:
        assert one.recordings.keys() == other.recordings.keys()
        for name, values in one.recordings.items():
            assert values.attrs == other.recordings[name].attrs and values.attrs["units"] == "V"
            assert values.coords.keys() == other.recordings[name].coords.keys()
        assert one.recordings["synapses.w"]["pre"].values.tolist() == other.recordings["synapses.w"]["pre"].values.tolist()
        assert other.attributes["simulator"] == "brian2" and one.attributes["simulator"] == "neurosim"
    with pytest.raises(RunFileError, match="leaves no state to go on from"):
        neurosim.brian.load(network()).run(100 * ms, batch=2, record=RECORD, file=there.path, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize(("simulator", "record"), [("brian2-cython", RECORD), ("brian2-cpp", RECORD[:1])])
def test_compiled_targets_leave_the_same_spikes(tmp_path, simulator, record):
    """Their compilers may fuse and reorder operations: states agree but for last bits."""
    here = neurosim.brian.load(network()).run(100 * ms, batch=2, record=record)
    options = {"simulator": simulator, "batch": 2, "record": record}
    there = neurosim.brian.simulate_in_brian(network, 0.1, tmp_path / "run.h5", **options)
    equal(here, there, [one.split("[")[0].split(" ")[0] for one in record], rtol=1e-12)
    assert b2.prefs.codegen.target == "numpy" and type(b2.get_device()).__name__ == "RuntimeDevice"


def drawn():
    """Random synapses, as the target that is chosen when this runs draws them."""
    cells = b2.NeuronGroup(40, "v : 1", threshold="v > 1", reset="v = 0", name="cells")
    synapses = b2.Synapses(cells, cells, on_pre="v_post += 0.1", name="synapses")
    synapses.connect(p=0.3)
    cells.v = "2 * rand()"
    return b2.Network(cells, synapses)


@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_what_a_users_function_draws_follows_from_the_seed_alone(target):
    """Nothing is compiled while it runs, and the target is as it was afterwards."""
    b2.prefs.codegen.target = target
    one, other, third = (neurosim.brian.made_by(drawn, seed, "brian 'mine:drawn'") for seed in (7, 7, 8))
    pairs = [set(zip(net["synapses"].i[:], net["synapses"].j[:], strict=True)) for net in (one, other, third)]
    assert pairs[0] == pairs[1] != pairs[2] and b2.prefs.codegen.target == target
    assert one["cells"].v[:].tolist() == other["cells"].v[:].tolist()


def test_standalone_code_records_no_synapses(tmp_path):
    with pytest.raises(InputError, match="record: 'synapses.w': brian2-cpp makes synapses while it runs: expected variables of"):
        neurosim.brian.simulate_in_brian(network, 0.1, tmp_path / "run.h5", simulator="brian2-cpp", record=RECORD)


def test_units_are_si():
    equations = "dv/dt = -v/(5*ms) + x*volt/second : volt\nx : 1\ng : siemens\nc : farad\nr : Hz"
    cells = b2.NeuronGroup(1, equations, threshold="g*v > c*volt*r")
    units = neurosim.brian.load(b2.Network(cells)).circuit.units
    assert {name.partition(".")[2]: unit for name, unit in units.items()} == {"v": "V", "x": "1", "g": "S", "c": "F", "r": "Hz"}


def test_what_cannot_be(tmp_path):
    with pytest.raises(InputError, match="simulator 'brian3' is unknown"):
        neurosim.brian.simulate_in_brian(network, 0.1, tmp_path / "run.h5", simulator="brian3")
    with pytest.raises(InputError, match=r"cells\.u"):
        neurosim.brian.simulate_in_brian(network, 0.1, tmp_path / "run.h5", record=["cells.u"])
    with pytest.raises(InputError, match="expected only with file="):
        neurosim.brian.load(network()).run(0.1, overwrite=True)
    assert not list(tmp_path.iterdir())
