"""What stands under a claim is written with it, or not at all: deliveries, and updates of messages that exist."""

from __future__ import annotations

from heliograph.contracts import Acceptance, Changes, Store
from heliograph.model import State
from tests.conformance.values import HOUR, NOW, Make


async def owed(store: Store) -> list[str]:
    return sorted(one.id for one in await store.due_deliveries("e1", NOW + HOUR, 100))


async def test_deliveries_under_a_claim_are_put_back_once(store: Store, make: Make) -> None:
    await store.commit(Changes(deliveries=[make.delivery("old")]))
    first = Acceptance((), make.claim(), deliveries=[make.delivery("a"), make.delivery("b")], deliveries_done=["old"])
    assert (await store.commit(Changes(acceptances=[first]))).lost == {}
    assert await owed(store) == ["a", "b"]
    again = Acceptance((), make.claim(), deliveries=[make.delivery("c")], deliveries_done=["a"])
    assert list((await store.commit(Changes(acceptances=[again]))).lost) == [0]
    assert await owed(store) == ["a", "b"]


async def test_ten_thousand_deliveries_are_one_commit(store: Store, make: Make) -> None:
    many = [make.delivery(f"d{n:05}") for n in range(10_000)]
    await store.commit(Changes(acceptances=[Acceptance((), make.claim(), deliveries=many)]))
    assert len(await store.due_deliveries("e1", NOW, 20_000)) == 10_000


async def test_an_update_beside_a_taken_claim_is_not_written(store: Store, make: Make) -> None:
    one, other = make.born(), make.born()
    await store.commit(make.accept(one, other))
    await store.commit(Changes(acceptances=[Acceptance((), make.claim())], updates=[make.sent(one)]))
    late = Changes(
        acceptances=[Acceptance((), make.claim(body_hash=b"x" * 32))],
        updates=[make.sent(other)],
        facts=[make.fact(other, 2)],
    )
    answer = await store.commit(late)
    assert list(answer.lost) == [0]
    live = await store.live([(1, one.message.id), (1, other.message.id)])
    assert [live[new.message.id].progress.state for new in (one, other)] == [State.SENT, State.QUEUED]
    told = [fact.message_id for _, facts in (await store.outbox(0, 10)).rows for fact in facts]
    assert other.message.id not in told


async def test_a_stale_update_takes_no_claim(store: Store, make: Make) -> None:
    new, beside = make.born(), make.born()
    await store.commit(make.accept(new, beside))
    await store.commit(Changes(updates=[make.sent(new)]))
    late = Changes(acceptances=[Acceptance((), make.claim())], updates=[make.sent(new), make.sent(beside)])
    answer = await store.commit(late)
    assert (answer.stale, answer.lost) == ({new.message.id}, {})
    assert await store.claims([(1, "http", "k")], NOW) == {}
    fresh = Changes(acceptances=[Acceptance((), make.claim())], updates=[make.delivered(new, 2)])
    assert (await store.commit(fresh)).stale == set()
    assert list(await store.claims([(1, "http", "k")], NOW)) == [(1, "http", "k")]
