"""``heliograph demo``: the newcomer's first minute."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from heliograph.simulator import VirtualCarrier
from tests.cli.conftest import Run

DEMO = [sys.executable, "-m", "heliograph", "demo", "--port", "0"]
STORY = (
    "message.queued",
    "message.sent",
    "message.delivered",
    "handset +14155550123",
    "message.delivered from 12345 to +14155550123",
    "signature verified",
    "message.received from +14155550123",
)


def test_once_delivers_is_answered_and_leaves() -> None:
    told = subprocess.run([*DEMO, "--once"], capture_output=True, text=True, timeout=40, check=False)
    assert told.returncode == 0, told.stderr
    at = -1
    for words in STORY:
        assert (at := told.stdout.find(words, at + 1)) >= 0, words


@pytest.fixture
def playground() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_it_stays_up_shows_what_arrives_and_ends_with_ctrl_c(playground: subprocess.Popen[str]) -> None:
    out = playground.stdout
    assert out is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("curl "):
        lines.append(out.readline())
        assert lines[-1], lines
    words = dict(line.split(maxsplit=1) for line in lines if line.startswith("URL "))
    url = words["URL"].split()[0]
    key = next(line.split()[-1] for line in lines if line.startswith("API key"))
    # The line can be copied as it stands: a shell reads it as these words.
    _, address, *rest = shlex.split(lines[-1])
    assert address == f"{url}/v1/messages"
    assert f"Authorization: Bearer {key}" in rest
    assert json.loads(rest[-1])["to"] == "+14155550123"
    environment = {**os.environ, "HELIOGRAPH_URL": url, "HELIOGRAPH_KEY": key}
    command = [sys.executable, "-m", "heliograph", "send", "+14155550123", "Hello again", "--from", "12345", "--wait"]
    assert subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode == 0
    shown = ""
    while "message.delivered from" not in shown:
        shown += out.readline()
    assert '"Hello again"' in shown
    playground.send_signal(signal.SIGINT)
    assert playground.wait(timeout=20) == 0


def test_a_port_that_was_asked_for_is_not_replaced(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = run("demo", "--once", "--port", str(taken.getsockname()[1]))
    assert told.code == 1
    assert "choose another --port" in told.err


def test_a_demo_that_does_not_come_to_its_end_says_how_far_it_came(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.cli.demo._TIMEOUT_S", 1.0)
    monkeypatch.setattr(VirtualCarrier, "reply", lambda *_: None)
    told = run("demo", "--once", "--port", "0")
    assert told.code == 1
    assert "the handset's reply did not arrive within 1 s" in told.err
