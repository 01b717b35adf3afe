"""The page of all commands, made from the commands: ``python -m heliograph.cli.reference docs/reference/cli.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

__all__ = ["page"]

_HEAD = """\
# The command line

Made from the commands themselves by `python -m heliograph.cli.reference docs/reference/cli.md`.

Every command has `--help`; `heliograph --install-completion` teaches your shell the rest. What prints data takes
`--json`. A command that fails says in one sentence what is wrong and what to do about it, and leaves with exit code 1
(2 where the command line itself is wrong). `heliograph --traceback COMMAND` shows where an error came from.
"""
_ONLY_SHELL = frozenset(("help", "install_completion", "show_completion"))


def page() -> str:
    """The page in Markdown."""
    from heliograph.cli.commands import app

    root = typer.main.get_command(app)
    return "\n".join([_HEAD, *_command("heliograph", root)]).rstrip() + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    members: dict[str, Any] = getattr(command, "commands", {})
    if name != "heliograph":
        yield f"## {name}\n"
        yield inspect.cleandoc(command.help or "") + "\n"
    if not members or command.invoke_without_command:
        yield f"    {_usage(name, command)}\n"
    if rows := [_row(parameter) for parameter in command.params if parameter.name not in _ONLY_SHELL]:
        yield "| | | |\n|---|---|---|"
        yield from rows
        yield ""
    for member in members:
        yield from _command(f"{name} {member}", members[member])


def _usage(name: str, command: Any) -> str:
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    options = ["[OPTIONS]"] if any(one.param_type_name == "option" for one in command.params) else []
    return " ".join((name, *options, *arguments))


def _argument(parameter: Any) -> str:
    word = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return word if parameter.required else f"[{word}]"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"| `{_argument(parameter)}` | | {parameter.help} |"
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    value = "" if parameter.is_flag else f"`{parameter.metavar or 'VALUE'}`".replace("|", "\\|")
    return f"| {names} | {value} | {_words(parameter)} |"


def _words(parameter: Any) -> str:
    words = [(parameter.help or "").replace("|", "\\|")]
    if parameter.required:
        words.append("Required.")
    elif not parameter.is_flag and parameter.default not in (None, "", ()):
        words.append(f"Default: `{parameter.default}`.")
    if parameter.envvar:
        names = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar
        words.append(f"From {' or '.join(f'`{name}`' for name in names)} where it is not given.")
    return " ".join(words)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
