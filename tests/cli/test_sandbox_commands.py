"""``keys create --test`` and ``sandbox``: a test from nothing to a reply, on the command line alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, running

MAGIC = "+9991000000"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration without any carrier."""
    folder = tmp_path_factory.mktemp("sandbox")
    path = folder / "heliograph.toml"
    path.write_text(f'[http]\nlisten = "127.0.0.1:0"\n[store]\nurl = "sqlite:///{folder}/store.db"\n')
    return path


@pytest.fixture(scope="module")
def url(config: Path) -> Iterator[str]:
    with running("serve", "--config", str(config)) as (_, url):
        yield url


@pytest.fixture
def key(config: Path, url: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """A test key of its own sandbox, which the running server knows."""
    account = f"shop{time.monotonic_ns()}"
    made = run("keys", "create", "--test", "--account", account, "--config", config)
    assert made.code == 0, made.err
    key = made.out.strip().splitlines()[-1]
    monkeypatch.setenv("HELIOGRAPH_URL", url)
    monkeypatch.setenv("HELIOGRAPH_KEY", key)
    until(lambda: run("messages", "list", "--json").code == 0)
    return key


def until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 20
    while not (found := true()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return found


def test_nothing_is_needed_but_a_test_key(run: Run, key: str) -> None:
    assert key.startswith("hg_test_")
    sent = run("send", MAGIC, "Hello", "--wait", "--json")
    assert sent.code == 0, sent.err
    message = json.loads(sent.out)
    assert (message["state"], message["sandbox"], message["from"]) == ("delivered", True, "+999000000000")
    page = json.loads(run("sandbox", "messages", "--json").out)
    assert [one["text"] for one in page["messages"]] == ["Hello"]
    told = run("sandbox", "messages", "--to", MAGIC)
    assert "Hello" in told.out
    assert "What arrives later with --cursor" in told.out
    nothing = run("sandbox", "messages", "--cursor", page["cursor"])
    assert "Nothing arrived on any handset." in nothing.out


def test_a_handset_answers(run: Run, key: str) -> None:
    wrote = run("sandbox", "reply", MAGIC, "777", "Yes, please")
    assert (wrote.code, wrote.out) == (0, f"{MAGIC} writes to 777.\n")
    assert (
        until(lambda: json.loads(run("messages", "list", "--from", MAGIC, "--json").out)["messages"])[0]["to"] == "777"
    )
    again = json.loads(run("sandbox", "reply", MAGIC, "777", "Thanks", "--json").out)
    assert again == {"from": MAGIC, "to": "777", "text": "Thanks"}
    refused = run("sandbox", "reply", "nobody", "777", "x")
    assert refused.code == 1
    assert "number_malformed" in refused.err


def test_time_passes(run: Run, key: str) -> None:
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    sent = json.loads(run("send", MAGIC, "Later", "--json", "--send-at", at).out)
    assert run("sandbox", "clock", "--advance", "1h").out == "0 due now, 1 nearer, 0 ended by time.\n"
    said = json.loads(run("sandbox", "clock", "--advance", "1h", "--json").out)
    assert said == {"advanced_s": 3600, "due": 1, "nearer": 0, "ended": 0}
    until(lambda: json.loads(run("messages", "show", sent["id"], "--json").out)["state"] == "delivered")
    assert run("sandbox", "clock", "--advance", "soon").code == 2


def test_a_test_key_is_made_and_rotated_on_its_side(run: Run, config: Path) -> None:
    made = json.loads(run("keys", "create", "--test", "--config", config, "--json").out)
    assert made["account"] == "sandbox"
    fresh = run("keys", "rotate", made["prefix"], "--config", config)
    assert fresh.out.strip().splitlines()[-1].startswith("hg_test_")
    refused = run("keys", "create", "--test", "--scopes", "messages:send,admin", "--config", config)
    assert refused.code == 1
    assert "there is no scope admin for a test key" in refused.err
    assert run("keys", "create", "--config", config).code == 2


def test_a_live_key_has_no_sandbox(run: Run, config: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    live = run("keys", "create", "--account", "live", "--config", config).out.strip().splitlines()[-1]
    monkeypatch.setenv("HELIOGRAPH_URL", url)
    monkeypatch.setenv("HELIOGRAPH_KEY", live)
    until(lambda: run("messages", "list", "--json").code == 0)
    refused = run("sandbox", "messages")
    assert refused.code == 1
    assert "test_key_required" in refused.err
    refused = run("send", MAGIC, "Hello")
    assert "number_impossible" in refused.err
