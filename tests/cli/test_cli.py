"""The command line: what it prints, how it leaves, and what it leaves behind."""

import csv
import gzip
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime

import numpy as np
import pytest

from neurosim.cli import main
from neurosim.runfile import Run

SMALL = ["--data", "digits", "--set", "network.hidden=[16]", "--set", "data.limit=300", "--set", "data.validation=0"]
RUN = ["run", "backprop-dtp-mnist", *SMALL]
PROGRAM = [sys.executable, "-m", "neurosim"]
ENVIRONMENT = os.environ | {"OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture
def refused(capsys, tmp_path):
    """Return a function that runs a command, asserts one line on stderr, status 2 and nothing written; gives the line back."""

    def command(*arguments):
        before = sorted(tmp_path.rglob("*"))
        assert main([str(argument) for argument in arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and error.startswith("neurosim: "), error
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return command


# ---------------------------------------------------------------------- run


def test_run_prints_the_test_error_last_and_writes_one_file(capsys, tmp_path):
    assert main([*RUN, "--epochs", "2", "--out", "a/b.h5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    run = Run("a/b.h5")
    assert lines[-1] == f"test error {run.metrics.loc['test', 'error'].iloc[-1]:.2f} %"
    assert [line for line in lines if line.startswith("epoch 2/2")]
    assert any("300 training, 500 test samples" in line for line in lines)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.h5"]


def test_quiet_prints_the_test_error_alone(capsys):
    assert main([*RUN, "--epochs", "1", "--quiet", "--out", "r.h5"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_run_goes_to_a_folder_of_its_own_by_default(tmp_path):
    assert main([*RUN, "--epochs", "1", "--quiet"]) == 0
    assert [path.name for path in tmp_path.glob("neurosim-runs/backprop-dtp-mnist-*/*")] == ["backprop-dtp-mnist.h5"]


class Frozen(datetime):
    """A clock that stands still: all commands start in one second."""

    @classmethod
    def now(cls, zone=None):
        return cls(2026, 11, 25, 20, 51, 5)


def test_commands_of_one_second_have_folders_of_their_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("neurosim.experiments.folders.datetime", Frozen)
    for seed in ("1", "2", "3"):
        assert main([*RUN, "--epochs", "1", "--quiet", "--seed", seed]) == 0
    for seed in ("1", "2"):
        assert main(["compare", "--schemes", "frozen", "--epochs", "1", "--quiet", "--seed", seed]) == 0
    written = {path.relative_to(tmp_path / "neurosim-runs").as_posix() for path in tmp_path.rglob("*.h5")}
    run, compared = "backprop-dtp-mnist-20261125-205105", "compare-20261125-205105"
    assert written == {
        *(f"{run}{end}/backprop-dtp-mnist.h5" for end in ("", "-2", "-3")),
        f"{compared}/frozen-seed1.h5",
        f"{compared}-2/frozen-seed2.h5",
    }


def test_a_folder_that_cannot_be_made_is_told(refused, tmp_path):
    (tmp_path / "neurosim-runs").write_text("a file")
    assert "folder neurosim-runs/backprop-dtp-mnist-" in refused(*RUN) and "--out" in refused(*RUN)


@pytest.mark.slow
def test_processes_that_start_together_lose_nothing(tmp_path):
    command = [*PROGRAM, *RUN, "--epochs", "1", "--quiet", "--seed"]
    processes = [subprocess.Popen([*command, str(seed)], env=ENVIRONMENT) for seed in range(1, 7)]
    assert [process.wait() for process in processes] == [0] * 6
    runs = [Run(path) for path in tmp_path.rglob("*.h5")]
    assert sorted(run.attributes["seed"] for run in runs) == [1, 2, 3, 4, 5, 6]
    assert {run.status for run in runs} == {"complete"}


def test_a_model_file_of_ones_own(capsys, tmp_path):
    (tmp_path / "mine.toml").write_text('title = "mine"\nextends = "backprop-dtp-mnist"\n[network]\nhidden = [8]\n')
    assert main(["run", "mine.toml", "--data", "digits", "--epochs", "1", "--out", "m.h5"]) == 0
    assert capsys.readouterr().out.startswith("mine\n")


def test_seed_and_settings_reach_the_file():
    assert main([*RUN, "--epochs", "1", "--seed", "9", "--quiet", "--backend", "numpy", "--out", "r.h5"]) == 0
    run = Run("r.h5")
    assert run.attributes["seed"] == 9 and run.attributes["backend"] == "numpy"
    assert 'name = "digits"' in run.model and "epochs = 1" in run.model and "extends" not in run.model


BAD = [
    (["run", "dtp-mnits"], "model 'dtp-mnits' is unknown.*did you mean 'dtp-mnist'"),
    (["run", "absent.toml"], "model file 'absent.toml': no such file"),
    (["run"], "no model given"),
    (["run", "compare"], "a comparison file, not a model"),
    ([*RUN, "--set", "stages.0.scheme=bakprop"], "scheme 'bakprop' is unknown.*did you mean 'backprop'"),
    ([*RUN, "--set", "stages.0.epoch=1"], "key 'epoch' is unknown.*did you mean 'epochs'"),
    ([*RUN, "--record", "hiden1.rate"], "'hiden1.rate' is unknown.*did you mean 'hidden1.rate'"),
    ([*RUN, "--set", "epochs"], "expected key.path=value"),
    ([*RUN, "--set", "stages.0.optimiser.learning_rate=-0.1"], "learning_rate -0.1 is not a number of 0 or more"),
    ([*RUN, "--set", "stages.0.batch=0"], "batch 0: expected 1 or more"),
    ([*RUN, "--set", "stages.0.batch=301"], "batch 301 exceeds the 300 training samples"),
    ([*RUN, "--epochs", "0"], "--epochs 0: expected a whole number, 1 or more"),
    ([*RUN, "--epochs", "many"], "--epochs many: expected a whole number"),
    ([*RUN, "--seed", "-1"], "--seed -1: expected a whole number, 0 or more"),
    ([*RUN, "--data", "digts"], "data set 'digts' is unknown.*did you mean 'digits'"),
    ([*RUN, "--data", "mnist", "--data-dir", "absent"], "data folder absent: no such folder.*--data-dir"),
    ([*RUN, "--backend", "cuda"], "backend 'cuda' is unknown"),
    ([*RUN, "--resume"], "no file to resume"),
    ([*RUN, "--resume", "--out", "absent.h5"], "run file absent.h5: no such file"),
    ([*RUN, "--resume", "--overwrite", "--out", "r.h5"], "only one of the two"),
    (["run", "hsic-mnist-format", "--data", "digits", "--epochs", "3"], "2 stages.*--set stages.0.epochs"),
    (["compare", "--schemes", "bakprop"], "row 'bakprop' is unknown.*did you mean 'backprop'"),
    (["compare", "--file", "dtp-mnist"], "a model file, not a comparison"),
    (["compare", "--seeds", "0"], "--seeds"),
    (["compare", "--resume"], "no folder to resume"),
    (["compare", "--resume", "--out", "absent"], "folder absent: no such folder"),
    (["compare", "--resume", "--out", "."], "folder .: holds no comparison.toml"),
    (["compare", "--resume", "--overwrite", "--out", "."], "only one of the two"),
    (["compare", "--resume", "--out", ".", "--record", "hidden1.rate"], "continues as it was started"),
    (["compare", "--epochs", "-1"], "--epochs -1: expected a whole number, 1 or more"),
    (["show", "dtp"], "model 'dtp' is unknown"),
    (["bogus"], "command 'bogus' is unknown: expected one of analyse, check, compare, "),
    (["compar"], "command 'compar' is unknown: .*; did you mean 'compare'"),
    (["run", "--bogus"], "run: option '--bogus' is unknown: expected one of --alignment, "),
    (["--verison"], "option '--verison' is unknown: .*; did you mean '--version'"),
    (["run", "x", "--sede", "3"], "run: option '--sede' is unknown: .*; did you mean '--seed'"),
    (["run", "x", "--seed"], "run: Option '--seed' requires an argument; neurosim run --help"),
    (["show"], "show: MODEL is missing: expected a name that `neurosim models` lists, or the path of a model file or a run file"),
    (["watch", "a", "b"], "watch: Got unexpected extra argument.*neurosim watch --help"),
    (["watch", "a", "--every", "0"], "--every 0: expected seconds, from 0.1 to 86400"),
]


@pytest.mark.parametrize(("command", "said"), BAD, ids=[" ".join(command[-3:]) for command, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(command, said, refused):
    assert re.search(said, refused(*command))


def test_cupy_without_a_device_is_told(refused):
    from neurosim.backends import select
    from neurosim.errors import BackendError

    try:
        select("cupy")
    except BackendError:
        assert "no CUDA device answers" in refused(*RUN, "--backend", "cupy")
    else:
        pytest.skip("a CUDA device answers")


def idx(folder, name, values):
    head = bytes([0, 0, 8, values.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in values.shape)
    (folder / f"{name}.gz").write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


def test_a_damaged_idx_file_is_told(refused, tmp_path):
    for part in ("train", "t10k"):
        idx(tmp_path, f"{part}-images-idx3-ubyte", np.zeros((20, 28, 28)))
        idx(tmp_path, f"{part}-labels-idx1-ubyte", np.zeros(20))
    whole = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    assert "train-images-idx3-ubyte.gz" in refused(*RUN, "--data", "mnist", "--data-dir", tmp_path)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.full((50, 28, 28), np.nan, np.float32), np.zeros(50), "image 0 holds nan"),
        (np.zeros((50, 28, 28), np.float32), np.full(50, 11), "label 11 of image 0: expected 0 to 9"),
        (np.zeros((0, 28, 28), np.float32), np.zeros(0), "0 images"),
    ],
)
def test_bad_data_are_told(x, y, said, refused, tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y.astype(int), x_test=x, y_test=y.astype(int))
    assert said in refused(*RUN, "--data", "mnist", "--data-dir", tmp_path)


def test_an_existing_file_is_kept_unless_told_otherwise(refused, tmp_path):
    (tmp_path / "r.h5").write_text("mine")
    assert "exists already" in refused(*RUN, "--out", "r.h5")
    assert (tmp_path / "r.h5").read_text() == "mine"
    assert "batch 0" in refused(*RUN, "--overwrite", "--set", "stages.0.batch=0", "--out", "r.h5")
    assert (tmp_path / "r.h5").read_text() == "mine"
    assert main([*RUN, "--epochs", "1", "--overwrite", "--quiet", "--out", "r.h5"]) == 0
    assert Run("r.h5").status == "complete"


def test_a_traceback_only_when_asked_for(capsys):
    assert main(["run", "absent.toml", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


# ---------------------------------------------------------------------- ends that are no good ends

DIVERGING = ["stages.0.optimiser={name='sgd', learning_rate=1e30}", "network.layer.transfer=relu"]


def test_divergence_is_status_3_and_the_file_opens(capsys):
    settings = [word for setting in DIVERGING for word in ("--set", setting)]
    assert main([*RUN, "--epochs", "3", "--out", "r.h5", *settings]) == 3
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "population '" in captured.err and "at step" in captured.err
    assert "RuntimeWarning" not in captured.err
    assert Run("r.h5").status == "failed"


def started(path, *arguments):
    """Start a real process and wait until it has written its third evaluation."""
    def listen():  # the tests themselves may run in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen([*PROGRAM, *arguments, "--out", str(path)], env=ENVIRONMENT, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, preexec_fn=listen)  # fmt: skip
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            return process
    raise AssertionError(process.stderr.read())


LONG = [*RUN, "--epochs", "60", "--record", "hidden1.rate"]


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "status", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -9, "running")])
def test_a_stopped_process_leaves_a_file_that_resumes_bit_identically(stop, status, said, tmp_path, same_content):
    process = started(tmp_path / "parts.h5", *LONG)
    process.send_signal(stop)
    error = process.communicate()[1]
    assert process.returncode == status
    assert Run("parts.h5").status == said
    assert 1 <= len(Run("parts.h5").metrics.loc["test"]) < 61  # what is printed may still be on its way into the file
    if stop == signal.SIGINT:
        assert error.count("\n") == 1 and "neurosim run --resume --out" in error
    assert main(["run", "--resume", "--quiet", "--out", "parts.h5"]) == 0
    assert main([*LONG, "--quiet", "--out", "whole.h5"]) == 0
    same_content("parts.h5", "whole.h5")


def test_resuming_a_complete_run_prints_its_result(capsys):
    assert main([*RUN, "--epochs", "1", "--quiet", "--out", "r.h5"]) == 0
    first = capsys.readouterr().out
    assert main([*RUN, "--quiet", "--resume", "--out", "r.h5"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == first.splitlines()[-1]


def test_a_complete_run_is_given_more_epochs(refused, capsys, same_content):
    options = [*RUN, "--checkpoint", "every 5 steps", "--quiet"]
    assert main([*options, "--epochs", "1", "--out", "r.h5"]) == 0
    capsys.readouterr()
    assert "epochs 1: 1 are done: expected more; give 2 or more" in refused("run", "--resume", "--epochs", "1", "--out", "r.h5")
    assert main(["run", "--resume", "--epochs", "2", "--out", "r.h5"]) == 0
    printed = capsys.readouterr().out
    assert "epochs   2 in all; 1 were planned, 1 are done" in printed and "epoch 2/2" in printed
    assert main([*options, "--epochs", "2", "--out", "whole.h5"]) == 0
    same_content("whole.h5", "r.h5")
    assert main(["show", "r.h5"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^threads +\d+ of \S+ .* processors$", printed, re.M) and "extended    from 1 to 2 epochs, 1 done" in printed
    assert "a run file: expected no other options" in refused("show", "r.h5", "--recordable")
    assert "continues as it was started" in refused("run", "--resume", "--out", "r.h5", "--checkpoint", "1 epoch")
    assert "interval '3 weeks': expected" in refused(*RUN, "--checkpoint", "3 weeks", "--out", "other.h5")


def test_resuming_with_other_options_is_refused(refused, capsys):
    main([*RUN, "--epochs", "1", "--quiet", "--out", "r.h5"])
    capsys.readouterr()
    assert "--seed 4" in refused("run", "--resume", "--out", "r.h5", "--seed", "4")
    assert "stages.0.batch=5" in refused("run", "--resume", "--out", "r.h5", "--set", "stages.0.batch=5")


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
from neurosim.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot hold room on a disk")
def test_a_full_disk_is_status_3_and_the_file_opens(tmp_path):
    weights = ["--set", "network.hidden=[400]", "--record", "x__hidden1.w"]
    command = [sys.executable, "-c", FULL_DISK, *RUN, *weights, "--epochs", "9", "--out", str(tmp_path / "r.h5")]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1 and "--resume" in done.stderr
    run = Run("r.h5")
    assert run.status == "failed" and 1 <= len(run.metrics.loc["test"]) < 10
    assert main(["run", "--resume", "--quiet", "--out", "r.h5"]) == 0


# ---------------------------------------------------------------------- compare, models, show


def test_compare_prints_a_table_and_writes_its_folder(capsys, tmp_path):
    assert main(["compare", "--schemes", "backprop, frozen", "--epochs", "2", "--seeds", "2", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "±" in printed and "frozen" in printed
    assert printed.splitlines()[-1].startswith("the same on MNIST: neurosim compare --data mnist")
    names = {f"{row}-seed{seed}.h5" for row in ("backprop", "frozen") for seed in (1, 2)}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"table.csv", "report.html", "comparison.toml"}


def test_compare_says_when_there_is_nothing_to_compare_with(capsys):
    assert main(["compare", "--schemes", "frozen", "--epochs", "1", "--quiet", "--out", "out"]) == 0
    assert "backprop is not among the rows" in capsys.readouterr().out


def test_compare_keeps_a_folder_in_use(refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    assert "not empty" in refused("compare", "--out", "out")


def test_a_diverging_row_is_status_3_and_the_others_are_there(capsys):
    settings = ["--set", "rows.frozen.optimiser={name='sgd', learning_rate=1e39}"]
    assert main(["compare", "--schemes", "frozen,backprop", "--epochs", "2", "--out", "out", *settings]) == 3
    captured = capsys.readouterr()
    assert "frozen, seed 1: diverged: population 'output'" in captured.out
    assert "frozen (seed 1) diverged" in captured.err
    with open("out/table.csv", newline="") as file:
        assert [bool(row["test_accuracy"]) for row in csv.DictReader(file)] == [False, True]


def test_models_lists_papers_and_measured_numbers(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "dtp-mnist" in printed and " 1.92 " in printed and "unverified" not in printed


def test_show_tells_what_a_model_is(capsys):
    assert main(["show", "dtp-mnist", "--data", "digits"]) == 0
    printed = capsys.readouterr().out
    for said in ("memory      at most about", "process ", "time        numpy: ", " ms a batch, ", "advice      --backend",
                 "hidden7 (240,) tanh", "dw = eta * error_post * rate_pre", "present -> sweep", "inverse -> forward", "1.92 %",
                 "weight transport: output", "centred_rmsprop(learning_rate=0.0148893490317", "MiB"):  # fmt: skip
        assert said in printed


def test_show_tells_what_rules_remember_of_each_sample(capsys):
    def shown(per_sample):
        rule = f'network.layer.rule={{name="three_factor", per_sample={per_sample}}}'
        assert main(["show", "digits-reward", "--set", rule, "--set", "stages.0.batch=50"]) == 0
        return capsys.readouterr().out

    assert f"traces      at most {50 * 64 * 64 * 4 / 2**20:.2f} MiB of buffers: what rules remember of each of 50" in shown("true")
    assert "traces      at most" not in shown("false")


# ---------------------------------------------------------------------- a light start


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("neurosim ")
    printed = [(main(given), capsys.readouterr().out)[1] for given in ([], ["-h"], ["--help"])]
    assert printed[0] == printed[1] == printed[2] and printed[0].startswith("Usage: neurosim COMMAND")
    for command in ("compare", "models", "run", "show"):
        assert command in printed[0]


LIGHT = [
    "import neurosim; neurosim.__all__",
    "from neurosim.cli import main; main(['run', '--help']); main(['check', '--help'])",
    "from neurosim.cli import completion as c; c.model(''), c.comparison(''), c.data(''), c.several_schemes(''), c.to_check('')",
]


@pytest.mark.parametrize("code", LIGHT)
def test_a_start_loads_nothing_heavy(code):
    heavy = "{'brian2', 'cupy', 'h5py', 'matplotlib', 'llvmlite', 'numpy', 'pandas', 'rich', 'scipy', 'sklearn', 'sympy'}"
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; found = {heavy} & set(sys.modules); assert not found, found"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - begun < 5


def test_public_names_are_all_there():
    import neurosim

    for name in neurosim.__all__:
        assert getattr(neurosim, name) is not None
    assert set(neurosim.__all__) <= set(dir(neurosim))
    with pytest.raises(AttributeError, match="no attribute 'Netwrok'"):
        neurosim.Netwrok  # noqa: B018


def test_neurons_of_a_comparison_are_a_file_s(capsys, tmp_path):
    assert main(["compare", "--neurons", "lfi", "-o", str(tmp_path / "c")]) == 2
    assert "--neurons: neurons 'lfi' is unknown" in capsys.readouterr().err
    assert main(["compare", "--neurons", "lif", "--file", "compare", "-o", str(tmp_path / "c")]) == 2
    assert "--file and --neurons: expected only one of the two" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
