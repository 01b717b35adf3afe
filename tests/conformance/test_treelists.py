"""Lists over several accounts: each message once, newest first, page by page; nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from heliograph.contracts import Changes, ListFilter, NewMessage, Store
from heliograph.delivery.treelists import message_of, messages_of, opt_outs_of
from heliograph.model import OptOut, State
from tests.conformance.values import NOW, SECOND, Make


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


@pytest.mark.parametrize("count", [60, 9_500])
async def test_a_filter_over_ten_thousand_accounts_gives_what_it_wants_page_by_page(
    store: Store, make: Make, count: int
) -> None:
    """Most of the accounts have nothing; some send seldom, one always, and those of 9 are nobody's of whom we ask."""
    owners = [1, 2, 1, 5_000, 1, 4, 1, 9, 1, 10_050]
    news = [
        make.born(
            account_id=owners[n % 10],
            recipient=f"+49{n % 3}",
            sender=f"S{n % 4}",
            tags='["night"]' if n % 5 == 0 else None,
            client_ref=f"r{n % 11}",
            accepted_us=NOW + n * SECOND,
        )
        for n in range(count)
    ]
    for at in range(0, count, 1_900):
        await store.commit(make.accept(*news[at : at + 1_900]))
    failed = [new for n, new in enumerate(news) if n % (count // 20) == 3]
    await store.commit(Changes(updates=[make.update(new, state=State.FAILED, ended_us=1) for new in failed]))
    ids = {new.message.id for new in failed}
    wanted = tuple(one for one in range(1, 10_100) if one != 9)
    asked: list[tuple[dict[str, object], Callable[[NewMessage], bool]]] = [
        ({}, lambda new: True),
        ({"states": (State.FAILED,)}, lambda new: new.message.id in ids),
        ({"sender": "S3"}, lambda new: new.message.sender == "S3"),
        ({"tag": "night"}, lambda new: new.message.tags is not None),
        ({"tag": "day"}, lambda new: False),
        ({"tag": "night", "sender": "S0"}, lambda new: new.message.tags is not None and new.message.sender == "S0"),
        ({"client_ref": "r7"}, lambda new: new.message.client_ref == "r7"),
        ({"recipient": "+491"}, lambda new: new.message.recipient == "+491"),
        ({"from_us": NOW + 20 * SECOND}, lambda new: new.message.accepted_us >= NOW + 20 * SECOND),
        ({"to_us": NOW + 20 * SECOND}, lambda new: new.message.accepted_us < NOW + 20 * SECOND),
    ]
    for more, keep in asked:
        expected = [new.message.id for new in reversed(news) if new.message.account_id != 9 and keep(new)]
        assert await pages(store, wanted, max(1, count // 7), **more) == expected, more
    stranger = next(new.message.id for new in news if new.message.account_id == 9)
    assert await message_of(store, wanted, news[9].message.id) is not None
    assert await message_of(store, wanted, stranger) is None


async def test_opt_outs_of_several_accounts_are_one_list_in_pages(store: Store) -> None:
    owners = [5, 1, 9, 2, 1, 5, 5, -1]
    rows = [OptOut(account_id=owner, recipient=f"+49{n}", created_us=NOW) for n, owner in enumerate(owners)]
    await store.add_opt_outs(rows)
    wanted = tuple(one for one in range(10_100, -2, -1) if one != 9)
    expected = sorted((one.account_id, one.recipient) for one in rows if one.account_id != 9)
    for limit in (1, 2, 3, 100):
        seen: list[tuple[int, str]] = []
        after = None
        while page := await opt_outs_of(store, wanted, after, limit):
            assert len(page) <= limit
            seen += [(one.account_id, one.recipient) for one in page]
            after = seen[-1]
        assert seen == expected
    assert await opt_outs_of(store, (2,), (1, "+49"), 5) == [rows[3]]
    assert await opt_outs_of(store, (3, 4), None, 5) == []
