"""What ``--help`` prints, and what is said of a command that was mistyped."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from neurosim.cli.completion import schemes
from neurosim.cli.terminal import is_terminal
from neurosim.errors import UnknownNameError

HEADING = re.compile(r"^( *(?:Usage|Arguments|Options|Commands|Examples|Schemes)):", re.MULTILINE)
OPTION = re.compile(r"^(  (?:-\w, )?--?[\w-]+)", re.MULTILINE)
BaseCommand: Any = TyperCommand if TYPE_CHECKING else object
BOLD, CYAN, PLAIN = "\033[1m", "\033[36m", "\033[0m"


@dataclass(frozen=True)
class Help:
    """What a command's help says beside its docstring and options.

    short : a line in the list of commands; examples : lines that can be pasted, each with what it does or without
    lists_schemes : whether a scheme's name may be given
    """

    short: str
    examples: tuple[str, ...]
    lists_schemes: bool = False

    def epilog(self) -> str:
        """Return the text below the options; lines after a backspace are not joined and filled anew."""
        parts = ["\b\nExamples:", *self.examples]
        text = "\n  ".join(parts)
        if self.lists_schemes:
            names = textwrap.wrap(", ".join(schemes()), 56, break_on_hyphens=False)
            text += "\n\n\b\nSchemes:\n  " + "\n  ".join(names)
        return text


class Plain(BaseCommand):
    """How a command and the program write their help: names without types, headings and options in colour where there is any."""

    def get_help(self, ctx: Any) -> str:
        return _coloured(super().get_help(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return ["[OPTIONS]", *(_name(param) if param.required else f"[{_name(param)}]" for param in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for kind in ("argument", "option"):
            rows = [(_name(param), _meaning(param)) for param in self.get_params(ctx) if param.param_type_name == kind]
            if rows:
                with formatter.section(f"{kind.title()}s"):
                    formatter.write_dl(rows)


class Command(Plain, TyperCommand):
    """A command of the program."""


class Program(Plain, TyperGroup):
    """The program itself, which has commands."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["COMMAND", "[OPTIONS]"]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-") and args[0] not in self.commands:
            raise UnknownNameError("command", args[0], self.commands)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def _name(param: Any) -> str:
    """Return how a parameter is written: ``MODEL``, ``-o, --out FILE``, ``--quiet``."""
    if param.param_type_name == "argument":
        return str(param.metavar)
    value = [] if param.is_flag else [param.metavar]
    return " ".join([", ".join(sorted(param.opts, key=len)), *value])


def _meaning(param: Any) -> str:
    """Return what a parameter is for, and what it is where it is left out."""
    said = getattr(param, "show_default", False)
    default = said if isinstance(said, str) else param.default if isinstance(param.default, str | int | float | Path) else ""
    more = ["(required)"] if param.required else [f"(default: {default})"] if default not in ("", False) else []
    return " ".join([param.help or "", *more])


def _coloured(text: str) -> str:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not is_terminal(sys.stdout):
        return text
    return OPTION.sub(rf"{CYAN}\1{PLAIN}", HEADING.sub(rf"{BOLD}\1:{PLAIN}", text))


def said_of(error: Any, command: str) -> str:
    """Return one of Typer's usage errors, which have no public class, in the words of ours.  command : "" for the program itself"""
    label, program = f"{command}: ".lstrip(": "), f"neurosim {command}".strip()
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    if hasattr(error, "possibilities") and context:
        known = [option for each in context.command.get_params(context) for option in each.opts if option.startswith("--")]
        return str(UnknownNameError(f"{label}option", error.option_name, known))
    if param is None:
        return f"{label}{error.format_message().rstrip('.')}; {program} --help says what is possible"
    name = param.opts[0] if param.param_type_name == "option" else param.metavar
    if type(error).__name__ == "MissingParameter":
        return f"{label}{name} is missing: expected {param.help[0].lower()}{param.help[1:].rstrip('.')}; add it"
    return f"{name} {error.message}"
