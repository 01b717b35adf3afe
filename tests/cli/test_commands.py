"""Help, completion, versions, and how everything that goes wrong is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from heliograph import __version__
from heliograph.cli import main
from heliograph.cli.faults import CommandFailed, explain
from heliograph.cli.reference import page
from heliograph.errors import (
    ConfigError,
    ConfigFault,
    RequestRejected,
    StoreBusy,
    StoreError,
    StoreInUse,
    StoreOutdated,
)
from tests.cli.conftest import Run

COMMANDS = {
    "demo": (),
    "serve": (),
    "simulate": (
        "worlds",
        "kinds",
        "check",
        "state",
        "misbehave",
        "behave",
        "change",
        "write",
        "messages",
        "cut",
        "down",
        "up",
    ),
    "send": (),
    "inspect": (),
    "messages": ("list", "export", "show"),
    "analytics": (),
    "keys": ("create", "list", "revoke"),
    "optout": ("add", "list", "remove"),
    "store": ("migrate", "check", "backup", "restore"),
    "config": ("check",),
}


def test_help_names_every_command(run: Run) -> None:
    told = run("--help")
    assert told.code == 0
    for command in (*COMMANDS, "bench"):
        assert f" {command} " in told.out


@pytest.mark.parametrize(
    "arguments",
    [(command,) for command in COMMANDS] + [(group, member) for group in COMMANDS for member in COMMANDS[group]],
)
def test_every_command_has_help(run: Run, arguments: tuple[str, ...]) -> None:
    told = run(*arguments, "--help")
    assert told.code == 0
    assert "Usage: heliograph " + " ".join(arguments) in told.out


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"heliograph {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from heliograph.cli.commands import app\n"
        "heavy = ('aiohttp', 'apsw', 'asyncpg', 'fastapi', 'phonenumbers', 'urllib3', 'uvicorn', 'uvloop',"
        " 'heliograph.app', 'heliograph.config', 'heliograph.simulator', 'heliograph.store', 'heliograph.sms')\n"
        "print(','.join(name for name in heavy if name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""


def test_completion_offers_commands() -> None:
    told = subprocess.run(
        [Path(sys.executable).parent / "heliograph"],
        env={"_HELIOGRAPH_COMPLETE": "complete_bash", "COMP_WORDS": "heliograph me", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "messages" in told.stdout


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("send",), ("inspect",), ("keys", "create"), ("simulate", "--port", "x")]
)
def test_a_wrong_command_line_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    told = run(*arguments)
    assert told.code == 2
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandFailed("it is broken", "mend it"), "Error: it is broken: mend it."),
        (StoreInUse("the store is in use"), "Error: the store is in use: stop the other server first."),
        (StoreOutdated("the schema is old"), "Error: the schema is old: run heliograph store migrate."),
        (StoreBusy("the disk is full"), "Error: the disk is full: try again in a moment."),
        (StoreError("no"), "Error: no: heliograph store check tells more."),
        (RequestRejected("text_empty", "Say something."), "Error: Say something. [text_empty]"),
        (
            FileNotFoundError(2, "No such file or directory", "/nowhere"),
            "Error: /nowhere: No such file or directory: check that the path is right and may be used.",
        ),
        (
            OSError(98, "address already in use"),
            "Error: address already in use: choose another port, or stop the program that uses it.",
        ),
        (TimeoutError("too slow"), "Error: too slow."),
        (KeyError("x"), "Error: KeyError, 'x': run it again with --traceback in front to see where."),
    ],
)
def test_every_error_is_one_sentence_with_its_remedy(error: Exception, sentence: str) -> None:
    assert explain(error) == sentence


def test_all_faults_of_a_configuration_are_told() -> None:
    faults = [ConfigFault("line 1", "is wrong", "make it right"), ConfigFault("line 2", "too")]
    assert explain(ConfigError(faults)) == "Error: line 1: is wrong (make it right)\nError: line 2: too"


def test_a_traceback_is_shown_only_to_who_asks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> int:
        raise RuntimeError("inside")

    monkeypatch.setitem(sys.modules, "heliograph.bench", SimpleNamespace(main=fail))  # type: ignore[arg-type]
    told = run("bench")
    assert (told.code, told.out) == (1, "")
    assert told.err.startswith("Error: RuntimeError, inside: ")
    with pytest.raises(RuntimeError, match="inside"):
        main(["--traceback", "bench"])


def test_bench_gets_its_arguments_as_they_are(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def measure(arguments: list[str]) -> int:
        seen.append(arguments)
        return 3

    monkeypatch.setitem(sys.modules, "heliograph.bench", SimpleNamespace(main=measure))  # type: ignore[arg-type]
    assert run("bench", "--messages", "5", "--help").code == 3
    assert seen == [["--messages", "5", "--help"]]


def test_the_page_of_commands_is_complete() -> None:
    path = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
    assert path.read_text() == page(), "run python -m heliograph.cli.reference docs/reference/cli.md"
