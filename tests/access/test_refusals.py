"""Refusals in the audit log: told, and never so many that they fill it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.access.refusals import MOST_KINDS, MOST_OF_ONE, Refusals
from heliograph.contracts import Administration, AuditFilter
from heliograph.errors import StoreError
from heliograph.model import AuditEntry
from heliograph.store.sqlite import SqliteStore

NOW_US = 1_800_000_000_000_000
ENTRY = AuditEntry(
    at_us=NOW_US, actor="hg_live_0123abcd", actor_kind="key", action="refuse", object_kind="scope",
    object_name="admin", outcome="refused", account_id=1,
)  # fmt: skip


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "audit.db"), serve=True)
    await store.open()
    yield store
    await store.close()


async def counts(store: SqliteStore) -> list[tuple[str, int]]:
    """Names and counts of what the log has, oldest first."""
    found = await store.audit(AuditFilter(outcome="refused", limit=1_000))
    return [(one.object_name, json.loads(one.after or "")["count"]) for one in reversed(found)]


async def test_the_first_is_told_at_once_and_a_flood_once_a_minute(store: SqliteStore) -> None:
    now = [NOW_US]
    refusals = Refusals(store, lambda: now[0])
    version = await store.config_version()
    for _ in range(180):
        for _ in range(50):
            refusals.note(ENTRY, method="GET")
        await refusals.write()
        now[0] += 1_000_000
    await refusals.write(at_once=True)
    found = await counts(store)
    assert found == [("admin", 50), ("admin", 3_000), ("admin", 3_000), ("admin", 2_950)]
    assert await store.config_version() == version


async def test_many_different_ones_are_counted_together(store: SqliteStore) -> None:
    refusals = Refusals(store, lambda: NOW_US)
    for at in range(10_000):
        refusals.note(replace(ENTRY, actor=f"key-{at}", object_name=f"scope-{at}"))
    await refusals.write(at_once=True)
    found = await counts(store)
    assert len(found) == MOST_KINDS + 1
    assert found[-1] == ("others", 10_000 - MOST_KINDS)
    await refusals.write(at_once=True)
    assert len(await counts(store)) == MOST_KINDS + 1


async def test_a_lock_is_in_the_log(store: SqliteStore) -> None:
    refusals = Refusals(store, lambda: NOW_US)
    refusals.locked("address", "192.0.2.1", 900)
    await refusals.write()
    (entry,) = await store.audit(AuditFilter(action="lock"))
    assert (entry.actor_kind, entry.address, entry.object_kind, entry.outcome) == (
        "system", "192.0.2.1", "address", "refused",
    )  # fmt: skip
    assert json.loads(entry.after or "") == {"for_s": 900, "count": 1}


async def test_two_who_write_at_once_tell_each_once(store: SqliteStore) -> None:
    refusals = Refusals(store, lambda: NOW_US)
    refusals.note(ENTRY)
    refusals.note(ENTRY)
    await asyncio.gather(refusals.write(at_once=True), refusals.write(at_once=True))
    assert await counts(store) == [("admin", 2)]


async def test_what_could_not_be_written_is_told_later(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = Refusals(store, lambda: NOW_US)
    for at in range(MOST_KINDS + 1):
        refusals.note(replace(ENTRY, actor=f"key-{at}", object_name=f"scope-{at:02}"))

    async def full(change: Administration) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "administer", full)
        with pytest.raises(StoreError):
            await refusals.write()
    await refusals.write()
    found = await counts(store)
    assert (len(found), found[-1]) == (MOST_KINDS + 1, ("others", 1))


async def test_who_is_refused_many_things_hides_nobody_elses(store: SqliteStore) -> None:
    refusals = Refusals(store, lambda: NOW_US)
    for at in range(1_000):
        refusals.note(replace(ENTRY, object_name=f"origin-{at}"), shown="x")
    refusals.note(replace(ENTRY, actor="another"))
    await refusals.write(at_once=True)
    assert (await counts(store))[MOST_OF_ONE:] == [("others", 1_000 - MOST_OF_ONE), ("admin", 1)]
    [others] = await store.audit(AuditFilter(object_name="others"))
    assert (others.actor, others.after) == (ENTRY.actor, f'{{"count":{1_000 - MOST_OF_ONE}}}')
