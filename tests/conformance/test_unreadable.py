"""A damaged row never stops its neighbours: reads give what can be read, and tell the rest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import apsw
import asyncpg
import pytest
from msgspec.structs import replace

from heliograph.contracts import SET_ASIDE, Changes, ListFilter, NewMessage, Store, Unreadable
from heliograph.errors import ConfigurationUnreadable, MessageUnreadable
from heliograph.model import Content, ContentKind, Credential, Direction, State
from tests.accounts import ensure_account
from tests.conformance.stores import StoreKind
from tests.conformance.test_schedules import accept, date, dated
from tests.conformance.values import HOUR, NOW, Make
from tests.keys import keep_key
from tests.store.settling import settled


class Damager:
    """Writes into a store's tables behind its back."""

    def __init__(self, kind: StoreKind, url: str) -> None:
        self._url = url
        self.sqlite = kind.name == "sqlite"

    async def run(self, sql: str, *values: object) -> None:
        """``sql`` has its parameters as $1, $2 …"""
        if self.sqlite:
            db = apsw.Connection(self._url.removeprefix("sqlite:///"))
            db.set_busy_timeout(10_000)
            db.execute(sql.replace("$", "?"), values)
            db.close()
        else:
            connection = await asyncpg.connect(self._url)
            await connection.execute(sql, *values)
            await connection.close()

    def key(self, new: NewMessage) -> object:
        """What names the message in a table."""
        return int(new.message.id[1:], 32) >> 32 if self.sqlite else new.message.id

    async def message(self, new: NewMessage, column: str, value: int) -> None:
        name = "key" if self.sqlite else "id"
        await self.run(f"UPDATE messages SET {column} = $1 WHERE {name} = $2", value, self.key(new))

    async def lose_segment(self, new: NewMessage) -> None:
        name = "key" if self.sqlite else "message_id"
        await self.run(f"DELETE FROM segments WHERE number = 2 AND {name} = $1", self.key(new))


@pytest.fixture
def damager(kind: StoreKind, url: str) -> Damager:
    return Damager(kind, url)


@pytest.fixture
async def told(store: Store) -> list[Unreadable]:
    found: list[Unreadable] = []
    store.on_unreadable = found.append
    return found


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


def about(told: list[Unreadable]) -> set[tuple[str, str, bool]]:
    return {(one.table, one.id, one.live is not None) for one in told}


@pytest.mark.parametrize("column", ["encoding", "state", "direction", "recipient_kind"])
async def test_a_lane_gets_the_neighbours_of_a_damaged_message(
    store: Store, make: Make, damager: Damager, told: list[Unreadable], column: str
) -> None:
    before, bad, after = make.waiting(), make.waiting(), make.waiting()
    await store.commit(make.accept(before, bad, after))
    await damager.message(bad, column, 99)
    claimed = await store.claim(1, 1, 1, now_us=NOW, limit=10)
    assert [live.message.id for live, _ in claimed] == [before.message.id, after.message.id]
    await until(lambda: about(told) == {("messages", bad.message.id, False)})


async def test_fewer_than_asked_for_means_that_no_more_wait(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    news = [make.waiting() for _ in range(6)]
    await store.commit(make.accept(*news))
    for bad in news[:3]:
        await damager.message(bad, "encoding", 99)
    claimed = await store.claim(1, 1, 1, now_us=NOW, limit=2)
    assert [live.message.id for live, _ in claimed] == [new.message.id for new in news[3:5]]
    assert [live.message.id for live, _ in await store.claim(1, 1, 1, now_us=NOW, limit=2)] == [news[5].message.id]
    await until(lambda: len(about(told)) == 3)


async def test_what_is_set_aside_is_not_met_again(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    bad, good = make.waiting(), make.waiting()
    await store.commit(make.accept(bad, good))
    await damager.message(bad, "encoding", 99)
    late = bad.message.expires_us + HOUR
    lives = await store.expired_waiting(late, 10)
    assert [live.message.id for live in lives] == [good.message.id]
    await until(lambda: len(told) == 1)

    async with asyncio.timeout(60):
        while told:  # until the store has written it down
            told.clear()
            await store.expired_waiting(late, 10)
            await asyncio.sleep(0.01)
    assert not told
    assert await store.release() == []
    assert [live.message.id for live, _ in await store.claim(1, 1, 1, now_us=late, limit=10)] == [good.message.id]
    lives, _ = await store.overdue(after=None, accepted_before_us=late, limit=10)
    assert {live.message.id for live in lives} <= {good.message.id}
    assert not told


async def test_a_start_gives_back_the_neighbours_of_a_damaged_message(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    free, bad, wired = make.born(), make.born(), make.born()
    names = (bad.message.id, wired.message.id)
    await store.commit(make.accept(free, bad, wired, wires={1: names}))
    await damager.message(bad, "encoding", 99)
    assert [live.message.id for live in await store.release()] == [wired.message.id]
    assert await store.waiting() == {(1, 1, 1)}
    await until(lambda: about(told) == {("messages", bad.message.id, False)})


async def test_a_message_that_lacks_a_segment_is_told_so_that_it_can_end(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    bad, good = make.waiting(segments=3), make.waiting(segments=2)
    await store.commit(make.accept(bad, good))
    await damager.lose_segment(bad)
    ids = [(1, bad.message.id), (1, good.message.id)]
    assert set(await store.live(ids)) == {good.message.id}
    claimed = await store.claim(1, 1, 1, now_us=NOW, limit=10)
    assert [live.message.id for live, _ in claimed] == [good.message.id]
    await until(lambda: len(told) >= 2)
    assert about(told) == {("messages", bad.message.id, True)}
    met = told[-1].live
    assert met is not None
    assert (met.message, met.segments, met.progress.owner) == (bad.message, None, 0)


async def test_lists_go_on_behind_a_damaged_message(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    news = [make.born(content=Content(kind=ContentKind.TEXT, octets=b"x")) for _ in range(7)]
    await store.commit(make.accept(*news))
    for bad in (news[6], news[3], news[0]):
        await damager.message(bad, "encoding", 99)
    good = [new.message.id for new in reversed(news) if news.index(new) not in (0, 3, 6)]
    for within in (False, True):
        seen: list[str] = []
        before: str | None = None
        for _ in range(20):
            asked = ListFilter(limit=2, before=before)
            page = await (store.messages_within((1, 2), asked) if within else store.messages(1, asked))
            seen += [record.message.id for record in page.records]
            if (before := page.next) is None:
                break
        assert seen == good
    records = await store.records([(1, new.message.id) for new in news])
    assert set(records) == set(good)
    await until(lambda: {one.id for one in told} == {news[n].message.id for n in (0, 3, 6)})


async def test_a_sweep_goes_on_behind_a_damaged_message(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    news = [make.born() for _ in range(5)]
    await store.commit(make.accept(*news))
    await damager.message(news[1], "encoding", 99)
    seen: list[str] = []
    after: str | None = None
    for _ in range(20):
        lives, after = await store.overdue(after=after, accepted_before_us=NOW + HOUR, limit=2)
        seen += [live.message.id for live in lives]
        if after is None:
            break
    assert seen == [new.message.id for new in news if new is not news[1]]


async def test_the_outbox_goes_on_behind_damaged_facts(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    for _ in range(3):
        new = make.born()
        committed = await store.commit(make.accept(new, facts=[make.fact(new)]))
        await settled(store, committed.position)
    page = await store.outbox(0, 10)
    positions = [position for position, _ in page.rows]
    await damager.run("UPDATE outbox SET facts = $1 WHERE position = $2", b"\xc1damaged", positions[1])
    page = await store.outbox(0, 10)
    assert [(position, len(facts)) for position, facts in page.rows] == list(zip(positions, (1, 0, 1), strict=True))
    await until(lambda: about(told) == {("outbox", str(positions[1]), False)})


async def test_a_webhook_gets_the_neighbours_of_a_damaged_delivery(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    await store.commit(Changes(deliveries=[make.delivery(name) for name in ("d1", "d2", "d3")]))
    damaged: object = "{not json" if damager.sqlite else b"\xc1"
    await damager.run("UPDATE deliveries SET events = $1 WHERE id = $2", damaged, "d2")
    assert [one.id for one in await store.due_deliveries("e1", NOW, 10)] == ["d1", "d3"]
    assert [one.id for one in await store.deliveries("e1", 0, NOW + 1, 10)] == ["d1", "d3"]
    await until(lambda: {one.table for one in told} == {"deliveries"})
    async with asyncio.timeout(60):
        while told:  # until it is a dead letter
            told.clear()
            assert [one.id for one in await store.due_deliveries("e1", NOW, 10)] == ["d1", "d3"]
            await asyncio.sleep(0.01)


async def test_a_date_that_cannot_be_read_takes_nothing_from_its_message(
    store: Store, make: Make, damager: Damager, told: list[Unreadable]
) -> None:
    news = [dated(make, NOW + HOUR) for _ in range(2)]
    dates = [date(new) for new in news]
    await store.commit(accept(*zip(news, dates, strict=True)))
    name = "key" if damager.sqlite else "message_id"
    await damager.run(f"UPDATE schedules SET fields = $1 WHERE {name} = $2", "{", damager.key(news[0]))
    claimed = await store.claim(1, 1, 1, now_us=NOW + HOUR, limit=10)
    assert [live.schedules for live, _ in claimed] == [(), (dates[1],)]
    await until(lambda: about(told) == {("schedules", news[0].message.id, False)})


async def test_the_check_names_what_cannot_be_read(store: Store, make: Make, damager: Damager) -> None:
    row, text, long, dated_one, good = (
        make.waiting(), make.waiting(), make.waiting(segments=3), dated(make, NOW + HOUR), make.waiting(),
    )  # fmt: skip
    await store.commit(make.accept(row, text, long, good, facts=[make.fact(good)]))
    await store.commit(accept((dated_one, date(dated_one))))
    assert all(finding.ok for finding in await store.check())
    await damager.message(row, "encoding", 99)
    name = "key" if damager.sqlite else "message_id"
    await damager.run(f"UPDATE contents SET octets = $1 WHERE {name} = $2", b"\xff", damager.key(text))
    await damager.run(f"UPDATE schedules SET fields = $1 WHERE {name} = $2", "{", damager.key(dated_one))
    await damager.lose_segment(long)
    await damager.run("UPDATE outbox SET facts = $1", b"\xc1")
    wrong = [finding.what for finding in await store.check() if not finding.ok]
    for bad in (row, text, long, dated_one):
        assert [what for what in wrong if bad.message.id in what and "runbook" in what]
    assert [what for what in wrong if what.startswith("outbox ")]
    assert len(wrong) == 5
    await damager.message(row, "owner", SET_ASIDE)
    assert [finding for finding in await store.check() if "1 messages are set aside" in finding.what]


async def test_one_message_that_cannot_be_read_is_told_from_one_that_is_not_there(
    store: Store, make: Make, damager: Damager
) -> None:
    bad, long = make.waiting(), make.waiting(segments=3)
    await store.commit(make.accept(bad, long))
    await damager.message(bad, "encoding", 99)
    await damager.lose_segment(long)
    with pytest.raises(MessageUnreadable, match=bad.message.id):
        await store.message(1, bad.message.id)
    assert await store.message(2, bad.message.id) is None
    assert await store.message(1, make.id()) is None
    shown = await store.message(1, long.message.id)
    assert shown is not None
    assert (shown.message, shown.segments) == (long.message, ())


async def test_a_long_message_of_a_handset_has_no_segments_and_is_whole(
    store: Store, make: Make, told: list[Unreadable]
) -> None:
    new = make.new(segments=3, direction=Direction.IN, state=State.RECEIVED, connector_id=1)
    await store.commit(make.accept(replace(new, segments=None)))
    shown = await store.message(1, new.message.id)
    assert shown is not None
    assert (shown.message, shown.content, shown.segments) == (new.message, new.content, ())
    assert set(await store.live([(1, new.message.id)])) == {new.message.id}
    assert all(finding.ok for finding in await store.check())
    assert told == []


@pytest.mark.parametrize("table", ["accounts", "keys"])
async def test_a_damaged_account_or_key_is_named_and_nothing_is_guessed(
    store: Store, damager: Damager, table: str
) -> None:
    for name in ("one", "two"):
        account = await ensure_account(store, name, NOW)
        key = Credential(
            id=0, account_id=account.id, prefix=f"hg_live_{name}", hash=name.encode().ljust(32), scopes=(),
            created_us=NOW, expires_us=None,
        )  # fmt: skip
        await keep_key(store, key)
    assert all(finding.ok for finding in await store.check())
    name = table if damager.sqlite or table == "accounts" else "api_keys"
    await damager.run(f"UPDATE {name} SET settings = '{{' WHERE id = 2")
    words = f"the row 2 of {name} cannot be read (JSONDecodeError)"
    with pytest.raises(ConfigurationUnreadable, match=re.escape(words)):
        await (store.accounts() if table == "accounts" else store.keys())
    assert [finding.what for finding in await store.check() if not finding.ok] == [words]
