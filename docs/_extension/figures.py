"""The look of the gallery's figures."""

from typing import Any

import matplotlib

LOOK = {"font.size": 10, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False, "savefig.dpi": 150}


def reset(gallery_conf: dict[str, Any], file: str) -> None:
    """Begin each script with the same look, whatever the one before has set."""
    matplotlib.rcParams.update(LOOK)
