"""``--help``: what it says of every command, in narrow terminals too; and what the shell completes."""

import shlex

import pytest
import typer

from neurosim.analysis.exports import FORMATS
from neurosim.backends import NAMES
from neurosim.cli import completion, main
from neurosim.cli.main import COMMANDS, app
from neurosim.datasets import names
from neurosim.feedback import pathways
from neurosim.plasticity import rules

PROGRAM = typer.main.get_command(app)
ALL = ["", *COMMANDS]


@pytest.fixture
def helped(capsys, monkeypatch):
    def command(name, width=80, flag="--help"):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main([*name.split(), flag]) == 0
        return capsys.readouterr().out

    return command


@pytest.mark.parametrize("name", ALL)
def test_help_fits_any_width_and_says_the_same_in_all(name, helped):
    words = {width: "".join(helped(name, width).split()) for width in (60, 80, 120)}  # lines may break at a hyphen
    assert words[60] == words[80] == words[120]
    for width in (60, 80, 120):
        assert max(map(len, helped(name, width).splitlines())) <= width
    assert helped(name, flag="-h") == helped(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_no_types_and_no_value_of_a_flag(name, helped):
    said = helped(name)
    assert not [noise for noise in ("<bool>", "<str>", "<path>", "[default", "BOOLEAN", "TEXT") if noise in said]
    for param in PROGRAM.commands[name].params:
        assert param.metavar or param.is_flag, param.name
        assert param.help and param.help.endswith(".")


@pytest.mark.parametrize("name", ALL)
def test_every_example_is_a_command_whose_options_there_are(name, helped):
    said = helped(name).partition("Examples:\n")[2].partition("\n\n")[0].replace("\\\n", "").splitlines()
    assert said
    for line in said:
        first, command, *words = shlex.split(line.partition("|")[0])
        assert first == "neurosim" and command in COMMANDS
        PROGRAM.commands[command].make_context(command, words, resilient_parsing=True)


@pytest.mark.parametrize("name", ["compare", "study", "check"])
def test_schemes_are_listed_where_one_may_be_given(name, helped):
    listed = helped(name, 60).partition("Schemes:")[2].replace("\n", " ")
    assert [word.strip() for word in listed.split(",")] == list(completion.schemes())


# ---------------------------------------------------------------------- completion


def test_names_that_are_offered_are_those_that_there_are():
    assert sorted(completion.schemes()) == sorted(pathways())
    assert set(completion.rules()) == {name for name, make in rules().items() if not isinstance(make, type)}  # equations
    assert sorted(completion.data_sets()) == sorted(names())
    assert completion.backends() == NAMES
    assert sorted(completion.export_format("")) == sorted(FORMATS)


COMPLETED = [
    ("neurosim com", {"compare"}),
    ("neurosim run dtp", {"dtp-mnist", "dtp-fixed-mnist"}),
    ("neurosim run min", {"mine.toml"}),
    ("neurosim run compare", set()),
    ("neurosim study compare", {"compare", "compare-lif"}),
    ("neurosim compare --file c", {"compare", "compare-lif"}),
    ("neurosim compare --neurons ", {"lif"}),
    ("neurosim compare --file dtp", set()),
    ("neurosim compare --schemes backprop,fro", {"backprop,frozen"}),
    ("neurosim compare --schemes frozen,fro", set()),
    ("neurosim compare --data ku", {"kuzushiji-mnist"}),
    ("neurosim run dtp-mnist --backend cu", {"cupy", "cupy-tf32"}),
    ("neurosim export r.h5 --to n", {"npz", "nwb"}),
    ("neurosim check oj", {"oja"}),
    ("neurosim check lo", {"local.h5", "local_errors", "local_difference_reconstruction"}),
    ("neurosim check fol", {"folder/"}),
    ("neurosim run x --over", {"--overwrite"}),
    ("neurosim watch loc", set()),  # the shell's own files
    ("neurosim report ", set()),
]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("mine.toml", "local.h5", ".hidden.h5"):
        (tmp_path / name).touch()


@pytest.mark.parametrize(("line", "offered"), COMPLETED, ids=[line for line, _ in COMPLETED])
def test_tab_completes_names(line, offered, files, monkeypatch, capsys):
    words = line.split(" ")
    for name, value in {"_NEUROSIM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as left:
        main([])
    assert not left.value.code
    assert set(capsys.readouterr().out.split()) == offered
