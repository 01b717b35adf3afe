"""Lists over several accounts: each message once, newest first, page by page; nobody else's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from heliograph.contracts import ListFilter, Store
from heliograph.delivery.treelists import MOST_LISTED_ACCOUNTS, message_of, messages_of
from heliograph.errors import RequestRejected
from tests.conformance.values import Make


async def pages(store: Store, accounts: Sequence[int], limit: int, **asked: object) -> list[str]:
    """All ids of a listing, page by page."""
    found: list[str] = []
    before = None
    while True:
        page = await messages_of(store, accounts, ListFilter(limit=limit, before=before, **asked))  # type: ignore[arg-type]
        assert len(page.records) <= limit
        found += [record.message.id for record in page.records]
        before = page.next
        if before is None:
            return found


@pytest.mark.parametrize("count", [40, 9_500])
async def test_a_list_of_several_accounts_has_each_message_once(store: Store, make: Make, count: int) -> None:
    """Account 1 sends half of all, 2 to 5 the rest, and 9 is nobody whom we ask for."""
    owners = [1, 2, 1, 3, 1, 4, 1, 9, 1, 5]
    news = [make.born(account_id=owners[n % 10], recipient=f"+49{n % 3}") for n in range(count)]
    for at in range(0, count, 1_900):
        await store.commit(make.accept(*news[at : at + 1_900]))
    wanted = (1, 2, 3, 4, 5, 6, 7)

    def expected(*accounts: int, recipient: str | None = None) -> list[str]:
        return [
            new.message.id
            for new in reversed(news)
            if new.message.account_id in accounts and recipient in (None, new.message.recipient)
        ]

    for limit in (3, 17, count):
        if count // limit < 200:
            assert await pages(store, wanted, limit) == expected(*wanted)
            assert await pages(store, wanted, limit, recipient="+491") == expected(*wanted, recipient="+491")
    assert await pages(store, (6, 7), 10) == []
    assert await pages(store, (2, 6), 50) == expected(2)
    assert await pages(store, (4,), 50) == expected(4)


async def test_the_first_page_has_the_newest_where_one_account_sends_alone(store: Store, make: Make) -> None:
    old = [make.born(account_id=2) for _ in range(30)]
    news = [make.born(account_id=1) for _ in range(60)]
    await store.commit(make.accept(*old, *news))
    page = await messages_of(store, (1, 2, 3), ListFilter(limit=50))
    assert [one.message.id for one in page.records] == [one.message.id for one in reversed(news[10:])]
    assert page.next == news[10].message.id


async def test_a_message_is_found_in_any_of_the_accounts_and_in_no_other(store: Store, make: Make) -> None:
    theirs, strangers = make.born(account_id=2), make.born(account_id=9)
    await store.commit(make.accept(theirs, strangers))
    found = await message_of(store, (1, 2, 3), theirs.message.id)
    assert found is not None
    assert found.message.account_id == 2
    assert await message_of(store, (1, 2, 3), strangers.message.id) is None
    assert await message_of(store, (9,), strangers.message.id) is not None


async def test_too_many_accounts_are_refused(store: Store) -> None:
    with pytest.raises(RequestRejected) as refused:
        await messages_of(store, range(1, MOST_LISTED_ACCOUNTS + 2), ListFilter())
    assert (refused.value.code, refused.value.field) == ("answer_too_large", "account")
