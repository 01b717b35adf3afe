"""Receipts find their message: after an answer that came too late, too."""

from __future__ import annotations

from pathlib import Path

from heliograph.contracts import Outcome, SegmentSubmission
from heliograph.model import State
from tests.delivery.support import House, MemoryCarrier, house


def unknown(submission: SegmentSubmission) -> Outcome:
    return Outcome(submission, unknown=True)


async def receipt(h: House, carrier: MemoryCarrier, carrier_id: str, state: State, error: str | None = None) -> None:
    """Tells it, and waits until it is kept."""
    known = len(carrier.acknowledged)
    carrier.receipt(carrier_id, state, error=error)
    await h.until(lambda: len(carrier.acknowledged) > known, "the receipt kept")


async def timed_out_once(h: House, carrier: MemoryCarrier) -> tuple[str, SegmentSubmission]:
    """A message whose first submission has no answer, and whose second waits for one."""

    def answer(submission: SegmentSubmission) -> Outcome | None:
        return unknown(submission) if submission.attempt == 1 else None

    carrier.answer = answer
    accepted = await h.send()
    await h.until(lambda: len(carrier.written) == 2)
    return accepted.message.id, carrier.written[0]


async def test_a_late_answer_is_kept_with_its_attempt_and_its_receipt_finds_the_message(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "db", [carrier]) as h:
        message_id, first = await timed_out_once(h, carrier)
        carrier.news.late(carrier, [(first, "late1")])
        await h.pipeline.ledger.drain(5)
        record = await h.record(message_id)
        assert record.progress.state < State.SENT
        assert [(one.number, one.status, one.error, one.carrier_message_id) for one in record.attempts] == [
            (1, 0, None, "late1")
        ]
        await receipt(h, carrier, "late1", State.SENT)
        assert (await h.record(message_id)).progress.state < State.SENT
        await receipt(h, carrier, "late1", State.DELIVERED)
        assert (await h.record(message_id)).progress.state == State.DELIVERED
        carrier.say([Outcome(carrier.open[0], "c2")])
        await h.pipeline.ledger.drain(5)
        record = await h.record(message_id)
        assert (record.progress.state, record.progress.carrier_message_id) == (State.DELIVERED, "c2")


async def test_a_late_answer_takes_along_the_receipt_that_came_before_it(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "db", [carrier]) as h:
        message_id, first = await timed_out_once(h, carrier)
        await receipt(h, carrier, "late1", State.DELIVERED)
        assert (await h.record(message_id)).progress.state < State.SENT
        carrier.news.late(carrier, [(first, "late1")])
        await h.ends(message_id, State.DELIVERED)
        assert await h.pipeline.receipts.match_orphans() == 1
        assert (await h.record(message_id)).progress.state == State.DELIVERED


async def test_a_late_answer_is_found_after_a_restart(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "db", [carrier]) as h:
        message_id, first = await timed_out_once(h, carrier)
        carrier.news.late(carrier, [(first, "late1")])
        await h.pipeline.ledger.drain(5)
    carrier = MemoryCarrier(1)
    carrier.answer = carrier.keep_open
    async with house(tmp_path / "db", [carrier]) as h:
        await receipt(h, carrier, "late1", State.DELIVERED)
        assert (await h.record(message_id)).progress.state == State.DELIVERED


async def test_at_most_once_stays_unknown_by_a_late_answer_until_its_receipt_corrects_it(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "db", [carrier]) as h:
        carrier.answer = unknown
        message_id = (await h.send(at_most_once=True)).message.id
        before = (await h.ends(message_id, State.UNKNOWN)).progress
        carrier.news.late(carrier, [(carrier.written[0], "late1")])
        await h.pipeline.ledger.drain(5)
        progress = (await h.record(message_id)).progress
        assert (progress.state, progress.carrier_message_id) == (State.UNKNOWN, "late1")
        assert (progress.last_seq, progress.attempts) == (before.last_seq, before.attempts)
        await receipt(h, carrier, "late1", State.DELIVERED)
        assert (await h.record(message_id)).progress.state == State.DELIVERED
        assert len(carrier.written) == 1


async def test_at_most_once_is_not_ended_anew_by_a_bad_receipt_of_a_late_answer(tmp_path: Path) -> None:
    carrier = MemoryCarrier(1)
    async with house(tmp_path / "db", [carrier]) as h:
        carrier.answer = unknown
        message_id = (await h.send(at_most_once=True)).message.id
        ended_seq = (await h.ends(message_id, State.UNKNOWN)).progress.ended_seq
        carrier.news.late(carrier, [(carrier.written[0], "late1")])
        await receipt(h, carrier, "late1", State.UNDELIVERED, "undelivered")
        assert (await h.record(message_id)).progress.ended_seq == ended_seq
