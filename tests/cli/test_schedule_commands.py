"""Dates on the command line, against a running server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.cli.conftest import Run
from tests.cli.test_server import House, house, key  # noqa: F401 - the fixtures of the server


def instant(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT09:00:00Z")


def test_a_message_is_sent_later_moved_and_canceled(house: House, run: Run, key: str) -> None:  # noqa: F811
    sent = run("send", "+14155550123", "later", "--from", "12345", "--send-at", instant(2), "--json")
    message = json.loads(sent.out)
    assert message["state"] == "scheduled"
    due = json.loads(run("messages", "due", "--json").out)["messages"]
    assert [one["id"] for one in due] == [message["id"]]
    assert message["id"] in run("messages", "due", "--before", instant(3)).out
    moved = run("messages", "reschedule", message["id"], "--send-at", instant(5))
    assert moved.out.split() == [message["id"], "scheduled", instant(5).replace("00Z", "00.000000Z")]
    canceled = json.loads(run("messages", "cancel", message["id"], "--json").out)
    assert canceled["state"] == "canceled"
    assert "Nothing is scheduled" in run("messages", "due").out
    late = run("messages", "reschedule", message["id"], "--send-at", instant(5))
    assert late.code == 1
    assert "can no longer be changed" in late.err
    local = run("send", "+61412345678", "later", "--from", "12345", "--send-at-local", instant(2)[:16])
    assert local.code == 1
    assert "give time_zone" in local.err
