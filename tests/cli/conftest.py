"""Commands run in this process; servers in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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


def until(true: Callable[[], Any]) -> Any:
    """What this gives as soon as it is anything."""
    deadline = time.monotonic() + 20
    while not (found := true()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


class Carrierless(NamedTuple):
    """A running server without any carrier, and a test key for it of an account of its own."""

    config: Path
    url: str
    account: str
    key: str


@pytest.fixture(scope="module")
def carrierless_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The configuration and the address of a server without any carrier."""
    folder = tmp_path_factory.mktemp("carrierless")
    path = folder / "heliograph.toml"
    path.write_text(f'[http]\nlisten = "127.0.0.1:0"\n[store]\nurl = "sqlite:///{folder}/store.db"\n')
    with running("serve", "--config", str(path)) as (_, url):
        yield path, url


@pytest.fixture
def carrierless(carrierless_server: tuple[Path, str], run: Run, monkeypatch: pytest.MonkeyPatch) -> Carrierless:
    """The server, and a test key that it knows and that commands take from the environment."""
    config, url = carrierless_server
    account = f"shop{time.monotonic_ns()}"
    made = run("keys", "create", "--test", "--account", account, "--config", config)
    assert made.code == 0, made.err
    key = made.out.strip().splitlines()[-1]
    monkeypatch.setenv("HELIOGRAPH_URL", url)
    monkeypatch.setenv("HELIOGRAPH_KEY", key)
    until(lambda: run("messages", "list", "--json").code == 0)
    return Carrierless(config, url, account, key)
