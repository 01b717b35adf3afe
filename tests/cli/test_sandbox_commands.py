"""``keys create --test`` and ``sandbox``: a test from nothing to a reply, on the command line alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Carrierless, Run, until

MAGIC = "+9991000000"


def test_nothing_is_needed_but_a_test_key(run: Run, carrierless: Carrierless) -> None:
    assert carrierless.key.startswith("hg_test_")
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


def test_a_handset_answers(run: Run, carrierless: Carrierless) -> None:
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


def test_time_passes(run: Run, carrierless: Carrierless) -> None:
    at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    sent = json.loads(run("send", MAGIC, "Later", "--json", "--send-at", at).out)
    assert run("sandbox", "clock", "--advance", "1h").out == "0 due now, 1 nearer, 0 ended by time.\n"
    said = json.loads(run("sandbox", "clock", "--advance", "1h", "--json").out)
    assert said == {"advanced_s": 3600, "due": 1, "nearer": 0, "ended": 0}
    until(lambda: json.loads(run("messages", "show", sent["id"], "--json").out)["state"] == "delivered")
    assert run("sandbox", "clock", "--advance", "soon").code == 2


def test_a_test_key_is_made_and_rotated_on_its_side(run: Run, carrierless: Carrierless) -> None:
    config = carrierless.config
    made = json.loads(run("keys", "create", "--test", "--config", config, "--json").out)
    assert made["account"] == "sandbox"
    fresh = run("keys", "rotate", made["prefix"], "--config", config)
    assert fresh.out.strip().splitlines()[-1].startswith("hg_test_")
    refused = run("keys", "create", "--test", "--scopes", "messages:send,admin", "--config", config)
    assert refused.code == 1
    assert "there is no scope admin for a test key" in refused.err
    assert run("keys", "create", "--config", config).code == 2


def test_a_live_key_has_no_sandbox(run: Run, carrierless: Carrierless, monkeypatch: pytest.MonkeyPatch) -> None:
    live = run("keys", "create", "--account", "live", "--config", carrierless.config).out.strip().splitlines()[-1]
    monkeypatch.setenv("HELIOGRAPH_KEY", live)
    until(lambda: run("messages", "list", "--json").code == 0)
    refused = run("sandbox", "messages")
    assert refused.code == 1
    assert "test_key_required" in refused.err
    refused = run("send", MAGIC, "Hello")
    assert "number_impossible" in refused.err
