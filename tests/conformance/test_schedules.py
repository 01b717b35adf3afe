"""Dates of messages: kept with them, read with them, moved, and claimed when they are due."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.contracts import Acceptance, Backlog, Changes, NewMessage, Store, Update
from heliograph.model import Schedule, State, Window
from tests.conformance.values import HOUR, NOW, Make

WINDOW = Window(("Europe/Berlin",), (0, 1, 2), ((540, 1200),), "DE-BY")


def dated(make: Make, due_us: int, **fields: object) -> NewMessage:
    return make.waiting(due_us=due_us, state=State.SCHEDULED, expires_us=due_us + HOUR, **fields)


def date(new: NewMessage, sequence: int = 1, **fields: object) -> Schedule:
    message, progress = new.message, new.progress
    return replace(
        Schedule(
            message_id=message.id,
            account_id=message.account_id,
            sequence=sequence,
            at_us=NOW,
            send_us=progress.due_us or 0,
            expires_us=message.expires_us,
        ),
        **fields,
    )


def accept(*pairs: tuple[NewMessage, Schedule]) -> Changes:
    news, dates = zip(*pairs, strict=True)
    return Changes(acceptances=[Acceptance(list(news), schedules=list(dates))])


async def test_a_date_is_read_with_its_message_wherever_that_is_read(store: Store, make: Make) -> None:
    new, plain = dated(make, NOW + HOUR, segments=2), make.waiting()
    kept = date(new, local="2027-01-15T09:00:00", zone="Europe/Berlin", zone_version="2026f", window=WINDOW)
    await store.commit(accept((new, kept)))
    await store.commit(make.accept(plain))
    ids = [(1, new.message.id), (1, plain.message.id)]
    assert {one: live.schedules for one, live in (await store.live(ids)).items()} == {
        new.message.id: (kept,),
        plain.message.id: (),
    }
    records = await store.records(ids)
    assert [records[one].schedules for _, one in ids] == [(kept,), ()]
    claimed = await store.claim(1, 1, 1, now_us=NOW + HOUR, limit=10)
    assert {live.message.id: live.schedules for live, _ in claimed}[new.message.id] == (kept,)


async def test_what_is_not_due_is_neither_claimed_nor_told_of(store: Store, make: Make) -> None:
    new = dated(make, NOW + HOUR)
    await store.commit(accept((new, date(new))))
    assert await store.backlog(1, NOW + HOUR - 1) == []
    assert await store.claim(1, 1, 1, now_us=NOW + HOUR - 1, limit=10) == []
    assert await store.backlog(1, NOW + HOUR) == [Backlog(1, 1)]
    ((live, _),) = await store.claim(1, 1, 1, now_us=NOW + HOUR, limit=10)
    assert (live.progress.state, live.progress.owner) == (State.SCHEDULED, 1)


async def test_another_date_moves_the_validity_and_keeps_the_first(store: Store, make: Make) -> None:
    new = dated(make, NOW + HOUR)
    first = date(new)
    await store.commit(accept((new, first)))
    second = date(new, 2, send_us=NOW + 9 * HOUR, expires_us=NOW + 10 * HOUR)
    moved = replace(new.progress, version=2, due_us=second.send_us, last_seq=2)
    committed = await store.commit(Changes(updates=[Update(new.message.id, 1, 1, moved)], schedules=[second]))
    assert not committed.stale
    live = (await store.live([(1, new.message.id)]))[new.message.id]
    assert live.schedules == (first, second)
    assert live.message.expires_us == NOW + 10 * HOUR
    assert await store.expired_waiting(NOW + 3 * HOUR, 10) == []
    assert await store.claim(1, 1, 1, now_us=NOW + HOUR, limit=10) == []


async def test_a_date_that_meets_another_version_is_not_kept(store: Store, make: Make) -> None:
    new = dated(make, NOW)
    await store.commit(accept((new, date(new))))
    await store.claim(1, 1, 1, now_us=NOW, limit=1)
    late = date(new, 2, send_us=NOW + HOUR, expires_us=NOW + 2 * HOUR)
    update = Update(new.message.id, 1, 1, replace(new.progress, version=2, due_us=NOW + HOUR, last_seq=2))
    committed = await store.commit(Changes(updates=[update], schedules=[late]))
    assert committed.stale == {new.message.id}
    live = (await store.live([(1, new.message.id)]))[new.message.id]
    assert [one.sequence for one in live.schedules] == [1]
    assert live.message.expires_us == new.message.expires_us


async def test_nothing_of_an_acceptance_that_lost_its_key_is_kept(store: Store, make: Make) -> None:
    await store.commit(make.accept(claim=make.claim()))
    new = dated(make, NOW + HOUR)
    changes = Changes(acceptances=[Acceptance([new], claim=make.claim(), schedules=[date(new)])])
    assert 0 in (await store.commit(changes)).lost
    assert all(finding.ok for finding in await store.check())


async def test_what_is_due_is_listed_soonest_first_over_lanes_and_classes(store: Store, make: Make) -> None:
    news = [dated(make, NOW + (5 - n) * HOUR, connector_id=1 + n % 2, type=n % 3) for n in range(5)]
    stranger = dated(make, NOW + HOUR, account_id=2)
    retry = make.waiting(due_us=NOW + HOUR)
    await store.ensure_connectors(["one", "two"])
    await store.commit(accept(*((new, date(new)) for new in [*news, stranger])))
    await store.commit(make.accept(retry))
    soonest = [new.message.id for new in reversed(news)]
    page = await store.scheduled(1, after=(1, ""), before_us=NOW * 2, limit=3)
    assert [record.message.id for record in page] == soonest[:3]
    last = page[-1]
    rest = await store.scheduled(1, after=(last.progress.due_us or 0, last.message.id), before_us=NOW * 2, limit=10)
    assert [record.message.id for record in rest] == soonest[3:]
    assert all(record.schedules for record in rest)
    assert len(await store.scheduled(1, after=(1, ""), before_us=NOW + 2 * HOUR, limit=10)) == 1


async def test_wall_times_of_other_zone_data_are_found_once(store: Store, make: Make) -> None:
    old, soon, new, instant = (dated(make, NOW + n * HOUR) for n in (9, 1, 1, 1))
    await store.commit(
        accept(
            (old, date(old, zone_version="2025a")),
            (soon, date(soon, zone_version="2025a")),
            (new, date(new, zone_version="2026f")),
            (instant, date(instant)),
        )
    )

    async def moved(before_us: int, after: str | None = None) -> list[str]:
        lives = await store.moved_zones("2026f", after=after, due_before_us=before_us, limit=10)
        assert all(live.schedules for live in lives)
        return [live.message.id for live in lives]

    assert await moved(NOW + 2 * HOUR) == [soon.message.id]
    assert await moved(NOW * 2) == [old.message.id, soon.message.id]
    assert await moved(NOW * 2, old.message.id) == [soon.message.id]
    await store.commit(Changes(schedules=[date(soon, zone_version="2026f")]))
    assert await moved(NOW * 2) == [old.message.id]


async def test_a_scheduled_message_is_never_overdue(store: Store, make: Make) -> None:
    new, other = dated(make, NOW + HOUR), make.waiting()
    await store.commit(accept((new, date(new))))
    await store.commit(make.accept(other))
    lives, _ = await store.overdue(after=None, accepted_before_us=NOW + HOUR, limit=10)
    assert [live.message.id for live in lives] == [other.message.id]


async def test_dates_go_with_their_message(store: Store, make: Make) -> None:
    new = dated(make, NOW)
    await store.commit(accept((new, date(new))))
    ended = make.update(new, state=State.CANCELED, ended_us=NOW, ended_seq=2, last_seq=2)
    await store.commit(Changes(updates=[ended]))
    while await store.purge("records", NOW + HOUR, 100):
        pass
    assert await store.message(1, new.message.id) is None
    assert all(finding.ok for finding in await store.check())
