"""Long messages in one PDU, seen as segments."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.connectors.smpp.whole import SharedHandle, WholeMessages, is_untouched
from heliograph.contracts import Outcome, ReceiptNews
from heliograph.errors import Retry, SubmitFailed
from heliograph.model import State
from tests.connectors.build import live_of, submissions

LONG = "x" * 400


def test_the_segments_that_wait_share_the_outcome_of_the_first() -> None:
    whole = WholeMessages()
    one, two, three = submissions(live_of(LONG))
    assert whole.submit(one) == (True, None)
    assert whole.submit(two) == (False, None)
    outcomes = whole.answered(Outcome(one, "00AB"), "ab")
    assert [(o.submission.number, o.carrier_message_id) for o in outcomes] == [(1, "00AB"), (2, "ab.2")]
    goes, late = whole.submit(three)
    assert not goes
    assert late is not None
    assert (late.submission, late.carrier_message_id) == (three, "ab.3")


def test_a_refusal_is_shared_and_the_next_try_goes_to_the_wire_again() -> None:
    whole = WholeMessages()
    one, two, three = submissions(live_of(LONG))
    for submission in (one, two, three):
        whole.submit(submission)
    failure = SubmitFailed("carrier_throttled", 0x58, Retry.LATER)
    assert [o.failure for o in whole.answered(Outcome(one, failure=failure), None)] == [failure] * 3
    assert whole.submit(one) == (True, None)
    assert whole.submit(two) == (False, None)


def test_a_segment_that_comes_again_before_the_others_begins_a_new_round() -> None:
    whole = WholeMessages()
    one, _, _ = submissions(live_of(LONG))
    whole.submit(one)
    whole.answered(Outcome(one, unknown=True), None)
    assert whole.submit(one) == (True, None)


def test_a_receipt_is_told_for_each_segment_and_answered_once() -> None:
    whole = WholeMessages()
    one, two, three = submissions(live_of(LONG))
    for submission in (one, two, three):
        whole.submit(submission)
    whole.answered(Outcome(one, "00AB"), "ab")
    sent = ReceiptNews("h", ("171", "ab"), State.SENT, "171")
    assert [news.canonical for news in whole.receipts(sent)] == [("ab",), ("ab.2",), ("ab.3",)]
    told = whole.receipts(replace(sent, state=State.DELIVERED))
    assert len(told) == 3
    assert [news.handle.settle(kept=True) for news in told] == [False, False, True]
    assert whole.receipts(sent) == [sent]


def test_a_shared_delivery_is_refused_as_soon_as_one_was_not_kept() -> None:
    handle = SharedHandle("h", 3)
    assert [handle.settle(kept=kept) for kept in (True, False, True)] == [False, True, False]


def test_a_message_of_which_a_part_was_taken_is_not_sent_whole() -> None:
    live = live_of(LONG)
    assert is_untouched(live)
    assert live.segments is not None
    live.segments[1] = replace(live.segments[1], sent_us=5)
    assert not is_untouched(live)
    assert not is_untouched(live_of("short"))
