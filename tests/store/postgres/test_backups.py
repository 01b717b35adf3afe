"""A backup is written beside a running store and restored into another database."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest

from heliograph.contracts import Changes, Correlation
from heliograph.errors import ConfigError
from heliograph.model import OptOut, State
from heliograph.store.postgres import PostgresStore, restore
from tests.accounts import ensure_account
from tests.store.postgres.making import accept, fact, made, new, now_us, step
from tests.store.postgres.server import fresh_database
from tests.store.settling import settled


async def test_a_restored_store_goes_on_where_it_was(store: PostgresStore, url: str, tmp_path: Path) -> None:
    account = await ensure_account(store, "demo", now_us())
    message = new(owner=1, account_id=account.id, metadata='{"tab": "a\\tb"}')
    live = made(message)
    await store.commit(accept(message))
    await store.add_opt_outs([OptOut(account_id=account.id, recipient="+491", created_us=1)])
    await store.commit(
        Changes(
            updates=[step(live, state=State.SENT, owner=0)],
            correlations=[Correlation(1, "ab", account.id, message.message.id, 1, 1)],
            facts=[fact(live)],
        )
    )
    connection = await asyncpg.connect(url)
    far = 1 << 50
    await connection.execute("UPDATE outbox SET position = $1", far)
    await connection.close()
    path = tmp_path / "copy.zip"
    await store.backup(str(path))
    assert os.listdir(tmp_path) == ["copy.zip"]

    elsewhere = await fresh_database()
    manifest = await restore(elsewhere, str(path))
    assert manifest.rows["messages"] == 1
    with pytest.raises(ConfigError, match="not empty"):
        await restore(elsewhere, str(path))
    second = PostgresStore(elsewhere)
    await second.open()
    try:
        record = await second.message(account.id, message.message.id)
        assert record is not None
        assert (record.message, record.content, record.progress) == (message.message, message.content, live.progress)
        assert (await second.correlate([(1, "ab")]))[1, "ab"].message_id == message.message.id
        assert second.may_be_opted_out(account.id, "+491")
        assert (await ensure_account(second, "next", 1)).id == account.id + 1
        answer = await second.commit(Changes(facts=[fact(live)]))
        assert answer.position > far
        await settled(second, answer.position)
        assert [at for at, _ in (await second.outbox(0, 9)).rows] == [far, answer.position]
    finally:
        await second.close()


async def test_another_file_is_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"hello")
    with pytest.raises(ConfigError, match="no backup of ours"):
        await restore("postgresql:///x?host=/nowhere", str(path))
