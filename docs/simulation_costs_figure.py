"""Draw what a tick of a spiking network costs from the numbers of ``python -m benchmarks.simulation_costs``.

    python docs/simulation_costs_figure.py benchmarks/results/simulation-costs-DATE.json docs/_static/simulation-costs.svg
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend has to be chosen first
from matplotlib.ticker import NullFormatter  # noqa: E402

AXES = {"neurons": "neurons", "fan_out": "synapses of each neuron", "trials": "trials at once", "rate": "spikes of a neuron (Hz)"}
TICK, BEGIN = "#0072b2", "#d55e00"  # Okabe and Ito: safe for all eyes


def draw(source: Path, out: Path) -> None:
    found = json.loads(source.read_text(encoding="utf-8"))
    plt.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "neurosim"}
    rows = {"found_tick_us": ("one tick (µs)", TICK), "found_begin_s": ("to begin (s)", BEGIN)}
    figure, axes = plt.subplots(2, len(AXES), figsize=(9.5, 4.4), sharex="col", sharey="row", layout="constrained")
    for column, (name, label) in zip(axes.T, AXES.items(), strict=True):
        points = [point for point in found["points"] if point["swept"] == name]
        x = [point["found_rate"] if name == "rate" else point[name] for point in points]
        for axis, (key, (title, colour)) in zip(column, rows.items(), strict=True):
            axis.plot(x, [point[key] for point in points], color=colour, marker="o", ms=3)
            axis.axvline(found["base"][name], color="#b0b0b0", lw=0.8, ls=":")
            axis.set(xscale="log", yscale="log")
            axis.yaxis.set_minor_formatter(NullFormatter())
            axis.grid(axis="y", color="#e4e4e4", lw=0.6)
            if axis is axes[0, 0] or axis is axes[1, 0]:
                axis.set_ylabel(title)
        column[1].set_xlabel(label)
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
