"""A stranger's file: whatever it holds, reading it is an error that says so, and reads nothing else."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.backends import limits
from neurosim.errors import RunFileError
from neurosim.runfile import Run, RunFile, problems
from neurosim.runfile.guard import whole
from neurosim.runfile.run_file import TEXTS
from neurosim.runfile.survey import trust


def everything(path):
    """Read all there is."""
    with Run(path) as run:
        assert run.model and len(run.metrics) and len(run.alignment) and run.spikes is not None
        for values in run.recordings.values():
            assert values.isel(recording=slice(1)).values is not None
        for epoch in run.checkpoints:
            run.weights(epoch)


def replaced(path, name, make):
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        make(file)
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            file[name].attrs.update(attributes)
    return path


def test_the_file_is_good_before_anything_is_done_to_it(made_up):
    everything(made_up)
    assert problems(made_up) == []


def test_what_a_job_may_not_use_is_not_free(tmp_path, monkeypatch):
    """The machine may have more memory than a container allows."""
    with h5py.File(tmp_path / "file.h5", "w") as file:
        file["few"], file["many"] = np.ones(2**10, np.uint8), np.ones(2**22, np.uint8)
        monkeypatch.setattr(limits, "free_memory", lambda: limits.Room(2**21, "the control group's limit of 2 MiB"))
        assert whole(file["few"]).sum() == 2**10
        with pytest.raises(RunFileError, match="takes 4,194,304 bytes, more than the 2,097,152 that are free"):
            whole(file["many"])


VALUES = ["metrics/test/loss", "populations/hidden1/rate", "checkpoints/0/network/x__hidden1.w", "alignment/x__hidden1/angle"]


OTHERS = ["model", "checkpoints/0/written", "probe/label", "metrics", "populations/hidden1", "checkpoints/0", "spikes/hidden1/time"]


@pytest.mark.parametrize("name", [*VALUES, *OTHERS])
def test_links_that_lead_elsewhere(made_up, name, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file[name] = "secret" if name == "model" else np.arange(5.0)
    for link in (h5py.ExternalLink(str(secret), name), h5py.SoftLink("/metrics/test/epoch")):

        def make(file, link=link):
            file[name] = link

        with pytest.raises(RunFileError, match="no part of the file itself; do not trust it"):
            everything(replaced(made_up, name, make))
        assert any("do not trust it" in problem for problem in problems(made_up))


@pytest.mark.parametrize("name", VALUES)
def test_a_claim_of_terabytes(made_up, name):
    def make(file):
        shape = (5, 1_000_000, 1_000_000)[: max(1, len(shape_of[name]))]
        file.create_dataset(name, (10**12,) if len(shape_of[name]) == 1 else shape, "f8", chunks=True)

    with h5py.File(made_up) as file:
        shape_of = {name: file[name].shape}
    with pytest.raises(RunFileError, match=r"claims [\d,]+ bytes and takes 0: more than it can hold"):
        everything(replaced(made_up, name, make))
    assert any("more than it can hold" in problem for problem in problems(made_up))


def test_a_compressed_bomb(made_up):
    """Compressed twice over, 64 MiB of zeros take less than 1,000 bytes."""
    import zlib

    def make(file):
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        create.set_chunk((2**23,))
        create.set_deflate(9)
        create.set_deflate(9)
        space = h5py.h5s.create_simple((2**23,), (h5py.h5s.UNLIMITED,))
        dataset = h5py.h5d.create(file["metrics/test"].id, b"loss", h5py.h5t.IEEE_F64LE, space, create)
        once = zlib.compress(bytes(2**26), 9)
        dataset.write_direct_chunk((0,), zlib.compress(once, 9))

    replaced(made_up, "metrics/test/loss", make)
    assert made_up.stat().st_size < 2**21
    with pytest.raises(RunFileError, match=r"packed with filters \[1, 1\]: expected others"):
        everything(made_up)


@pytest.mark.parametrize(
    "make",
    [
        lambda file, name: file.create_dataset(name, data=["text"] * 5),
        lambda file, name: file.create_dataset(name, data=np.zeros(5, [("a", "f8")])),
        lambda file, name: file.create_dataset(name, (5,), h5py.vlen_dtype(np.float64)),
        lambda file, name: file.create_dataset(name, data=np.array([b"\0" * 8] * 5, "V8")),
    ],
    ids=["text", "compound", "ragged", "opaque"],
)
@pytest.mark.parametrize("name", ["metrics/test/loss", "spikes/hidden1/time"])
def test_what_is_no_number(made_up, make, name):
    with pytest.raises(RunFileError, match="expected numbers; do not trust it"):
        everything(replaced(made_up, name, lambda file: make(file, name)))


def test_values_that_lie_in_other_files(made_up, tmp_path):
    (tmp_path / "secret.bin").write_bytes(b"secret" * 100)

    def external(file):
        file.create_dataset("metrics/test/loss", (5,), "f8", external=[(str(tmp_path / "secret.bin"), 0, 40)])

    with pytest.raises(RunFileError, match="keeps its values in other files"):
        everything(replaced(made_up, "metrics/test/loss", external))


def test_virtual_values(made_up, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = np.arange(5.0)

    def virtual(file):
        layout = h5py.VirtualLayout((5,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "values", (5,))
        file.create_virtual_dataset("metrics/test/loss", layout)

    with pytest.raises(RunFileError, match="keeps its values in other files"):
        everything(replaced(made_up, "metrics/test/loss", virtual))


@pytest.mark.parametrize("text", [np.arange(3), "x" * 2_000_000])
def test_a_model_that_is_no_text_or_endless(made_up, text):
    def make(file):
        file["model"] = text

    with pytest.raises(RunFileError, match="is no text|characters long"):
        everything(replaced(made_up, "model", make))


@pytest.mark.parametrize("place", ["populations", "populations/hidden1/rate"])
def test_a_file_that_leads_elsewhere_is_not_resumed_either(made_up, place, tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file[place] = np.arange(5.0)

    def make(file):
        file[place] = h5py.ExternalLink(str(secret), place)

    replaced(made_up, place, make)
    before = made_up.read_bytes()
    with pytest.raises(RunFileError, match="no part of the file itself"):
        RunFile.resume(made_up)
    assert made_up.read_bytes() == before


def test_a_dataset_where_a_group_should_be(made_up):
    def make(file):
        file["metrics/test"] = np.arange(3)

    with pytest.raises(RunFileError):
        everything(replaced(made_up, "metrics/test", make))


def test_a_circle_of_groups(made_up):
    with h5py.File(made_up, "r+") as file:
        file["populations/hidden1/again"] = file["populations"]
    with pytest.raises(RunFileError):
        everything(made_up)
    assert problems(made_up)


def test_the_file_is_opened_for_reading_only(made_up):
    before = Path(made_up).read_bytes()
    everything(made_up)
    assert Path(made_up).read_bytes() == before


CLOCKS = {
    "no number": ([0.0, np.nan, 2.0, 3.0, 4.0], "metrics/test/epoch holds float64.*expected one, of whole numbers"),
    "twice": ([0, 1, 1, 2, 3], "metrics/test has an epoch twice"),
    "negative": ([-1, 0, 1, 2, 3], "metrics/test/epoch goes below 0"),
    "square": ([[0, 1, 2, 3, 4]] * 5, "metrics/test/epoch holds int64 of 2 dimensions: expected one"),
}


@pytest.mark.parametrize("kind", CLOCKS)
def test_epochs_are_whole_numbers_each_once(made_up, kind):
    """A report or ``watch`` puts the metrics side by side by them."""
    values, told = CLOCKS[kind]
    replaced(made_up, "metrics/test/epoch", lambda file: file.create_dataset("metrics/test/epoch", data=values))
    with Run(made_up) as run, pytest.raises(RunFileError, match=told):
        run.metrics  # noqa: B018


TABLES = ["metrics/test", "alignment/x__hidden1", "populations/hidden1", "spikes/hidden1"]


@pytest.mark.parametrize("place", TABLES)
def test_a_column_that_has_no_rows(made_up, place):
    """Beside the others it is a good number; whoever looks through the table's rows says what it is, and in which file."""
    name = f"{place}/rate" if place.startswith("populations") else f"{place}/extra"
    with h5py.File(made_up, "r+") as file:
        attributes = dict(file[name].attrs) if name in file else {}
        if name in file:
            del file[name]
        file[name] = 1.5
        file[name].attrs.update(attributes)
    trust(made_up)
    before = made_up.read_bytes()
    told = f"run file {re.escape(str(made_up))}: {name} (has no rows|holds float64 of 0 dimensions)"
    for use in (everything, RunFile.resume):
        with pytest.raises(RunFileError, match=told):
            use(made_up)
    assert any(f"{name} has no rows" in problem for problem in problems(made_up))
    assert made_up.read_bytes() == before


@pytest.mark.parametrize("place", VALUES)
@pytest.mark.parametrize("dtype", [np.longdouble, np.complex128])
def test_numbers_that_other_programs_do_not_have(made_up, place, dtype):
    if np.dtype(dtype).itemsize <= 8:
        pytest.skip("this machine has no longer numbers")
    with h5py.File(made_up) as file:
        values = file[place][()].astype(dtype)
    replaced(made_up, place, lambda file: file.create_dataset(place, data=values, maxshape=(None, *values.shape[1:])))
    trust(made_up)
    with pytest.raises(RunFileError, match="expected numbers"):
        everything(made_up)


@pytest.mark.parametrize("name", ["units", "description", "dims", "request"])
@pytest.mark.parametrize("value", [3, np.arange(3.0), ["a", "b"]], ids=["number", "numbers", "texts"])
def test_what_describes_a_variable_is_text(made_up, name, value, altered):
    with altered(made_up) as file:
        file["populations/hidden1/rate"].attrs[name] = value
    trust(made_up)
    with pytest.raises(RunFileError, match=f"'/populations/hidden1/rate': attribute '{name}' is .*: expected text"):
        everything(made_up)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_a_line_quotes_are_no_longer_than_any_that_is_written(made_up, name, altered):
    with altered(made_up) as file:
        file.attrs[name] = "9" * (TEXTS[name] + 1)
    trust(made_up)
    with pytest.raises(RunFileError, match=f"attribute '{name}' is [0-9,]+ characters long: expected at most") as told:
        Run(made_up)
    assert len(str(told.value)) < 400


def test_a_metric_that_is_missing(made_up):
    with h5py.File(made_up, "r+") as file:
        del file["metrics/test/loss"]
    with Run(made_up) as run, pytest.raises(RunFileError, match="metrics/test lacks loss"):
        run.metrics  # noqa: B018


def test_a_small_chunk_that_unpacks_to_a_large_one(made_up):
    """The first look is at what a chunk takes on the disk: 64 KiB of values in 300 KiB are more than those."""
    import zlib

    def make(file):
        options = {"chunks": (8192,), "maxshape": (None,), "shuffle": True, "compression": "gzip", "fletcher32": True}
        dataset = file.create_dataset("metrics/test/loss", (5,), "f8", **options)
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(2**28), 9) + bytes(4))

    replaced(made_up, "metrics/test/loss", make)
    with pytest.raises(RunFileError, match="chunks that hold more than they may"):
        everything(made_up)


def test_a_large_chunk_is_unpacked_no_further_than_it_may(made_up):
    import zlib

    def make(file):
        options = {"chunks": (2**18,), "maxshape": (None,), "shuffle": True, "compression": "gzip", "fletcher32": True}
        dataset = file.create_dataset("metrics/test/loss", (5,), "f8", **options)
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(2**29), 9) + bytes(4))  # 500 KiB, for 2 MiB of values

    replaced(made_up, "metrics/test/loss", make)
    with pytest.raises(RunFileError, match="chunks that hold more than they may"):
        everything(made_up)


def test_what_is_missing_among_the_attributes_is_told(made_up):
    with h5py.File(made_up, "r+") as file:
        del file.attrs["digests"], file.attrs["model_name"]
    with Run(made_up) as run, pytest.raises(RunFileError, match="attribute 'model_name' is missing"):
        run.attributes["model_name"]


def test_no_terminal_gets_control_characters(made_up):
    with h5py.File(made_up, "r+") as file:
        del file.attrs["digests"]
        file.attrs["device"] = np.bytes_(b"CPU\x1b]0;title\x07 \xff")
    assert Run(made_up).attributes["device"] == "CPU\ufffd]0;title\ufffd \ufffd"
