"""Sealing beside programs that cannot open: they go on reading what they know, and cannot start any more afterwards."""

from __future__ import annotations

import asyncpg
import pytest

from heliograph.access.sealing import MasterKeys, key_id_of
from heliograph.contracts import Acceptance, Changes
from heliograph.errors import StoreOutdated
from heliograph.store.postgres import PostgresStore, schema
from tests.conformance.values import Make

KEY = bytes(32)
OLD_TAKE = """
INSERT INTO nodes AS n (id, fence, taken_us) VALUES ($1, 1, 0)
ON CONFLICT (id) DO UPDATE SET fence = n.fence + 1, taken_us = excluded.taken_us
"""


async def older_node(url: str, number: int) -> asyncpg.Connection:
    """What a program of the schema before does when it becomes a node."""
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", schema.LOCKS, number)
    await connection.execute(OLD_TAKE, number)
    return connection


@pytest.mark.parametrize("number", [1, 2])
async def test_nothing_is_sealed_while_an_older_program_runs(url: str, number: int) -> None:
    await schema.migrate(url)
    if number == 1:  # a number that a program which can open had before
        before = PostgresStore(url, sealer=MasterKeys(lambda: [KEY]))
        await before.open()
        await before.close()
    older = await older_node(url, number)
    store = PostgresStore(url, sealer=MasterKeys(lambda: [KEY]))
    await store.open()
    endpoint = Make.endpoint("we_1", secret="whsec_clear")
    assert await store.seal() == 0
    await store.commit(Changes(acceptances=[Acceptance((), endpoints=(endpoint,))]))
    assert await older.fetchval("SELECT secret FROM endpoints") == "whsec_clear"
    await schema.check_version(older)
    await older.close()
    assert await store.seal() == 1
    assert await store.sealed_under() == {key_id_of(KEY): 1}
    assert await store.endpoints() == [endpoint]
    await store.close()


async def test_an_older_program_cannot_start_once_something_is_sealed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore(url, sealer=MasterKeys(lambda: [KEY]))
    await store.open()
    older = [step for step in schema.migrations() if step.name != "sealed_secrets"]
    older = older[: next(at for at, step in enumerate(schema.migrations()) if step.name == "sealed_secrets")]
    connection = await asyncpg.connect(url)
    monkeypatch.setattr(schema, "migrations", lambda: tuple(older))
    await schema.check_version(connection)
    await store.seal()
    with pytest.raises(StoreOutdated, match="newer than this program's"):
        await schema.check_version(connection)
    await connection.close()
    await store.close()


async def test_the_server_tries_again_by_itself_until_the_older_program_is_gone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.dialogues.stage import eventually

    monkeypatch.setattr("heliograph.store.postgres.store._WATERMARK_S", 0.05)
    monkeypatch.setattr("heliograph.store.postgres.store._TEND_S", 0.05)
    await schema.migrate(url)
    older = await older_node(url, 1)
    store = PostgresStore(url, sealer=MasterKeys(lambda: [KEY]))
    await store.open()
    await store.commit(Changes(acceptances=[Acceptance((), endpoints=(Make.endpoint("we_1", secret="whsec_clear"),))]))
    await older.close()

    async def sealed() -> bool:
        return dict(await store.sealed_under()) == {key_id_of(KEY): 1}

    await eventually(sealed)
    await store.close()
