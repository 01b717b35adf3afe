"""A full disk, a lock, a read-only file: the caller is told, nothing is half-kept, and it goes on by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from heliograph.errors import StoreBusy, StoreError
from heliograph.store.sqlite import SqliteStore
from tests.conformance.values import Make


async def pragma(store: SqliteStore, text: str) -> object:
    return await store._writer.run(lambda db: db.execute(f"PRAGMA {text}").get)


async def test_a_full_disk_is_told_and_forgotten(store: SqliteStore, make: Make) -> None:
    await pragma(store, "max_page_count = 1")
    news = [make.born(octets=b"x" * 500) for _ in range(200)]
    errors = await asyncio.gather(*(store.commit(make.accept(new)) for new in news), return_exceptions=True)
    refused = [new for new, error in zip(news, errors, strict=True) if isinstance(error, StoreBusy)]
    assert refused
    assert all(isinstance(error, StoreBusy) for error in errors if isinstance(error, Exception))
    assert await store.live([(1, new.message.id) for new in refused]) == {}
    await pragma(store, "max_page_count = 1000000")
    await store.commit(make.accept(*refused))
    assert len(await store.live([(1, new.message.id) for new in news])) == 200


async def test_a_locked_file_is_told_and_forgotten(store: SqliteStore, path: str, make: Make) -> None:
    other = apsw.Connection(path)
    other.execute("BEGIN IMMEDIATE")
    new = make.born()
    with pytest.raises(StoreBusy):
        await store.commit(make.accept(new))
    assert await store.message(1, new.message.id) is None  # readers are not held up
    other.execute("ROLLBACK")
    other.close()
    await store.commit(make.accept(new))
    assert await store.message(1, new.message.id) is not None


async def test_a_read_only_file_is_told_and_forgotten(store: SqliteStore, make: Make) -> None:
    await pragma(store, "query_only = 1")
    with pytest.raises(StoreBusy):
        await store.commit(make.accept(make.born()))
    await store.commit(make.accept(make.born()))  # on a new connection


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreBusy, match="nowhere"):
        await SqliteStore(str(tmp_path / "nowhere" / "store.db"), serve=True).open()
    with pytest.raises(StoreBusy, match="no folder"):
        await SqliteStore(str(tmp_path / "nowhere" / "store.db"), serve=False).open()


@pytest.fixture
def no_database(tmp_path: Path) -> str:
    file = tmp_path / "tale.db"
    file.write_bytes(b"once upon a time " * 1_000)
    return str(file)


async def test_a_file_that_is_no_database_is_said_to_be_damaged(no_database: str) -> None:
    with pytest.raises(StoreError, match="heliograph store restore"):
        await SqliteStore(no_database, serve=True).open()


async def test_check_finds_what_belongs_to_nothing(store: SqliteStore, make: Make) -> None:
    await store.commit(make.accept(make.born()))
    await store._writer.run(lambda db: db.execute("INSERT INTO contents (key, octets) VALUES (1, x'00')").get)
    bad = [finding.what for finding in await store.check() if not finding.ok]
    assert bad == ["contents: 1 rows that belong to nothing"]


async def test_waiters_are_bounded(path: str, make: Make) -> None:
    store = SqliteStore(path, serve=True, max_waiting=10)
    await store.open()
    calls = [store.commit(make.accept(*(make.born() for _ in range(4)))) for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, StoreBusy) for answer in answers] == [False, False, True, True, True]
    await store.close()
