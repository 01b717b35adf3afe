"""Lost connections, killed servers, unknown outcomes, unfit servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from heliograph.contracts import Changes, Committed
from heliograph.errors import ConfigError, StoreBusy, StoreOutdated
from heliograph.model import State
from heliograph.store.postgres import PostgresStore
from tests.store.postgres.making import accept, fact, made, new, step
from tests.store.postgres.server import Server
from tests.store.settling import settled


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    one = await asyncio.to_thread(Server)
    yield one
    await asyncio.to_thread(one.destroy)


async def _until_kept(work: Callable[[], Awaitable[Committed]]) -> Committed:
    """Tries again while the store is busy."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await work()
            except StoreBusy:
                await asyncio.sleep(0.02)


async def test_a_killed_server_is_survived_without_restart(server: Server) -> None:
    store = PostgresStore(await server.fresh())
    await store.open()
    try:
        kept = new(owner=store.node_id)
        await store.commit(accept(kept))
        node = store.node_id
        await asyncio.to_thread(server.kill)
        with pytest.raises(StoreBusy):
            await store.commit(accept(new()))
        with pytest.raises(StoreBusy):
            await store.message(1, kept.message.id)
        await asyncio.to_thread(server.start)
        later = new()
        assert not (await _until_kept(lambda: store.commit(accept(later)))).stale
        assert (await store.records([(1, kept.message.id), (1, later.message.id)])).keys() == {
            kept.message.id,
            later.message.id,
        }
        assert store.node_id == node
        live = made(kept)
        assert not (await store.commit(Changes(updates=[step(live, state=State.SENT, owner=0)]))).stale
    finally:
        await store.close()


class _Cut:
    """A connection that breaks at COMMIT: before it is sent, or after the server has done it."""

    def __init__(self, connection: Any, *, done: bool) -> None:
        self._connection = connection
        self._done = done

    async def execute(self, query: str, *values: Any) -> Any:
        if query != "COMMIT":
            return await self._connection.execute(query, *values)
        if self._done:
            await self._connection.execute(query)
        self._connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.parametrize("done", [True, False])
async def test_an_unknown_outcome_is_asked_of_the_server(store: PostgresStore, done: bool) -> None:
    message = new(owner=store.node_id)
    live = made(message)
    store._writer = _Cut(store._writer, done=done)
    work = store.commit(accept(message, facts=[fact(live)]))
    if done:
        answer = await work
        await settled(store, answer.position)
        assert [at for at, _ in (await store.outbox(0, 9)).rows] == [answer.position]
        assert message.message.id in store._born.owned
    else:
        with pytest.raises(StoreBusy):
            await work
    assert (await store.message(1, message.message.id) is not None) is done
    await _until_kept(lambda: store.commit(accept(new())))


async def test_a_number_that_another_process_took_is_lost(store: PostgresStore, url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE nodes SET fence = fence + 1")
    await connection.close()
    assert await store.claim(1, 1, 1, now_us=1, limit=1) == []
    store._broken()
    with pytest.raises(StoreBusy, match="another process was node 1"):
        await asyncio.wait_for(_only_identity(store), 10)


async def _only_identity(store: PostgresStore) -> None:
    while True:
        try:
            await store.commit(accept(new()))
        except StoreBusy as busy:
            if "another process" in str(busy):
                raise
        await asyncio.sleep(0.02)


async def test_a_server_that_forgets_is_refused(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"ALTER DATABASE {await connection.fetchval('SELECT current_database()')} SET synchronous_commit = off"
    )
    await connection.close()
    with pytest.raises(ConfigError, match="synchronous_commit = off"):
        await PostgresStore(url).open()


async def test_a_database_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        await PostgresStore(url.replace("postgresql:///t", "postgresql:///nosuch")).open()
    with pytest.raises(StoreBusy):
        await PostgresStore("postgresql:///x?host=/nowhere&user=postgres").open()


async def test_an_older_and_a_newer_schema_are_refused_and_migrate_helps(url: str) -> None:
    await _once(url)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("INSERT INTO schema_versions (version, name, compatible) VALUES (99, 'beside', 1)")
        await _once(url)  # the version before goes on beside a compatible one
        await connection.execute("UPDATE schema_versions SET compatible = 99 WHERE version = 99")
        with pytest.raises(StoreOutdated, match="newer than this program"):
            await PostgresStore(url).open()
        await connection.execute("DELETE FROM schema_versions")
        with pytest.raises(StoreOutdated, match="heliograph store migrate"):
            await PostgresStore(url).open()
    finally:
        await connection.close()


async def _once(url: str) -> None:
    store = PostgresStore(url)
    await store.open()
    await store.close()


async def test_two_processes_may_make_the_schema_at_once(url: str) -> None:
    stores = [PostgresStore(url) for _ in range(3)]
    await asyncio.gather(*(store.open() for store in stores))
    assert sorted(store.node_id for store in stores) == [1, 2, 3]
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_reader_of_the_outbox_stops_before_a_running_transaction(store: PostgresStore, url: str) -> None:
    slow = await asyncpg.connect(url)
    try:
        await slow.execute("BEGIN")
        earlier = await slow.fetchval("SELECT pg_current_xact_id()::text::int8")
        answer = await store.commit(Changes(facts=[fact(made(new()))]))
        assert earlier < answer.position
        assert (await store.outbox(0, 9)).rows == ()
        await slow.execute("INSERT INTO outbox SELECT pg_current_xact_id()::text::int8, 0, facts FROM outbox")
        await slow.execute("COMMIT")
        await settled(store, answer.position)
        assert [at for at, _ in (await store.outbox(0, 9)).rows] == [earlier, answer.position]
    finally:
        await slow.close()
