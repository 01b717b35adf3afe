"""Runs follow the commits, whatever their size, and go when their messages have gone."""

from __future__ import annotations

import re
from typing import Any

import apsw
import pytest

from heliograph.contracts import Changes, ListFilter
from heliograph.store.groupcommit import GroupCommit
from heliograph.store.sqlite import SqliteStore
from heliograph.store.sqlite.queries import query
from heliograph.store.sqlite.runs import RUN, Runs
from tests.conformance.values import NOW, Make


async def runs(store: SqliteStore) -> list[tuple[int, int, int]]:
    """(run, messages, entries of the index) of each."""
    sql = (
        "SELECT run, (SELECT count(*) FROM messages WHERE key BETWEEN first_key AND last_key), "
        "(SELECT count(*) FROM run_recipients i WHERE i.run = runs.run) FROM runs ORDER BY run"
    )
    await store._writer.run(lambda db: None)  # what was begun behind the last commit
    await store._writer.run(lambda db: None)
    await store._writer.run(lambda db: None)
    return await store._writer.run(lambda db: list(db.execute(sql)))


async def test_runs_keep_up_with_large_commits(store: SqliteStore, path: str, make: Make) -> None:
    await store.commit(make.accept(*(make.born() for _ in range(2 * RUN + 100))))
    assert await runs(store) == [(1, RUN, RUN), (2, RUN, RUN)]
    await store.commit(make.accept(*(make.born() for _ in range(RUN - 101))))
    assert len(await runs(store)) == 2
    await store.close()
    again = SqliteStore(path, serve=True)
    await again.open()
    await again.commit(make.accept(make.born()))
    assert await runs(again) == [(n, RUN, RUN) for n in (1, 2, 3)]
    await again.close()


async def test_runs_go_with_their_messages(store: SqliteStore, make: Make) -> None:
    news = [make.born() for _ in range(2 * RUN)]
    await store.commit(make.accept(*news))
    await store.commit(Changes(updates=[make.delivered(new, 1, ended_us=NOW) for new in news]))
    assert len(await runs(store)) == 2
    while await store.purge("records", NOW + 1, 3_000):
        pass
    assert await runs(store) == [(2, 0, RUN)]  # the last one says how far the index reaches
    new = make.born()
    await store.commit(make.accept(new, correlations=[make.correlation(new, "c")]))
    assert [record.message.id for record in (await store.messages(1, ListFilter())).records] == [new.message.id]


async def test_a_listing_reads_each_run_once(store: SqliteStore, make: Make) -> None:
    """A state that nobody has: the oldest run costs what the newest does, wherever the page begins."""
    await store.commit(make.accept(*(make.born() for _ in range(4 * RUN))))
    assert len(await runs(store)) == 4

    def steps(db: apsw.Connection, run: int) -> int:
        count = 0

        def one_more() -> bool:
            nonlocal count
            count += 1
            return False

        db.set_progress_handler(one_more, 100)
        parameters: dict[str, Any] = dict.fromkeys(re.findall(r":([a-z_]+)", query("list_account")))
        parameters |= {"run": run, "floor": run - 1, "before": 1 << 62, "lowest": 0, "account": 1, "left": 50}
        parameters["states"] = "[45]"
        assert db.execute(query("list_account"), parameters).get == "[]"
        db.set_progress_handler(None)
        return count

    first, last = [await store._shows.run(lambda db, run=run: steps(db, run)) for run in (1, 4)]
    assert first < 1.2 * last


async def test_a_run_grows_in_pieces_while_others_wait_for_large_batches(
    store: SqliteStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroupCommit, "crowded", True)
    extend, seen = Runs.extend, []

    def seeing(run: Runs, db: apsw.Connection, *, hurry: bool = False) -> None:
        extend(run, db, hurry=hurry)
        seen.append(db.execute("SELECT max(run), (SELECT count(*) FROM run_recipients) FROM runs").get)

    monkeypatch.setattr(Runs, "extend", seeing)
    await store.commit(make.accept(*(make.born() for _ in range(RUN + 100))))
    while len(seen) < 4:
        await store._writer.run(lambda db: None)
    assert seen == [(1, RUN // 4), (1, RUN // 2), (1, RUN * 3 // 4), (1, RUN)]
    assert await runs(store) == [(1, RUN, RUN)]
    assert len((await store.messages(1, ListFilter(limit=500))).records) == 500


async def test_a_run_that_was_cut_short_is_followed_by_the_next(store: SqliteStore, make: Make) -> None:
    await store.commit(make.accept(*(make.born() for _ in range(RUN - 1))))
    grown = Runs()

    def grow(db: apsw.Connection) -> None:
        grown.load(db)
        grown.added(1)
        grown.extend(db, hurry=True)

    await store._writer.run(grow)
    ((_, piece, _),) = await runs(store)
    assert 0 < piece < RUN
    store._write.runs = Runs()  # what a new start knows
    await store.commit(make.accept(*(make.born() for _ in range(RUN))))
    (first, second) = await runs(store)
    assert first == (1, piece, piece)
    assert second == (2, RUN, RUN)
