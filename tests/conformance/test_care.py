"""Retention, backup, another life of the same store, and who may serve it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from heliograph.contracts import Acceptance, Changes, ListFilter, Store
from heliograph.errors import StoreBusy, StoreInUse
from heliograph.model import Attempt, LoggedEvent
from heliograph.store import open_store
from tests.accounts import ensure_account
from tests.conformance.stores import StoreKind
from tests.conformance.values import HOUR, NOW, Make
from tests.store.settling import settled


async def purge_all(store: Store, kind: str, before_us: int, limit: int = 3) -> int:
    total = 0
    while deleted := await store.purge(kind, before_us, limit):
        assert deleted <= limit
        total += deleted
    return total


async def ended(store: Store, make: Make, count: int, at_us: int) -> list[str]:
    news = [make.born(accepted_us=at_us, segments=1 + n % 2) for n in range(count)]
    attempts = [
        Attempt(message_id=n.message.id, account_id=1, segment=1, number=1, connector_id=1, at_us=NOW) for n in news
    ]
    events = [
        LoggedEvent(message_id=n.message.id, account_id=1, sequence=9, at_us=NOW, kind="contradiction") for n in news
    ]
    await store.commit(make.accept(*news, attempts=attempts, logged=events))
    await store.commit(Changes(updates=[make.delivered(new, 1, ended_us=at_us + 5) for new in news]))
    return [new.message.id for new in news]


async def test_contents_go_before_records(store: Store, make: Make) -> None:
    old = await ended(store, make, 10, NOW)
    open_one = make.born(accepted_us=NOW)
    await store.commit(make.accept(open_one))
    young = await ended(store, make, 4, NOW + HOUR)
    assert await purge_all(store, "contents", NOW + 5) == 0
    assert await purge_all(store, "contents", NOW + 6) == 10
    records = await store.records([(1, message_id) for message_id in [*old, *young, open_one.message.id]])
    assert [message_id for message_id, record in records.items() if record.content is None] == old
    assert len((await store.messages(1, ListFilter(limit=100))).records) == 15


async def test_records_go_with_everything_of_theirs(store: Store, make: Make) -> None:
    old = await ended(store, make, 10, NOW)
    open_one = make.born(accepted_us=NOW)
    await store.commit(make.accept(open_one))
    young = await ended(store, make, 4, NOW + HOUR)
    assert await purge_all(store, "records", NOW + HOUR) == 10
    assert await store.live([(1, message_id) for message_id in old]) == {}
    assert await store.logged(1, old[0]) == []
    kept = [record.message.id for record in (await store.messages(1, ListFilter(limit=100))).records]
    assert sorted(kept) == sorted([*young, open_one.message.id])
    assert await purge_all(store, "records", NOW + 3 * HOUR) == 4
    assert all(finding.ok for finding in await store.check())


async def test_purge_goes_on_where_open_messages_stand_between(store: Store, make: Make) -> None:
    for n in range(6):
        await ended(store, make, 5, NOW + n)
        await store.commit(make.accept(*(make.born(accepted_us=NOW + n) for _ in range(5))))
    assert await purge_all(store, "records", NOW + HOUR, 7) == 30
    assert len((await store.messages(1, ListFilter(limit=100))).records) == 30


async def test_the_outbox_is_kept_until_everybody_has_passed(store: Store, make: Make) -> None:
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=[make.endpoint("e1")])]))
    positions = []
    for _ in range(5):
        new = make.born()
        positions.append((await store.commit(make.accept(new, facts=[make.fact(new)]))).position)
    await settled(store, positions[-1])
    forever = NOW * 4
    assert await purge_all(store, "outbox", forever) == 0
    assert await store.add_tallies(0, positions[3], 4, {})
    assert await purge_all(store, "outbox", forever) == 0
    await store.commit(Changes(positions={"e1": positions[1]}))
    assert await purge_all(store, "outbox", 1) == 0
    assert await purge_all(store, "outbox", forever) == 2
    assert [position for position, _ in (await store.outbox(0, 10)).rows] == positions[2:]
    await store.commit(Changes(acceptances=[Acceptance([], deleted_endpoints=[(1, "e1", NOW)])]))
    assert await purge_all(store, "outbox", forever) == 2
    assert await store.add_tallies(positions[3], positions[4], 1, {})
    assert await purge_all(store, "outbox", forever) == 1
    new = make.born()
    assert (await store.commit(make.accept(new, facts=[make.fact(new)]))).position > positions[4]


async def test_orphans_claims_and_references_go_by_age(store: Store, make: Make) -> None:
    await store.commit(Changes(orphans=[make.orphan(f"o{n}", NOW + n) for n in range(5)]))
    assert await purge_all(store, "orphans", NOW + 4) == 4
    assert len(await store.orphans([(1, f"o{n}") for n in range(5)])) == 1
    for n in range(5):
        await store.commit(Changes(acceptances=[Acceptance([], claim=make.claim(f"k{n}", expires_us=NOW + n))]))
    assert await purge_all(store, "claims", NOW + 4) == 4
    assert len(await store.claims([(1, "http", f"k{n}") for n in range(5)], NOW)) == 1
    await store.commit(Changes(references={(1, "A", f"+49{n}"): n for n in range(5)}))
    assert await purge_all(store, "references", 1) == 0
    assert await purge_all(store, "references", NOW * 4) == 5


async def test_unknown_kinds_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="messages"):
        await store.purge("messages", NOW, 10)


async def test_another_life_finds_everything(store: Store, url: str, make: Make) -> None:
    new, claim = make.born(segments=2), make.claim()
    committed = await store.commit(
        make.accept(
            new, claim=claim, facts=[make.fact(new)], correlations=[make.correlation(new, "c")],
            references={(1, "A", "B"): 3}, parts=[make.part(1)], orphans=[make.orphan("o")],
            deliveries=[make.delivery("d")],
        )
    )  # fmt: skip
    account = await ensure_account(store, "demo", NOW)
    await store.close()
    again = open_store(url, serve=True)
    await again.open()
    record = await again.message(1, new.message.id)
    assert record is not None
    assert record.segments == new.segments
    assert await again.claims([(1, "http", "k")], NOW) == {(1, "http", "k"): claim}
    assert set(await again.correlate([(1, "c")])) == {(1, "c")}
    await settled(again, committed.position)
    assert len((await again.outbox(0, 10)).rows) == 1
    assert await again.references([(1, "A", "B")]) == {(1, "A", "B"): 3}
    assert await again.parts([make.part(1).set_key]) == [make.part(1)]
    assert len(await again.orphans([(1, "o")])) == 1
    assert await again.due_deliveries("e1", NOW, 9) == [make.delivery("d")]
    assert await again.accounts() == [account]
    assert await again.newest_id() == new.message.id
    await again.close()


async def test_close_finishes_what_waits(store: Store, url: str, make: Make) -> None:
    news = [make.born() for _ in range(50)]
    waiting = [asyncio.ensure_future(store.commit(make.accept(new))) for new in news]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)
    with pytest.raises(StoreBusy):
        await store.commit(make.accept(make.born()))
    again = open_store(url, serve=False)
    await again.open()
    assert len(await again.live([(1, new.message.id) for new in news])) == 50
    await again.close()


async def test_a_second_server_is_refused_or_another_node_and_commands_are_welcome(
    store: Store, kind: StoreKind, url: str, make: Make
) -> None:
    second = open_store(url, serve=True)
    if kind.shared:
        await second.open()
        assert second.node_id != store.node_id
        await second.close()
        second = open_store(url, serve=True)
    else:
        with pytest.raises(StoreInUse, match="stop it first"):
            await second.open()
    command = open_store(url, serve=False)
    await command.open()
    new = make.new()
    await asyncio.gather(command.commit(make.accept(new)), *(store.commit(make.accept(make.new())) for _ in range(20)))
    assert await store.message(1, new.message.id) is not None
    await command.close()
    await store.close()
    await second.open()
    await second.close()


async def test_a_backup_is_taken_while_writing_and_restored(
    store: Store, kind: StoreKind, tmp_path: Path, make: Make
) -> None:
    kept: list[str] = []
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            new = make.born()
            link = make.correlation(new, f"c{new.message.id}")
            await store.commit(make.accept(new, correlations=[link], facts=[make.fact(new)]))
            kept.append(new.message.id)

    writer = asyncio.create_task(write())
    while len(kept) < 50:
        await asyncio.sleep(0)
    before = list(kept)
    target = str(tmp_path / "backup")
    await store.backup(target)
    stop.set()
    await writer
    restored = open_store(await kind.restored(tmp_path, target), serve=True)
    await restored.open()
    assert set(await restored.live([(1, message_id) for message_id in before])) == set(before)
    found = await restored.correlate([(1, f"c{message_id}") for message_id in before])  # late receipts still match
    assert {link.message_id for link in found.values()} == set(before)
    lives = await restored.live([(1, message_id) for message_id in kept])
    last = make.born()
    await settled(restored, (await restored.commit(Changes(facts=[make.fact(last)]))).position)
    told = {fact.message_id for _, facts in (await restored.outbox(0, 10_000)).rows for fact in facts}
    assert set(lives) == told - {last.message.id}  # of one moment
    assert all(finding.ok for finding in await restored.check())
    await restored.close()


async def test_a_sound_store_passes_its_check(store: Store, make: Make) -> None:
    await ended(store, make, 5, NOW)
    findings = await store.check()
    assert findings
    assert all(finding.ok for finding in findings)


async def test_depth_names_its_figures(store: Store) -> None:
    assert set(await store.depth()) == {"waiting", "outbox_rows", "pending_deliveries", "dead_letters", "write_queue"}


async def test_a_probe_is_a_transaction_that_nobody_sees(store: Store, make: Make) -> None:
    new = make.born(owner=store.node_id)
    await store.commit(make.accept(new, wires={1: (new.message.id,)}))
    before = await store.check()
    assert store.trouble is None
    for _ in range(3):
        await store.probe()
    assert store.trouble is None
    assert await store.check() == before
    assert [live.message.id for live in await store.release()] == [new.message.id]
