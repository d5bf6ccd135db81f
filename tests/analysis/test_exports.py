"""Runs as npz, CSV and Parquet, and how a target takes its name."""

import csv
import gc
import importlib.util
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurosim.analysis import blocks as blocks_module
from neurosim.analysis import exports
from neurosim.analysis.blocks import blocks, escaped, frames
from neurosim.analysis.exports import FORMATS, export
from neurosim.errors import InputError, RunFileError, UnknownNameError
from neurosim.runfile import Run

OLD = Path(__file__).parents[1] / "runfile" / "files" / "schema-1.h5"
NEURONS = {"dims": "recording sample neuron"}
WEIGHTS = {"dims": "recording pre post"}


@pytest.fixture(params=list(FORMATS))
def to(request):
    """Every format, its library being there."""
    if FORMATS[request.param].library:
        pytest.importorskip(FORMATS[request.param].library)
    return request.param


def exported(path, to, out=None, **options):
    with Run(path) as run:
        return export(run, to, out, **options)


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def content(target):
    return target.read_bytes() if target.is_file() else {path.name: path.read_bytes() for path in target.iterdir()}


def tables(folder, to):
    read = pd.read_csv if to == "csv" else pd.read_parquet
    return {path.name.removesuffix(f".{to}"): read(path) for path in folder.iterdir()}


def values_of(table, columns="neuron_"):
    """The recorded values of a table, in the order of the recording, as they were before they became text."""
    return table.filter(like=columns).to_numpy(np.float32).ravel()


# ---------------------------------------------------------------------- npz


def test_npz_holds_every_array_under_its_name(made_up):
    target = exported(made_up, "npz")
    assert target == made_up.with_suffix(".npz")
    with Run(made_up) as run, np.load(target, allow_pickle=False) as arrays:
        for name, recorded in run.recordings.items():
            assert arrays[name].dtype == recorded.dtype
            np.testing.assert_array_equal(arrays[name], recorded)
            np.testing.assert_array_equal(arrays[f"{name}.step"], recorded.step)
            np.testing.assert_array_equal(arrays[f"{name}.epoch"], recorded.epoch)
        np.testing.assert_array_equal(arrays["metrics/test/error"], run.metrics.loc["test"]["error"])
        assert arrays["metrics/train/epoch"].tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(arrays["alignment/x__hidden1/angle"], run.alignment.loc["x__hidden1"]["angle"])
        np.testing.assert_array_equal(arrays["spikes/hidden1/time"], run.spikes["hidden1"]["time"])
        np.testing.assert_array_equal(arrays["probe/label"], run.probe["label"])
        assert str(arrays["model"]) == run.model and int(arrays["attributes/seed"]) == 1
        assert all(arrays[key].dtype != object for key in arrays.files)


def test_npz_tells_which_neurons_were_chosen(run_of):
    values = np.random.default_rng(0).random((3, 2, 4), np.float32)
    where = "populations/hidden1/rate"
    path = run_of({where: (values, [0, 10, 20], NEURONS)}, constants={f"{where}.neurons": np.array([1, 5, 6, 9])})
    with np.load(exported(path, "npz")) as arrays:
        np.testing.assert_array_equal(arrays["hidden1.rate"], values)
        assert arrays["hidden1.rate.neurons"].tolist() == [1, 5, 6, 9]


# ---------------------------------------------------------------------- tables


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_tables_have_a_row_for_each_recording_and_sample(made_up, to):
    if FORMATS[to].library:
        pytest.importorskip(FORMATS[to].library)
    folder = exported(made_up, to)
    assert folder == made_up.with_name(f"run-{to}")
    found = tables(folder, to)
    with Run(made_up) as run:
        assert set(found) == {"attributes", "metrics", "alignment", "spikes-hidden1", *run.recordings}
        rate = found["hidden1.rate"]
        assert list(rate)[:6] == ["recording", "epoch", "step", "sample", "label", "neuron_0"] and len(rate) == 5 * 20
        np.testing.assert_array_equal(values_of(rate), run.recordings["hidden1.rate"].values.ravel())
        row = rate.iloc[47]
        assert (row["recording"], row["epoch"], row["step"], row["sample"], row["label"]) == (2, 2, 20, 7, 7)
        weights = found["x__hidden1.w"]
        assert list(weights)[:5] == ["recording", "epoch", "step", "pre", "post_0"]
        np.testing.assert_array_equal(values_of(weights, "post_"), run.recordings["x__hidden1.w"].values.ravel())
        pd.testing.assert_frame_equal(found["metrics"], run.metrics.reset_index(), check_dtype=False)
        pd.testing.assert_frame_equal(found["alignment"], run.alignment.reset_index(), check_dtype=False)
        pd.testing.assert_frame_equal(found["spikes-hidden1"], run.spikes["hidden1"], check_dtype=False)
        said = found["attributes"].set_index("name")["value"]
        assert said["seed"] == "1" and said["model"] == run.model


def test_what_was_found_of_steps_is_exported(synthetic, tmp_path):
    path = synthetic.synthetic_run(tmp_path / "run.h5", looked=True)
    found = tables(exported(path, "csv"), "csv")
    with Run(path) as run, np.load(exported(path, "npz")) as arrays:
        pd.testing.assert_frame_equal(found["gauss_newton"], run.gauss_newton.reset_index(), check_dtype=False)
        pd.testing.assert_frame_equal(found["step_effect"], run.step_effect.reset_index(), check_dtype=False)
        np.testing.assert_array_equal(arrays["step_effect/after"], run.step_effect["after"])
        np.testing.assert_array_equal(arrays["gauss_newton/x__hidden1/angle"], run.gauss_newton.loc["x__hidden1"]["angle"])


def test_parquet_keeps_types(made_up):
    pytest.importorskip("pyarrow")
    rate = pd.read_parquet(exported(made_up, "parquet") / "hidden1.rate.parquet")
    assert rate["neuron_3"].dtype == np.float32 and rate["step"].dtype == np.int64


def test_columns_of_other_shapes(run_of):
    rng = np.random.default_rng(0)
    recordings = {
        "populations/a/rate": (rng.random((2, 3, 4)), [0, 10], NEURONS),
        "populations/image/rate": (rng.random((2, 3, 2, 2, 2)), [0, 10], {"dims": "recording sample channel row column"}),
        "populations/a/b": (rng.random((2, 4)), [0, 10], {"dims": "recording post"}),
        "pathways/inverse/a__b/scale": (rng.random(2), [0, 10], {"dims": "recording"}),
    }
    constants = {"populations/a/rate.neurons": np.array([0, 7, 8, 9]), "probe/sample": np.array([5, 6, 9])}
    found = tables(exported(run_of(recordings, constants=constants), "csv"), "csv")
    assert list(found["a.rate"]) == ["recording", "epoch", "step", "sample", "neuron_0", "neuron_7", "neuron_8", "neuron_9"]
    assert found["a.rate"]["sample"].tolist() == [5, 6, 9] * 2
    assert list(found["image.rate"]) == ["recording", "epoch", "step", "sample", "channel", "row", "column_0", "column_1"]
    (row,) = found["image.rate"].query("recording == 1 and sample == 9 and channel == 0 and row == 1").itertuples()
    assert row.column_0 == recordings["populations/image/rate"][0][1, 2, 0, 1, 0]
    assert list(found["a.b"]) == ["recording", "epoch", "step", "post_0", "post_1", "post_2", "post_3"]
    scale = found[escaped("inverse/a__b.scale")]
    assert list(scale) == ["recording", "epoch", "step", "value"] and scale["epoch"].tolist() == [0, 1]


def test_a_variable_without_recordings_keeps_its_columns(run_of, to):
    nothing = np.empty((0, 3, 4))
    path = run_of({"populations/a/rate": (nothing, [], NEURONS), "pathways/p/b": (nothing[:, 0, 0], [], {"dims": "recording"})})
    target = exported(path, to)
    if FORMATS[to].folder:
        found = tables(target, to)["a.rate"]
        assert list(found) == ["recording", "epoch", "step", "sample", *(f"neuron_{k}" for k in range(4))] and not len(found)


# ---------------------------------------------------------------------- pieces


@pytest.mark.parametrize("shape", [(7, 5, 3), (7, 5), (1, 9, 2), (3, 4, 2, 2), (6,)])
@pytest.mark.parametrize("most", [1, 40, 300, 10**6])
def test_blocks_put_together_are_the_recording(monkeypatch, shape, most):
    monkeypatch.setattr(blocks_module, "BLOCK", most)
    values = np.random.default_rng(0).random(shape, np.float32)
    array = xr.DataArray(values).chunk()
    found = list(blocks(Path("run.h5"), array))
    np.testing.assert_array_equal(np.concatenate([part.ravel() for *_, part in found]), values.ravel())
    row = int(np.prod(shape[2:])) * 4
    assert len(shape) == 1 or all(part.nbytes <= max(most, row) for *_, part in found)
    for first, second, part in found:
        np.testing.assert_array_equal(part, values[first] if len(shape) == 1 else values[first, second])


def test_frames_of_small_blocks_are_the_frame_of_a_large_one(monkeypatch, made_up):
    with Run(made_up) as run:
        whole = pd.concat(frames(run.path, run.recordings["hidden1.rate"]))
        monkeypatch.setattr(blocks_module, "BLOCK", 7 * 12 * 4)
        parts = list(frames(run.path, run.recordings["hidden1.rate"]))
    assert len(parts) > 10
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_tables_written_in_pieces_are_those_written_at_once(monkeypatch, tmp_path, made_up, to):
    if FORMATS[to].library:
        pytest.importorskip(FORMATS[to].library)
    whole = tables(exported(made_up, to), to)
    monkeypatch.setattr(blocks_module, "BLOCK", 7 * 12 * 4)
    parts = tables(exported(made_up, to, tmp_path / "parts"), to)
    assert set(parts) == set(whole)
    for name, table in parts.items():
        pd.testing.assert_frame_equal(table, whole[name])


def peak(path, to):
    """Bytes that exporting takes at most, those of the interpreter left out."""
    gc.collect()
    tracemalloc.start()
    exported(path, to, overwrite=True)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_does_not_grow_with_the_recording(monkeypatch, run_of, to):
    for module in ("blocks", "nwb") if to == "nwb" else ("blocks",):
        monkeypatch.setattr(f"neurosim.analysis.{module}.BLOCK", 2**16)
    paths, sizes = [], []
    neurons = 60 if FORMATS[to].folder else 400  # tables are slow where memory is traced
    for count in (10, 60):
        values, weights = np.ones((count, 40, neurons), np.float32), np.ones((count, neurons, 40), np.float32)
        recordings = {"populations/a/rate": (values, range(count), NEURONS), "pathways/p/w": (weights, range(count), WEIGHTS)}
        paths.append(run_of(recordings, name=f"{count}.h5"))
        sizes.append(values.nbytes + weights.nbytes)
    exported(paths[0], to)  # imports are not what is measured
    few, many = (peak(path, to) for path in paths)
    assert many - few < (sizes[1] - sizes[0]) / 3


# ---------------------------------------------------------------------- names from strangers


@pytest.mark.parametrize("name", ["../x.w", "a/b.w", "..\\c:d.w", "e\0f.w", "..", "%2F"])
def test_a_name_is_one_file_within_the_folder(name):
    assert not set(escaped(name)) & set("/\\:\0")
    assert (Path("folder") / f"{escaped(name)}.csv").parent == Path("folder")


def test_a_strangers_names_do_not_leave_the_target(tmp_path, run_of, to):
    path = run_of({"pathways/../../evil/w": (np.ones((2, 3, 4)), [0, 10], WEIGHTS)})
    target = exported(path, to, tmp_path / "deep" / "er" / f"target.{to}")
    inside = f"deep/er/target.{to}/{escaped('../../evil.w')}.{to}"
    assert [name for name in below(tmp_path) if "evil" in name] == ([inside] if FORMATS[to].folder else [])
    assert target.exists()
    if to == "npz":
        assert "%2E%2E/%2E%2E/evil.w" in np.load(target)


# ---------------------------------------------------------------------- the target


def test_a_target_that_exists_is_refused_and_kept(made_up, to):
    target = exported(made_up, to)
    before = content(target)
    with pytest.raises(InputError, match=f"export {target}: exists already; give --overwrite to replace it, or another -o"):
        exported(made_up, to)
    assert content(target) == before


def test_a_target_that_exists_is_refused_before_any_work(monkeypatch, made_up):
    monkeypatch.setitem(exports.FORMATS, "npz", exports.Format(lambda run, path: pytest.fail("written")))
    made_up.with_suffix(".npz").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        exported(made_up, "npz")


def test_a_folder_that_cannot_be_replaced_is_put_back(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "metrics.csv").write_text("earlier")
    with pytest.raises(FileNotFoundError):
        exports._swap(tmp_path / "gone", tmp_path / "target", tmp_path / "before")
    assert below(tmp_path) == ["target", "target/metrics.csv"]


def test_overwriting_replaces_an_earlier_export(synthetic, tmp_path, made_up, to):
    target = exported(made_up, to)
    before, names = content(target), below(tmp_path)
    made_up.unlink()
    synthetic.synthetic_run(made_up, seed=2, spikes=True)
    exported(made_up, to, overwrite=True)
    assert content(target) != before and below(tmp_path) == names


def test_the_run_file_is_never_replaced(made_up, to):
    before, other = made_up.read_bytes(), made_up.with_suffix(f".{to}")
    other.hardlink_to(made_up)
    with pytest.raises(InputError, match="the run file itself"):
        exported(made_up, to, other, overwrite=True)
    assert other.read_bytes() == made_up.read_bytes() == before


@pytest.mark.parametrize("names", [["thesis.txt"], ["results.csv"], ["attributes.csv", "thesis.txt"]])
def test_a_folder_of_something_else_is_never_replaced(tmp_path, made_up, names):
    (tmp_path / "mine").mkdir()
    for name in names:
        (tmp_path / "mine" / name).write_text("all of it")
    with pytest.raises(InputError, match="mine: a folder of other files than an export's; change -o"):
        exported(made_up, "csv", tmp_path / "mine", overwrite=True)
    assert [(tmp_path / "mine" / name).read_text() for name in names] == ["all of it"] * len(names)


def test_a_folder_is_not_replaced_by_a_file_nor_a_file_by_a_folder(tmp_path, made_up):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="expected a file"):
        exported(made_up, "npz", tmp_path / "folder.npz", overwrite=True)
    with pytest.raises(InputError, match="expected a folder"):
        exported(made_up, "csv", tmp_path / "file", overwrite=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_interruption_leaves_what_was_there(monkeypatch, tmp_path, made_up, to):
    target = exported(made_up, to)
    before, names = content(target), below(tmp_path)

    reads = iter(range(2))

    def interrupted(path, array):
        if next(reads, None) is None:
            raise KeyboardInterrupt
        return array.values

    monkeypatch.setattr(blocks_module, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exported(made_up, to, overwrite=True)
    assert content(target) == before and below(tmp_path) == names


def test_a_name_that_was_taken_meanwhile_is_left_alone(monkeypatch, tmp_path, made_up):
    def slow(run, path):
        path.write_text("new")
        (tmp_path / "run.npz").write_text("another process's")

    monkeypatch.setitem(exports.FORMATS, "npz", exports.Format(slow))
    with pytest.raises(InputError, match="exists already"):
        exported(made_up, "npz")
    assert (tmp_path / "run.npz").read_text() == "another process's"
    assert below(tmp_path) == ["run.h5", "run.npz"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path, made_up):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written .*name another place with -o"):
        exported(made_up, "npz", tmp_path / "file" / "run.npz")


def test_a_file_needs_its_ending(made_up):
    with pytest.raises(InputError, match="results: expected a name that ends in .npz"):
        exported(made_up, "npz", Path("results"))


# ---------------------------------------------------------------------- runs, formats


def test_a_file_of_the_first_schema_is_exported(tmp_path, to):
    target = exported(OLD, to, tmp_path / f"old.{to}")
    with Run(OLD) as run:
        assert "label" not in run.recordings["hidden1.rate"].coords
        if FORMATS[to].folder:
            rate = tables(target, to)["hidden1.rate"]
            assert list(rate)[:5] == ["recording", "epoch", "step", "sample", "neuron_0"]
            np.testing.assert_array_equal(values_of(rate), run.recordings["hidden1.rate"].values.ravel())
        elif to == "npz":
            np.testing.assert_array_equal(np.load(target)["x__hidden1.w"], run.recordings["x__hidden1.w"])


def test_a_run_that_goes_on_is_exported_as_far_as_it_is(tmp_path, synthetic, to):
    path = synthetic.synthetic_run(tmp_path / "run.h5", status="running", epochs=1)
    target = exported(path, to)
    if to == "csv":
        assert tables(target, to)["hidden1.rate"]["epoch"].unique().tolist() == [0, 1]
    assert target.exists()


def test_a_damaged_recording_is_told_and_leaves_nothing(tmp_path, made_up, to):
    with h5py.File(made_up) as file:
        place = file["populations/hidden1/rate"].id.get_chunk_info(2).byte_offset
    with made_up.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 40)
    with pytest.raises(RunFileError, match="damaged"):
        exported(made_up, to)
    assert below(tmp_path) == ["run.h5"]


def test_an_unknown_format_lists_those_there_are(made_up):
    with pytest.raises(UnknownNameError, match="'parket' is unknown: expected .*npz, nwb, parquet; did you mean 'parquet'"):
        exported(made_up, "parket")


@pytest.mark.parametrize("to, library", [("nwb", "pynwb"), ("parquet", "pyarrow")])
def test_a_missing_library_says_what_to_install(monkeypatch, tmp_path, made_up, to, library):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else find(name))
    with pytest.raises(InputError, match=rf"{to} needs {library}, which is not installed; pip install neurosim\[{to}\]"):
        exported(made_up, to)
    assert below(tmp_path) == ["run.h5"]


# ---------------------------------------------------------------------- spreadsheets

FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_in_a_csv_file_is_a_formula_and_numbers_stay_numbers(run_of, tmp_path, text):
    rates = {"populations/hidden1/rate": (np.full((2, 3, 2), -1.5), [0, 10], {"dims": "recording sample neuron"})}
    with Run(run_of(rates, device=text)) as run:
        export(run, "csv", tmp_path / "out")
    with open(tmp_path / "out/attributes.csv", newline="", encoding="utf-8") as file:
        assert {"name": "device", "value": f"'{text}"} in list(csv.DictReader(file))
    with open(tmp_path / "out/hidden1.rate.csv", newline="", encoding="utf-8") as file:
        assert {line["neuron_0"] for line in csv.DictReader(file)} == {"-1.5"}


@pytest.mark.filterwarnings("error")  # what HDF5 says when it closes a file that it could not write
@pytest.mark.parametrize("earlier", [False, True])
def test_a_full_disk_leaves_what_was_there(made_up, to, earlier, files_of, tmp_path):
    before = content(exported(made_up, to)) if earlier else None
    there = below(tmp_path)
    with Run(made_up) as run:
        for most in (0, 500, 5_000, 20_000):
            with files_of(most), pytest.raises(OSError, match="too large"):
                export(run, to, overwrite=earlier)
            gc.collect()
            assert below(tmp_path) == there
        target = export(run, to, overwrite=earlier)
    if earlier and to != "nwb":  # which has an identifier of its own, drawn anew
        assert content(target) == before
