"""Commands run in this process; servers in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from heliograph.cli import main


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine reaches a command, and nothing is coloured or cut."""
    for name in list(os.environ):
        if name.startswith("HELIOGRAPH_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def run(*arguments: str | Path) -> Result:
        code: object = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Result(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that says ``ready ADDRESS``; ended with SIGTERM, which must give exit code 0."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "heliograph", *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready "), line
        yield process, line.removeprefix("ready ").strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def write_config(folder: Path, *, smpp_port: int = 2775, more: str = "") -> Path:
    """A configuration with one carrier, and its store, in a folder."""
    path = folder / "heliograph.toml"
    path.write_text(
        f"""\
[http]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///{folder}/store.db"
[[connectors]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
port = {smpp_port}
system_id = "esme"
password = "secret"
[[routes]]
name = "default"
prefixes = [""]
connectors = ["main"]
[[numbers]]
number = "12345"
account = "shop"
connectors = ["main"]
{more}"""
    )
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration in a folder of its own."""
    return write_config(tmp_path)
