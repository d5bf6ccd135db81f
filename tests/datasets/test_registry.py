from __future__ import annotations

from pathlib import Path

import pytest

from neurosim.datasets import names
from neurosim.datasets.folder import FORMATS
from neurosim.datasets.registry import NO_CHECKSUM, REGISTRY, find
from neurosim.errors import UnknownNameError

README = Path(__file__).parents[2] / "data" / "README.md"


def section(name: str) -> str:
    if not README.is_file():
        pytest.skip(f"{README} is not in this copy of the project")
    return README.read_text().split(f"\n## `{name}`\n")[1].split("\n## ")[0]


def test_the_names_are_the_six_promised() -> None:
    assert names() == ("digits", "mnist", "fashion-mnist", "kuzushiji-mnist", "cifar-10", "diabetes")
    assert all(find(name).name == name for name in names())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fashion-mnist'"):
        find("fashion_mnist")


@pytest.mark.parametrize("name", names())
def test_the_readme_describes_every_entry(name: str) -> None:
    entry, text = REGISTRY[name], section(name)
    for fact in (entry.title, entry.source, entry.licence, entry.citation, entry.normalisation):
        assert fact in text
    assert f"{entry.train:,} train, {entry.test:,} test" in text
    shape = f"{' x '.join(map(str, entry.shape))} ({'channels, height, width' if len(entry.shape) == 3 else 'features'})"
    targets = f"{entry.classes} classes" if entry.classes else f"real targets of shape {entry.target_shape}"
    assert f"{shape}; {targets}" in text
    if entry.openml:
        assert f"`{entry.openml[0]}`, version {entry.openml[1]}" in text
    if entry.mean and entry.std:
        assert f"mean {', '.join(map(str, entry.mean))}; std {', '.join(map(str, entry.std))}" in text


@pytest.mark.parametrize("name", names())
def test_the_readme_gives_every_file_with_its_checksum(name: str) -> None:
    entry, text = REGISTRY[name], section(name)
    for form, files in entry.files.items():
        for file in files:
            assert f"| {form} | `{file}` | {entry.checksum(file)} |" in text


@pytest.mark.parametrize("name", names())
def test_entries_are_consistent(name: str) -> None:
    entry = REGISTRY[name]
    assert set(entry.files) <= set(FORMATS)
    assert set(entry.md5) <= {file for files in entry.files.values() for file in files}
    assert bool(entry.files) == bool(entry.openml)
    assert bool(entry.classes) != bool(entry.target_shape)
    for numbers in (entry.mean, entry.std):
        assert numbers is None or len(numbers) == entry.shape[0]


def test_a_checksum_nobody_recorded_is_said_to_be_missing() -> None:
    assert find("cifar-10").checksum("cifar-10.npz") == NO_CHECKSUM
    assert find("mnist").checksum("t10k-labels-idx1-ubyte") == "27ae3e4e09519cfbb04c329615203637"
