"""Correlations, orphans, parts, references, replies: what a carrier says finds its place."""

from __future__ import annotations

from heliograph.contracts import Changes, Store
from heliograph.model import Direction
from tests.conformance.values import HOUR, NOW, Make

DAY = 24 * HOUR


async def test_receipts_find_their_message(store: Store, make: Make) -> None:
    news = [make.born(accepted_us=NOW + n * DAY, account_id=n + 1) for n in range(12)]
    links = [make.correlation(new, f"c{n}", connector_id=1 + n % 2) for n, new in enumerate(news)]
    for new, link in zip(news, links, strict=True):
        await store.commit(make.accept(new, correlations=[link]))
    keys = [(link.connector_id, link.canonical) for link in links]
    assert await store.correlate(keys) == dict(zip(keys, links, strict=True))
    assert await store.correlate([(3, "c1"), (1, "c1"), (1, "C0")]) == {}
    assert await store.correlate(keys[:1] * 3) == {keys[0]: links[0]}


async def test_a_reused_id_belongs_to_the_last_message(store: Store, make: Make) -> None:
    first, next_day, months_later = make.born(), make.born(), make.born(accepted_us=NOW + 60 * DAY)
    for new in (first, next_day, months_later):
        await store.commit(make.accept(new, correlations=[make.correlation(new, "0001")]))
        assert (await store.correlate([(1, "0001")]))[1, "0001"].message_id == new.message.id


async def test_orphans_are_kept_until_matched(store: Store, make: Make) -> None:
    await store.commit(Changes(orphans=[make.orphan("a"), make.orphan("a", NOW + 1), make.orphan("b")]))
    found = await store.orphans([(1, "a"), (1, "x"), (2, "b")])
    assert [(one.canonical, one.arrived_us) for one in found] == [("a", NOW), ("a", NOW + 1)]
    assert found[0].fields == '{"stat":"DELIVRD"}'
    await store.commit(Changes(orphans_matched=[found[0].id]))
    assert await store.orphans([(1, "a")]) == [found[1]]


async def test_orphans_whose_response_came_later_are_found(store: Store, make: Make) -> None:
    await store.commit(Changes(orphans=[make.orphan(name) for name in ("c", "a", "b")]))
    assert await store.matched_orphans(10) == []
    new = make.born()
    await store.commit(make.accept(new, correlations=[make.correlation(new, name) for name in "ac"]))
    matched = await store.matched_orphans(10)
    assert [orphan.canonical for orphan, _ in matched] == ["c", "a"]
    assert all(link.message_id == new.message.id for _, link in matched)
    assert len(await store.matched_orphans(1)) == 1


async def test_parts_wait_for_the_others(store: Store, make: Make) -> None:
    parts = [make.part(2), make.part(1), make.part(1, reference=8), make.part(1, sender="+50")]
    await store.commit(Changes(parts=parts))
    await store.commit(Changes(parts=[make.part(2, octets=b"again")]))
    key = parts[0].set_key
    found = await store.parts([key, (9, "", "", 0, 0, 0)])
    assert sorted(found, key=lambda part: part.number) == [parts[1], parts[0]]
    await store.commit(Changes(parts_done=[key]))
    assert await store.parts([key]) == []
    assert await store.parts([parts[2].set_key]) == [parts[2]]


async def test_parts_of_a_set_that_is_done_in_the_same_commit_are_gone(store: Store, make: Make) -> None:
    await store.commit(Changes(parts=[make.part(1)]))
    await store.commit(Changes(parts=[make.part(2)], parts_done=[make.part(1).set_key]))
    assert await store.parts([make.part(1).set_key]) == []


async def test_stale_parts_are_whole_sets(store: Store, make: Make) -> None:
    old = [make.part(1), make.part(2, arrived_us=NOW + 5)]
    await store.commit(
        Changes(parts=[*old, make.part(1, reference=8), make.part(2, reference=8, arrived_us=NOW + HOUR)])
    )
    found = await store.stale_parts(NOW + 6, 10)
    assert sorted(found, key=lambda part: part.number) == old
    assert await store.stale_parts(NOW + 5, 10) == []
    await store.commit(Changes(parts=[make.part(1, reference=n) for n in range(20, 25)]))
    assert len({part.set_key for part in await store.stale_parts(NOW + 6, 3)}) == 3


async def test_references_are_remembered(store: Store) -> None:
    one, two = (1, "A", "+49"), (2, "A", "+49")
    await store.commit(Changes(references={one: 254, two: 7}))
    await store.commit(Changes(references={one: 0}))
    assert await store.references([one, two, (1, "B", "+49")]) == {one: 0, two: 7}


async def test_replies_find_who_wrote_last(store: Store, make: Make) -> None:
    def wrote(account_id: int, at_us: int, **fields: object) -> Changes:
        return make.accept(make.new(account_id=account_id, sender="777", recipient="+49", accepted_us=at_us, **fields))

    await store.commit(wrote(1, NOW))
    await store.commit(wrote(2, NOW + 10))
    await store.commit(wrote(3, NOW + 20, direction=Direction.IN))
    assert await store.recent_writer("777", "+49", NOW) == 2
    assert await store.recent_writer("777", "+49", NOW + 11) is None
    assert await store.recent_writer("777", "+50", NOW) is None
    assert await store.recent_writer("778", "+49", NOW) is None


async def test_replies_find_a_writer_behind_many_messages(store: Store, make: Make) -> None:
    await store.commit(make.accept(make.new(account_id=5, sender="777", recipient="+49")))
    for _ in range(3):
        await store.commit(make.accept(*(make.new(recipient=f"+4915{n:08}") for n in range(4_500))))
    assert await store.recent_writer("777", "+49", NOW) == 5
