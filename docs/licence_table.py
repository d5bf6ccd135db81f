"""Print a table of the packages that neurosim depends on, with their licences, as their installed metadata state them.

    python docs/licence_table.py                     # needs pip install ".[test,docs,study,nwb,parquet]"

Its output is a part of docs/licences.md.  A test asks that every dependency in setup.py is there.
"""

import ast
import re
from importlib import metadata
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.py"


def dependencies() -> dict[str, str]:
    """Return package -> what it is needed for, from setup.py; a package with two uses has the first."""
    tree = ast.parse(SETUP.read_text(encoding="utf-8"))
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup")
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    found = dict.fromkeys(map(_name, ast.literal_eval(options["install_requires"])), "neurosim itself")
    extras = ast.literal_eval(options["extras_require"])
    for extra in sorted(extras, key=["cuda12", "cuda13", "mkl", "nwb", "parquet", "study", "docs", "test"].index):
        for requirement in extras[extra]:
            found.setdefault(_name(requirement), f"`[{extra}]`")
    return found


def _name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]


def licence(package: str) -> tuple[str, str]:
    """Return (version, licence) of an installed package, as its metadata state them; ("", "not installed here") of another."""
    try:
        about = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return "", "not installed here"
    classifiers = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier", []) if c.startswith("License :: OSI Approved :: ")]
    line = (about.get("License") or "").strip().partition("\n")[0]
    return about["Version"], about.get("License-Expression") or ", ".join(classifiers) or line or "not stated in its metadata"


if __name__ == "__main__":
    print("| package | needed for | version | licence |\n| --- | --- | --- | --- |")
    for package, use in sorted(dependencies().items(), key=lambda item: (item[1] != "neurosim itself", item[0].lower())):
        print("|", " | ".join([package, use, *licence(package)]), "|")
