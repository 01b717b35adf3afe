"""Messages with a date: none early, each once, and exactly one winner between a cancellation and the lane."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from heliograph.contracts import Changes, Told
from heliograph.delivery import schedules as schedules_room
from heliograph.delivery.eventwords import event_json, events_of
from heliograph.delivery.lane import LaneLimits
from heliograph.delivery.submission import IdempotencyKey, Submission
from heliograph.errors import RequestRejected, Retry, SubmitFailed
from heliograph.model import Fact, Live, State, TrafficType, Window
from heliograph.rules.schedule import Quiet, Wish
from tests.accounts import ensure_account
from tests.delivery.support import HandClock, House, MemoryCarrier, house

HOUR_US = 3_600_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


async def settle(here: House) -> None:
    """Several sweeps of the lanes: what can go has gone."""
    for _ in range(3):
        await here.pipeline.dispatch.sweep()
        for _ in range(30):
            await asyncio.sleep(0.001)


async def told(here: House, message_id: str) -> list[str]:
    record = await here.record(message_id)
    logged = await here.store.logged(here.account.id, message_id)
    return [event.type.removeprefix("message.") for event in events_of(record, logged)]


async def cancel(here: House, message_id: str, key: IdempotencyKey | None = None) -> bool:
    return await here.pipeline.schedules.cancel(here.account.id, message_id, key)


async def test_it_goes_when_it_is_due_and_not_before(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        due = clock.wall_us + HOUR_US
        accepted = await here.send(wish=Wish(at_us=due), validity_s=600)
        assert accepted.progress.state == State.SCHEDULED
        assert accepted.message.expires_us == due + 600_000_000
        clock.wall_us = due - 1
        await settle(here)
        assert carrier.written == []
        clock.wall_us = due
        record = await here.ends(accepted.message.id, State.SENT)
        assert len(carrier.written) == 1
        assert await told(here, record.message.id) == ["scheduled", "queued", "sent"]


@pytest.mark.parametrize("step_s", [7200, -7200])
async def test_a_step_of_the_clock_sends_nothing_before_the_wall_clock_says_so(tmp_path: Path, step_s: int) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        due = clock.wall_us + 3 * HOUR_US
        accepted = await here.send(wish=Wish(at_us=due))
        clock.wall_us += step_s * 1_000_000
        await settle(here)
        assert carrier.written == []
        clock.wall_us = due
        await here.ends(accepted.message.id, State.SENT)
        clock.wall_us -= 7_200_000_000
        await settle(here)
        clock.wall_us = due + HOUR_US
        await settle(here)
        assert len(carrier.written) == 1


DST = [
    ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:00"),  # skipped: the first instant after
    ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),  # twice: the first
    ("America/New_York", "2027-03-14T02:30", "2027-03-14T07:00"),
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),
    ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45"),
]


@pytest.mark.parametrize(("zone", "local", "instant"), DST)
async def test_wall_times_across_changes_of_the_clocks_are_right_and_once(
    tmp_path: Path, zone: str, local: str, instant: str
) -> None:
    """The clock goes through the change minute by minute, both passes of a repeated hour included."""
    carrier, clock = MemoryCarrier(1), HandClock()
    due = at(instant)
    clock.wall_us = due - 20 * 86_400_000_000
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        wish = Wish(local=datetime.fromisoformat(local), time_zone=zone)
        accepted = await here.send(wish=wish, validity_s=604_800)
        assert accepted.schedule is not None
        assert accepted.schedule.send_us == due
        assert accepted.schedule.zone_version
        for minute in range(-90, 0, 15):
            clock.wall_us = due + minute * 60_000_000
            await settle(here)
        clock.wall_us = due - 1
        await settle(here)
        assert carrier.written == []
        clock.wall_us = due
        await here.ends(accepted.message.id, State.SENT)
        for minute in range(15, 150, 15):
            clock.wall_us = due + minute * 60_000_000
            await settle(here)
        assert len(carrier.written) == 1


async def test_a_date_survives_a_restart(tmp_path: Path) -> None:
    clock = HandClock()
    due = clock.wall_us + HOUR_US
    async with house(tmp_path / "s.db", [MemoryCarrier(1)], clock=clock) as here:
        accepted = await here.send(wish=Wish(at_us=due), text="long " * 60)
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        await settle(here)
        assert carrier.written == []
        clock.wall_us = due
        await here.ends(accepted.message.id, State.SENT)
        assert len(carrier.written) == accepted.message.segments == 2


async def test_what_never_finds_a_link_expires_from_its_date(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    carrier.bound = False
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(wish=Wish(at_us=clock.wall_us + HOUR_US), validity_s=60)
        clock.wall_us += HOUR_US
        assert await here.pipeline.rescue.end_expired() == 0
        clock.wall_us += 61_000_000
        assert await here.pipeline.rescue.end_expired() == 1
        assert (await here.record(accepted.message.id)).progress.state == State.EXPIRED
        assert await told(here, accepted.message.id) == ["scheduled", "expired"]


# --- cancellations ----------------------------------------------------------------------------------


async def test_a_scheduled_message_is_canceled_once_and_never_goes(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(wish=Wish(at_us=clock.wall_us + HOUR_US), text="long " * 60)
        key = IdempotencyKey(account_id=here.account.id, key="k", body_hash=b"1" * 32)
        assert not await cancel(here, accepted.message.id, key)
        assert await cancel(here, accepted.message.id, key)
        assert not await cancel(here, accepted.message.id)
        clock.wall_us += 2 * HOUR_US
        await settle(here)
        assert carrier.written == []
        record = await here.record(accepted.message.id)
        assert (record.progress.state, record.progress.error) == (State.CANCELED, "canceled")
        assert {segment.state for segment in record.segments} == {State.CANCELED}
        assert await told(here, accepted.message.id) == ["scheduled", "canceled"]
        other = IdempotencyKey(account_id=here.account.id, key="k", body_hash=b"2" * 32)
        with pytest.raises(RequestRejected, match="another request"):
            await cancel(here, accepted.message.id, other)


async def test_a_message_in_a_lanes_memory_is_canceled_before_its_turn(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        sent = [await here.send(to=f"+4915112345{n:03d}") for n in range(12)]
        await here.until(lambda: len(carrier.written) == 1)
        written = carrier.written[0].live.message.id
        outcomes, codes = {}, set()
        for one in sent:
            try:
                outcomes[one.message.id] = not await cancel(here, one.message.id)
            except RequestRejected as rejected:
                outcomes[one.message.id] = False
                codes.add((rejected.code, rejected.status))
        assert not outcomes[written]
        assert codes == {("too_late", 409)}
        assert sum(outcomes.values()) >= 8
        carrier.answer = carrier.take
        carrier.say([carrier.take(carrier.written[0])])
        for one in sent:
            await here.ends(one.message.id, State.CANCELED if outcomes[one.message.id] else State.SENT)
        gone = {one.live.message.id for one in carrier.written}
        assert gone == {one for one, canceled in outcomes.items() if not canceled}
        assert here.pipeline.dispatch.lanes[1].depth == 0


async def test_between_a_cancellation_and_the_claim_one_wins(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        due = clock.wall_us + HOUR_US
        sent = [await here.send(to=f"+4915112345{n:03d}", wish=Wish(at_us=due)) for n in range(100)]
        clock.wall_us = due
        ids = [one.message.id for one in sent]
        sweep = asyncio.create_task(here.pipeline.dispatch.sweep())
        results = await asyncio.gather(*(cancel(here, one) for one in ids), return_exceptions=True)
        await sweep
        await here.until(lambda: not carrier.open)
        await settle(here)
        written = [one.live.message.id for one in carrier.written]
        assert len(written) == len(set(written))
        for one, result in zip(ids, results, strict=True):
            assert (result is False) != (one in written)
            if result is not False:
                assert isinstance(result, RequestRejected)
                assert result.code == "too_late"
            state = (await here.record(one)).progress.state
            assert state == (State.CANCELED if result is False else State.SENT)
        assert here.pipeline.dispatch.lanes[1].depth == 0


async def test_what_a_carrier_took_is_not_canceled_while_its_news_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the commit that says so is durable, another one could still go before it."""
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        sent = await here.send()
        await here.until(lambda: carrier.open)
        keep, arrived, held = here.store.keep, asyncio.Event(), []

        def slow(changes: Changes, told: Told) -> None:
            if any(one.progress.state == State.SENT for one in changes.updates):
                arrived.set()
                held.append((changes, told))
            else:
                keep(changes, told)

        monkeypatch.setattr(here.store, "keep", slow)
        carrier.say([carrier.take(carrier.open[0])])
        await asyncio.wait_for(arrived.wait(), 10)
        try:
            with pytest.raises(RequestRejected, match="may be on its way"):
                await cancel(here, sent.message.id)
        finally:
            for call in held:
                keep(*call)
        await here.ends(sent.message.id, State.SENT)
        assert await told(here, sent.message.id) == ["queued", "sent"]


async def test_what_is_canceled_on_its_way_into_memory_stays_canceled_when_memory_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        sent = await here.send(wish=Wish(at_us=clock.wall_us + HOUR_US))
        clock.wall_us += HOUR_US
        claim, claimed, go = here.store.claim, asyncio.Event(), asyncio.Event()

        async def slow(*args: Any, **fields: Any) -> Any:
            found = await claim(*args, **fields)
            if found:
                claimed.set()
                await go.wait()
            return found

        monkeypatch.setattr(here.store, "claim", slow)
        try:
            await here.pipeline.dispatch.sweep()
            await asyncio.wait_for(claimed.wait(), 10)
            assert not await cancel(here, sent.message.id)
            here.pipeline.dispatch.lanes[1].give_back_all()
        finally:
            go.set()
        await settle(here)
        assert carrier.written == []
        assert (await here.record(sent.message.id)).progress.state == State.CANCELED
        assert here.pipeline.dispatch.lanes[1].depth == 0


async def test_what_the_store_did_not_let_go_takes_its_turn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancellation finds another version while the message's turn comes: the lane sends it after all."""
    carrier = MemoryCarrier(1, window=1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        sent = [await here.send(to=f"+4915112345{n:03d}") for n in range(12)]
        await here.until(lambda: len(carrier.written) == 1)
        target = sent[-1].message.id
        lane = here.pipeline.dispatch.lanes[1]
        assert lane.recall(target)
        carrier.answer = carrier.take
        carrier.say([carrier.take(carrier.written[0])])
        await here.until(lambda: len(carrier.written) == 11)
        await settle(here)
        assert target not in {one.live.message.id for one in carrier.written}
        lane.recalled(target, canceled=False)
        await here.ends(target, State.SENT)
        assert lane.depth == 0


async def test_strangers_and_the_unknown_are_told_the_same(tmp_path: Path) -> None:
    clock = HandClock()
    async with house(tmp_path / "s.db", [MemoryCarrier(1)], clock=clock) as here:
        accepted = await here.send(wish=Wish(at_us=clock.wall_us + HOUR_US))
        for account, message_id in ((here.account.id + 1, accepted.message.id), (here.account.id, "m" + "0" * 19)):
            with pytest.raises(RequestRejected) as refused:
                await here.pipeline.schedules.cancel(account, message_id, None)
            assert (refused.value.code, refused.value.status) == ("not_found", 404)


# --- other dates ------------------------------------------------------------------------------------


async def test_another_date_holds_and_is_told(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    heard: list[tuple[Live, Fact, bytes]] = []
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        here.store.on_facts = lambda _, facts, lives: heard.extend(
            (live, fact, event_json(live, fact)) for live, fact in zip(lives, facts, strict=True)
        )
        first = clock.wall_us + HOUR_US
        accepted = await here.send(wish=Wish(at_us=first), validity_s=600)
        schedules, account = here.pipeline.schedules, here.account.id
        later = Wish(at_us=first + HOUR_US)
        key = IdempotencyKey(account_id=account, key="k", body_hash=b"1" * 32)
        assert not await schedules.reschedule(account, accepted.message.id, later, key)
        assert await schedules.reschedule(account, accepted.message.id, later, key)
        clock.wall_us = first
        await settle(here)
        assert carrier.written == []
        clock.wall_us = first + HOUR_US
        record = await here.ends(accepted.message.id, State.SENT)
        assert record.message.expires_us == first + HOUR_US + 600_000_000
        assert await told(here, accepted.message.id) == ["scheduled", "scheduled", "queued", "sent"]
        with pytest.raises(RequestRejected, match="can no longer"):
            await schedules.reschedule(account, accepted.message.id, later, None)
        dates = [one.data.send_at for one in events_of(record, await here.store.logged(account, record.message.id))]
        assert dates[0] != dates[1] == dates[2] == dates[3]
        for live, fact, body in heard:  # the same body from rows, after everything, as from memory then
            kept = replace(record, content=live.content)
            assert event_json(kept, fact) == body


async def test_other_zone_data_moves_the_instant_not_the_wall_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HandClock()
    local = datetime(2027, 1, 15, 9, 0)
    clock.wall_us = at("2027-01-01T00:00")
    async with house(tmp_path / "s.db", [MemoryCarrier(1)], clock=clock) as here:
        # Read with rules of two hours less, as other zone data would have it.
        from heliograph.rules import schedule as rules

        real = rules.instant_us
        monkeypatch.setattr(rules, "instant_us", lambda when, zone: real(when, zone) - 2 * HOUR_US)
        monkeypatch.setattr(rules, "ZONE_VERSION", "2020a")
        moved = await here.send(wish=Wish(local=local, time_zone="Europe/Berlin"))
        same = await here.send(wish=Wish(at_us=at("2027-01-15T06:00")))
        monkeypatch.undo()
        assert moved.schedule is not None
        assert moved.schedule.send_us == at("2027-01-15T06:00")
    carrier = MemoryCarrier(1)
    clock.wall_us = at("2027-01-15T07:00")  # due by the old rules while nobody was there, not by the new ones
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        await here.ends(same.message.id, State.SENT)
        await settle(here)
        assert len(carrier.written) == 1
        record = await here.record(moved.message.id)
        assert record.schedules[-1].send_us == record.progress.due_us == at("2027-01-15T08:00")
        assert record.schedules[-1].zone_version == schedules_room.ZONE_VERSION
        assert await told(here, moved.message.id) == ["scheduled", "scheduled"]
        assert await here.pipeline.schedules.read_again(soon=False) == 0
        clock.wall_us = at("2027-01-15T08:00")
        await here.ends(moved.message.id, State.SENT)
        assert len(carrier.written) == 2


# --- windows ----------------------------------------------------------------------------------------

BERLIN_DAY = Window(("Europe/Berlin",), hours=((480, 1260),))


async def test_a_message_outside_of_its_window_waits_for_it(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    clock.wall_us = at("2027-01-15T22:00")
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(wish=Wish(window=BERLIN_DAY))
        assert accepted.progress.state == State.SCHEDULED
        assert accepted.progress.due_us == at("2027-01-16T07:00")
        inside = await here.send(wish=Wish(window=Window(("Pacific/Auckland",), hours=((480, 1260),))))
        assert inside.progress.state == State.QUEUED
        await here.ends(inside.message.id, State.SENT)
        assert await told(here, inside.message.id) == ["queued", "sent"]
        clock.wall_us = at("2027-01-16T07:00")
        await here.ends(accepted.message.id, State.SENT)


async def test_a_window_that_closes_while_the_message_waits_for_its_turn_holds_it_back(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1, window=1), HandClock()
    carrier.answer = carrier.keep_open
    clock.wall_us = at("2027-01-15T19:59")
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        sent = [await here.send(to=f"+4915112345{n:03d}", wish=Wish(window=BERLIN_DAY)) for n in range(12)]
        await here.until(lambda: len(carrier.written) == 1)
        clock.wall_us = at("2027-01-15T20:01")
        carrier.answer = carrier.take
        carrier.say([carrier.take(carrier.written[0])])
        await settle(here)
        late = [one for one in sent if (await here.record(one.message.id)).progress.state == State.QUEUED]
        assert len(late) >= 8
        assert len(carrier.written) == 12 - len(late)
        clock.wall_us = at("2027-01-16T07:00")
        for one in late:
            await here.ends(one.message.id, State.SENT)
        assert len(carrier.written) == 12


async def test_quiet_hours_are_for_the_types_that_they_name(tmp_path: Path) -> None:
    clock = HandClock()
    clock.wall_us = at("2027-01-15T22:00")
    async with house(tmp_path / "s.db", [MemoryCarrier(1)], clock=clock) as here:
        quiet = Quiet(types=(TrafficType.PROMOTIONAL,), hours=((480, 1260),))
        here.pipeline.directory.quiet = {here.account.id: quiet}
        assert (await here.send()).progress.state == State.QUEUED
        held = await here.send(type=TrafficType.PROMOTIONAL)
        assert held.progress.due_us == at("2027-01-16T07:00")
        anyway = await here.send(type=TrafficType.PROMOTIONAL, wish=Wish(window=Window(zones=())))
        assert anyway.progress.state == State.QUEUED
        for batch in ([{}, {"wish": Wish(at_us=clock.wall_us + HOUR_US)}],):
            found = await here.pipeline.intake.accept(
                [Submission(account=here.account, to="+4915112345678", text="x", sender="Shop", **one) for one in batch]
            )
            states: list[Any] = [one.progress.state for one in found.results]  # type: ignore[union-attr]
            assert states == [State.QUEUED, State.SCHEDULED]


async def test_a_retry_of_a_dated_message_is_no_new_date(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1), HandClock()
    refusals = iter([SubmitFailed("carrier_error", 0x08, Retry.LATER, 400.0)])

    def once(submission):  # type: ignore[no-untyped-def]
        failure = next(refusals, None)
        return carrier.take(submission) if failure is None else carrier.refuse(failure)(submission)

    carrier.answer = once
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(wish=Wish(at_us=clock.wall_us + HOUR_US))
        clock.wall_us += HOUR_US
        await here.until(lambda: len(carrier.written) == 1)
        await settle(here)
        assert (await here.record(accepted.message.id)).progress.state == State.QUEUED
        clock.move(2000.0)
        await here.ends(accepted.message.id, State.SENT)
        assert await told(here, accepted.message.id) == ["scheduled", "queued", "sent"]


async def test_accounts_that_are_due_together_leave_in_turn_where_memory_holds_few(tmp_path: Path) -> None:
    carrier, clock = MemoryCarrier(1, window=5), HandClock()
    limits = LaneLimits(account_segments=20, lane_segments=40)
    async with house(tmp_path / "s.db", [carrier], clock=clock, limits=limits) as here:
        due = clock.wall_us + HOUR_US
        for name in ("demo", "second", "third", "fourth"):
            account = await ensure_account(here.store, name, clock.wall_us)
            dated = [
                Submission(account=account, to=f"+4915112345{n:03d}", text="x", sender=name, wish=Wish(at_us=due))
                for n in range(60)
            ]
            await here.pipeline.intake.accept(dated)
        clock.wall_us = due
        await here.until(lambda: len(carrier.written) == 240)
        half = Counter(one.live.message.account_id for one in carrier.written[:120])
        assert len(half) == 4
        assert max(half.values()) - min(half.values()) <= 12
