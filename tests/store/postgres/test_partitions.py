"""Weeks as partitions, retention by weeks, and updates that stay on their page."""

from __future__ import annotations

import asyncpg
import pytest

from heliograph.contracts import Changes, Correlation, ListFilter
from heliograph.model import State, id_time_us
from heliograph.store.postgres import PostgresStore
from heliograph.store.postgres.partitions import WEEK_US, first_id, make_ahead, week_of, weeks
from tests.store.postgres.making import accept, made, new, now_us, step


def test_a_week_begins_at_its_first_id() -> None:
    week = week_of(now_us())
    assert id_time_us(week.first) == week.begin_us
    assert first_id(week.begin_us - 2) < week.first < first_id(week.begin_us + 2) < week.last
    assert first_id(0) == "m" + "0" * 19


async def test_rows_of_the_default_partition_move_into_their_week(store: PostgresStore, url: str) -> None:
    far = now_us() + 20 * WEEK_US
    message = new(id=first_id(far), owner=1)
    await store.commit(accept(message))
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM messages_default") == 1
        assert await make_ahead(connection, far) > 0
        assert await make_ahead(connection, far) == 0
        assert await connection.fetchval("SELECT count(*) FROM messages_default") == 0
        names = {week.suffix for week in await weeks(connection)}
        assert week_of(far).suffix in names
    finally:
        await connection.close()
    assert (await store.message(1, message.message.id)) is not None
    assert all(check.ok for check in await store.check())


async def test_a_week_that_an_older_program_made_gets_its_labels(store: PostgresStore, url: str) -> None:
    far = now_us() + 20 * WEEK_US
    connection = await asyncpg.connect(url)
    try:
        await make_ahead(connection, far)
        name = f"message_labels_{week_of(far).suffix}"
        await connection.execute(f"DROP TABLE {name}")
        await store.commit(accept(new(id=first_id(far), owner=1, client_ref="late")))
        assert await connection.fetchval("SELECT count(*) FROM message_labels_default") == 1
        assert await make_ahead(connection, far) == 0
        assert await connection.fetchval(f"SELECT count(*) FROM {name}") == 1
        assert await connection.fetchval("SELECT count(*) FROM message_labels_default") == 0
    finally:
        await connection.close()
    assert len((await store.messages(1, ListFilter(client_ref="late"))).records) == 1


@pytest.mark.parametrize("open_too", [False, True])
async def test_a_week_in_which_all_is_over_goes_at_once(store: PostgresStore, url: str, open_too: bool) -> None:
    past = week_of(now_us() - 10 * WEEK_US)
    connection = await asyncpg.connect(url)
    try:
        await make_ahead(connection, past.begin_us)
        old = [new(id=first_id(past.begin_us + second * 1_000_000), owner=1) for second in range(5)]
        await store.commit(accept(*old))
        ended = [
            step(made(one), state=State.DELIVERED, owner=0, ended_us=past.begin_us + WEEK_US - 1)
            for one in old[open_too:]
        ]
        links = [Correlation(1, one.message.id, 1, one.message.id, 1, 1) for one in old]
        await store.commit(Changes(updates=ended, correlations=links))
        assert await store.purge("contents", past.end_us, 3) == (5 if not open_too else 3)
        counts = []
        while count := await store.purge("records", past.end_us, 3):
            counts.append(count)
        assert counts == ([3, 1] if open_too else [5])
        gone = await connection.fetchval("SELECT to_regclass($1)", f"messages_{past.suffix}") is None
        assert gone is not open_too
        assert len(await store.correlate([(1, one.message.id) for one in old])) == int(open_too)
        assert len((await store.messages(1, ListFilter())).records) == int(open_too)
    finally:
        await connection.close()


async def test_responses_and_receipts_stay_on_their_page(store: PostgresStore, url: str) -> None:
    for _ in range(5):  # while somebody else reads, an old version is kept, and its successor may have to go elsewhere
        messages = [new(owner=store.node_id) for _ in range(60)]
        await store.commit(accept(*messages))
        lives = [made(message) for message in messages]
        sent = [step(live, state=State.SENT, owner=0, sent_us=1, carrier_message_id="0123456789") for live in lives]
        await store.commit(Changes(updates=sent))
        ended = [step(live, state=State.DELIVERED, ended_us=2, ended_seq=3, last_seq=3) for live in lives]
        await store.commit(Changes(updates=ended))
    await store.close()  # a backend reports its figures when it ends
    connection = await asyncpg.connect(url)
    try:
        figures = (
            "SELECT sum(n_tup_upd)::int, sum(n_tup_hot_upd)::int FROM pg_stat_user_tables WHERE relname ~ '^messages_'"
        )
        changed, stayed = await connection.fetchrow(figures)
        assert changed == 600
        assert stayed > 500
    finally:
        await connection.close()
