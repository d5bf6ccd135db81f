"""What the documentation says is true: its Python runs and prints what the page prints, and its links lead somewhere.

Every ``python`` block of a page runs, in order, in one namespace and in an empty folder; a block of the README has a namespace and
a folder of its own, since it may be all that somebody pastes.  A ``text`` block right after one is what it has to print; ``...`` in
it stands for anything.  ``<!-- not run: reason -->`` above a block keeps it from running; ``<!-- needs: module -->`` does where
that is not installed.
"""

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS, README = ROOT / "docs", ROOT / "README.md"
PAGES = sorted([*(p for p in DOCS.rglob("*.md") if "_build" not in p.parts), *ROOT.glob("*.md"), ROOT / "data/README.md"])
FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})\s*(?P<language>\S*)")
LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
LONG = {  # above three seconds
    "a-spiking-network-that-learns", "compare-representations", "invent-a-rule", "own-scheme", "plot-a-run",
    "record-a-spiking-simulation", "run-a-study", "study", "templates",
}  # fmt: skip
NOT_RUN = re.compile(r"<!-- not run: \S.*-->")
NEEDS = re.compile(r"<!-- needs: (?P<module>\w+) -->")


def lacking(text):
    """Return the module that a block needs by the line above it, where it is not installed; "" otherwise."""
    needed = NEEDS.search(text)
    return needed["module"] if needed and importlib.util.find_spec(needed["module"]) is None else ""


def split(text):
    """Return (prose without code, [(language, code, number of its first line, runs)])."""
    prose, blocks, fence, above = [], [], None, ""
    for number, line in enumerate(text.splitlines(), start=1):
        opening = FENCE.match(line.strip())
        if fence is None and opening:
            fence, code = opening["fence"], []
            blocks.append((opening["language"], code, number + 1, not NOT_RUN.search(above) and not lacking(above)))
        elif fence is not None and line.strip() == fence:
            fence = None
        elif fence is not None:
            code.append(line)
        else:
            prose.append(line)
        above = line or above
    return "\n".join(prose), [(language, "\n".join(code) + "\n", at, runs) for language, code, at, runs in blocks]


def page_id(path):
    return str(path.relative_to(ROOT))


def marked(path):
    """Return a page as a parameter; a long one runs in the slow step."""
    return pytest.param(path, marks=[pytest.mark.slow] if path.stem in LONG else [])


def with_python(path):
    return any(language == "python" and runs for language, _, _, runs in split(path.read_text(encoding="utf-8"))[1])


def matches(expected, printed):
    """Return whether ``printed`` is ``expected``, line ends aside, where ``...`` stands for anything."""
    pattern = r".*".join(re.escape(part) for part in "\n".join(map(str.rstrip, expected.strip().splitlines())).split("..."))
    return re.fullmatch(pattern, "\n".join(map(str.rstrip, printed.strip().splitlines())), re.DOTALL) is not None


@pytest.mark.parametrize("path", [marked(p) for p in PAGES if with_python(p)], ids=page_id)
def test_python_runs_and_prints_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, blocks = {"__name__": "__page__"}, split(path.read_text(encoding="utf-8"))[1]
    for (language, code, line, runs), follower in zip(blocks, [*blocks[1:], None], strict=True):
        if language != "python" or not runs:
            continue
        if path == README:
            namespace, folder = {"__name__": "__page__"}, tmp_path / f"line{line}"
            folder.mkdir()
            monkeypatch.chdir(folder)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (line - 1) + code, str(path), "exec"), namespace)  # noqa: S102 our own pages
        if follower is not None and follower[0] == "text":
            assert matches(follower[1], printed.getvalue()), f"line {follower[2]}: printed {printed.getvalue()!r}"
    left_out = sorted({module for line in path.read_text(encoding="utf-8").splitlines() if (module := lacking(line))})
    if left_out:
        pytest.skip(f"all ran but what needs {', '.join(left_out)}, which is not installed")


README_TEXT, README_FENCED = split(README.read_text(encoding="utf-8"))
README_BLOCKS = [(code, at) for language, code, at, _ in README_FENCED if language == "python"]
README_COMMANDS = re.findall(r"(?:^    .*\n)*^    .*neurosim .*\n(?:^    .*\n)*", README_TEXT, re.MULTILINE)
SHORTER = {  # what is added to a command, so that it downloads nothing and is soon done
    "run": ["--data", "digits", "--epochs", "1"],
    "simulation": ["--set", "simulation.duration=50 ms"],
    "compare": ["--epochs", "1"],
    "study": ["--set", "training.epochs=1", "--seeds", "1"],
}


@pytest.mark.slow
@pytest.mark.parametrize("code", [code for code, _ in README_BLOCKS], ids=[f"line {at}" for _, at in README_BLOCKS])
def test_a_block_of_the_readme_is_all_that_is_needed(code, tmp_path):
    (tmp_path / "pasted.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "pasted.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", README_COMMANDS, ids=lambda block: block.strip().splitlines()[0][:50])
def test_the_readmes_commands_run(block, tmp_path, monkeypatch):
    from neurosim.cli import main
    from neurosim.modelfile.simulation import is_simulation

    monkeypatch.chdir(tmp_path)
    commands = [part for line in block.splitlines() for part in line.split("&&")]
    for name, *args in (shlex.split(command, comments=True) for command in commands):
        if name == "neurosim":
            kind = "simulation" if args[0] == "run" and not args[1].startswith("-") and is_simulation(args[1]) else args[0]
            assert main([*args, *SHORTER.get(kind, [])]) == 0, args


def anchors(text):
    """Return the anchors of a page's headings, spelled as GitHub and MyST spell them."""
    headings = re.findall(r"^#{1,6} +(.*)$", split(text)[0], re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken(path):
    """Return the links of a page that lead nowhere inside this repository."""
    text = path.read_text(encoding="utf-8")
    found = []
    for link in LINK.finditer(split(text)[0]):
        target = link["target"] or link["image"]
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        to = path if not file else (DOCS / file[1:] if file.startswith("/") else path.parent / file).resolve()
        lost = not to.exists() or (anchor and to.suffix == ".md" and anchor not in anchors(to.read_text(encoding="utf-8")))
        found += [target] if lost else []
    return found


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_resolve(path):
    assert not broken(path)


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One heading\n\n[a](page.md#one-heading) [b](page.md#another) [c](nowhere.md) ![d](no.png) [e](https://x.org)\n")
    assert broken(page) == ["page.md#another", "nowhere.md", "no.png"]


def test_a_wrong_output_is_noticed():
    assert matches("a ...\nb\n", "a 12\nb\n")
    assert not matches("a\nb\n", "a\nc\n")
    assert not matches("a\n", "a\nb\n")


def test_a_newcomers_script_is_short():
    """A user's own data, rule and scheme in a comparison."""
    blocks = split((DOCS / "howto/compare-your-own.md").read_text(encoding="utf-8"))[1]
    script = next(code for language, code, _, _ in blocks if language == "python")
    assert len(script.splitlines()) <= 25 and "neurosim.compare(" in script


def test_the_tutorial_leads_from_page_to_page():
    pages = re.search(r"Tutorial\n\n(.*?)\n```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)[1].splitlines()
    assert len(pages) >= 6
    for page, after in zip(pages, pages[1:], strict=False):
        path = DOCS / f"{page}.md"
        link = re.search(r"^Next: \[[^\]]+\]\(([^)]+)\)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert link and (path.parent / link[1]).resolve() == DOCS / f"{after}.md", page


def test_every_scheme_has_a_page():
    from neurosim.feedback import pathways

    assert {p.stem for p in (DOCS / "schemes").glob("*.md")} == {"index", *pathways()}


def test_reasons_for_not_running_are_few():
    skipped = [line for p in PAGES for line in p.read_text(encoding="utf-8").splitlines() if NOT_RUN.match(line)]
    assert len(skipped) <= 5


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path):
    for module in ("sphinx", "furo", "myst_parser"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; pip install '.[docs]'")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(tmp_path / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
