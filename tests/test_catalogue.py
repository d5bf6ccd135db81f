"""A user's own classes: had only of modules that the user named, whatever a file says and whatever is loaded."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurosim.catalogue import NO_IMPORTS, NOT_A_USERS, OUTSIDE, Imports, is_outside, make, outside_name
from neurosim.errors import InputError

HOSTILE = [
    "os:system", "builtins:eval", "builtins:exec", "subprocess:call", "posix:system", "sys:exit", "importlib:import_module",
    "neurosim:compare", "neurosim.catalogue:Imports", "neurosim.feedback.backprop:Backprop", "__main__:x", "numpy:load",
    "numpy.lib:format", "a_users_own.sub:SignSymmetry", "a_users_ow:SignSymmetry", "a_users_own :SignSymmetry",
    "a_users_own: SignSymmetry", "a_users_own:SignSymmetry.teach", "a_users_own:os.system", "a_users_own:SignSymmetry.__init__",
    "a_users_own:SignSymmetry()", "a_users_own:__import__('os')", "a_users_own::SignSymmetry", "a_users_own:os:system",
    ".a_users_own:SignSymmetry", "..os:system", "./a_users_own:SignSymmetry", "a_users_own.py:SignSymmetry", "a_users_own/:x", ":x",
    "a_users_own:", ":", "a_users_own:SignSymmetry\n",
    "\u0061_users_own:S\u0456gnSymmetry", "a_users_own:makedirs", "a_users_own:os",
    "a_users_own:FeedbackPathway", "a_users_own:DataSet", "a_users_own:__builtins__", "a_users_own:__loader__",
    "a_users_own:__dict__", "a_users_own:A_NUMBER", "a_users_own:annotations", "a_users_own:absent",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_what_a_file_may_not_name(name, users_classes):
    """One line, for a module that was named and is loaded as much as for others."""
    imports = Imports([users_classes])
    before = set(sys.modules)
    for known in (imports, NO_IMPORTS):
        with pytest.raises(InputError, match="^scheme ") as caught:
            known.find("scheme", name)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert set(sys.modules) == before


def test_pythons_modules_and_the_packages_are_no_users():
    for module in [*NOT_A_USERS, *(f"{name}.path" for name in NOT_A_USERS)]:
        with pytest.raises(InputError, match="belongs to Python or to neurosim"):
            Imports([module])


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@example("os:system")
def test_no_text_finds_anything_that_was_not_named(text):
    with pytest.raises(InputError) as caught:
        NO_IMPORTS.find("rule", text)
    assert "\n" not in str(caught.value)


@given(st.from_regex(OUTSIDE, fullmatch=True))
def test_no_module_is_imported_for_a_name_in_a_file(text):
    before = set(sys.modules)
    with pytest.raises(InputError):
        NO_IMPORTS.find("rule", text)
    assert set(sys.modules) == before


def test_a_module_that_is_loaded_is_not_thereby_named(users_classes):
    Imports([users_classes])
    assert "a_users_own" in sys.modules
    said = r"needs module 'a_users_own', which was not named: expected --import a_users_own .* imports=\['a_users_own'\]"
    with pytest.raises(InputError, match=said):
        NO_IMPORTS.find("scheme", "a_users_own:SignSymmetry")


def test_a_module_by_name_by_path_and_itself_is_one(users_classes, monkeypatch):
    monkeypatch.chdir(users_classes.parent)
    found = [Imports(named) for named in ("a_users_own", ["a_users_own.py"], [users_classes], users_classes)]
    found.append(Imports([sys.modules["a_users_own"]]))
    (same,) = {imports.find("scheme", "a_users_own:SignSymmetry") for imports in found}
    assert same.__module__ == "a_users_own"
    assert str(users_classes.parent) not in sys.path


def test_a_script_is_called_as_its_file_is(tmp_path):
    """Classes of the script that runs can be had again by its name, and naming the script does not run it twice."""
    script = tmp_path / "a_users_script.py"
    script.write_text(
        "from neurosim.catalogue import Imports, outside_name\n"
        "class Mine: pass\n"
        "print(outside_name(Mine), Imports([__file__]).find('x', 'a_users_script:Mine') is Mine)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stdout == "a_users_script:Mine True\n", done.stderr


def test_a_file_may_not_take_anothers_name(users_module, tmp_path):
    for name in ("pytest", "numpy", "random", "neurosim"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit")
        loaded = sys.modules.get(name)
        with pytest.raises(InputError, match="another module is called|belongs to Python or to neurosim"):
            Imports([tmp_path / f"{name}.py"])
        assert sys.modules.get(name) is loaded
    first = users_module("class A: pass")
    Imports([first])
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / first.name).write_text("class A: pass")
    with pytest.raises(InputError, match="another module is called 'a_users_own'"):
        Imports([tmp_path / "sub" / first.name])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('two\\nlines')", r"ValueError: two\nlines"),
        ("import absent_module_x", "No module named 'absent_module_x'"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_is_one_line_and_is_not_kept(text, said, users_module):
    path = users_module(text)
    for named in (path, str(path)):
        with pytest.raises(InputError, match="cannot be imported") as caught:
            Imports([named])
        assert said in str(caught.value) and "\n" not in str(caught.value)
    assert "a_users_own" not in sys.modules


@pytest.mark.parametrize("named", ["absent_x", "absent_x.py", "no/such/file.py", "a b", "", "-x", ".mine", "mine.", "1a", "a-b.py"])
def test_names_and_paths_that_are_none(named):
    with pytest.raises(InputError) as caught:
        Imports([named])
    assert "\n" not in str(caught.value) and repr(named)[1:-1] in str(caught.value)


def test_objects_given_in_python_are_stated_by_module_and_name(users_classes):
    module = Imports([users_classes]).modules["a_users_own"]
    imports = Imports()
    assert imports.state(module.SignSymmetry) == "a_users_own:SignSymmetry"
    assert imports.find("scheme", "a_users_own:SignSymmetry") is module.SignSymmetry
    with pytest.raises(InputError, match="not named"):
        imports.find("scheme", "a_users_own:Softplus")  # of the same module, and not given
    local = types.new_class("SignSymmetry")
    local.__module__ = "a_users_own"
    with pytest.raises(InputError, match="two different objects have this name"):
        imports.state(local)


def test_needed_modules_come_with_a_digest_of_their_text(users_module):
    path = users_module("class A: pass")
    contents = {"stages": [{"scheme": "a_users_own:A", "options": {"x": "numpy:load", "y": "12:30"}}]}
    first = Imports([path]).needed(contents)
    assert list(first) == ["a_users_own"] and len(first["a_users_own"]) == 16
    path.write_text("class A: x = 1")
    assert Imports([path]).needed(contents) != first
    assert Imports([path]).needed({"scheme": "backprop"}) == {} and NO_IMPORTS.needed(contents) == {}


def test_what_is_written_as_module_and_name():
    assert is_outside("a.b:C") and not any(map(is_outside, ("digits", "dw = a:b", "C:/data.npz", "C:\\x.npz", "a/b:c", None)))
    assert outside_name(Path) == "pathlib:Path" and os.sep == "/"


def test_a_class_that_is_changed_is_made_as_it_is_now():
    class Rule:
        def __init__(self, rate=1):
            self.rate = rate

    assert make("rule", {"mine": Rule}, "mine", {"rate": 2}).rate == 2

    def changed(self, speed):
        self.rate = speed

    Rule.__init__ = changed
    assert make("rule", {"mine": Rule}, "mine", {"speed": 3}).rate == 3
    with pytest.raises(InputError, match="'speed', which has no default"):
        make("rule", {"mine": Rule}, "mine")
