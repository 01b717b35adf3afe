"""What the documents show is run: Python and curl against a server, configurations and commands by their readers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer

from heliograph.cli.commands import app
from heliograph.config import load
from heliograph.config.applied import AppliedFile
from heliograph.delivery.views import MessageView
from tests.docs.conftest import Stage
from tests.docs.pages import ROOT, Block, blocks, pages, text

RECEIVER = "docs/howto/webhooks.md"
PYTHON = [block for page in pages() for block in blocks(page, "python")]
TOML = [block for page in pages() for block in blocks(page, "toml")]
JSON = [block for page in pages() for block in blocks(page, "json")]


def name(block: Block) -> str:
    """Where a block stands, and how it begins."""
    return f"{block.page}: {block.text.strip().splitlines()[0][:40]}"


@asynccontextmanager
async def running(
    program: str, environment: dict[str, str], folder: Path, *inherited: socket.socket
) -> AsyncIterator[Process]:
    """A Python program of its own, ended when it is not needed any more."""
    file = folder / "example.py"
    file.write_text(program)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HELIOGRAPH_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        env=clean | environment,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=[one.fileno() for one in inherited],
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def send(stage: Stage, **changes: Any) -> dict[str, Any]:
    """A message by the API."""
    body = {"to": "+14155550123", "from": "12345", "text": "For an example"} | changes
    headers = {"Authorization": f"Bearer {stage.key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{stage.server.url}/v1/messages", json=body, headers=headers) as answer,
    ):
        assert answer.status == 202, await answer.text()
        said: dict[str, Any] = await answer.json()
        return said


def test_there_are_examples() -> None:
    assert {block.page for block in PYTHON} >= {"README.md", RECEIVER, "docs/howto/first-message.md"}
    assert {block.page for block in JSON} >= {"docs/howto/first-message.md", "docs/reference/events.md"}


@pytest.mark.parametrize("block", [block for block in PYTHON if block.page != RECEIVER], ids=name)
async def test_a_python_example_runs_and_what_it_sends_arrives(block: Block, stage: Stage, tmp_path: Path) -> None:
    async with running(block.text, stage.environment, tmp_path) as process:
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"False" not in out
    if "send" in block.text:
        assert out.strip() or "except" in block.text
        await stage.carrier.received(1)


ADOPTING = """\
import os
import socket
from http.server import HTTPServer


def adopt(server):
    server.socket.close()
    server.socket = socket.socket(fileno=int(os.environ["LISTENER"]))


HTTPServer.server_bind = adopt
"""
"""Lets the receiver of the page listen where the test listens already: on a port that nobody else can have by then."""


@asynccontextmanager
async def receiving(listener: socket.socket, secret: str, folder: Path) -> AsyncIterator[asyncio.StreamReader]:
    """What the receiver of the page prints."""
    [block] = blocks(RECEIVER, "python")
    environment = {"HELIOGRAPH_WEBHOOK_SECRET": secret, "LISTENER": str(listener.fileno())}
    async with running(ADOPTING + block.text, environment, folder, listener) as process:
        assert process.stdout is not None
        yield process.stdout


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


async def test_the_receiver_verifies_and_prints_what_happened(
    stage: Stage, tmp_path: Path, listener: socket.socket
) -> None:
    headers = {"Authorization": f"Bearer {stage.key}"}
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/sms"
    body = {"url": url, "events": ["message.delivered", "message.received"]}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{stage.server.url}/v1/webhooks", json=body, headers=headers) as answer,
    ):
        secret = (await answer.json())["secret"]
    async with receiving(listener, secret, tmp_path) as printed:
        message = await send(stage)
        told = (await printed.readline()).decode().split()
        assert told[:4] == ["message.delivered", message["id"], "12345", "+14155550123"]
        stage.carrier.reply("+14155550123", "12345", "STOP please")
        told = (await printed.readline()).decode().split()
        assert (told[0], told[2:]) == ("message.received", ["+14155550123", "12345", "STOP", "please"])


async def test_the_receiver_verifies_callbacks_with_the_secret_that_is_shown(
    stage: Stage, tmp_path: Path, listener: socket.socket
) -> None:
    headers = {"Authorization": f"Bearer {stage.key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{stage.server.url}/v1/webhooks/callbacks", headers=headers) as answer,
    ):
        secret = (await answer.json())["secret"]
    async with receiving(listener, secret, tmp_path) as printed:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/order/4711"
        message = await send(stage, callback={"url": url, "events": ["message.delivered"]})
        told = (await printed.readline()).decode().split()
        assert told[:2] == ["message.delivered", message["id"]]


async def test_the_answer_shown_is_the_answer_given(stage: Stage) -> None:
    [shown] = blocks("docs/howto/first-message.md", "json")
    said = await send(stage, client_ref="order-4711")
    of_the_operator = {"route", "route_reason", "connector"}
    assert set(json.loads(shown.text)) == set(said) - of_the_operator


async def test_the_event_shown_is_the_event_told(stage: Stage) -> None:
    [shown] = blocks("docs/reference/events.md", "json")
    message = await send(stage)
    headers = {"Authorization": f"Bearer {stage.key}"}
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        while True:
            url = f"{stage.server.url}/v1/messages/{message['id']}/events"
            async with http.get(url, headers=headers) as answer:
                events = (await answer.json())["events"]
            if events[-1]["type"] == "message.delivered":
                break
            await asyncio.sleep(0.02)
    example = json.loads(shown.text)
    assert list(example) == list(events[-1])
    assert list(example["data"]) == list(events[-1]["data"])
    assert set(example["data"]) <= set(MessageView.__struct_encode_fields__)


@pytest.mark.parametrize("block", JSON, ids=name)
def test_json_shown_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", [block for block in TOML if "world.toml" not in text(block.page)], ids=name)
def test_a_configuration_shown_is_read_without_a_fault(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_text(block.text)
    if "heliograph apply" in text(block.page):
        assert AppliedFile(path).tables
        return
    pointed = re.findall(r'"env:(\w+)"', block.text)
    assert load(path, {"HELIOGRAPH_KEY": "k", **dict.fromkeys(pointed, "postgresql://u:p@localhost/x")})


def check_command(words: list[str]) -> None:
    here: Any = typer.main.get_command(app)
    while words and words[0] in getattr(here, "commands", {}):
        here = here.commands[words.pop(0)]
    assert getattr(here, "invoke_without_command", False) or not getattr(here, "commands", {}), f"{words} is no command"
    known = {option for parameter in here.params for option in parameter.opts}
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert set(options) <= known
    arguments = [parameter for parameter in here.params if parameter.param_type_name == "argument"]
    assert all(argument.nargs != 1 or not argument.required or words for argument in arguments)


def test_the_command_lines_of_pages_are_made_by_modules_that_exist() -> None:
    for module in re.findall(r"python -m ([\w.]+)", text("CONTRIBUTING.md")):
        if module != "pytest":
            assert (ROOT / (module.replace(".", "/") + ".py")).exists()
