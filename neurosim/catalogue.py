"""Finding classes: the package's by walking it, a user's in modules that the user named; and the options they were made with."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import inspect
import math
import numbers
import os
import pickle
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from neurosim import reprs
from neurosim.errors import InputError, UnknownNameError, meant, quoted, require, require_number

T = TypeVar("T")

KINDS: dict[str, tuple[Any, str]] = {  # by their annotation: what fits, in Python and in words
    "float": (numbers.Real, "a number"),
    "int": (numbers.Real, "a number"),
    "bool": (bool | np.bool_, "True or False"),
    "None": (type(None), "None"),
    "Mapping": (Mapping, "a dictionary"),
    "Sequence": (Iterable, "a list"),
}


class Stated:
    """Remembers the options an object was made with, so that a run file can state how to make it again."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return reprs.making(self, *vars(self).get("_given", ((), {})))

    def options(self) -> dict[str, Any]:
        """Return the options that make this object again, by name; those left at their defaults may not be there."""
        if dataclasses.is_dataclass(self):
            return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        args, options = vars(self).get("_given", ((), {}))
        signature = signature_of(type(self))
        found: dict[str, Any] = {}
        for name, value in signature.bind(*args, **options).arguments.items():
            found = value | found if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD else found | {name: value}
        return found


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def remember(self: Any, /, *args: Any, **options: Any) -> None:
        outermost = "_given" not in vars(self)  # that of the class itself; those above it are called from there
        vars(self).setdefault("_given", (args, options))
        try:
            init(self, *args, **options)  # a class's own message says more
        except (TypeError, OverflowError):
            _check_options(self, init, args, options)
            raise
        if outermost:
            _check_options(self, init, args, options)

    return remember


def _check_options(made: Any, init: Callable[..., None], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Raise InputError where one of the package's own classes is given something else than it annotates."""
    if type(made).__module__.partition(".")[0] != __name__.partition(".")[0]:
        return
    signature = _signature(init, None)
    try:
        given = signature.bind(made, *args, **options).arguments
    except TypeError:  # Python says it better
        return
    owner = getattr(made, "name", type(made).__name__)
    for name, value in given.items():
        parameter = signature.parameters[name]
        kinds = [kind.partition("[")[0] for kind in str(parameter.annotation).split(" | ")]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD or not set(kinds) <= KINDS.keys():
            continue
        if not any(isinstance(value, KINDS[kind][0]) for kind in kinds) or isinstance(value, str):
            words = " or ".join(KINDS[kind][1] for kind in kinds)
            raise InputError(f"{owner}: {name} {quoted(value)}: expected {words}; give one, or leave {name} out")
        if isinstance(value, numbers.Real):
            require_number(owner, name, value, 1)
            said = f"{owner}: {name} {quoted(value)}: expected a finite number; give one, or leave {name} out"
            require(math.isfinite(value) or value == parameter.default, said)


def signature_of(cls: type) -> inspect.Signature:
    """Return what a class is made with, as it is now."""
    return _signature(cls, cls.__init__)  # type: ignore[misc] # whichever that is


@functools.lru_cache(maxsize=1024)  # to read one takes longer than to make a population
def _signature(made: Any, init: Any) -> inspect.Signature:
    return inspect.signature(made)


def concrete(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """Return the concrete subclasses of ``base`` defined in ``package``'s modules, by their ``name`` attribute."""
    return dict(_walk(package, base))  # type: ignore[arg-type] # a class is hashable


@functools.cache  # each population and projection looks names up, and the package's modules stay as they are
def _walk(package: ModuleType, base: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for _, value in inspect.getmembers(module, inspect.isclass):
            if value.__module__ == module.__name__ and issubclass(value, base) and not inspect.isabstract(value):
                found[value.name] = value  # type: ignore[attr-defined]
    return dict(sorted(found.items()))


def make(kind: str, classes: dict[str, type[T]], name: str, options: dict[str, Any] | None = None) -> T:
    """Return ``classes[name](**options)``.

    Raises
    ------
    UnknownNameError
        ``name``, or one of the options, is unknown; the message lists what is known.
    InputError
        An option without a default is not there.
    """
    if name not in classes:
        raise UnknownNameError(kind, name, classes)
    options = options or {}
    parameters = signature_of(classes[name]).parameters
    known = list(parameters)
    for option in options:
        if option not in known and not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            raise UnknownNameError(f"{kind} {name}: option", option, known or ["(none)"])
    for one in parameters.values():
        there = one.name in options or one.default is not one.empty or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        require(there, f"{kind} {name!r}: expected its option {one.name!r}, which has no default; give one")
    return classes[name](**options)


# ---------------------------------------------------------------------- a user's own

WORD = "[A-Za-z_][A-Za-z0-9_]*"
MODULE = re.compile(rf"{WORD}(?:\.{WORD})*")
OUTSIDE = re.compile(rf"({WORD}(?:\.{WORD})*):({WORD})")  # module:name, the name at the top of its module
Module = str | os.PathLike[str] | ModuleType
Named = Module | Iterable[Module]
NOT_A_USERS = sys.stdlib_module_names | {"neurosim", "__main__"}  # no file needs one of these


class Imports:
    """The modules that the user named: they, and no others, give what a file calls ``module:name``.

    The text of a file may be a stranger's.  A module that nobody named is not imported, and is not looked at where it is loaded
    already.  Of a module that was named only what it defines itself can be had, by its name at the top of the module.

    named : names of modules, paths of ``.py`` files, or modules; their code runs here, once

    Raises InputError where one cannot be imported, or is a part of Python or of this package.
    """

    def __init__(self, named: Named = ()) -> None:
        given = [named] if isinstance(named, str | os.PathLike | ModuleType) else list(named)
        modules = [_imported(one) for one in given]
        self.modules = {_name_of(module): module for module in modules}
        self.places = [_place(*pair) for pair in zip(given, modules, strict=True)]
        self.objects: dict[str, Any] = {}
        self.digests: dict[str, str] = {}  # of modules that are in another process alone

    def __repr__(self) -> str:
        return reprs.call("Imports", [list(self.modules)])

    def state(self, made: Any) -> str:
        """Return ``module:name`` of a class or function that the user gave itself, in Python; ``find`` finds it from now on."""
        name = outside_name(made)
        same = self.objects.setdefault(name, made) is made
        require(same, f"{name}: two different objects have this name: expected one of each name; rename one")
        return name

    def find(self, kind: str, name: str) -> Any:
        """Return what ``name``, ``module:name``, stands for.

        Raises InputError where it is no such text, its module was not named by the user, or does not define it.
        """
        if name in self.objects:
            return self.objects[name]
        parts = OUTSIDE.fullmatch(name)
        label = f"{kind} {quoted(name)}"
        if parts is None:
            raise InputError(f"{label}: expected module:Class, of a class at the top of a module; change it")
        module = parts[1]
        where = f"{label}: made in a notebook or a console: expected a class of a module; put it into a .py file, and compare again"
        require(module != "__main__", where)
        ours = module.partition(".")[0] in NOT_A_USERS
        require(not ours, f"{label}: it belongs to Python or to neurosim: expected a module of your own; do not trust the file")
        require(
            module in self.modules,
            f"{label}: needs module {module!r}, which was not named: expected --import {module} (or the path of its file), "
            f"in Python imports=[{module!r}]; name it if you trust its code, which will run",
        )
        value = vars(self.modules[module]).get(parts[2])
        place = str(getattr(value, "__module__", ""))
        defined = place == self.modules[module].__name__ or place.startswith(f"{module}.")
        what = f"{label}: module {module!r} has none of this name"
        require(callable(value) and defined, f"{what}: expected a class or function that it defines; correct the name")
        return value

    def needed(self, contents: Any) -> dict[str, str]:
        """Return the modules that the texts in ``contents`` name, each with a digest of its file's text ("" without a file)."""
        names = {parts[1] for text in texts_in(contents) if text in self.objects or OUTSIDE.fullmatch(text)
                 if (parts := re.fullmatch("(.*?):.*", text))}  # fmt: skip
        known = self._digests()
        return {name: known[name] for name in sorted(names) if name in known}

    def _digests(self) -> dict[str, str]:
        places = {name.partition(":")[0]: sys.modules.get(made.__module__) for name, made in self.objects.items()} | self.modules
        return {name: _digest(module) for name, module in places.items()} | self.digests

    # another process imports the modules again, and is sent the objects themselves, since it may not have theirs

    def __getstate__(self) -> dict[str, Any]:
        return {"modules": self.places, "objects": self._pickled(), "digests": self._digests()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["modules"])  # type: ignore[misc]
        self.objects, self.digests = pickle.loads(state["objects"]), dict(state["digests"])

    def _pickled(self) -> bytes:
        """Return the objects as bytes; raise InputError where one holds what no other process can have, as an open file."""
        import cloudpickle

        theirs = {made.__module__ for made in self.objects.values() if made.__module__.partition(".")[0] not in NOT_A_USERS}
        modules = [sys.modules[name] for name in sorted(theirs) if name in sys.modules]
        with ExitStack() as stack:
            for module in modules:
                if module.__name__ not in cloudpickle.list_registry_pickle_by_value():
                    cloudpickle.register_pickle_by_value(module)
                    stack.callback(cloudpickle.unregister_pickle_by_value, module)
            try:
                return bytes(cloudpickle.dumps(self.objects))
            except Exception as cause:
                said = f"{', '.join(self.objects)}: cannot be sent to worker processes ({quoted(str(cause))[1:-1]})"
                raise InputError(f"{said}: expected a class of a module; name it module:Class, with imports=[...]") from cause


def is_outside(name: object) -> bool:
    """Return whether ``name`` is written as ``module:name``."""
    return isinstance(name, str) and OUTSIDE.fullmatch(name) is not None


def outside_name(made: Any) -> str:
    """Return ``module:name`` of a class or a function; a script's module is called as its file is."""
    module = sys.modules.get(made.__module__)
    return f"{_name_of(module) if module is not None else made.__module__}:{made.__qualname__}"


def _name_of(module: ModuleType) -> str:
    script = getattr(module, "__file__", None)
    return Path(script).stem if module.__name__ == "__main__" and script else module.__name__


def _place(named: Module, module: ModuleType) -> str:
    """Return what ``Imports`` finds a module by in another process: its name, where that was given, or the path of its file."""
    if named == module.__name__:
        return module.__name__
    file = Path(getattr(module, "__file__", None) or os.devnull)
    return str(file.resolve()) if file.stem == _name_of(module) else module.__name__


def _imported(named: Module) -> ModuleType:
    if isinstance(named, ModuleType):
        _check_users(named.__name__ if named.__name__ != "__main__" else _name_of(named), quoted(named.__name__))
        return named
    text = os.fspath(named)
    if text.endswith(".py") or os.sep in text:
        return _from_file(Path(text))
    label = f"module {quoted(text)}"
    require(MODULE.fullmatch(text) is not None, f"{label}: expected a name such as mine, or a path such as mine.py; change it")
    _check_users(text, label)
    with _beside(Path.cwd()), _code_of_others(label):
        return importlib.import_module(text)


def _check_users(name: str, label: str) -> None:
    theirs = name.partition(".")[0] not in NOT_A_USERS
    require(theirs, f"{label}: it belongs to Python or to neurosim: expected a module of your own; name that, or rename it")


def _from_file(path: Path) -> ModuleType:
    """Return the module of a ``.py`` file, called as the file is."""
    name, label = path.stem, f"module {quoted(str(path))}"
    if not path.is_file():
        raise InputError(f"{label}: no such file: expected a .py file, or a module's name; check the path{meant(path)}")
    fits = path.suffix == ".py" and re.fullmatch(WORD, name) is not None
    require(fits, f"{label}: expected a .py file whose name is a word of letters, digits and underscores; rename it")
    path = path.resolve()
    for known in (sys.modules.get("__main__"), sys.modules.get(name)):
        if known is not None and Path(getattr(known, "__file__", None) or os.devnull).resolve() == path:
            return known
    _check_users(name, label)
    with _beside(path.parent), _code_of_others(label):
        other = sys.modules.get(name) or importlib.util.find_spec(name)
        where = getattr(other, "__file__", None) or getattr(other, "origin", None) or name
        free = other is None or Path(where).resolve() == path
        require(free, f"{label}: another module is called {name!r} ({where}): expected a name of its own; rename the file")
        return importlib.import_module(name)


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let modules of ``folder`` be found too, after all others, so that none of them hides a library."""
    sys.path.append(str(folder))
    importlib.invalidate_caches()  # the file may have been written a moment ago
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _code_of_others(label: str) -> Iterator[None]:
    """Turn whatever a user's module raises into one line."""
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as cause:
        why = f"{type(cause).__name__}: {quoted(str(cause))[1:-1]}"
        raise InputError(f"{label}: cannot be imported ({why}): expected a module that can be; correct it") from cause


def _digest(module: ModuleType | None) -> str:
    file = getattr(module, "__file__", None)
    try:
        return hashlib.blake2b(Path(file).read_bytes(), digest_size=8).hexdigest() if file else ""
    except OSError:
        return ""


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text within lists and dictionaries."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_in(one)


NO_IMPORTS = Imports()
