"""What is given out: the source distribution holds what the repository holds, the metadata say what users ask for."""

import ast
import importlib.util
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_GIVEN_OUT = (".ci/", ".git", "docs/.gitignore")


def tracked():
    """Return the files of the repository, as git lists them."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a checkout of the repository")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.slow
def test_the_source_distribution_holds_tests_and_documentation(tmp_path):
    names, copy = tracked(), tmp_path / "copy"
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    build = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    lost = [name for name in names if name not in held and not name.startswith(NOT_GIVEN_OUT)]
    assert not lost
    expected = {"docs/index.md", "docs/gallery/plot_1_learning_curves.py", "tests/docs/test_distribution.py", "models/compare.toml"}
    assert expected <= held


def test_every_dependency_is_in_the_table_of_licences():
    spec = importlib.util.spec_from_file_location("licence_table", ROOT / "docs/licence_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    assert "numpy" in module.dependencies()
    assert not [package for package in module.dependencies() if f"| {package} |" not in page]


def test_the_gallery_is_of_short_scripts():
    """Scripts that read like the figure they draw; the site's build, a slow test, runs them."""
    scripts = sorted((ROOT / "docs/gallery").glob("plot_*.py"))
    assert len(scripts) >= 6
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 80, path.name
        assert ast.get_docstring(ast.parse(text)) and "plt.show()" in text, path.name
