"""A run as an NWB 2 file; ``docs/recordings.md`` says what lies where.

A rate network has no time.  Here every presentation of a probe sample at a recording is a trial of PRESENTATION seconds, and
they follow each other in the order (step, sample), the steps being those at which any population was recorded.  So whatever was
recorded of one presentation has one time, and the trials table says which sample and step that was.

A simulation has time.  Its trials, which ran beside each other, follow each other here: each begins where the one before ended.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.analysis.blocks import BLOCK, blocks, escaped
from neurosim.analysis.spike_statistics import simulated
from neurosim.errors import RunFileError, quoted
from neurosim.runfile import Run
from neurosim.runfile.disk import Taking
from neurosim.runfile.series import chunked

if TYPE_CHECKING:
    import pandas
    import pynwb
    import xarray

PRESENTATION = 1.0  # seconds, by convention
ACTIVITY = ("rate", "drive", "activation", "potential")  # the last in files of an earlier version, and of leaky neurons
SYNTHETIC = "http://purl.obolibrary.org/obo/NCBITaxon_32630"  # NCBI's "synthetic construct"
COMPRESSED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
UNKNOWN = -1


def write(run: Run, path: Path) -> None:
    """Write ``run`` into the new file ``path``; recordings pass through memory piece by piece.

    Raises RunFileError where the run file is damaged, or says what cannot be; OSError where the disk is full.
    """
    import pynwb

    shown = {name: array for name, array in run.recordings.items() if "sample" in array.dims and array.size}
    held = {name: array for name, array in run.recordings.items() if "sample" not in array.dims and array.size}
    session = Session.of(shown)
    nwb = _file(run)
    if run.is_simulation:
        _add_simulated(nwb, run, held)
        held = {}
    if shown:
        nwb.trials = _trials(run, shown, session)
    _add_activity(nwb, run, {name: array for name, array in shown.items() if _key(name) in ACTIVITY}, session)
    _add_learning(nwb, run, {name: array for name, array in shown.items() if _key(name) not in ACTIVITY}, held, session)
    if any(len(spikes) for spikes in run.spikes.values()):  # NWB's checks break on a table without a single spike
        nwb.units = _units(run, session)
    with Taking.made(path) as file, pynwb.NWBHDF5IO(file=file, mode="w") as io:
        io.write(nwb)


def _key(name: str) -> str:
    return name.rpartition(".")[2]


# ---------------------------------------------------------------------- time


@dataclass(frozen=True)
class Session:
    """When presentations were.

    steps, epochs : (moments,) of every moment at which any population was recorded; samples : how many each of them has
    """

    steps: np.ndarray
    epochs: np.ndarray
    samples: int

    @staticmethod
    def of(shown: Mapping[str, xarray.DataArray]) -> Session:
        """Return the session of these recordings, ``(recording, sample, ...)`` each."""
        epochs: dict[int, int] = {}
        for array in shown.values():
            for step, epoch in zip(array["step"].values.tolist(), array["epoch"].values.tolist(), strict=True):
                epochs[step] = max(epoch, epochs.get(step, epoch))  # an epoch's last step is recorded before that epoch counts
        steps = np.array(sorted(epochs), np.int64)
        samples = max((array.sizes["sample"] for array in shown.values()), default=0)
        return Session(steps, np.array([epochs[step] for step in steps.tolist()], np.int64), samples)

    @property
    def end(self) -> float:
        """Seconds from the first presentation to the end of the last one."""
        return PRESENTATION * len(self.steps) * self.samples

    def moments(self, array: xarray.DataArray) -> np.ndarray:
        """Return which of the moments each recording was, (recordings,)."""
        return np.searchsorted(self.steps, array["step"].values)

    def times(self, array: xarray.DataArray) -> np.ndarray:
        """Return when each presentation of a recording began, (recordings * samples,), seconds."""
        first = self.moments(array)[:, None] * self.samples
        return PRESENTATION * (first + np.arange(array.sizes["sample"])).ravel()


def timing(times: np.ndarray) -> dict[str, Any]:
    """Return a TimeSeries' arguments for ``times``: a rate where they are evenly spaced, else timestamps."""
    gaps = np.unique(np.diff(times))
    if len(gaps) > 1 or (len(gaps) and gaps[0] <= 0):
        return {"timestamps": times}
    return {"starting_time": float(times[0]), "rate": float(1 / (gaps[0] if len(gaps) else PRESENTATION))}


# ---------------------------------------------------------------------- the file, and what was run


def _file(run: Run) -> pynwb.NWBFile:
    """Return the file with its description; nobody's name is invented, and the subject says that it is none.

    It has no keywords: Neo does not open a file that has (python-neo issue 1413).
    """
    import pynwb
    from pynwb.file import Subject

    said = {key: str(value) for key, value in run.attributes.items()}
    title = f"{said.get('model_name') or 'network'}, seed {said.get('seed', '')}".replace("/", "-")
    running = "" if run.status != "running" else ", or killed: what had been flushed by then"
    nwb = pynwb.NWBFile(
        session_description=f"neurosim run of {title}; status when exported: {run.status}{running}",
        identifier=str(uuid.uuid4()),
        session_start_time=_created(run),
        session_id=title,
        experiment_description=_described(run),
        was_generated_by=[["neurosim", said.get("neurosim_version", "")]],
        subject=Subject(
            subject_id=title,
            species=SYNTHETIC,
            sex="U",
            age="P0D",
            description="No animal: a simulated network. What NWB's checks ask for says synthetic, sex unknown, no age.",
        ),
    )
    if run.model:
        nwb.add_scratch(run.model, name="model", description="The model file as run, TOML")
    attributes = json.dumps(dict(run.attributes), default=str)
    nwb.add_scratch(attributes, name="attributes", description="The attributes of the run file, JSON")
    return nwb


def _described(run: Run) -> str:
    if run.is_simulation:
        length = f"{run.attributes.get('trials', 1)} trials of {run.attributes.get('duration', 0):g} s"
        several = "; they ran beside each other, and follow each other here" if run.attributes.get("trials", 1) != 1 else ""
        return f"Simulation of a spiking network by {run.attributes.get('simulator')}: {length}{several}. Times are biological."
    return (
        "Simulation of a rate network that learns. Time is a convention: each presentation of a probe sample is a trial of "
        f"{PRESENTATION:g} s, in the order (training step, sample)."
    )


def _created(run: Run) -> datetime:
    text = str(run.attributes.get("created", ""))
    try:
        created = datetime.fromisoformat(text)
    except ValueError as cause:
        what = f"run file {run.path}: created {quoted(text)}"
        raise RunFileError(f"{what}: expected an ISO 8601 date and time; do not trust it") from cause
    return created if created.tzinfo else created.replace(tzinfo=UTC)


# ---------------------------------------------------------------------- trials


def _trials(run: Run, shown: Mapping[str, xarray.DataArray], session: Session) -> Any:
    """Return the trials table: a row for each presentation."""
    from pynwb.epoch import TimeIntervals

    moments, samples = len(session.steps), session.samples
    start = PRESENTATION * np.arange(moments * samples)
    numbers = run.probe.get("sample", np.arange(samples))  # the first schema showed the first images, and does not say so
    labels = run.probe.get("label", np.full(samples, UNKNOWN))
    answers = "The output neuron of highest rate; -1 where the run file does not tell"
    columns = {
        "start_time": ("When the presentation began, seconds", start),
        "stop_time": ("When it ended, seconds", start + PRESENTATION),
        "stimulus": ("The sample's number in its split of the data set", np.tile(numbers[:samples], moments)),
        "label": ("Its class; -1 where the run file does not tell", np.tile(labels[:samples], moments)),
        "response": (answers, _responses(run, shown, session)),
        "epoch": ("Epochs of training done", np.repeat(session.epochs, samples)),
        "step": ("Steps of training done", np.repeat(session.steps, samples)),
    }
    return _table("trials", "Presentations of the probe's samples; time is a convention", columns, kind=TimeIntervals)


def _responses(run: Run, shown: Mapping[str, xarray.DataArray], session: Session) -> np.ndarray:
    found = np.full((len(session.steps), session.samples), UNKNOWN)
    rate = shown.get("output.rate")
    if rate is not None and rate.ndim == 3 and rate.dims[-1] not in rate.coords:  # of neurons that were chosen, none is the answer
        moments = session.moments(rate)
        for recordings, samples, values in blocks(run.path, rate):
            answers = np.where(np.isnan(values).any(axis=-1), UNKNOWN, values.argmax(axis=-1))
            found[moments[recordings], samples] = answers
    told = run.responses
    if told is not None and told.sizes["sample"] == session.samples:
        known = np.isin(told["step"].values, session.steps)
        found[session.moments(told)[known]] = told.values[known]
    return found.ravel()


def _table(name: str, description: str, columns: Mapping[str, tuple[str, Any]], *, kind: Any = None) -> Any:
    """Return a table of ``columns``, name -> (description, values)."""
    from hdmf.common import DynamicTable, VectorData

    made = [VectorData(name=key, description=said, data=values) for key, (said, values) in columns.items()]
    count = len(next(iter(columns.values()))[1])
    return (kind or DynamicTable)(name=name, description=description, columns=made, id=np.arange(count))


# ---------------------------------------------------------------------- activity and learning


def _add_activity(nwb: pynwb.NWBFile, run: Run, shown: Mapping[str, xarray.DataArray], session: Session) -> None:
    """Add what populations did; acquisition links to it, where programs such as Neo look."""
    if not shown:
        return
    module = nwb.create_processing_module(name="activity", description="Rates, drives and activations of populations")
    for name, array in shown.items():
        for series in _series(run, name, array, session):
            module.add(series)
            nwb.add_acquisition(series)


def _add_learning(
    nwb: pynwb.NWBFile, run: Run, told: Mapping[str, xarray.DataArray], held: Mapping[str, xarray.DataArray], session: Session
) -> None:
    """Add learning signals, weights and all else that projections and pathways hold, metrics and alignment."""
    found = [series for name, array in told.items() for series in _series(run, name, array, session)]
    found += [_weights(run, name, array) for name, array in held.items()]
    tables = {
        "metrics": (f"Evaluations of a split: mean loss, and {run.error_name} in per cent", run.metrics),
        "alignment": ("The proposed change of a projection against the exact gradient's: angle in degrees", run.alignment),
        "gauss_newton": ("The proposed change of a projection against Gauss and Newton's: angle in degrees", run.gauss_newton),
        "step_effect": ("The mean loss of a batch before and after the step on it", run.step_effect),
    }
    found += [_frame(name, said, rows) for name, (said, rows) in tables.items() if len(rows)]
    if found:
        module = nwb.create_processing_module(name="learning", description="Learning signals, weights, metrics and alignment")
        for one in found:
            module.add(one)


def _series(run: Run, name: str, array: xarray.DataArray, session: Session) -> Iterator[Any]:
    """Yield a population's variable as TimeSeries, (presentations, neurons).

    It is one, unless there are more neurons than presentations: NWB's checks take the longest axis for time, so the neurons are
    cut into pieces, whose names end with their first and last neuron and sort in the order of neurons.
    """
    import pynwb

    flat = array.data.reshape(*array.shape[:2], -1)
    count, neurons = flat.shape[0] * flat.shape[1], flat.shape[2]
    everyone = array.dims[-1] not in array.coords
    numbers = np.arange(neurons) if everyone else array[array.dims[-1]].values
    digits = len(str(numbers[-1]))
    for piece in np.array_split(np.arange(neurons), -(-neurons // count)):
        part, own = flat[:, :, piece[0] : piece[-1] + 1], numbers[piece]
        cut = len(piece) < neurons
        yield pynwb.TimeSeries(
            name=escaped(f"{name}.{own[0]:0{digits}}-{own[-1]:0{digits}}" if cut else name),
            description=str(array.attrs.get("description") or name),
            comments=f"neurons: {'all' if everyone and not cut else ' '.join(map(str, own))}",
            unit=str(array.attrs.get("units") or "1"),
            data=_streamed(_presentations(run, part), (count, len(piece)), part.dtype),
            **timing(session.times(array)),
        )


def _presentations(run: Run, values: Any) -> Iterator[np.ndarray]:
    """Yield each presentation's values, (neurons,), of a lazy array (recordings, samples, neurons)."""
    import xarray as xr

    for *_, block in blocks(run.path, xr.DataArray(values)):
        yield from block.reshape(-1, block.shape[-1])


def _streamed(rows: Iterator[np.ndarray], shape: tuple[int, ...], dtype: Any) -> Any:
    """Return data that are written as ``rows`` give them, compressed."""
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import DataChunkIterator

    size = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
    chunks = (max(1, min(shape[0], 2**18 // size)), *shape[1:]) if len(shape) < 3 else chunked(shape[1:], dtype.itemsize)
    data = DataChunkIterator(data=rows, maxshape=shape, dtype=dtype, buffer_size=max(1, min(shape[0], BLOCK // size)))
    return H5DataIO(data=data, chunks=chunks, **COMPRESSED)


def _weights(run: Run, name: str, array: xarray.DataArray) -> Any:
    """Return an array that a projection, a pathway or a population holds as a table: a row for each recording."""
    said = str(array.attrs.get("description") or name)
    last = array.dims[-1]
    chosen = f"; {last}: {' '.join(map(str, array[last].values))}" if last in array.coords else ""
    axes = f"{', '.join(map(str, array.dims[1:])) or 'a number'}{chosen}"
    values: Any = array.values if array.ndim == 1 else _streamed(_recordings(run, array), array.shape, array.dtype)
    columns = {
        "epoch": ("Epochs of training done", array["epoch"].values),
        "step": ("Steps of training done", array["step"].values),
        "value": (f"{said} ({axes}), unit {array.attrs.get('units') or '1'}", values),
    }
    return _table(escaped(name), f"{name}: {said}", columns)


def _recordings(run: Run, array: xarray.DataArray) -> Iterator[np.ndarray]:
    """Yield each recording's values whole."""
    for *_, block in blocks(run.path, array, least=array[0].nbytes):
        yield from block


def _frame(name: str, description: str, frame: pandas.DataFrame) -> Any:
    rows = frame.reset_index()
    columns: Mapping[str, Sequence[Any]] = {
        key: rows[key].to_numpy() if rows[key].dtype.kind in "iuf" else [str(value) for value in rows[key]] for key in rows
    }
    return _table(name, description, {key: (key.replace("_", " "), values) for key, values in columns.items()})


# ---------------------------------------------------------------------- a simulation


def _add_simulated(nwb: pynwb.NWBFile, run: Run, recorded: Mapping[str, xarray.DataArray]) -> None:
    """Add a simulation's trials, and what was recorded in time: series of neurons and of synapses, trial after trial."""
    from pynwb.epoch import TimeIntervals

    length, trials = _length(run), int(run.attributes.get("trials", 1))
    if length > 0:
        start = length * np.arange(trials)
        columns = {
            "start_time": ("When the trial began, seconds", start),
            "stop_time": ("When it ended, seconds", start + length),
            "trial": ("Its number in the run file", np.arange(trials)),
        }
        nwb.trials = _table("trials", "Trials of the simulation, one after the other", columns, kind=TimeIntervals)
    if recorded:
        module = nwb.create_processing_module(name="states", description="Variables of neurons and synapses, recorded in time")
        for name, array in recorded.items():
            for series in _simulated_series(run, name, array, length):
                module.add(series)
                nwb.add_acquisition(series)


def _length(run: Run) -> float:
    """Return the seconds of a trial: as far as the simulation came, to whole ticks, and at least to the last spike's end."""
    dt = float(run.attributes.get("dt", 0.0))
    return simulated(run) + (dt if run.status != "complete" else 0.0)


def _simulated_series(run: Run, name: str, array: xarray.DataArray, length: float) -> Iterator[Any]:
    """Yield a variable, (time, trial, element), as TimeSeries of (trials * times, elements), cut as in ``_series``."""
    import pynwb

    times, trials, size = array.shape
    at = array["time"].values
    every = float(at[1] - at[0]) if times > 1 else length
    regular = every > 0 and (trials == 1 or abs(times * every - length) < 1e-6 * every)
    clock: dict[str, Any] = {"starting_time": float(at[0]), "rate": 1 / every} if regular else {}
    clock = clock or {"timestamps": (length * np.arange(trials)[:, None] + at).ravel()}
    numbers = array[array.dims[-1]].values
    digits = len(str(numbers.max()))
    for piece in np.array_split(np.arange(size), -(-size // (times * trials))):
        part, own = array[:, :, piece[0] : piece[-1] + 1], numbers[piece]
        cut = len(piece) < size
        yield pynwb.TimeSeries(
            name=escaped(f"{name}.{own[0]:0{digits}}-{own[-1]:0{digits}}" if cut else name),
            description=str(array.attrs.get("description") or name),
            comments=f"{array.dims[-1]}s: {' '.join(map(str, own))}",
            unit=str(array.attrs.get("units") or "1"),
            data=_streamed(_trial_after_trial(run, part), (times * trials, len(piece)), part.dtype),
            **clock,
        )


def _trial_after_trial(run: Run, array: xarray.DataArray) -> Iterator[np.ndarray]:
    """Yield each recording's values, (elements,), of one trial after the other."""
    for trial in range(array.shape[1]):
        for *_, block in blocks(run.path, array[:, trial]):
            yield from block.reshape(-1, array.shape[2])


# ---------------------------------------------------------------------- spikes


def _units(run: Run, session: Session) -> Any:
    """Return the units: every neuron of every population that has spikes recorded, the silent ones too."""
    from hdmf.common import VectorData, VectorIndex
    from pynwb.misc import Units

    ordered = {population: _by_neuron(spikes, run.is_simulation) for population, spikes in run.spikes.items()}
    times, trials = (np.concatenate([rows[key].to_numpy() for rows, _ in ordered.values()]) for key in ("time", "trial"))
    end = session.end
    if run.is_simulation:
        times, end = times + _length(run) * trials, _length(run) * int(run.attributes.get("trials", 1))
    counts = np.concatenate([own for _, own in ordered.values()])
    stop = max(end, float(times.max()))
    size, last = len(counts), np.cumsum(counts)
    population = [name for name, (_, own) in ordered.items() for _ in own]
    neuron = np.concatenate([np.arange(len(own)) for _, own in ordered.values()])
    columns = [
        VectorData(name="population", description="The population it belongs to", data=population),
        VectorData(name="neuron", description="Its number there", data=neuron),
    ]
    for name, said, values, ends in (
        ("spike_times", "When it fired, seconds", times.astype(np.float64), last),
        ("spike_trials", "The trial of each of its spikes, in the order of spike_times", trials, last),
        # one interval each: Neo reads no unit with none or with several
        ("obs_intervals", "From when to when it was recorded, seconds", np.tile([0.0, stop], (size, 1)), np.arange(1, size + 1)),
    ):
        column = VectorData(name=name, description=said, data=values)
        columns += [column, VectorIndex(name=f"{name}_index", data=ends, target=column)]
    resolution = float(run.attributes.get("dt") or np.spacing(stop))  # where no time step is told: as fine as its numbers
    return Units(name="units", description="Simulated neurons", columns=columns, id=np.arange(size), resolution=resolution)


def _by_neuron(spikes: pandas.DataFrame, simulation: bool) -> tuple[pandas.DataFrame, np.ndarray]:
    """Return the spikes ordered by neuron and time, a simulation's trial after trial, and how many each neuron has, (neurons,)."""
    counts = np.bincount(spikes["index"], minlength=int(spikes.attrs["neurons"]))
    return spikes.sort_values(["index", "trial", "time"] if simulation else ["index", "time"], kind="stable"), counts
