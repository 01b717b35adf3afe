"""The log is folded into the file beside the writer, and does not grow for ever."""

from __future__ import annotations

import os

import apsw
import pytest

from heliograph.store.sqlite import SqliteStore, folding
from heliograph.store.sqlite.worker import Worker
from tests.conformance.values import Make


def size(path: str) -> int:
    return os.path.getsize(path)


async def settle(store: SqliteStore) -> None:
    """Until what was begun behind the last commit is done: beside the writer, then in its thread."""
    assert store._folding is not None
    await store._folding._beside.run(lambda db: None)
    await store._writer.run(lambda db: None)


async def test_a_long_log_is_folded_and_begins_anew(
    store: SqliteStore, path: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "WAL_PAGES", 50)
    longest = 0
    for _ in range(40):
        await store.commit(make.accept(*(make.born() for _ in range(100))))
        await settle(store)
        longest = max(longest, size(path + "-wal"))
    assert longest < 50 * 4096 * 4
    assert size(path) > 40 * 100 * 100
    assert await store._writer.run(lambda db: db.execute("SELECT count(*) FROM messages").get) == 4_000


async def test_folding_that_fails_is_tried_again(
    store: SqliteStore, path: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "WAL_PAGES", 20)
    begun: list[bool] = []
    later = Worker.later

    def failing(worker: Worker, job: object) -> None:
        def fail(db: apsw.Connection) -> None:
            begun.append(True)
            folded._fold(Broken())  # type: ignore[arg-type]

        folded = store._folding
        assert folded is not None
        later(worker, fail if job == folded._fold and len(begun) < 2 else job)  # type: ignore[arg-type]

    class Broken:
        def wal_checkpoint(self, **_: object) -> None:
            raise apsw.IOError("disk I/O error")

    monkeypatch.setattr(Worker, "later", failing)
    for _ in range(20):
        await store.commit(make.accept(*(make.born() for _ in range(100))))
        await settle(store)
    assert len(begun) == 2
    assert size(path + "-wal") < 20 * 4096 * 20
