"""Damaged rows in a running house: their neighbours are sent, and what is damaged ends where it can."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from heliograph.contracts import SET_ASIDE
from heliograph.model import State
from tests.delivery.support import HandClock, House, MemoryCarrier, house

LONG = "All good things come in threes, and so does this text. " * 6


def damage(path: Path, message_id: str, sql: str) -> None:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(10_000)
    db.execute(sql, (int(message_id[1:], 32) >> 32,))
    assert db.changes() == 1
    db.close()


def owner_of(path: Path, message_id: str) -> int:
    db = apsw.Connection(str(path))
    found = db.execute("SELECT owner FROM messages WHERE key = ?", (int(message_id[1:], 32) >> 32,)).get
    db.close()
    return int(found)


async def left_waiting(path: Path, texts: list[str]) -> list[str]:
    """Messages that wait in the store when their house has closed."""
    carrier = MemoryCarrier(1)
    carrier.bound = False
    async with house(path, [carrier]) as here:
        return [(await here.send(text=text, to=f"+49151123456{n:02}")).message.id for n, text in enumerate(texts)]


def counted(here: House) -> dict[str, int]:
    return dict(here.pipeline.unreadable.metrics.labelled["heliograph_unreadable_rows"])


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("hello", "UPDATE contents SET octets = x'FF' WHERE key = ?"),
        ("hello", "UPDATE contents SET kind = x'00FF' WHERE key = ?"),
        (LONG, "DELETE FROM segments WHERE number = 2 AND key = ?"),
        (LONG, "UPDATE segments SET state = 99 WHERE number = 1 AND key = ?"),
        (LONG, "UPDATE segments SET error = CAST(x'FF' AS TEXT) WHERE number = 1 AND key = ?"),
    ],
)
async def test_a_message_whose_content_is_damaged_fails_and_its_neighbours_are_sent(
    tmp_path: Path, text: str, sql: str
) -> None:
    path = tmp_path / "s.db"
    before, bad, after = await left_waiting(path, ["hello", text, "hello"])
    damage(path, bad, sql)
    carrier = MemoryCarrier(1)
    async with house(path, [carrier]) as here:
        for good in (before, after):
            await here.ends(good, State.SENT)
        record = await here.ends(bad, State.FAILED)
        assert record.progress.error == "unreadable"
        assert record.progress.owner == 0
        assert sum(counted(here).values()) == 1
        assert {one.live.message.id for one in carrier.written} == {before, after}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE messages SET encoding = 99 WHERE key = ?",
        "UPDATE messages SET sender = CAST(x'FF' AS TEXT) WHERE key = ?",
        "UPDATE messages SET route = x'00FF' WHERE key = ?",
        "UPDATE messages SET tail = 'far' WHERE key = ?",
        "UPDATE messages SET expires_us = 'never' WHERE key = ?",
    ],
)
async def test_a_message_whose_row_is_damaged_is_set_aside_and_its_neighbours_are_sent(
    tmp_path: Path, sql: str
) -> None:
    path = tmp_path / "s.db"
    before, bad, after = await left_waiting(path, ["hello", "hello", "hello"])
    damage(path, bad, sql)
    carrier, clock = MemoryCarrier(1), HandClock()
    async with house(path, [carrier], clock=clock) as here:
        for good in (before, after):
            await here.ends(good, State.SENT)
        await here.until(lambda: owner_of(path, bad) == SET_ASIDE)
        assert counted(here) == {"messages": 1}
        another = await here.send()
        await here.ends(another.message.id, State.SENT)
        clock.move(10 * 24 * 3600)
        assert await here.pipeline.rescue.end_overdue() == 3
        assert await here.pipeline.rescue.end_expired() == 0
    async with house(path, [MemoryCarrier(1)]) as here:
        assert owner_of(path, bad) == SET_ASIDE
        assert counted(here) == {}


async def test_after_a_crash_a_damaged_row_of_a_wire_makes_all_of_it_doubtful(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    carrier.stop = _burn  # type: ignore[method-assign, assignment]
    async with house(path, [carrier]) as here:
        here.pipeline.stop = _burn  # type: ignore[method-assign, assignment]
        sent = [await here.send(to=f"+4915112345{number:03}") for number in range(3)]
        await here.until(lambda: len(carrier.open) == 3)
        await here.pipeline.rescue.stop()
    db = apsw.Connection(str(path))
    db.execute("UPDATE wires SET ids = CAST(x'FF' AS TEXT)")
    db.close()
    async with house(path, [MemoryCarrier(1)]) as here:
        for one in sent:
            assert (await here.ends(one.message.id, State.SENT)).progress.possible_duplicate
        assert set(counted(here)) == {"wires"}


async def _burn(*_: object, **__: object) -> None:
    return None
