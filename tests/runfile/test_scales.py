"""Other programs are told the names of dimensions, and units: as HDF5's dimension scales, which a copy is given as well."""

import h5py
import numpy as np
import pytest

from neurosim.errors import RunFileError
from neurosim.experiments.run import prepare, reopen, resume, run
from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import problems

VARIABLES = ["hidden1.*", "hidden2.rate[0, 5] every 3 steps", "*.w", "hidden1__hidden2.w[1:4]", "*.b"]
SHAPES = {
    "metrics/train/loss": {"epoch": 4},
    "metrics/test/error": {"epoch": 4},
    "populations/hidden1/rate": {"rate.step": 4, "sample": 5, "neuron": 12},
    "populations/hidden1/error": {"error.step": 4, "sample": 5, "neuron": 12},
    "populations/hidden2/rate": {"rate.step": 5, "sample": 5, "rate.neurons": 2},
    "projections/x__hidden1/w": {"w.step": 4, "pre": 64, "post": 12},
    "projections/x__hidden1/b": {"b.step": 4, "post": 12},
    "projections/hidden1__hidden2/w": {"w.step": 4, "pre": 12, "w.neurons": 3},
    "alignment/x__hidden1/angle": {"step": 4},
    "responses/output/neuron": {"neuron.step": 9, "sample": 5},
}


def contents(small):
    return small() | {"record": {"variables": VARIABLES, "samples": [3, 4, 7, 8, 9], "alignment": "1 epoch"}}


@pytest.fixture
def path(small, tmp_path):
    run(prepare(ModelFile.of("small", contents(small))), tmp_path / "run.h5").close()
    return tmp_path / "run.h5"


@pytest.fixture(params=["from the start", "given more epochs"])
def made(request, path, small, tmp_path):
    if request.param == "from the start":
        return path
    shorter = small(epochs=2) | {"record": contents(small)["record"]}
    run(prepare(ModelFile.of("small", shorter)), tmp_path / "other.h5").close()
    resume(reopen(tmp_path / "other.h5", epochs=3), tmp_path / "other.h5").close()
    return tmp_path / "other.h5"


def test_every_dimension_has_its_scale(made):
    with h5py.File(made) as file:
        for name, expected in SHAPES.items():
            dims = file[name].dims
            assert {scale: len(file[name].parent[scale]) for dim in dims for scale in dim.keys()} == expected, name
            assert [len(dim) for dim in dims] == [1] * file[name].ndim
        assert [dim.label for dim in file["populations/hidden1/rate"].dims] == ["recording", "sample", "neuron"]
        assert file["populations/hidden1/sample"][()].tolist() == [3, 4, 7, 8, 9]
        assert file["projections/hidden1__hidden2/w.neurons"][()].tolist() == [1, 2, 3]
        for name in ("metrics/train/loss", "metrics/train/seconds", "metrics/test/epoch", "alignment/x__hidden1/angle"):
            assert file[name].attrs["description"]
        units = [file[f"metrics/train/{name}"].attrs["units"] for name in ("epoch", "step", "loss", "error", "seconds")]
        assert units == ["1", "1", "nats", "%", "s"]
    assert problems(made) == []


def test_xarray_names_them(made):
    pytest.importorskip("h5netcdf")
    import xarray as xr

    for name, expected in SHAPES.items():
        group, _, variable = name.rpartition("/")
        with xr.open_dataset(made, group=group, engine="h5netcdf") as found, h5py.File(made) as file:
            assert dict(found[variable].sizes) == expected, name
            assert set(expected) <= set(found.coords)
            np.testing.assert_array_equal(found[variable].values, file[name])


def test_a_variable_with_the_name_of_a_dimension_has_scales_of_its_own(small, tmp_path):
    """A rule that remembers something it calls ``post`` of each synapse."""
    rule = {"equation": "dw = error_post * rate_pre - post", "synapse": {"post": "dpost/dt = (w - post) / 2"}}
    made = small(scheme="backprop", epochs=1) | {"record": {"variables": ["hidden1__hidden2.*"]}}
    made["network"] = {"hidden": [12, 9], "layer": {"rule": rule}}
    run(prepare(ModelFile.of("small", made)), tmp_path / "run.h5").close()
    with h5py.File(tmp_path / "run.h5") as file:
        group = file["projections/hidden1__hidden2"]
        names = {name: [scale for dim in group[name].dims for scale in dim.keys()] for name in group if "." not in name}
    assert problems(tmp_path / "run.h5") == []
    assert names["w"] == ["w.step", "pre", "w.post"], names


def test_a_scale_that_a_user_made_is_not_lost(small, path):
    with h5py.File(path, "r+") as file:
        file["mine"] = np.arange(4.0)
        file["mine"].make_scale("mine")
    before = path.read_bytes()
    with pytest.raises(RunFileError, match="'mine' has a dimension scale that is not its own: expected none; take it away"):
        resume(reopen(path, epochs=9), path)
    assert path.read_bytes() == before
