"""Run files with made-up numbers."""

import numpy as np
import pytest

from neurosim.runfile import RunFile, Series


@pytest.fixture
def run_of(tmp_path):
    """Return a function that writes a run file of chosen recordings and returns its path.

    recordings : where it lies -> (values, steps, attributes); an epoch has ten steps
    spikes : column -> values, of ``neurons`` neurons of hidden1; attributes : the file's, over those that every run has
    """

    def write(recordings, *, constants=None, spikes=None, neurons=5, name="chosen.h5", **attributes):
        path, series = tmp_path / name, []
        for where, (values, _, said) in recordings.items():
            series.append(Series(where, values.shape[1:], values.dtype, {"units": "1", "description": where, **said}))
            series += [Series(f"{where}.{clock}", (), np.dtype(np.int64)) for clock in ("epoch", "step")]
        for column in () if spikes is None else ("time", "index", "trial", "step"):
            said = {"neurons": str(neurons)} if column == "index" else {}
            series.append(Series(f"spikes/hidden1/{column}", (), np.dtype(float if column == "time" else np.int64), said))
        common = {"seed": 1, "model_name": "chosen", "created": "2026-11-24T12:00:00+00:00", "neurosim_version": "0.1.0"}
        with RunFile.create(path, model="", attributes=common | attributes, series=series, constants=constants) as file:
            for where, (values, steps, _) in recordings.items():
                group, variable = where.rsplit("/", 1)
                steps = np.array(steps, dtype=np.int64)
                file.extend(group, {variable: values, f"{variable}.step": steps, f"{variable}.epoch": steps // 10})
            if spikes:
                file.extend("spikes/hidden1", {column: np.array(values) for column, values in spikes.items()})
            file.set_status("complete")
        return path

    return write
