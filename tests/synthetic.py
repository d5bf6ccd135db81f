"""A run file as a run leaves it, with numbers made up: for tests of what reads run files."""

from pathlib import Path

import numpy as np

from neurosim.modelfile.model_file import ModelFile
from neurosim.runfile import Layout, RunFile, Series

FLOAT, SMALL, WHOLE = np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.int64)
SIZES = {"hidden1": 12, "hidden2": 8, "output": 10}


def model(scheme="backprop", seed=1):
    """The text of a model file that fits the made-up numbers."""
    settings = [
        f"network.hidden={[SIZES['hidden1'], SIZES['hidden2']]}",
        "data.name=digits",
        f"stages.0.scheme={scheme}",
        f"seed={seed}",
    ]
    settings += ["stages.0.epochs=4", "stages.0.options={}", "stages.0.batch=50"]
    return ModelFile.load("backprop-dtp-mnist", settings).text


PROJECTIONS = ("x__hidden1", "hidden1__hidden2", "hidden2__output")


def series(spikes=False, looked=False):
    found = []
    for split in ("train", "validation", "test"):
        columns = {"loss": FLOAT, "error": FLOAT, "epoch": WHOLE, "step": WHOLE} | ({"seconds": FLOAT} if split == "train" else {})
        found += [Series(f"metrics/{split}/{name}", (), dtype) for name, dtype in columns.items()]
    for name, size in SIZES.items():
        dims = {"units": "1", "description": "output activity", "dims": "recording sample neuron"}
        found.append(Series(f"populations/{name}/rate", (20, size), SMALL, dims))
        found += [Series(f"populations/{name}/rate.{clock}", (), WHOLE) for clock in ("epoch", "step")]
    weights = {"units": "1", "description": "weights", "dims": "recording pre post"}
    found.append(Series("projections/x__hidden1/w", (64, SIZES["hidden1"]), SMALL, weights))
    found += [Series(f"projections/x__hidden1/w.{clock}", (), WHOLE) for clock in ("epoch", "step")]
    for place in ("alignment", "gauss_newton") if looked else ("alignment",):
        for name in PROJECTIONS:
            found += [Series(f"{place}/{name}/{key}", (), FLOAT) for key in ("angle", "cosine", "norm_ratio")]
            found += [Series(f"{place}/{name}/{clock}", (), WHOLE) for clock in ("epoch", "step")]
    if looked:
        found += [Series(f"step_effect/{name}", (), FLOAT if name in ("before", "after") else WHOLE) for name in EFFECT]
    if spikes:
        found += [Series("spikes/hidden1/time", (), FLOAT, {"units": "s"})]
        found += [Series("spikes/hidden1/index", (), WHOLE, {"neurons": str(SIZES["hidden1"])})]
        found += [Series(f"spikes/hidden1/{name}", (), WHOLE) for name in ("trial", "step")]
    return found


EFFECT = ("before", "after", "epoch", "step")


def synthetic_run(path, *, scheme="backprop", seed=1, status="complete", spikes=False, looked=False, epochs=4):
    """Write a run of ``epochs`` epochs of 10 steps to ``path``; return ``path``.

    looked : whether Gauss and Newton's angle was recorded, and twice an epoch what a step does
    """
    rng = np.random.default_rng(seed)
    attributes = {
        "seed": seed, "backend": "numpy", "device": "CPU", "model_name": scheme, "data_dir": "",
        "data_digest": "0" * 32, "data_samples": "1200 97 500", "data_shape": "1 8 8", "score": "wrong answers",
        "neurosim_version": "0.1.0", "created": "2026-11-24T12:00:00+00:00", "versions": "{}", "git_commit": "",
    }  # fmt: skip
    constants = {"probe/sample": np.arange(20), "probe/label": np.arange(20) % 10}
    state = {"network|x__hidden1.w": ((64, SIZES["hidden1"]), SMALL), "position|epoch": ((), WHOLE)}
    options = {"series": series(spikes, looked), "constants": constants, "checkpoint": Layout({0: state}, 2)}
    with RunFile.create(Path(path), model=model(scheme, seed), attributes=attributes, **options) as file:
        for epoch in range(epochs + 1):
            now = {"epoch": epoch, "step": 10 * epoch}
            clock = {"rate.epoch": epoch, "rate.step": 10 * epoch}
            for split in ("train", "validation", "test"):
                row = {"loss": 2.3 * 0.6**epoch + rng.random() / 10, "error": 90 * 0.5**epoch + rng.random(), **now}
                file.append(f"metrics/{split}", row | ({"seconds": 0.5} if split == "train" else {}))
            for name, size in SIZES.items():
                file.append(f"populations/{name}", {"rate": np.tanh(rng.normal(size=(20, size))), **clock})
            weights = rng.normal(size=(64, SIZES["hidden1"])).astype(SMALL)
            file.append("projections/x__hidden1", {"w": weights, "w.epoch": epoch, "w.step": 10 * epoch})
            for k, name in enumerate(PROJECTIONS):
                angle = 90 * 0.8 ** (epoch * (k + 1)) + rng.random()
                file.append(f"alignment/{name}", {"angle": angle, "cosine": np.cos(np.radians(angle)), "norm_ratio": 0.7, **now})
                if looked:
                    file.append(f"gauss_newton/{name}", {"angle": 80 - 5 * k, "cosine": 0.2, "norm_ratio": 0.1, **now})
            for half in (0, 5) if looked else ():
                before = 2.3 * 0.6 ** (epoch + half / 10)
                file.append("step_effect", {"before": before, "after": 0.9 * before, "epoch": epoch, "step": 10 * epoch + half})
            if spikes:
                count = 50
                rows = {"time": np.sort(epoch + rng.random(count)), "index": rng.integers(SIZES["hidden1"], size=count)}
                file.extend("spikes/hidden1", rows | {"trial": np.full(count, epoch), "step": np.full(count, 10 * epoch)})
            file.flush()
            if epoch:
                file.checkpoint(0, epoch, 10 * epoch, {"network|x__hidden1.w": weights, "position|epoch": np.int64(epoch)})
        file.set_status(status)
    return path
