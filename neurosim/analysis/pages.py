"""Pages that need nothing else: made from a template, written as a whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from neurosim.errors import RunFileError, require
from neurosim.runfile.disk import followed, replacing

TEMPLATES = Path(__file__).with_name("templates")


def rendered(template: Path, **values: Any) -> str:
    """Return a page as HTML: ``template``, which extends ``page.html``, with ``values``, every text of them escaped.

    A style sheet of the same name beside the template adds to that of all pages.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _own(TEMPLATES / "page.js")
    more = template.with_suffix(".css")
    return environment.get_template(template.name).render(
        style=_own(TEMPLATES / "page.css") + (_own(more) if more.exists() else ""),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **values,
    )


def _own(path: Path) -> Markup:
    return Markup(path.read_text(encoding="utf-8"))


def write_page(page: str, out: Path) -> Path:
    """Write a page into the file ``out``; return its path.  Raises OSError, as on a full disk; what was there stays."""
    text = page.encode("utf-8", "replace")  # a file's text may hold what no encoding has
    try:
        if out.exists() and not out.is_file():  # a pipe, say
            out.write_bytes(text)
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            with replacing(followed(out)) as fresh:
                fresh.write_bytes(text)
    except OSError as cause:
        raise OSError(cause.errno, cause.strerror, str(out)) from cause
    return out


def check_free(out: Path, overwrite: bool, read: Sequence[Path] = (), usual: str = "report.html") -> None:
    """Raise RunFileError where ``out`` must not be written.

    read : the files that it is about; usual : a name that such a file may have, whose stem says what it is
    """
    mine, what = {path.resolve() for path in read}, f"{Path(usual).stem} {out}"
    require(out.resolve() not in mine, f"{what}: one of the files it is about; give another --out", RunFileError)
    require(not out.is_dir(), f"{what}: a folder: expected the name of a file; add one, as {out / usual}", RunFileError)
    above = next(folder for folder in (out.parent, *out.parent.parents) if folder.exists())  # folders that are missing are made
    require(above.is_dir(), f"{what}: {above} is a file: expected a folder; give another --out", RunFileError)
    require(overwrite or not out.exists(), f"{what}: exists; give --overwrite, or another --out", RunFileError)
