"""What is used of limits is counted with what used it, or not at all."""

from __future__ import annotations

import pytest

from heliograph.contracts import Acceptance, Changes, Store
from heliograph.model import Usage, UsageRow
from heliograph.store import open_store
from tests.conformance.values import NOW, Make

DAY = 86_400_000_000
TODAY = NOW - NOW % DAY


def used(segments: int, *, requests: int = 0, start_us: int = TODAY, subject: str = "account:1") -> Usage:
    return Usage(subject, "day", start_us, requests, segments)


async def commit(store: Store, *usage: Usage, make: Make | None = None) -> bool:
    """Whether it was written; with ``make`` under its claim."""
    claim = None if make is None else make.claim()
    return not (await store.commit(Changes(acceptances=[Acceptance((), claim, usage=usage)]))).lost


async def rows(store: Store, since_us: int = 0) -> list[UsageRow]:
    return sorted(await store.usage(since_us), key=lambda row: (row.subject, row.period))


async def test_uses_add_up(store: Store) -> None:
    await commit(store, used(3), used(2, requests=1), Usage("account:1", "month", TODAY, 0, 5, 20))
    await commit(store, Usage("account:1", "month", TODAY, 0, 0, 7))
    await commit(store, used(4), used(1, subject="key:hg_live_ab"))
    node = store.node_id
    assert await rows(store) == [
        UsageRow("account:1", "day", node, TODAY, 1, 9),
        UsageRow("account:1", "month", node, TODAY, 0, 5, 27),
        UsageRow("key:hg_live_ab", "day", node, TODAY, 0, 1),
    ]


async def test_a_new_period_begins_at_nothing_and_an_old_one_counts_no_more(store: Store) -> None:
    await commit(store, used(9, requests=2))
    await commit(store, used(4, start_us=TODAY + DAY), used(1))
    assert await rows(store) == [UsageRow("account:1", "day", store.node_id, TODAY + DAY, 0, 4)]
    await commit(store, used(7))
    assert [row.segments for row in await rows(store)] == [4]
    assert await rows(store, TODAY + DAY + 1) == []


async def test_what_a_taken_claim_refuses_uses_nothing(store: Store, make: Make) -> None:
    assert await commit(store, used(3), make=make)
    assert not await commit(store, used(3), make=make)
    assert [row.segments for row in await rows(store)] == [3]


async def test_uses_stay_through_a_restart(url: str) -> None:
    for _ in range(2):
        store = open_store(url, serve=True)
        await store.open()
        await commit(store, used(5))
        await store.close()
    store = open_store(url, serve=True)
    await store.open()
    try:
        assert [row.segments for row in await rows(store)] == [10]
    finally:
        await store.close()


@pytest.mark.parametrize("segments", [2**31, 2**53])
async def test_large_uses_are_kept(store: Store, segments: int) -> None:
    await commit(store, used(segments))
    assert [row.segments for row in await rows(store)] == [segments]
