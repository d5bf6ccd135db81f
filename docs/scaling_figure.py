"""Draw step time against width from the numbers of ``python -m benchmarks.scaling``.

    python docs/scaling_figure.py benchmarks/results/scaling-DATE.json docs/_static/scaling.svg
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend has to be chosen first

LINES = {  # Okabe and Ito: safe for all eyes
    "torch_ms": ("PyTorch, eager", "#d55e00", "--"),
    "torch_fused_ms": ("PyTorch, fused Adam", "#e69f00", "--"),
    "ours_ms": ("neurosim", "#0072b2", "-"),
    "floor_ms": ("matrix products alone (floor)", "#4c4c4c", ":"),
}


def draw(source: Path, out: Path) -> None:
    found = json.loads(source.read_text(encoding="utf-8"))
    batches = sorted({point["batch"] for point in found["points"]})
    plt.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "neurosim"}
    size = (4.5 * len(batches), 3.4)
    figure, axes = plt.subplots(1, len(batches), figsize=size, sharey=True, layout="constrained", squeeze=False)
    for axis, batch in zip(axes[0], batches, strict=True):
        points = [point for point in found["points"] if point["batch"] == batch]
        for key, (label, colour, style) in LINES.items():
            known = [(point["width"], point[key]) for point in points if key in point]
            axis.plot(*zip(*known, strict=True), color=colour, ls=style, marker="o", ms=3, label=label)
        axis.set(xscale="log", yscale="log", xlabel="width of both hidden populations", title=f"batch {batch}")
        axis.set_xticks([point["width"] for point in points], [str(point["width"]) for point in points], rotation=45)
        axis.minorticks_off()
    axes[0, 0].set_ylabel("one training step (ms)")
    axes[0, 0].legend(frameon=False)
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
