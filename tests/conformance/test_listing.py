"""What customers see: their own messages, newest first, by state and by recipient, over any number of pages."""

from __future__ import annotations

import pytest

from heliograph.contracts import Changes, ListFilter, Store
from heliograph.model import State
from tests.conformance.values import Make


async def pages(store: Store, account_id: int, limit: int, **asked: object) -> list[str]:
    """All ids of a listing, page by page."""
    found: list[str] = []
    while True:
        before = found[-1] if found else None
        page = await store.messages(account_id, ListFilter(limit=limit, before=before, **asked))  # type: ignore[arg-type]
        assert len(page) <= limit
        if not page:
            return found
        found += [record.message.id for record in page]


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
    (record,) = await store.messages(1, ListFilter())
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
