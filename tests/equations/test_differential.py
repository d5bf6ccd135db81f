"""Neuron equations are read through a white list; Brian2 is handed what was read."""

import subprocess
import sys

import pytest

from neurosim.equations.differential import read
from neurosim.errors import InputError
from neurosim.neurons import Equations

LIF = "dv/dt = (drive - v) / tau : 1"
HOSTILE = [
    "__import__('os').system('touch /tmp/x')", "f('__import__')", "exp('1')", "v.__class__", "v[0]", "[v]", "{v}", "lambda: v",
    "(v := 1)", "v if v else v", "exp(x=v)", "exp(*v)", "f'{v}'", "v; v", "1 < v < 2", "v @ v", "~v", "v << 1", "eval(v)", "rand()",
    "open(v)", "v\u00b2", "0x10", "1j", "`v`", "v ** 'a'", "exec(v)", "Quantity(v)", "xi", "t", "lastspike", "not_refractory",
]  # fmt: skip


@pytest.mark.parametrize("part", ["equation", "subexpression", "threshold", "reset", "refractory", "start"])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_may_not_be_written(part, text, monkeypatch):
    """One line, before Brian2 is asked; nothing is imported for it."""
    monkeypatch.setattr("neurosim.neurons.equations.compile_neurons", lambda *_: pytest.fail("Brian2 has seen it"))
    options = {"equations": LIF, "threshold": "v > 1", "reset": "v = 0", "tau": "10*ms"}
    if part == "equation":
        options["equations"] = f"dv/dt = (drive - v + {text}) / tau : 1"
    elif part == "subexpression":
        options["equations"] = f"dv/dt = (I - v) / tau : 1\nI = {text} : 1"
    elif part == "start":
        monkeypatch.undo()
        options["start"] = {"v": text}
    else:
        options[part] = {"threshold": f"v > {text}", "reset": f"v = {text}", "refractory": text}[part]
    with pytest.raises(InputError, match="^neurons 'equations': ") as caught:
        Equations(**options)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"equations": "dv/dt = (drive - v) / tau"}, "its unit is missing"),
        ({"equations": "v' = -v / tau : 1"}, "expected the form"),
        ({"equations": "dv/dt = -v / tau : banana"}, "unit: name 'banana' is no unit"),
        ({"equations": f"{LIF} (unless_refractory)"}, "expected the form|has no place"),
        ({"equations": f"{LIF} (shared)"}, "flag 'shared' has no place"),
        ({"equations": f"{LIF}\n{LIF}"}, "'v' is there twice"),
        ({"equations": f"{LIF}\ndmV/dt = -mV / tau : 1"}, "name 'mV' has a meaning of its own"),
        ({"equations": f"{LIF}\ndrive = 3 * v : 1"}, "'drive' is what neurons are given"),
        ({"equations": "v = drive / tau * second : 1"}, "none is a differential equation"),
        ({"equations": ""}, "expected text"),
        ({"equations": 3}, "expected text"),
        ({"equations": "dv/dt = (drve - v) / tau : 1"}, "variable 'drve' is unknown"),
        ({"equations": "dv/dt = sine(v) / tau : 1"}, "function 'sine' is unknown.* did you mean 'sin'"),
        ({"equations": "dv/dt = (drive - v) / tau : volt"}, "units do not match"),
        ({"equations": "dv/dt = drive - v / tau : 1"}, "units do not match"),
        ({"threshold": "v > 1*mV"}, "units do not match"),
        ({"threshold": "v"}, "cannot take|boolean"),
        ({"reset": "v = 1*mV"}, "units do not match"),
        ({"reset": "u = 0"}, "variable 'u' is unknown"),
        ({"reset": "tau = 0"}, "variable 'tau' is unknown"),
        ({"reset": "v"}, "expected an assignment"),
        ({"reset": ""}, "assignments"),
        ({"refractory": "-2*ms"}, "negative"),
        ({"refractory": "2*mV"}, "no time"),
        ({"method": "exact", "equations": "dv/dt = (drive - v**2) / tau : 1"}, "method 'exact' cannot integrate .* linear"),
        ({"method": "eulr"}, "expected one of exact"),
        ({"unused": 3}, "constant 'unused' does not occur"),
        ({"tau": "10*mss"}, "constant tau"),
        ({"v": 3}, "constant 'v' is a variable"),
        ({"start": {"u": 1}}, "variable 'u' is unknown"),
        ({"start": {"v": "1*mV"}}, "expected a value in its own unit"),
        ({"surrogate": "square"}, "surrogate 'square' is unknown"),
    ],
)
def test_faults_are_one_line(changed, said):
    options = {"equations": LIF, "threshold": "v > 1", "reset": "v = 0", "tau": "10*ms"} | changed
    with pytest.raises(InputError, match=said) as caught:
        Equations(**options)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_formula_may_go_on_in_the_next_line_and_comments_are_left_out():
    written = "dv/dt = (drive   # the input\n  - v) / tau : 1  # dimensionless\n\nw : amp (constant)"
    text = read(written, "v > 1", "v = 0; w = 2*nA", None, ["tau"])
    assert [line.text for line in text.lines] == ["dv/dt = (drive - v) / tau : 1", "w : amp (constant)", "drive : 1"]
    assert text.states == ("v", "w") and text.has_drive


def test_brian2_takes_nothing_over_and_runs_no_file(tmp_path):
    """Its import, the first time equations are made, leaves ctrl-C to us, works in a thread, and reads no preferences."""
    script = (
        "import signal, sys, threading\n"
        "import neurosim.neurons as n, neurosim.network, neurosim.training\n"
        "assert 'brian2' not in sys.modules\n"
        "before = signal.getsignal(signal.SIGINT), sys.excepthook\n"
        "made = []\n"
        "thread = threading.Thread(target=lambda: made.append(n.neurons('lif')))\n"
        "thread.start(); thread.join()\n"
        "assert made and 'brian2' in sys.modules\n"
        "assert (signal.getsignal(signal.SIGINT), sys.excepthook) == before\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "brian_preferences").write_text("codegen.target = __import__('pathlib').Path('here').touch()")
    script = "import neurosim.neurons as n\nn.neurons('lif')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert "would run its text as Python" in done.stderr and not (tmp_path / "here").exists()
