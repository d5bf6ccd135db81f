"""What is shipped: every file of the package in wheel and sdist, a version, and types that a user's mypy believes."""

import importlib.metadata
import importlib.util
import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import neurosim

ROOT = Path(__file__).parents[1]
SHIPPED = ("*.py", "*.toml", "*.html", "*.css", "*.js", "py.typed")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{kind}(sys.argv[1])"


def files(folder):
    """Return what of a folder has to be shipped."""
    return {str(path.relative_to(folder)) for pattern in SHIPPED for path in folder.rglob(pattern)}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with a wheel and an sdist of this checkout."""
    for needed in ("setuptools", "wheel"):
        if importlib.util.find_spec(needed) is None and (needed == "setuptools" or "bdist_wheel" not in _commands()):
            pytest.skip(f"{needed} is not installed; pip install '.[test]'")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("neurosim", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for kind in ("sdist", "wheel"):
        command = [sys.executable, "-c", BUILD.format(kind=kind), str(out)]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return out


def _commands():
    return {entry.name for entry in importlib.metadata.entry_points(group="distutils.commands")}


@pytest.mark.slow
def test_the_wheel_has_every_file_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    own = {f"neurosim/{name}" for name in files(ROOT / "neurosim")} | {f"neurosim/models/{name}" for name in files(ROOT / "models")}
    assert set(names) == own
    assert {"neurosim/py.typed", "neurosim/models/compare.toml", "neurosim/analysis/templates/page.html"} <= own


@pytest.mark.slow
def test_the_sdist_has_every_file_that_the_wheel_is_made_of(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    own = {f"{folder}/{name}" for folder in ("neurosim", "models") for name in files(ROOT / folder)}
    assert own | {"setup.py", "pyproject.toml", "README.md", "LICENSE"} <= names
    assert "neurosim/py.typed" in own


def test_the_version_is_the_installed_one():
    try:
        installed = importlib.metadata.version("neurosim")
    except importlib.metadata.PackageNotFoundError:
        installed = "not installed"
    assert neurosim.__version__ == installed
    assert "__version__" in dir(neurosim)
    assert "__version__" not in vars(neurosim)  # it is looked up when it is asked for


def test_of_a_checkout_that_is_not_installed_the_version_says_so(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert neurosim.__version__ == "not installed"


def test_public_names_are_listed_once_for_python_and_once_for_type_checkers():
    assert sorted([*neurosim._HOMES, "datasets"]) == sorted(neurosim.__all__)
    text = (ROOT / "neurosim/__init__.py").read_text(encoding="utf-8")
    checked = text.partition("if TYPE_CHECKING:")[2].partition("_HOMES")[0]
    typed = [line.partition(" import ") for line in checked.splitlines() if " import " in line]
    homes = {name.strip(): home.strip().removeprefix("from neurosim") for home, _, names in typed for name in names.split(",")}
    assert {name: home.removeprefix(".") for name, home in homes.items() if home} == neurosim._HOMES
    assert [name for name, home in homes.items() if not home] == ["datasets"]


RIGHT = """
import neurosim
from neurosim import Adam, BatchNormalisation, Network, PlasticityRule, Population, Projection, Recorder, Study, Trainer
from neurosim import check, compare, datasets, load, open_run, pathway, pathways
from neurosim.training import Observer


class Patience(Observer):
    pass


data = load("digits", validation=0.1)
network = Network.layered(data.shape, [8], data.classes, normalisation=BatchNormalisation(), seed=1)
trainer = Trainer(network, pathway("backprop"), Adam(1e-3), epochs=1, batch=32)
history = trainer.fit(data, Patience(), progress=False)
loss: float = history[-1]["test"].loss
score: float = trainer.score(data)
population: Population = network.populations["hidden1"]
projection: Projection = network.projections["x__hidden1"]
projection.rule = PlasticityRule("dw = 0.1 * rate_pre")
with Recorder.open("run.h5", trainer, data) as recorder:
    trainer.fit(data, recorder, epochs=2)
status: str = open_run("run.h5").status
study: Study = Study("dtp-mnist", data="digits").seeds(2)
passed: bool = bool(check("backprop"))
title: str = compare((data.train.x, data.train.y), epochs=1).title
version: str = neurosim.__version__
names: list[str] = [*pathways(), *datasets.names()]
"""
WRONG = {
    'Adam("fast")': "float",
    "load(3)": "str",
    "network.sweep()": "Missing positional argument",
    "trainer.fit(data, epochs='5')": "int",
    "Trainer(network, 'backprop', Adam(0.1))": "FeedbackPathway",
    "trainer.fits(data)": "has no attribute",
    "open_run('run.h5').status + 1": "Unsupported operand",
    "neurosim.Netwrok": "has no attribute",
}


@pytest.mark.slow
def test_a_users_mypy_believes_the_types_of_the_installed_package(built, tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed; pip install '.[test]'")
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = [*environment.glob("lib/python3*/site-packages"), *environment.glob("Lib/site-packages")]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    libraries = [path for path in [*site.getsitepackages(), *sys.path] if path.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(dict.fromkeys(libraries)))
    script = tmp_path / "script.py"
    script.write_text(RIGHT + "\n".join(WRONG) + "\n", encoding="utf-8")
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", tmp_path / "cache", script]
    clean = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(found) == len(WRONG), done.stdout + done.stderr
    first = len(RIGHT.splitlines()) + 1
    for at, said in enumerate(WRONG.values(), start=first):
        (line,) = [line for line in found if line.startswith(f"script.py:{at}:")]
        assert said in line, line
