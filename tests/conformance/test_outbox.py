"""The outbox, pending deliveries, endpoints, counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from heliograph.contracts import Acceptance, Changes, Store
from heliograph.model import DEAD_FROM_US, Fact, Live
from tests.conformance.values import HOUR, NOW, Make
from tests.store.settling import settled


async def test_facts_are_read_in_order_and_none_is_skipped(store: Store, make: Make) -> None:
    news = [make.born() for _ in range(60)]
    written: list[int] = []
    seen: list[tuple[int, str]] = []

    async def write() -> None:
        for new in news:
            answer = await store.commit(make.accept(new, facts=[make.fact(new)]))
            written.append(answer.position)

    async def read() -> None:
        after = 0
        while len(seen) < len(news):
            for position, facts in (await store.outbox(after, 7)).rows:
                assert position > after
                after = position
                seen.extend((position, fact.message_id) for fact in facts)

    await asyncio.wait_for(asyncio.gather(write(), read()), 30)
    assert [message_id for _, message_id in seen] == [new.message.id for new in news]
    assert sorted(written) == written == [position for position, _ in seen]


async def test_behind_the_end_is_what_comes_after(store: Store, make: Make) -> None:
    assert (await store.outbox(await store.outbox_end(), 10)).rows == ()
    before, after = make.born(), make.born()
    await settled(store, (await store.commit(make.accept(before, facts=[make.fact(before)]))).position)
    end = await store.outbox_end()
    assert (await store.outbox(end, 10)).rows == ()
    await settled(store, (await store.commit(make.accept(after, facts=[make.fact(after)]))).position)
    ((_, facts),) = (await store.outbox(end, 10)).rows
    assert [fact.message_id for fact in facts] == [after.message.id]


async def test_facts_of_many_callers_share_a_row_and_are_whole(store: Store, make: Make) -> None:
    news = [make.born() for _ in range(50)]
    fact = make.fact(news[0], 9, 50, corrects=43, network="26201", has_callback=True, sender="Ü")
    facts = [fact, *(make.fact(new) for new in news[1:])]
    answers = await asyncio.gather(
        *(store.commit(make.accept(new, facts=[fact])) for new, fact in zip(news, facts, strict=True))
    )
    await settled(store, max(answer.position for answer in answers))
    rows = (await store.outbox(0, 100)).rows
    assert [one for _, facts in rows for one in facts] == facts
    assert [answer.position for answer in answers] == [position for position, row in rows for _ in row]
    assert len(rows) < 50
    assert (await store.outbox(rows[-1][0], 10)).rows == ()


async def test_facts_are_told_with_their_messages_once_they_are_durable(store: Store, make: Make) -> None:
    told: list[tuple[int, list[str], list[str]]] = []

    def hear(position: int, facts: Sequence[Fact], lives: Sequence[Live]) -> None:
        told.append((position, [f.message_id for f in facts], [one.message.id for one in lives]))

    store.on_facts = hear
    new, other = make.born(), make.born()
    answer = await store.commit(
        make.accept(new, facts=[make.fact(new)], lives=[Live(new.message, new.progress, content=new.content)])
    )
    await store.commit(make.accept(other))
    assert told == [(answer.position, [new.message.id], [new.message.id])]


async def test_endpoints_live_with_their_claim(store: Store, make: Make) -> None:
    one, two = make.endpoint("e1", position=3, batch=100), make.endpoint("e2", account_id=2, events=(), kind="callback")
    changes = Changes(acceptances=[Acceptance([], claim=make.claim("hook"), endpoints=[one, two])])
    version = await store.config_version()
    await store.commit(changes)
    assert await store.config_version() > version
    assert await store.endpoints() == [one, two]
    assert await store.endpoints(2) == [two]
    lost = await store.commit(
        Changes(acceptances=[Acceptance([], claim=make.claim("hook"), endpoints=[make.endpoint("e3")])])
    )
    assert set(lost.lost) == {0}
    assert len(await store.endpoints()) == 2
    version = await store.config_version()
    gone = [(2, "e1", NOW), (2, "e2", NOW)]  # e1 is another account's
    await store.commit(Changes(acceptances=[Acceptance([], deleted_endpoints=gone)]))
    assert await store.endpoints() == [one]
    assert await store.config_version() > version


async def test_positions_never_move_back(store: Store, make: Make) -> None:
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[make.endpoint("e1", position=5)])]))
    await store.commit(Changes(positions={"e1": 9, "unknown": 3}))
    await store.commit(Changes(positions={"e1": 7}))
    assert [endpoint.position for endpoint in await store.endpoints()] == [9]


async def test_an_endpoint_changes_and_keeps_its_place(store: Store, make: Make) -> None:
    made = make.endpoint("e1", position=3)
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[made])]))
    await store.commit(Changes(positions={"e1": 9}))
    changes = {"url": "https://b.example/", "tags": ("ä", "b"), "paused_us": NOW, "old_secret": "o", "old_until_us": 7}
    changed = make.endpoint("e1", position=3, **changes)
    version = await store.config_version()
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[changed])]))
    assert await store.config_version() > version
    assert await store.endpoints(1) == [make.endpoint("e1", position=9, **changes)]
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[make.endpoint("e1", account_id=2)])]))
    assert await store.endpoints() == [make.endpoint("e1", position=9, **changes)]
    await store.commit(Changes(acceptances=[Acceptance([], deleted_endpoints=[(1, "e1", NOW)])]))
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[made])]))
    assert await store.endpoints() == []  # who deletes is not overruled by who changes


async def test_dead_letters_are_never_due_listed_newest_first_and_purged(store: Store, make: Make) -> None:
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[make.endpoint("e1"), make.endpoint("e2")])]))
    dead = [make.delivery(f"d{n}", next_us=DEAD_FROM_US + n, body=None, last_error="timeout") for n in (10, 20, 30)]
    other = make.delivery("x", endpoint_id="e2", next_us=DEAD_FROM_US + 15)
    alive = make.delivery("alive", next_us=NOW + HOUR, body=b"[1]")
    await store.commit(Changes(deliveries=[*dead, other, alive]))
    assert await store.due_deliveries("e1", DEAD_FROM_US - 1, 10) == [alive]
    assert await store.deliveries("e1", 0, DEAD_FROM_US, 10) == [alive]
    assert await store.deliveries("e1", DEAD_FROM_US, 2 * DEAD_FROM_US - 1, 2) == [dead[2], dead[1]]
    assert await store.deliveries("e1", DEAD_FROM_US, dead[1].next_us, 2) == [dead[0]]
    assert [await store.purge("dead_letters", 25, 2) for _ in range(3)] == [2, 1, 0]
    assert await store.deliveries("e1", 0, 2 * DEAD_FROM_US - 1, 9) == [dead[2], alive]


async def test_of_too_many_dead_letters_of_an_endpoint_the_oldest_can_be_dropped(store: Store, make: Make) -> None:
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[make.endpoint("e1"), make.endpoint("e2")])]))
    dead = [make.delivery(f"d{n}", next_us=DEAD_FROM_US + n) for n in (30, 10, 20)]
    other = [make.delivery(f"x{n}", endpoint_id="e2", next_us=DEAD_FROM_US + n) for n in (1, 2)]
    alive = make.delivery("alive", next_us=NOW)
    await store.commit(Changes(deliveries=[*dead, *other, alive]))
    assert await store.crowded_dead_letters(3) == {}
    assert await store.crowded_dead_letters(2) == {"e1": 1}
    assert await store.crowded_dead_letters(1) == {"e1": 2, "e2": 1}
    assert await store.drop_dead_letters("e1", 2) == 2
    assert await store.deliveries("e1", 0, 2 * DEAD_FROM_US - 1, 9) == [dead[0], alive]
    assert [await store.drop_dead_letters("e1", 5), await store.drop_dead_letters("e1", 5)] == [1, 0]
    assert len(await store.deliveries("e2", DEAD_FROM_US, 2 * DEAD_FROM_US - 1, 9)) == 2
    assert await store.due_deliveries("e1", NOW, 9) == [alive]


async def test_pending_deliveries_are_due_oldest_first(store: Store, make: Make) -> None:
    body = make.delivery("b", next_us=NOW + 1, body=b"\x00{}", last_error="timeout", tries=4)
    rows = [body, make.delivery("a"), make.delivery("c", next_us=NOW + HOUR), make.delivery("d", "e2", next_us=NOW - 9)]
    await store.commit(Changes(deliveries=rows))
    assert await store.due_deliveries("e1", NOW + 1, 10) == [rows[1], body]
    assert await store.due_deliveries("e1", NOW + 1, 1) == [rows[1]]
    assert await store.due_deliveries("e2", NOW, 10) == [rows[3]]
    assert (await store.depth())["pending_deliveries"] in (0, 4)
    again = make.delivery("a", tries=2, next_us=NOW + 5)
    await store.commit(Changes(deliveries=[again], deliveries_done=["d"]))
    assert await store.due_deliveries("e1", NOW + 5, 10) == [body, again]
    assert await store.due_deliveries("e2", NOW, 10) == []
    await store.commit(Changes(deliveries_done=["a", "b", "c", "x"]))
    assert await store.due_deliveries("e1", NOW + HOUR, 10) == []
