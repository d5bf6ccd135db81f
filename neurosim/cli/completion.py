"""What the shell offers when TAB is pressed: names of models, schemes, data sets, backends.

Nothing heavy is imported: names of classes are read off their source, where they are stated.  Where nothing here fits what was
typed, the shell offers files.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SCHEME = re.compile(r'^    name = "(\w+)"', re.MULTILINE)
RULE = re.compile(r"^def (\w+)\(.*\) -> PlasticityRule:", re.MULTILINE)
SPIKES = re.compile(r"spike_(pre|post)")
DATA_SET = re.compile(r'^    name="([\w-]+)"', re.MULTILINE)


@cache
def schemes() -> tuple[str, ...]:
    """Return the names of all schemes."""
    return _stated(SCHEME, *sorted((PACKAGE / "feedback").glob("*.py")))


def rules() -> tuple[str, ...]:
    """Return the names of the rules that are written as an equation, and can be trained with: those that read no spikes."""
    files = sorted((PACKAGE / "plasticity").glob("*.py"))
    return _stated(RULE, *(file for file in files if not SPIKES.search(file.read_text(encoding="utf-8"))))


def data_sets() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return _stated(DATA_SET, PACKAGE / "datasets" / "registry.py")


def backends() -> tuple[str, ...]:
    """Return the names of all backends."""
    return ("auto", "numpy", "cupy", "cupy-tf32")


def _stated(form: re.Pattern[str], *files: Path) -> tuple[str, ...]:
    return tuple(name for file in files for name in form.findall(file.read_text(encoding="utf-8")))


# ---------------------------------------------------------------------- what each argument takes


def files(incomplete: str) -> list[str]:
    """Return nothing: the shell then offers its files."""
    return []


def model(incomplete: str) -> list[str]:
    """Return the models, and model files here, that begin so."""
    from neurosim.modelfile.reading import models, simulations

    return _beginning(incomplete, *sorted({**models(), **simulations()}), *_here("*.toml"))


def model_or_comparison(incomplete: str) -> list[str]:
    """Return the model and comparison files that begin so."""
    from neurosim.modelfile.reading import installed

    return _beginning(incomplete, *installed(), *_here("*.toml"))


def comparison(incomplete: str) -> list[str]:
    """Return the comparison files that come with the package, and files here, that begin so."""
    from neurosim.modelfile.reading import installed, models, simulations

    single = {**models(), **simulations()}
    return _beginning(incomplete, *(name for name in installed() if name not in single), *_here("*.toml"))


def compared_neurons(incomplete: str) -> list[str]:
    """Return the neurons that a comparison file which comes with the package is of, ``compare-NEURONS``, that begin so."""
    from neurosim.modelfile.reading import installed

    return _beginning(incomplete, *(name.partition("-")[2] for name in installed() if name.startswith("compare-")))


def data(incomplete: str) -> list[str]:
    """Return the data sets that begin so."""
    return _beginning(incomplete, *data_sets())


def backend(incomplete: str) -> list[str]:
    """Return the backends that begin so."""
    return _beginning(incomplete, *backends())


def blas(incomplete: str) -> list[str]:
    """Return the libraries of matrix products that begin so."""
    return _beginning(incomplete, "auto", "openblas", "mkl")


def simulator(incomplete: str) -> list[str]:
    """Return the simulators that begin so."""
    return _beginning(incomplete, "neurosim", "brian2", "brian2-cython", "brian2-cpp")


def export_format(incomplete: str) -> list[str]:
    """Return the formats of exports that begin so."""
    return _beginning(incomplete, "csv", "npz", "nwb", "parquet")


def several_schemes(incomplete: str) -> list[str]:
    """Return what was typed up to its last comma, with each scheme that may follow."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, *schemes()) if name not in before.split(",")]


def to_check(incomplete: str) -> list[str]:
    """Return the schemes, rules, and run files and folders here, that begin so."""
    return _beginning(incomplete, *schemes(), *rules(), *_here("*.h5"), *_here("*/"))


def _beginning(incomplete: str, *names: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _here(pattern: str) -> list[str]:
    return sorted(f"{path}/" if path.is_dir() else str(path) for path in Path().glob(pattern) if not path.name.startswith("."))
