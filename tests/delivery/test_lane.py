"""A lane: order, permits, retries, pace, and what a lost link means."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from heliograph.contracts import Changes, Outcome, Told
from heliograph.delivery.lane import LaneLimits
from heliograph.errors import Retry, StoreBusy, SubmitFailed
from heliograph.model import AT_ONCE, END, Route, State, TrafficType
from heliograph.store.groupcommit import GroupCommit
from tests.delivery.support import HandClock, MemoryCarrier, house

THROTTLED = SubmitFailed("carrier_throttled", 0x58, Retry.LATER, 0.5, pauses_lane=True)
SYSTEM_ERROR = SubmitFailed("carrier_error", 0x08, Retry.LATER, 30.0)
BAD_NUMBER = SubmitFailed("recipient_invalid", 0x0B, Retry.NEVER)
ELSEWHERE = SubmitFailed("carrier_refused", 0x45, Retry.ELSEWHERE)


async def test_a_message_is_submitted_once_and_its_receipt_ends_it(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send()
        await here.ends(accepted.message.id, State.SENT)
        carrier.receipt("c1", State.DELIVERED, handle="r1")
        record = await here.ends(accepted.message.id, State.DELIVERED)
        await here.until(lambda: carrier.acknowledged)
        assert carrier.acknowledged == [("r1", True)]
        assert len(carrier.written) == 1
        assert record.progress.carrier_message_id == "c1"
        assert not record.progress.possible_duplicate


async def test_what_a_commit_says_of_the_wire_is_true_when_the_store_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits are written in the order in which they are asked for: an old word behind a new one hides a permit."""
    carrier = MemoryCarrier(1, window=3)
    keep, said = GroupCommit.keep, []

    def heard(group: GroupCommit, changes: Changes, told: Told) -> None:
        if 1 in changes.wires:
            said.append((changes.wires[1], here.pipeline.dispatch.lanes[1].wire))
        keep(group, changes, told)

    async with house(tmp_path / "s.db", [carrier]) as here:
        monkeypatch.setattr(GroupCommit, "keep", heard)
        sent = await asyncio.gather(*(here.send(to=f"+49151{n:08}") for n in range(60)))
        for one in sent:
            await here.ends(one.message.id, State.SENT)
    assert len(said) > 10
    assert [told for told, _ in said] == [true for _, true in said]


async def test_receipt_before_response_is_parked(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send()
        await here.until(lambda: carrier.open)
        carrier.receipt("early", State.DELIVERED, handle="r1")
        await here.until(lambda: carrier.acknowledged)
        assert (await here.record(accepted.message.id)).progress.state == State.QUEUED
        carrier.say([Outcome(carrier.open[0], "early")])
        record = await here.ends(accepted.message.id, State.DELIVERED)
        assert record.progress.carrier_message_id == "early"
        assert carrier.acknowledged == [("r1", True)]


async def test_one_sender_to_one_recipient_keeps_its_order_through_a_throttled_try(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    refused: list[str] = []

    def once(submission):  # type: ignore[no-untyped-def]
        text = submission.octets.decode()
        if text == "first" and not refused:
            refused.append(text)
            return Outcome(submission, failure=THROTTLED)
        return carrier.take(submission)

    carrier.answer = once
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        for text in ("first", "second", "third"):
            await here.send(text=text)
        await here.until(lambda: refused)
        for _ in range(40):
            clock.move(0.5)
            here.pipeline.dispatch.lanes[1].plan_turn()
            await asyncio.sleep(0.005)
            if len(carrier.written) >= 4:
                break
        assert [one.octets.decode() for one in carrier.written] == ["first", "first", "second", "third"]


async def test_a_refusal_for_good_ends_the_message_as_rejected_with_the_carriers_code(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.refuse(BAD_NUMBER)
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send()
        record = await here.ends(accepted.message.id, State.REJECTED)
        assert (record.progress.error, record.progress.status) == ("recipient_invalid", 0x0B)


async def test_elsewhere_means_the_next_connector_of_the_route(tmp_path: Path) -> None:
    first, second = MemoryCarrier(1, "first"), MemoryCarrier(2, "second")
    first.answer = first.refuse(ELSEWHERE)
    async with house(tmp_path / "s.db", [first, second]) as here:
        accepted = await here.send()
        record = await here.ends(accepted.message.id, State.SENT)
        assert len(first.written) == len(second.written) == 1
        assert record.progress.connector_id == 2
        assert [(one.connector_id, one.status) for one in record.attempts] == [(1, 0x45)]


@pytest.mark.parametrize("text", ["one segment", "several segments " * 20])
async def test_each_connector_of_a_route_has_its_own_tries(tmp_path: Path, text: str) -> None:
    first, second = MemoryCarrier(1, "first"), MemoryCarrier(2, "second")
    unwell = SubmitFailed("carrier_error", 0x08, Retry.LATER, 1.0)  # three tries, then the next connector
    first.answer, second.answer = first.refuse(unwell), second.refuse(unwell)
    clock = HandClock()
    async with house(tmp_path / "s.db", [first, second], clock=clock) as here:
        accepted = await here.send(text=text)
        ended = False

        async def look() -> None:
            nonlocal ended
            ended = (await here.record(accepted.message.id)).progress.state >= END

        async with asyncio.timeout(20):
            while not ended:
                clock.move(30)
                for lane in here.pipeline.dispatch.lanes.values():
                    lane.plan_turn()
                await asyncio.sleep(0.002)
                await look()
        record = await here.record(accepted.message.id)
        assert record.progress.state == State.FAILED
        segments = record.message.segments
        assert Counter((one.live.message.id, one.number) for one in first.written) == dict.fromkeys(
            ((accepted.message.id, number + 1) for number in range(segments)), 3
        )
        assert len(second.written) == 3 * segments
        assert all(not lane._setbacks.elsewhere for lane in here.pipeline.dispatch.lanes.values())


async def test_a_long_message_goes_to_the_next_connector_as_a_whole(tmp_path: Path) -> None:
    """A segment that may go on waits for those still with the first carrier: none is sent by both."""
    first, second = MemoryCarrier(1, "first"), MemoryCarrier(2, "second")
    first.answer = first.keep_open
    async with house(tmp_path / "s.db", [first, second]) as here:
        accepted = await here.send(text="several segments " * 20)
        await here.until(lambda: len(first.open) == 3)
        one, two, three = first.open
        first.say([Outcome(one, failure=ELSEWHERE)])
        await here.until(lambda: here.pipeline.dispatch.lanes[1]._departures)
        await here.pipeline.dispatch.sweep()
        assert second.written == []
        first.say([Outcome(two, "c2"), Outcome(three, failure=ELSEWHERE)])
        await here.until(lambda: len(second.written) == 2)
        assert [submission.number for submission in second.written] == [1, 3]
        await here.ends(accepted.message.id, State.SENT)
        assert len(first.written) == 3
        assert here.pipeline.dispatch.lanes[1].depth == 0


async def test_a_lost_link_repeats_what_was_on_it_and_marks_exactly_that(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=2)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        sent = [await here.send(to=f"+491511234567{digit}") for digit in range(6)]
        await here.until(lambda: len(carrier.open) == 2)
        carrier.answer = carrier.take
        lost = [one.live.message.id for one in carrier.open]
        carrier.say([Outcome(one, unknown=True) for one in list(carrier.open)])
        records = [await here.ends(one.message.id, State.SENT) for one in sent]
        marked = {one.message.id for one in records if one.progress.possible_duplicate}
        assert marked == set(lost)
        assert len(carrier.written) == 8


async def test_at_most_once_is_never_written_twice(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send(at_most_once=True)
        await here.until(lambda: carrier.open)
        carrier.say([Outcome(carrier.open[0], unknown=True)])
        record = await here.ends(accepted.message.id, State.UNKNOWN)
        assert record.progress.error == "outcome_unknown"
        assert len(carrier.written) == 1


async def test_never_written_goes_again_silently(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send(at_most_once=True)
        await here.until(lambda: carrier.open)
        carrier.answer = carrier.take
        carrier.say([Outcome(carrier.open[0], never_written=True)])
        record = await here.ends(accepted.message.id, State.SENT)
        assert not record.progress.possible_duplicate
        assert record.attempts == ()


async def test_a_lane_without_a_link_takes_no_work_and_works_off_when_it_is_back(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.bound = False
    async with house(tmp_path / "s.db", [carrier]) as here:
        sent = [await here.send(to=f"+491511234567{digit}") for digit in range(5)]
        lane = here.pipeline.dispatch.lanes[1]
        assert lane.depth == 0
        assert {(await here.record(one.message.id)).progress.owner for one in sent} == {0}
        carrier.bound = True
        carrier.news.ready(carrier)
        for one in sent:
            await here.ends(one.message.id, State.SENT)
        assert [one.live.message.id for one in carrier.written] == [one.message.id for one in sent]


async def test_more_than_memory_holds_waits_in_the_store_in_order(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=4)
    carrier.answer = carrier.keep_open
    limits = LaneLimits(account_segments=20, lane_segments=100)
    async with house(tmp_path / "s.db", [carrier], limits=limits) as here:
        sent = [await here.send(to=f"+4915112345{number:03}") for number in range(120)]
        lane = here.pipeline.dispatch.lanes[1]
        assert lane.depth <= 20
        carrier.answer = carrier.take
        carrier.say([carrier.take(one) for one in list(carrier.open)])
        for one in sent:
            await here.ends(one.message.id, State.SENT)
        assert [one.live.message.id for one in carrier.written] == [one.message.id for one in sent]
        await here.until(lambda: lane.depth == 0 and lane.in_flight == 0)


async def test_a_message_past_its_validity_is_not_sent(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=1)
    carrier.answer = carrier.keep_open
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        first = await here.send(to="+4915112345670")
        await here.until(lambda: carrier.open)
        others = [await here.send(to=f"+491511234567{digit}", validity_s=60) for digit in range(1, 5)]
        clock.move(120)
        carrier.answer = carrier.take
        carrier.say([carrier.take(one) for one in list(carrier.open)])
        await here.ends(first.message.id, State.SENT)
        ends = [(await here.ends(one.message.id, State.EXPIRED)).progress.error for one in others[1:]]
        assert set(ends) == {"expired"}


async def test_what_waits_in_the_store_past_its_validity_ends_as_expired(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.bound = False
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send(validity_s=60)
        clock.move(61)
        assert await here.pipeline.rescue.end_expired() == 1
        await here.ends(accepted.message.id, State.EXPIRED)


async def test_quiet_hours_permit_no_more_ahead_than_the_carrier_takes(tmp_path: Path) -> None:
    """A lane that never waits for its carrier has no reason to permit a thousand when that carrier goes silent."""
    carrier = MemoryCarrier(1, window=10)
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        lane = here.pipeline.dispatch.lanes[1]
        for turn in range(10):  # each a few more than the window: some are permitted by a commit of their own
            sent = [here.send(to=f"+4915112{turn:03}{digit:03}") for digit in range(25)]
            for accepted in await asyncio.gather(*sent):
                await here.ends(accepted.message.id, State.SENT)
            for _ in range(10):
                clock.move(0.5)
                lane.plan_turn()
                await here.pipeline.ledger.drain(1.0)
        carrier.answer = carrier.keep_open
        await asyncio.gather(*(here.send(to=f"+4915113{number:06}") for number in range(300)))
        await here.until(lambda: len(carrier.open) == 10 and lane.in_flight >= 20)
        await here.pipeline.ledger.drain(1.0)
        assert lane.in_flight == 20
        assert lane.depth == 300


async def test_a_long_message_leaves_as_segments_and_is_delivered_when_all_are(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send(text="x" * 400)
        assert accepted.message.segments == 3
        await here.ends(accepted.message.id, State.SENT)
        assert [one.number for one in carrier.written] == [1, 2, 3]
        assert b"".join(one.octets for one in carrier.written) == b"x" * 400
        for number in (3, 1, 2):
            assert (await here.record(accepted.message.id)).progress.state == State.SENT
            carrier.receipt(f"c{number}", State.DELIVERED)
            await asyncio.sleep(0.01)
        record = await here.ends(accepted.message.id, State.DELIVERED)
        assert record.progress.segments_delivered == 3
        assert len(record.segments) == 3


async def test_references_count_for_each_connector_sender_and_recipient(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with house(path, [MemoryCarrier(1)]) as here:
        references = [(await here.send(text="x" * 200)).message.reference for _ in range(3)]
        assert references == [1, 2, 3]
        assert (await here.send(text="x" * 200, to="+4915112345679")).message.reference == 1
    async with house(path, [MemoryCarrier(1)]) as here:
        assert (await here.send(text="x" * 200)).message.reference == 4


async def test_a_one_time_code_passes_promotions_of_another_account(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "s.db", [carrier]) as here:
        for number in range(50):
            await here.send(to=f"+4915112345{number:03}", type=TrafficType.PROMOTIONAL)
        code = await here.send(to="+4915112346000", type=TrafficType.OTP, text="code")
        carrier.answer = carrier.take
        carrier.say([carrier.take(one) for one in list(carrier.open)])
        await here.ends(code.message.id, State.SENT)
        place = [one.live.message.id for one in carrier.written].index(code.message.id)
        assert place <= 5


async def test_an_opt_out_between_acceptance_and_claim_ends_the_message(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.bound = False
    async with house(tmp_path / "s.db", [carrier]) as here:
        from heliograph.model import OptOut

        accepted = await here.send()
        await here.store.add_opt_outs([OptOut(account_id=here.account.id, recipient="+4915112345678", created_us=1)])
        carrier.bound = True
        carrier.news.ready(carrier)
        record = await here.ends(accepted.message.id, State.REJECTED)
        assert record.progress.error == "opted_out"
        assert carrier.written == []


async def test_routes_send_by_prefix(tmp_path: Path) -> None:
    germany, rest = MemoryCarrier(1, "germany"), MemoryCarrier(2, "rest")
    routes = [
        Route(name="germany", prefixes=("49",), connectors=(1,)),
        Route(name="rest", prefixes=("",), connectors=(2,)),
    ]
    async with house(tmp_path / "s.db", [germany, rest], routes=routes) as here:
        one = await here.send(to="+4915112345678")
        other = await here.send(to="+447400123456")
        await here.ends(one.message.id, State.SENT)
        await here.ends(other.message.id, State.SENT)
        assert (len(germany.written), len(rest.written)) == (1, 1)
        assert one.message.route == "germany"
        assert "49" in (one.message.route_reason or "")


async def test_without_receipts_a_message_ends_when_it_is_handed_over(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    carrier.wants_receipts = False
    async with house(tmp_path / "s.db", [carrier]) as here:
        accepted = await here.send()
        record = await here.ends(accepted.message.id, State.UNKNOWN)
        assert record.progress.error is None
        assert record.progress.sent_us is not None


async def test_a_batch_waits_for_room_in_a_fast_lane_instead_of_going_through_the_store(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=100)
    limits = LaneLimits(account_segments=600, lane_segments=1_000)
    async with house(tmp_path / "s.db", [carrier], limits=limits) as here:
        numbers = (f"+49151{number:08}" for number in range(10_000, 20_000))
        first = await here.send_many(next(numbers) for _ in range(500))
        await here.until(lambda: len(carrier.written) == 500 and not carrier.open)
        here.clock.move(0.45)  # five hundred in so little time: a fast lane
        carrier.answer = carrier.keep_open
        second = await here.send_many(next(numbers) for _ in range(600))
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(here.send_many(next(numbers) for _ in range(600)))
            await here.until(lambda: here.pipeline.dispatch.lanes[1]._inflow)
            carrier.answer = carrier.take
            carrier.say([carrier.take(one) for one in carrier.open])
        third = waiting.result()
        await here.until(lambda: len(carrier.written) == 1_700)
    assert [one.progress.due_us for one in (*first, *second, *third) if one.progress.due_us is not None] == []


async def test_a_batch_for_a_lane_that_is_not_fast_goes_to_the_store_at_once(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1, window=100)
    limits = LaneLimits(account_segments=600, lane_segments=1_000)
    async with house(tmp_path / "s.db", [carrier], limits=limits) as here:
        carrier.answer = carrier.keep_open
        numbers = (f"+49151{number:08}" for number in range(10_000, 20_000))
        await here.send_many(next(numbers) for _ in range(600))
        waiting = await here.send_many(next(numbers) for _ in range(600))
        assert {one.progress.due_us for one in waiting} == {AT_ONCE}
        carrier.answer = carrier.take
        carrier.say([carrier.take(one) for one in carrier.open])
        await here.until(lambda: len(carrier.written) == 1_200)


async def test_what_was_claimed_goes_back_when_nobody_can_say_who_opted_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = MemoryCarrier(1)
    carrier.bound = False
    async with house(tmp_path / "s.db", [carrier]) as here:
        sent = [await here.send(to=f"+491511234567{digit}") for digit in range(3)]  # no link: they wait in the store
        opted_out, asked = here.store.opted_out, 0

        async def failing(pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise StoreBusy("the disk is full")
            return await opted_out(pairs)

        monkeypatch.setattr(here.store, "opted_out", failing)
        monkeypatch.setattr(here.store, "may_be_opted_out", lambda account_id, recipient: True)
        carrier.bound = True
        await here.pipeline.dispatch.sweep()
        await here.until(lambda: len(carrier.written) == 3)
        assert asked >= 2
        for one in sent:
            await here.ends(one.message.id, State.SENT)
