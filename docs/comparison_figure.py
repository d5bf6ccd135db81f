"""Draw the picture of a comparison from its run files.

    neurosim compare --seeds 3 --out FOLDER
    python docs/comparison_figure.py FOLDER docs/_static/comparison.png
"""

import sys
from collections import defaultdict
from pathlib import Path

import matplotlib
import numpy as np

from neurosim.feedback import pathways
from neurosim.runfile import Run

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend has to be chosen first

COLOURS = {"full": "#4c4c4c", "output": "#0072b2", "one_hop": "#56b4e9", "sign": "#009e73", "none": "#d55e00"}  # Okabe and Ito: safe for all eyes
WORDS = {"full": "all downstream weights", "output": "the output weights only", "one_hop": "the next weights", "sign": "their signs", "none": "none"}

NAMED = {"frozen": 2, "weight_perturbation": 3}  # curves with a name, at this part of the epochs


def errors(folder: Path) -> dict[str, np.ndarray]:
    """Return scheme -> test error in per cent, (seeds, epochs)."""
    found = defaultdict(list)
    for path in sorted(folder.glob("*-seed*.h5")):
        found[path.stem.rpartition("-seed")[0]].append(Run(path).metrics.loc["test", "error"].to_numpy())
    return {scheme: np.array(rows) for scheme, rows in found.items()}


def transport(scheme: str) -> str:
    return pathways()[scheme]().claims_on(("hidden1", "hidden2")).weight_transport


def draw(folder: Path, out: Path) -> None:
    found = errors(folder)
    order = sorted(found, key=lambda scheme: found[scheme][:, -1].mean())
    plt.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "neurosim"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 1.5 + 0.2 * len(order)), width_ratios=(1, 1.15), layout="constrained")
    for scheme in order:
        mean = found[scheme].mean(axis=0)
        style = {"lw": 1.6, "ls": ":" if scheme == "frozen" else "-", "alpha": 0.9}
        if scheme in NAMED:
            at = len(mean) // NAMED[scheme]
            left.annotate(scheme.replace("_", " "), (at, mean[at]), xytext=(4, 4), textcoords="offset points", fontsize=8)
        left.plot(np.arange(len(mean)), mean, color=COLOURS[transport(scheme)], **style)
    left.set(xlabel="epoch", ylabel="test error (%)", yscale="log", xlim=(0, len(mean) - 1), title="Learning, mean over seeds")
    left.set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    left.minorticks_off()
    for row, scheme in enumerate(reversed(order)):
        last = found[scheme][:, -1]
        colour = COLOURS[transport(scheme)]
        right.barh(row, last.mean(), color=colour, height=0.62, alpha=0.85)
        right.plot(last, [row] * len(last), "o", ms=3.5, mfc="white", mec=colour)
        right.text(max(last) + 0.15, row, f"{last.mean():.1f}", va="center")
    right.set_yticks(range(len(order)), [scheme.replace("_", " ") for scheme in reversed(order)])
    right.tick_params(axis="y", length=0)
    right.margins(x=0.08)
    right.set(xlabel="test error after the last epoch (%)", title="Each dot is a seed")
    used = [kind for kind in COLOURS if kind in {transport(scheme) for scheme in order}]
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[kind], alpha=0.85) for kind in used]
    left.legend(
        handles,
        [WORDS[kind] for kind in used],
        title="downstream weights that\nreach a hidden population",
        frameon=False,
        loc="upper right",
    )
    figure.savefig(out, dpi=160)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
