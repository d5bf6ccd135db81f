"""Runs model files, made small, with neurosim's simulator and with Brian2.

Arguments: names.  It prints a line of JSON for each.  See ``equal.py`` for how it is started.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from neurosim.experiments.simulating import prepare_simulation, run_simulation
from neurosim.modelfile.simulation import SimulationModel

SIZES = ["network.populations.0.shape=320", "network.populations.1.shape=80"]
FEW = ["network.populations.0.shape=80", "network.populations.1.shape=20"]
DENSER = [f"network.projections.{k}.connectivity.p=0.2" for k in range(4)]
FEWER = [f"network.projections.{k}.connectivity.degree={degree}" for k, degree in enumerate((40, 40, 10, 10))]
REGULAR = '={name="equations", equations="dx/dt = 10*Hz : 1", threshold="x > 1", reset="x -= 1", method="euler"}'
PUSHED = ".equations=dv/dt = (24*mV - v) / tau : volt (unless refractory)"
NEURONS = ["network.populations.0.neurons", "network.populations.1.neurons"]
KINDS = '{"e.r"="rand()", "e.v"=-65, "e.u"="0.2*v", "e.I"="10*rand()", "i.r"="rand()", "i.v"=-65, "i.u"=-14, "i.I"="6*rand()"}'
# Brian2 draws other numbers, so that what draws in a run is replaced: Poisson input by a constant one, noise by its start value
SMALL = {
    "cuba": ["duration=80 ms", *SIZES, *DENSER],
    "cobahh": ["duration=30 ms", *SIZES, *DENSER],
    "brunel-ai": ["duration=80 ms", "poisson=[]", *SIZES, *FEWER, *(one + PUSHED for one in NEURONS)],
    "song-miller-abbott": [
        "duration=500 ms", "record=[]", 'initial={"e.x"="rand()", "i.x"="rand()"}', "network.projections.1.initial=0.01",
        *(one + REGULAR for one in NEURONS),
    ],
    "vogels-sprekeler": ["duration=60 ms", "record=[]", *SIZES, *DENSER],
    "izhikevich-2003": ["duration=200 ms", "noise=[]", f"initial={KINDS}", *FEW],
}  # fmt: skip


def trains(run):
    """Return population -> its spikes, in order."""
    return {name: of.sort_values(["step", "index"])[["step", "index"]].to_numpy() for name, of in run.spikes.items()}


def main():
    for name in sys.argv[1:]:
        model = SimulationModel.load(name, [one if one.startswith("network") else f"simulation.{one}" for one in SMALL[name]])
        found = []
        with tempfile.TemporaryDirectory() as folder:
            for simulator in ("neurosim", "brian2"):
                with run_simulation(prepare_simulation(model, simulator=simulator), Path(folder) / f"{simulator}.h5") as run:
                    found.append(trains(run))
        ours, theirs = found
        equal = {population: bool(np.array_equal(of, theirs[population])) for population, of in ours.items()}
        print(json.dumps({"model": name, "spikes": {key: len(of) for key, of in ours.items()}, "equal": equal}), flush=True)


if __name__ == "__main__":
    main()
