"""Draw the errors of the worked study against step and scale, from its table.

    neurosim study docs/howto/steps-and-scales.toml --out FOLDER
    python docs/study_figure.py FOLDER/study.csv docs/_static/steps-and-scales.svg
"""

import json
import sys
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend has to be chosen first

PANELS = {
    "difference_target_propagation": ("stages.0.options.step", "step towards the target", "Difference target propagation"),
    "feedback_alignment": ("stages.0.options.scale", "factor of the feedback weights", "Feedback alignment"),
}
COLOURS = {"adam": "#0072b2", "sgd": "#d55e00"}  # Okabe and Ito: safe for all eyes
STYLES = {"backprop": "--", "frozen": ":"}


def read(source: Path) -> pd.DataFrame:
    """Return the table of the study with a column ``by``, the optimiser's name."""
    found = pd.read_csv(source)
    return found.assign(by=found["stages.0.optimiser"].map(lambda text: json.loads(text)["name"]))


def means(found: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return mean, lowest and highest test error over seeds at each value of ``key``; none where a run failed."""
    whole = (found["status"] == "complete").groupby(found[key]).all()
    errors = found.groupby(key)["test_error"].agg(["mean", "min", "max"])
    return errors[whole]


def draw(source: Path, out: Path) -> None:
    found = read(source)
    plt.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "neurosim"}
    figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.3), sharey=True, layout="constrained")
    for axes, (scheme, (key, label, title)) in zip(panels, PANELS.items(), strict=True):
        for by, colour in COLOURS.items():
            rows = found[found["by"] == by]
            own = means(rows[rows["scheme"] == scheme], key)
            axes.fill_between(own.index, own["min"], own["max"], color=colour, alpha=0.18, lw=0)
            axes.plot(own.index, own["mean"], "o-", color=colour, ms=3.5, lw=1.4, label=by.upper() if by == "sgd" else by.title())
            for other, style in STYLES.items():
                axes.axhline(rows.loc[rows["scheme"] == other, "test_error"].mean(), color=colour, ls=style, lw=0.9)
        axes.set(xscale="log", yscale="log", xlabel=label, title=title)
    panels[0].set_ylabel("test error (%)")
    panels[0].set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    panels[0].minorticks_off()
    panels[1].minorticks_off()
    for other, style in STYLES.items():
        panels[1].plot([], [], color="#4c4c4c", ls=style, lw=0.9, label=other)
    panels[1].legend(frameon=False)
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
