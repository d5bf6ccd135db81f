"""Every model file that comes with the package: loads, builds, and trains, shortened, on digits."""

import pytest

from neurosim.experiments.run import prepare, run
from neurosim.modelfile.model_file import ModelFile
from neurosim.modelfile.reading import models

NAMES = list(models())
OTHER_DATA = {"eprop-evidence": "evidence_accumulation", "diabetes": "diabetes"}


@pytest.mark.parametrize("name", NAMES)
def test_loads_and_says_what_it_compares_with(name):
    table = ModelFile.load(name).table
    assert table.paper.source, "where the number comes from, or that there is none"
    assert table.paper.test_error is None or 0 < table.paper.test_error < 100
    assert table.data.name == OTHER_DATA.get(name, "digits" if "digits" in name else "mnist")


@pytest.mark.parametrize("name", NAMES)
def test_images_that_are_never_shown_are_told(name):
    """In file order the images that do not fill the last batch are left out in every epoch."""
    table = ModelFile.load(name).table
    kept = 60_000 - round(table.data.validation * 60_000)
    for stage in table.stages:
        left = 0 if stage.shuffle else kept % stage.batch
        assert (f"the last {left} of {kept:,} training images are never shown" in table.paper.note) == (left > 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_trains_on_digits(name, tmp_path):
    table = ModelFile.load(name).table
    count, batch = len(table.stages), 10 if table.data.is_sequence or table.data.few_shot else 100
    shortened = [f"stages.{k}.{key}" for k in range(count) for key in ("epochs=1", f"batch={batch}")]
    data = ["data.name=digits", "data.limit=300"]
    if table.encoder.name == "sequence" and "digits" not in name:  # rows of digits are 8
        data.append("clock.ticks=8")
    if name == "diabetes":
        data = ["data.limit=200"]
    if name == "eprop-evidence":
        trials = {"train": 200, "test": 100, "cues": 1, "cue": 5, "pause": 1, "delay": 3, "recall": 5}
        data = [f"data.options.{key}={value}" for key, value in trials.items()] + ["clock.ticks=14", "clock.asked=5"]
    model = ModelFile.load(name, [*data, *shortened])
    result = run(prepare(model), tmp_path / "run.h5")
    assert result.status == "complete"
    assert result.metrics.loc["test"].index[-1] == count * table.data.tasks(10)
