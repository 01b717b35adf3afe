"""A large acceptance beside small ones: all of it or nothing, whenever the server dies, and nobody waits for it."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from heliograph.contracts import Acceptance, Changes, ListFilter, NewMessage, Unreadable
from heliograph.errors import StoreBusy, StoreError
from heliograph.model import Content, OptOut, Schedule, State, Usage
from heliograph.store.batch import Batch, Head, Slice, Staged
from heliograph.store.bulk import sealed
from heliograph.store.sqlite import SqliteStore, care
from heliograph.store.sqlite.connection import Place
from tests.conformance.values import HOUR, NOW, Make

COUNT = 600


@pytest.fixture
def news(make: Make) -> list[NewMessage]:
    """A batch of every shape: waiting and born claimed, of several segments, binary, scheduled."""
    found = [make.born(recipient=f"+49151{n:08}") for n in range(COUNT)]
    found[1] = make.born(segments=3, tags='["a"]', client_ref="ref")
    found[2] = make.born(content=Content(kind=1, octets=b"\x00\xff", udh_octets=1))
    found[3] = make.waiting()
    found[COUNT - 1] = make.new(connector_id=1, state=State.SCHEDULED, due_us=NOW + HOUR)
    return found


def bulk(make: Make, news: list[NewMessage], key: str = "batch") -> Changes:
    acceptance = Acceptance(
        news,
        make.claim(key),
        schedules=[
            Schedule(
                message_id=news[-1].message.id,
                account_id=1,
                sequence=1,
                at_us=NOW,
                send_us=NOW + HOUR,
                expires_us=NOW + 24 * HOUR,
            )
        ],
        usage=[Usage("account:1", "day", NOW, 1, COUNT, 0)],
    )
    return Changes(acceptances=[acceptance], facts=[make.fact(new, 1, State.QUEUED) for new in news])


@pytest.fixture
def hurried(store: SqliteStore) -> SqliteStore:
    """A store to which somebody sends single messages all the time."""
    store._group._hurried_at = math.inf
    return store


def listen(store: SqliteStore, hear: Callable[[apsw.Connection, Batch], None]) -> None:
    """``hear`` is called in the writer's thread before each transaction."""
    write = store._write.write

    def heard(db: apsw.Connection, batch: Batch) -> bool:
        hear(db, batch)
        return write(db, batch)

    store._write.write = heard  # type: ignore[method-assign]


def has(batch: Batch, kind: type[Acceptance]) -> bool:
    return any(type(acceptance) is kind for acceptance in batch._accepted())


async def ask(store: SqliteStore, sql: str) -> Any:
    return await store._writer.run(lambda db: db.execute(sql).get)


async def told(store: SqliteStore) -> list[str]:
    """Messages of the outbox, in order."""
    page = await store.outbox(0, 10_000)
    return [fact.message_id for _, facts in page.rows for fact in facts]


async def test_small_ones_go_between_its_slices_and_all_of_it_is_there(
    hurried: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    sizes: list[int] = []
    listen(hurried, lambda db, batch: sizes.append(len(batch.news())))
    whole = hurried.commit(bulk(make, news))
    task = asyncio.ensure_future(whole)
    small = [make.born() for _ in range(20)]
    for new in small:
        await hurried.commit(make.accept(new))
    committed = await task
    assert max(sizes) <= 129
    assert sum(sizes) == COUNT + 20
    assert committed.position > 0
    assert await ask(hurried, "SELECT count(*) FROM staged") == 0
    found = await hurried.live([(1, new.message.id) for new in news])
    assert {one.message.id: (one.message, one.progress) for one in found.values()} == {
        new.message.id: (new.message, new.progress) for new in news
    }
    assert await told(hurried) == [new.message.id for new in news]
    record = await hurried.message(1, news[2].message.id)
    assert record is not None
    assert record.content == news[2].content


async def test_nobody_in_a_hurry_and_it_is_one_transaction(
    store: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    sizes: list[int] = []
    listen(store, lambda db, batch: sizes.append(len(batch.news())))
    await store.commit(bulk(make, news))
    assert sizes == [COUNT]


async def test_a_crash_at_any_commit_keeps_all_of_it_or_nothing(
    hurried: SqliteStore, path: str, make: Make, news: list[NewMessage], tmp_path: Path
) -> None:
    copies: list[str] = []

    def copy(db: apsw.Connection, batch: Batch) -> None:
        to = str(tmp_path / f"copy{len(copies)}.db")
        for end in ("", "-wal"):
            shutil.copy(path + end, to + end)
        copies.append(to)

    await hurried.commit(make.accept(make.born()))
    listen(hurried, copy)
    await hurried.commit(bulk(make, news))
    await hurried.commit(make.accept(make.born()))
    assert len(copies) > COUNT // 128 + 2
    kept = []
    for one in copies:
        again = SqliteStore(one, serve=True)
        await again.open()
        lives = await again.live([(1, new.message.id) for new in news])
        claims = await again.claims([(1, "http", "batch")], NOW)
        used = await ask(again, "SELECT coalesce(sum(segments), 0) FROM usage")
        assert len(lives) == (COUNT if claims else 0), one
        assert used == len(lives)
        assert await ask(again, "SELECT count(*) FROM staged") == 0
        if lives:
            assert await told(again) == [new.message.id for new in news]
            assert lives[news[1].message.id].message == news[1].message
            assert len(lives[news[1].message.id].segments or ()) == 3
            assert lives[news[-1].message.id].progress.state == State.SCHEDULED
            record = await again.message(1, news[2].message.id)
            assert record is not None
            assert record.content == news[2].content
            await again.release()
            waiting = await again.claim(1, 1, 1, now_us=NOW, limit=2 * COUNT)
            ids = {live.message.id for live, _ in waiting}
            assert ids.issuperset(new.message.id for new in news[:-1])
            assert news[-1].message.id not in ids
        kept.append(len(lives))
        await again.close()
    assert kept == sorted(kept)
    assert (kept[0], kept[1], kept[-1]) == (0, COUNT, COUNT)


async def test_a_key_that_is_taken_keeps_nothing_of_it(
    hurried: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    await hurried.commit(make.accept(make.born(), claim=make.claim("batch", made="first")))
    committed = await hurried.commit(bulk(make, news))
    assert committed.lost[0].made == "first"
    assert await ask(hurried, "SELECT count(*) FROM messages") == 1
    assert await ask(hurried, "SELECT count(*) FROM staged") == 0
    assert await ask(hurried, "SELECT count(*) FROM usage") == 0


async def test_who_opted_out_meanwhile_refuses_all_of_it(
    hurried: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    recipient = news[7].message.recipient
    await hurried.add_opt_outs([OptOut(account_id=1, recipient=recipient, created_us=NOW)])
    committed = await hurried.commit(bulk(make, news))
    assert committed.opted_out == {0: frozenset({recipient})}
    assert await ask(hurried, "SELECT count(*) FROM messages") == 0
    assert await ask(hurried, "SELECT count(*) FROM staged") == 0


async def test_a_store_that_is_busy_between_slices_is_waited_for(
    hurried: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    left = 2

    def busy(db: apsw.Connection, batch: Batch) -> None:
        nonlocal left
        if has(batch, Slice) and left:
            left -= 1
            raise StoreBusy("the disk is full")

    listen(hurried, busy)
    whole = asyncio.ensure_future(hurried.commit(bulk(make, news)))
    await hurried.commit(make.accept(make.born()))
    await whole
    assert left == 0
    assert len(await told(hurried)) == COUNT


async def test_a_store_that_is_busy_at_the_head_is_told(
    hurried: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    def busy(db: apsw.Connection, batch: Batch) -> None:
        if has(batch, Head):
            raise StoreBusy("the disk is full")

    listen(hurried, busy)
    with pytest.raises(StoreBusy):
        await hurried.commit(bulk(make, news))
    assert await ask(hurried, "SELECT count(*) FROM staged") == 0


async def test_rows_that_cannot_be_kept_take_all_of_it_back(
    hurried: SqliteStore, make: Make, news: list[NewMessage]
) -> None:
    bad = news[400].message.id

    def fault(db: apsw.Connection, batch: Batch) -> None:
        if bad in [new.message.id for new in batch.news()]:
            raise ValueError("cannot bind")

    listen(hurried, fault)
    with pytest.raises(StoreError, match="cannot bind"):
        await hurried.commit(bulk(make, news))
    for table in ("messages", "contents", "segments", "staged", "outbox"):
        assert await ask(hurried, f"SELECT count(*) FROM {table}") == 0, table


async def test_closing_while_the_store_is_busy_leaves_the_rest_to_the_next_start(
    hurried: SqliteStore, path: str, make: Make, news: list[NewMessage]
) -> None:
    def busy(db: apsw.Connection, batch: Batch) -> None:
        if has(batch, Slice):
            raise StoreBusy("the disk is full")

    listen(hurried, busy)
    whole = asyncio.ensure_future(hurried.commit(bulk(make, news)))
    await hurried.commit(make.accept(make.born()))
    await hurried.close()
    await whole  # it is kept
    again = SqliteStore(path, serve=True)
    await again.open()
    assert (await again.messages(1, ListFilter(limit=1))).records
    assert await ask(again, "SELECT count(*) FROM messages") == COUNT + 1
    await again.close()


async def test_what_is_staged_and_cannot_be_read_stops_no_start(
    store: SqliteStore, path: str, make: Make, news: list[NewMessage]
) -> None:
    good = sealed(Staged(7, news, [], []))
    await store._writer.run(
        lambda db: db.execute("INSERT INTO staged (number, whole) VALUES (5, ?), (7, ?)", (good[:-1], good))
    )
    await store.close()
    again = SqliteStore(path, serve=True)
    met: list[Unreadable] = []
    again.on_unreadable = met.append
    await again.open()
    assert await ask(again, "SELECT count(*) FROM messages") == COUNT
    assert await ask(again, "SELECT group_concat(number) FROM staged") == "5"
    assert [(one.table, one.id) for one in met] == [("staged", "5")]
    await again.close()
    findings = care.check(Place(path=path))
    assert [one.what for one in findings if not one.ok and "staged 5" in one.what]
