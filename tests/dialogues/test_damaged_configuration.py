"""A server whose account, key or webhook is damaged in the store while it runs."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from heliograph.telemetry import journal
from tests.dialogues.stage import eventually, stage


@pytest.mark.parametrize(("table", "column"), [("accounts", "settings"), ("keys", "scopes"), ("endpoints", "events")])
async def test_it_goes_on_with_what_it_has_read_and_the_journal_names_the_row(
    tmp_path: Path, table: str, column: str
) -> None:
    stream = io.StringIO()
    journal.configure("json", "info", stream=stream)

    def told(event: str) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            lines = [json.loads(line) for line in stream.getvalue().splitlines()]
            return [line["kind"] for line in lines if line["event"] == event] == [table]

        return look

    async with stage(tmp_path) as s, s.webhook("message.delivered") as sink:
        db = apsw.Connection(str(tmp_path / "house.db"))
        db.set_busy_timeout(10_000)
        before = db.execute(f"SELECT {column} FROM {table}").get

        async def write(value: str) -> None:
            await asyncio.to_thread(db.execute, f"UPDATE {table} SET {column} = ?", (value,))
            await asyncio.to_thread(db.execute, "UPDATE meta SET value = value + 1 WHERE name = 'config_version'")

        await write("{")
        await eventually(told("configuration_faulty"))
        assert f"of {table} cannot be read" in stream.getvalue()
        sent = await s.send()
        await s.until(sent["id"], "delivered")
        await sink.wait_for(lambda event: event["subject"] == sent["id"])
        assert s.server.readiness.reason() is None
        await write(before)
        await eventually(told("configuration_mended"))
        db.close()
