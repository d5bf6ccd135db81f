"""A layer imports only what stands above it; a few packages are named in one place only."""

import ast
from pathlib import Path

import pytest

import neurosim

PACKAGE = Path(neurosim.__file__).parent
LAYERS = [  # nothing imports from its own row or from one below
    {"errors", "reprs"},
    {"catalogue"},
    {"capture", "circuit"},
    {"backends"},
    {"equations", "datasets", "runfile"},
    {"neurons", "connectivity", "plasticity", "encoders", "simulation"},
    {"brian"},
    {"network"},
    {"tasks"},
    {"feedback"},
    {"analysis"},
    {"training"},
    {"checking"},
    {"modelfile", "estimators"},
    {"recording"},
    {"workers"},
    {"experiments"},
    {"studies"},
    {"cli"},
]
RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
ONLY_IN = {
    "cloudpickle": {"catalogue.py"},
    "cupy": {"backends/cupy_backend.py"},
    "llvmlite": {"backends"},
    "h5py": {"runfile"},
    "isal": {"runfile/packing.py"},
    "brian2": {"brian", "equations/neuron_code.py"},
    "dask": {"runfile/run.py", "workers.py"},  # arrays that are read when they are asked for; workers
    "distributed": {"workers.py"},
    "sklearn": {"analysis/representations.py", "datasets", "estimators", "experiments/estimate.py"},
    "typer": {"cli"},
    "pydantic": {"modelfile"},
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in RANK)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_up(path):
    own = layer(path)
    for name in imported(path):
        if not name.startswith("neurosim."):
            continue
        other = name.split(".")[1]
        assert other == own or RANK[other] < RANK[own], f"{own} imports {name}"


SHARED = {f"neurosim.feedback.{name}" for name in ("pathway", "relaxing", "synapses")}


@pytest.mark.parametrize("path", sorted((PACKAGE / "feedback").glob("*.py")), ids=lambda p: p.stem)
def test_no_scheme_imports_a_sibling(path):
    siblings = {name for name in imported(path) if name.startswith("neurosim.feedback.")}
    assert path.stem == "__init__" or siblings <= SHARED


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_some_packages_have_one_place(path):
    where = path.relative_to(PACKAGE).as_posix()
    roots = {name.split(".")[0] for name in imported(path)}
    assert not roots & {"models", "tests", "data", "benchmarks"}
    for package, places in ONLY_IN.items():
        assert package not in roots or any(where.startswith(place) for place in places), f"{where} names {package}"
