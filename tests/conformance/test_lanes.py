"""Backlog, claims, release: no message is with two, and none is with nobody."""

from __future__ import annotations

import asyncio

from heliograph.contracts import Backlog, Changes, Store
from heliograph.model import State
from heliograph.store import open_store
from tests.conformance.values import HOUR, NOW, SECOND, Make


async def ids_of(claimed: object) -> list[str]:
    return [live.message.id for live, _ in claimed]  # type: ignore[attr-defined]


async def test_the_oldest_due_are_claimed_first(store: Store, make: Make) -> None:
    late = make.waiting(due_us=NOW + HOUR)
    second, first = make.waiting(due_us=NOW + 2), make.waiting(due_us=NOW + 1)
    await store.commit(make.accept(second, late, first))
    assert await ids_of(await store.claim(1, 1, 1, now_us=NOW, limit=10)) == []
    assert await ids_of(await store.claim(1, 1, 1, now_us=NOW + 2, limit=1)) == [first.message.id]
    ((live, content),) = await store.claim(1, 1, 1, now_us=NOW + 2, limit=10)
    assert live.message == second.message
    assert (live.progress.owner, live.progress.version, live.progress.due_us) == (1, 2, NOW + 2)
    assert content == second.content
    assert (await store.live([(1, second.message.id)]))[second.message.id].progress == live.progress


async def test_claims_of_other_lanes_classes_and_accounts_stay_apart(store: Store, make: Make) -> None:
    news = [make.waiting(connector_id=c, type=t, account_id=a) for c in (1, 2) for t in (0, 1) for a in (1, 2)]
    await store.commit(make.accept(*news))
    assert set(await store.backlog(1, NOW)) == {Backlog(t, a) for t in (0, 1) for a in (1, 2)}
    claimed = await store.claim(2, 0, 1, now_us=NOW, limit=10)
    assert [(x.progress.connector_id, x.message.type, x.message.account_id) for x, _ in claimed] == [(2, 0, 1)]
    assert Backlog(0, 1) not in await store.backlog(2, NOW)


async def test_two_claimers_never_get_the_same(store: Store, make: Make) -> None:
    news = [make.waiting(segments=1 + n % 2) for n in range(300)]
    await store.commit(make.accept(*news))
    pages = await asyncio.gather(*(store.claim(1, 1, 1, now_us=NOW, limit=70) for _ in range(6)))
    got = [live.message.id for page in pages for live, _ in page]
    assert len(got) == len(set(got)) == 300
    assert all(len(live.segments or ()) in (0, 2) for page in pages for live, _ in page)


async def test_backlog_counts_what_is_due_and_waiting_what_will_be(store: Store, make: Make) -> None:
    await store.commit(
        make.accept(
            make.waiting(),
            make.waiting(connector_id=2, due_us=NOW + HOUR, type=2, account_id=5),
            make.born(connector_id=3),
        )
    )
    assert await store.backlog(2, NOW) == []
    assert await store.backlog(2, NOW + HOUR) == [Backlog(2, 5)]
    assert await store.waiting() == {(1, 1, 1), (2, 2, 5)}
    await store.claim(1, 1, 1, now_us=NOW, limit=10)
    assert await store.waiting() == {(2, 2, 5)}
    assert (await store.depth())["waiting"] in (1, 2)  # may be a second old


async def test_what_has_left_is_not_claimed_again(store: Store, make: Make) -> None:
    new = make.waiting()
    await store.commit(make.accept(new))
    await store.claim(1, 1, 1, now_us=NOW, limit=10)
    await store.commit(Changes(updates=[make.sent(new, base=2)]))
    assert await store.waiting() == set()
    assert await store.release() == []
    assert await store.waiting() == set()


async def test_a_retry_goes_back_to_the_backlog(store: Store, make: Make) -> None:
    new = make.born()
    await store.commit(make.accept(new))
    await store.commit(Changes(updates=[make.update(new, due_us=NOW + 5, connector_id=2)]))
    assert await store.backlog(2, NOW) == []
    assert await ids_of(await store.claim(2, 1, 1, now_us=NOW + 5, limit=10)) == [new.message.id]


async def test_after_a_crash_what_no_wire_names_goes_back(store: Store, url: str, make: Make) -> None:
    await store.release()
    born, named, sent, ended = (make.born() for _ in range(4))
    backlog, backlog_named = make.waiting(), make.waiting()
    await store.commit(make.accept(born, named, sent, ended, backlog, backlog_named))
    await store.claim(1, 1, 1, now_us=NOW, limit=10)
    await store.commit(
        Changes(
            updates=[make.sent(sent), make.update(ended, state=State.FAILED, ended_us=NOW)],
            wires={1: (named.message.id, backlog_named.message.id, sent.message.id)},
        )
    )
    await store.close()
    again = open_store(url, serve=True)
    await again.open()
    open_ones = await again.release()
    assert {live.message.id for live in open_ones} == {named.message.id, backlog_named.message.id}
    assert all(live.progress.owner == again.node_id for live in open_ones)
    far = NOW * 2
    assert set(await ids_of(await again.claim(1, 1, 1, now_us=far, limit=10))) == {
        born.message.id,
        backlog.message.id,
    }
    lives = await again.live([(1, new.message.id) for new in (sent, ended)])
    assert [live.progress.version for live in lives.values()] == [2, 2]
    await again.close()


async def test_a_named_message_is_found_again_by_the_next_life(store: Store, url: str, make: Make) -> None:
    """The caller crashed again before it decided what the unknown outcome means."""
    await store.release()
    named = make.born()
    await store.commit(make.accept(named, wires={1: (named.message.id,)}))
    for _ in range(2):
        await store.close()
        store = open_store(url, serve=True)
        await store.open()
        assert [live.message.id for live in await store.release()] == [named.message.id]
        news = [make.born() for _ in range(5_000)]  # pushes every mark forward
        await store.commit(make.accept(*news))
        await store.commit(Changes(updates=[make.sent(new) for new in news]))
    await store.close()


async def test_messages_born_before_and_after_many_others_are_found(store: Store, url: str, make: Make) -> None:
    await store.release()
    first = make.born()
    await store.commit(make.accept(first))
    for _ in range(3):
        news = [make.born() for _ in range(3_000)]
        await store.commit(make.accept(*news))
        await store.commit(Changes(updates=[make.sent(new) for new in news]))
    last = make.born()
    await store.commit(make.accept(last))
    await store.close()
    again = open_store(url, serve=True)
    await again.open()
    assert await again.release() == []
    back = await ids_of(await again.claim(1, 1, 1, now_us=NOW * 2, limit=10))
    assert sorted(back) == [first.message.id, last.message.id]
    await again.close()


async def test_one_lost_lane_gives_back_its_own(store: Store, make: Make) -> None:
    await store.release()
    one, other = make.born(), make.born(connector_id=2)
    await store.commit(make.accept(one, other))
    assert await store.release(1) == []
    assert await store.waiting() == {(1, 1, 1)}
    assert (await store.live([(1, other.message.id)]))[other.message.id].progress.owner == 1


async def test_wires_are_rewritten_and_show(store: Store, make: Make) -> None:
    one, two = make.born(), make.born()
    await store.commit(make.accept(one, two, wires={1: (one.message.id,), 2: (two.message.id,)}))
    records = await store.records([(1, one.message.id), (1, two.message.id)])
    assert [record.on_wire for record in records.values()] == [True, True]
    await store.commit(Changes(wires={1: ()}))
    record = await store.message(1, one.message.id)
    assert record is not None
    assert not record.on_wire


async def test_expired_waiting(store: Store, make: Make) -> None:
    over, not_yet = make.waiting(expires_us=NOW + SECOND), make.waiting(expires_us=NOW + HOUR)
    claimed = make.waiting(expires_us=NOW + SECOND, account_id=2)
    await store.commit(make.accept(over, not_yet, claimed, make.born(expires_us=NOW)))
    await store.claim(1, 1, 2, now_us=NOW, limit=1)
    assert [live.message.id for live in await store.expired_waiting(NOW + SECOND, 10)] == [over.message.id]


async def test_overdue_goes_through_all_in_id_order(store: Store, make: Make) -> None:
    old = [make.born(accepted_us=NOW + n) for n in range(7)]
    young, unsent = make.born(accepted_us=NOW + HOUR), make.born(accepted_us=NOW + 8)
    await store.commit(make.accept(*old, unsent, young))
    await store.commit(Changes(updates=[make.sent(new) for new in [*old, young]]))
    await store.commit(Changes(updates=[make.delivered(old[2])]))
    found: list[str] = []
    after: str | None = None
    while True:
        page, after = await store.overdue(after=after, accepted_before_us=NOW + 60 * SECOND, limit=2)
        found += [live.message.id for live in page]
        if after is None:
            break
    # One that was never handed over is among them: whatever was forgotten must end, too.
    assert found == [new.message.id for new in (*old, unsent) if new is not old[2]]
