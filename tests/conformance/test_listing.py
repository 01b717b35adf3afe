"""What customers see: their own messages, newest first, by state and by recipient, over any number of pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heliograph.contracts import Changes, ListFilter, Store
from heliograph.model import Direction, Message, State
from tests.conformance.values import NOW, SECOND, Make


async def pages(store: Store, account_id: int, limit: int, **asked: object) -> list[str]:
    """All ids of a listing, page by page."""
    found: list[str] = []
    before = None
    while True:
        page = await store.messages(account_id, ListFilter(limit=limit, before=before, **asked))  # type: ignore[arg-type]
        assert len(page.records) <= limit
        found += [record.message.id for record in page.records]
        before = page.next
        if before is None:
            return found


@pytest.mark.parametrize("count", [30, 9_500])
async def test_every_listing_gives_each_message_once_newest_first(store: Store, make: Make, count: int) -> None:
    news = [make.born(account_id=1 + (n % 7 == 0), recipient=f"+49{n % 5}") for n in range(count)]
    for at in range(0, count, 1_900):
        await store.commit(make.accept(*news[at : at + 1_900]))
    failed = [new for n, new in enumerate(news) if n % (count // 10) == 3]
    await store.commit(Changes(updates=[make.update(new, state=State.FAILED, ended_us=1) for new in failed]))
    newest_first = news[::-1]
    limit = count // 4

    def expected(keep: object) -> list[str]:
        return [new.message.id for new in newest_first if keep(new)]  # type: ignore[operator]

    assert await pages(store, 1, limit) == expected(lambda n: n.message.account_id == 1)
    assert await pages(store, 2, limit) == expected(lambda n: n.message.account_id == 2)
    assert await pages(store, 3, limit) == []
    asked = expected(lambda n: n.message.account_id == 1 and n.message.recipient == "+493")
    assert await pages(store, 1, 1 + limit // 3, recipient="+493") == asked
    states = expected(lambda n: n.message.account_id == 1 and n in failed)
    assert await pages(store, 1, 3, states=(State.FAILED, State.EXPIRED)) == states
    both = expected(lambda n: n.message.account_id == 1 and n in failed and n.message.recipient == "+491")
    assert await pages(store, 1, 50, recipient="+491", states=(State.FAILED,)) == both


async def test_messages_that_come_late_are_listed_in_their_place(store: Store, make: Make) -> None:
    """Another process may have given ids that are older than what is kept already."""
    late = [make.born(recipient="+7") for _ in range(3)]
    news = [make.born(recipient="+7") for _ in range(5_000)]
    await store.commit(make.accept(*news))
    await store.commit(make.accept(make.born(account_id=2)))  # whatever is made behind a commit is done by now
    await store.depth()
    await store.commit(make.accept(*late))
    expected = [new.message.id for new in [*late, *news]][::-1]
    assert await pages(store, 1, 2_000) == expected
    assert await pages(store, 1, 2_000, recipient="+7") == expected


async def test_a_page_shows_content_and_segments(store: Store, make: Make) -> None:
    new = make.born(segments=2)
    await store.commit(make.accept(new, wires={1: (new.message.id,)}))
    (record,) = (await store.messages(1, ListFilter())).records
    assert (record.message, record.progress, record.content, record.segments) == (
        new.message,
        new.progress,
        new.content,
        new.segments,
    )
    assert record.on_wire


async def test_records_are_found_by_the_hundred(store: Store, make: Make) -> None:
    news = [make.born(account_id=1 + n % 2) for n in range(300)]
    await store.commit(make.accept(*news))
    asked = [(new.message.account_id, new.message.id) for new in news]
    found = await store.records([*asked, (1, make.id())])
    assert {record.message.id for record in found.values()} == {new.message.id for new in news}
    assert await store.records([]) == {}


@pytest.mark.parametrize("count", [40, 9_500])
async def test_a_list_by_anything_alone_or_together(store: Store, make: Make, count: int) -> None:
    """Whatever the filter, and whether it has an index: what it wants, each once, in order."""
    news = [
        make.born(
            account_id=1 + (n % 9 == 0),
            accepted_us=NOW + n * SECOND,
            sender=f"S{n % 3}",
            recipient=f"+49{n % 5}",
            connector_id=1 + n % 2,
            client_ref=f"ref{n % 40}" if n % 4 else None,
            tags='["a","b\\u00e9","a"]' if n % 7 == 0 else '["c"]' if n % 11 == 0 else None,
            direction=Direction.IN if n % 13 == 0 else Direction.OUT,
        )
        for n in range(count)
    ]
    for at in range(0, count, 1_900):
        await store.commit(make.accept(*news[at : at + 1_900]))

    def expected(keep: Callable[[Message], bool]) -> list[str]:
        return [new.message.id for new in news[::-1] if new.message.account_id == 1 and keep(new.message)]

    half, end = NOW + count // 2 * SECOND, NOW + count * SECOND
    connectors = {new.message.id: new.progress.connector_id for new in news}
    cases: list[tuple[dict[str, Any], Callable[[Message], bool]]] = [
        ({"sender": "S1"}, lambda m: m.sender == "S1"),
        ({"sender": "nobody"}, lambda m: False),
        ({"client_ref": "ref7"}, lambda m: m.client_ref == "ref7"),
        ({"tag": "a"}, lambda m: m.tags is not None and '"a"' in m.tags),
        ({"tag": "bé"}, lambda m: m.tags is not None and '"a"' in m.tags),
        ({"tag": "ref7"}, lambda m: False),
        ({"tag": "c", "client_ref": "ref11"}, lambda m: m.tags == '["c"]' and m.client_ref == "ref11"),
        ({"connector_id": 2}, lambda m: connectors[m.id] == 2),
        ({"connector_id": 9}, lambda m: False),
        ({"from_us": half}, lambda m: m.accepted_us >= half),
        ({"to_us": half}, lambda m: m.accepted_us < half),
        ({"from_us": half + 1, "to_us": half + 9 * SECOND}, lambda m: half < m.accepted_us < half + 9 * SECOND),
        ({"from_us": end}, lambda m: False),
        ({"to_us": NOW}, lambda m: False),
        ({"from_us": half, "client_ref": "ref7"}, lambda m: m.accepted_us >= half and m.client_ref == "ref7"),
        ({"to_us": half, "recipient": "+492"}, lambda m: m.accepted_us < half and m.recipient == "+492"),
        (
            {"sender": "S2", "recipient": "+493", "connector_id": 1, "states": (State.QUEUED,)},
            lambda m: m.sender == "S2" and m.recipient == "+493" and connectors[m.id] == 1,
        ),
    ]
    for asked, keep in cases:
        assert await pages(store, 1, 1 + count // 7, **asked) == expected(keep), asked
    assert await pages(store, 3, 10, client_ref="ref7") == []


async def test_pages_hold_while_messages_come(store: Store, make: Make) -> None:
    news = [make.born(tags='["t"]') for _ in range(60)]
    await store.commit(make.accept(*news))
    found: list[str] = []
    before = None
    while True:
        page = await store.messages(1, ListFilter(limit=7, tag="t", before=before))
        found += [record.message.id for record in page.records]
        before = page.next
        if before is None:
            break
        await store.commit(make.accept(*(make.born(tags='["t"]') for _ in range(3))))
    assert found == [new.message.id for new in news[::-1]]
