"""One API page for each folder of the package, written by walking it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import neurosim

HIDDEN = {"__main__"}


def write(app: Any) -> None:
    """Write ``api/*.rst`` beside the other sources; pages whose text is as it was keep their time stamp."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    texts = render()
    for stale in set(folder.glob("*.rst")) - {folder / name for name in texts}:
        stale.unlink()
    for name, text in texts.items():
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")


def render() -> dict[str, str]:
    """Return file name -> text of every API page, the index included."""
    children = [info for info in pkgutil.iter_modules(neurosim.__path__) if info.name not in HIDDEN]
    texts = {f"{info.name}.rst": _page(f"neurosim.{info.name}", info.ispkg) for info in children}
    listed = "\n".join(f"   {info.name}" for info in children)
    about = "Generated from the docstrings by walking the package: a class that is added appears here by itself."
    return texts | {"index.rst": f"{_heading('API reference', '=')}{about}\n\n.. toctree::\n   :maxdepth: 1\n\n{listed}\n"}


def _page(name: str, is_package: bool) -> str:
    if not is_package:
        return _heading(name, "=") + _module(name)
    package = importlib.import_module(name)
    modules = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name not in HIDDEN]
    # a function named like a module of its package: indexed as the module, documented as both
    namesakes = [module for module in modules if getattr(getattr(package, module, None), "__module__", None) == name]
    text = _heading(name, "=") + _module(name, namesakes)
    text += "".join(f".. autofunction:: {name}.{function}\n   :no-index:\n\n" for function in namesakes)
    return text + "".join(_heading(f"{name}.{module}", "-") + _module(f"{name}.{module}") for module in modules)


def _heading(title: str, underline: str) -> str:
    return f"{title}\n{underline * len(title)}\n\n"


def _module(name: str, without: Sequence[str] = ()) -> str:
    excluded = f"   :exclude-members: {', '.join(without)}\n" if without else ""
    return f".. automodule:: {name}\n   :members:\n   :show-inheritance:\n   :ignore-module-all:\n{excluded}\n"
