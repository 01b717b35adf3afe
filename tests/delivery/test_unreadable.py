"""Damaged rows in a running house: their neighbours are sent, and what is damaged ends where it can."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from heliograph.contracts import SET_ASIDE, Changes, InboundPart, Orphan
from heliograph.errors import MessageUnreadable, RequestRejected
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


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("hello", "UPDATE messages SET encoding = 99 WHERE key = ?"),
        (LONG, "UPDATE segments SET state = 99 WHERE number = 1 AND key = ?"),
    ],
)
async def test_what_cannot_be_read_can_neither_be_canceled_nor_moved_and_is_not_said_to_be_missing(
    tmp_path: Path, text: str, sql: str
) -> None:
    path = tmp_path / "s.db"
    (bad,) = await left_waiting(path, [text])
    carrier = MemoryCarrier(1)
    carrier.bound = False
    async with house(path, [carrier]) as here:
        damage(path, bad, sql)
        schedules = here.pipeline.schedules
        with pytest.raises(MessageUnreadable):
            await schedules.cancel(1, bad, None)
        with pytest.raises(RequestRejected) as missing:
            await schedules.cancel(1, "m0000000000000000001", None)
        assert missing.value.code == "not_found"


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


@pytest.mark.parametrize("fields", ["'{'", "'[99, null, null]'", "CAST(x'FF' AS TEXT)"])
async def test_an_early_receipt_that_cannot_be_read_is_kept_and_the_next_finds_its_message(
    tmp_path: Path, fields: str
) -> None:
    path = tmp_path / "s.db"
    async with house(path, [MemoryCarrier(1)]) as here:
        sent = [await here.send(to=f"+4915112345{number:03}") for number in range(2)]
        for one in sent:
            await here.ends(one.message.id, State.SENT)
        early = [
            Orphan(
                connector_id=1,
                canonical=f"c{n}",
                arrived_us=here.clock.now_us(),
                fields=f"[{State.DELIVERED},null,null]",
            )
            for n in (1, 2)
        ]
        await here.store.commit(Changes(orphans=early))
        db = apsw.Connection(str(path))
        db.execute(f"UPDATE orphans SET fields = {fields} WHERE canonical = 'c1'")
        db.close()
        assert await here.pipeline.receipts.match_orphans() == 1
        states = {(await here.record(one.message.id)).progress.state for one in sent}
        assert states == {State.SENT, State.DELIVERED}
        await here.until(lambda: counted(here) == {"orphans": 1})
        assert await here.pipeline.receipts.match_orphans() == 0
        assert [one.canonical for one in await here.store.orphans([(1, "c1"), (1, "c2")])] in ([], ["c1"])


async def test_parts_that_came_beside_a_damaged_one_are_told(tmp_path: Path) -> None:
    path, clock = tmp_path / "s.db", HandClock()
    async with house(path, [MemoryCarrier(1)], clock=clock) as here:
        parts = [
            InboundPart(
                connector_id=1, sender=sender, recipient="12345", reference=7, reference_octets=1, total=2, number=1,
                arrived_us=here.clock.now_us(), data_coding=8, octets=b"\x00H",
            )
            for sender in ("+49151", "+49152")
        ]  # fmt: skip
        await here.store.commit(Changes(parts=parts))
        db = apsw.Connection(str(path))
        db.execute("UPDATE parts SET sender = CAST(x'FF' AS TEXT) WHERE sender = '+49151'")
        assert db.changes() == 1
        db.close()
        clock.move(7 * 3600)
        assert await here.pipeline.inbound.give_up_parts(3600) == 1
        await here.until(lambda: counted(here) == {"parts": 1})
        assert await here.pipeline.inbound.give_up_parts(3600) == 0


async def _burn(*_: object, **__: object) -> None:
    return None


async def test_a_staged_batch_that_is_damaged_is_told_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    await left_waiting(path, ["hello"])
    db = apsw.Connection(str(path))
    db.execute("INSERT INTO staged (number, whole) VALUES (5, x'00')")
    db.close()
    async with house(path, [MemoryCarrier(1)]) as here:
        sent = await here.send()
        await here.ends(sent.message.id, State.SENT)
        assert counted(here) == {"staged": 1}
