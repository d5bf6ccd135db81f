"""What is printed arrives: in any encoding, for paths of any bytes, and with warnings turned into errors."""

import os
import shlex
import subprocess
import sys

import pytest

from neurosim.cli import main
from neurosim.cli.terminal import broken, say
from neurosim.errors import pasteable, quoted, utf8
from neurosim.runfile import Run

PROGRAM = [sys.executable, "-m", "neurosim"]
SETTINGS = ("data.limit=100", "data.validation=0", "network.hidden=[8]")
SMALL = ["--data", "digits", "--epochs", "1", *(word for setting in SETTINGS for word in ("--set", setting))]
COMPARE = ["compare", "--schemes", "backprop,frozen", "--seeds", "2", "--epochs", "1", "--set", "data.limit=100"]
ODD = os.fsdecode(b"a\xff b'")  # bytes that are no UTF-8, a space and a quote


def program(arguments, options=(), **environment):
    command = [sys.executable, *options, "-m", "neurosim", *arguments]
    variables = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment
    return subprocess.run(command, env=variables, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C", marks=pytest.mark.slow),
        pytest.param({"PYTHONIOENCODING": "koi8-r"}, id="koi8-r", marks=pytest.mark.slow),
    ],
)
def test_a_comparison_ends_well_in_any_encoding(environment, tmp_path):
    done = program([*COMPARE, "--out", "out"], TERM="dumb", NO_COLOR="1", **environment)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert b"+-" in done.stdout and b"\nrun files, table.csv and report.html: out\n" in done.stdout
    assert {"report.html", "table.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_the_report_is_there_when_printing_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("no printing today")

    monkeypatch.setattr("neurosim.cli.compare._print_table", fail)
    with pytest.raises(ValueError, match="today"):
        main([*COMPARE, "--quiet", "--out", "out"])
    assert (tmp_path / "out" / "report.html").exists()


def test_paths_of_any_bytes_are_written_read_and_printed_as_they_are(tmp_path, capfdbinary):
    os.mkdir(ODD)
    model, run = f"{ODD}/m{ODD}.toml", f"{ODD}/r.h5"
    with open(model, "w") as file:
        file.write('title = "m"\nextends = "backprop-dtp-mnist"\n')
    assert main(["run", model, *SMALL, "--out", run]) == 0
    assert f"file     {run}\n".encode("utf-8", "surrogateescape") in capfdbinary.readouterr().out
    with Run(run) as opened:
        assert opened.attributes["model_name"] == "ma\\udcff b'"
    for command in (["check", run], ["run", "--resume", "--out", run], ["run", model, "--resume", "--out", run]):
        assert main(command) == 0
    assert main(["report", run, "-o", f"{ODD}/p.html"]) == 0
    capfdbinary.readouterr()
    assert main(["export", run, "--to", "csv"]) == 0
    assert os.path.isdir(os.fsdecode(capfdbinary.readouterr().out.rstrip(b"\n")))  # the last line can be used by a script
    assert main(["run", f"{ODD}.toml"]) == 2
    assert capfdbinary.readouterr().err.count(b"\n") == 1


def test_text_that_is_no_utf_8_is_told_in_one_line(capsys):
    assert main(["run", "backprop-dtp-mnist", *SMALL, "--set", f"title={ODD}", "--out", "r.h5"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not os.path.exists("r.h5")


@pytest.mark.parametrize("path", ["r 1.h5", "it's.h5", "-r.h5", "a  b.h5", "$HOME.h5", "a\nb.h5", "a\\b\t.h5", ODD])
def test_advice_can_be_pasted(path, tmp_path):
    """Bash gives the program the very file that is meant."""
    from pathlib import Path

    from neurosim.cli.arguments import pasted

    line = pasted("printf", "%s", Path(path))
    assert "\n" not in line
    said = subprocess.run(["bash", "-c", os.fsencode(line)], capture_output=True, check=True).stdout
    assert os.path.normpath(os.fsdecode(said)) == os.path.normpath(path)
    assert not os.fsdecode(said).startswith("-")


def test_watch_advises_what_can_be_pasted(synthetic, tmp_path, capsys):
    synthetic.synthetic_run(tmp_path / "r 1.h5", status="interrupted")
    assert main(["watch", "r 1.h5"]) == 3
    words = shlex.split(capsys.readouterr().err.partition("continue with: ")[2])
    assert words == ["neurosim", "run", "--resume", "--out", "r 1.h5"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [["run", "backprop-dtp-mnist", *SMALL, "--out", "r.h5"], ["show", "dtp-mnist"], ["models"],
                                     [*COMPARE, "--out", "out"]], ids=lambda command: command[0])  # fmt: skip
def test_no_warning_ends_a_command(command, tmp_path):
    assert program(command, ["-W", "error"]).returncode == 0


@pytest.mark.filterwarnings("ignore:of a library")
def test_warnings_are_no_errors_within_a_command_and_are_again_afterwards(monkeypatch, capsys):
    import warnings

    monkeypatch.setattr("neurosim.modelfile.published.planned", lambda model: warnings.warn("of a library", stacklevel=1) or 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["models"]) == 0
        with pytest.raises(UserWarning):
            warnings.warn("again", stacklevel=1)


@pytest.mark.parametrize("arguments", [["run", "x" * 100_000], ["show", "a", "--" + "x" * 100_000], ["x" * 100_000],
                                       ["run", "m", "--seed", "9" * 5000], ["run", "m", "--seed", str(2**63)],
                                       ["run", "m", "--seed", "1.5"], ["run", "m", "--seed=-1"],
                                       ["run", "x" * 10_000 + ".toml"]])  # fmt: skip
def test_arguments_of_any_length_are_told_in_short(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and len(error) < 1500


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a short line", ["a short line"]),
        ("memory  at most about 345 MiB (weights 2)", ["memory  at most about 345", "        MiB (weights 2)"]),
        ("  x -> hidden1 all_to_all, bias: dw = eta", ["  x -> hidden1 all_to_all,", "      bias: dw = eta"]),
        ("run file mine.h5: it was killed; continue with: neurosim run --resume --out 'a very long name.h5'",
         ["run file mine.h5: it was", "killed; continue with:", "neurosim run --resume --out 'a very long name.h5'"]),
        ("/a/path/that/is/longer/than/a/line-of-the-terminal.h5", ["/a/path/that/is/longer/than/a/line-of-the-terminal.h5"]),
    ],
)  # fmt: skip
def test_lines_break_between_words_and_commands_do_not_break(text, lines):
    assert broken(text, 27).split("\n") == lines


def test_only_a_terminal_gets_broken_lines(capsys, monkeypatch):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "10")
    say("one two three four")
    assert capsys.readouterr().out == "one two three four\n"
    say("one two three four", screen := Terminal())
    assert screen.getvalue() == "one two\nthree four\n"


def test_warnings_of_the_package_are_lines_that_say_where_they_come_from(monkeypatch, capsys):
    import logging

    log = logging.getLogger("neurosim.training")
    monkeypatch.setattr("neurosim.modelfile.published.score", lambda model: log.warning("not\nso good") or "")
    assert main(["models"]) == 0
    assert set(capsys.readouterr().err.splitlines()) == {"neurosim: warning: not so good"}
    assert not logging.getLogger("neurosim").handlers


def test_values_are_quoted_short_and_whole_texts_can_be_kept():
    assert quoted("x" * 1000) == f"'{'x' * 75}...'"
    assert quoted("a\nb") == "'a\\nb'"
    assert utf8("a\udcff") == "a\\udcff" and utf8("±") == "±"
    assert pasteable("plain-word") == "plain-word"
