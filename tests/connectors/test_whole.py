"""Long messages in one PDU, seen as segments."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.connectors.smpp.whole import WholeMessages
from heliograph.contracts import Outcome
from heliograph.errors import Retry, SubmitFailed
from tests.connectors.build import live_of, submissions

LONG = "x" * 400


def test_the_segments_that_wait_share_the_outcome_of_the_first() -> None:
    whole = WholeMessages(3)
    live = live_of(LONG)
    one, two, three = submissions(live)
    assert whole.submit(one) == (True, None)
    assert whole.submit(two) == (False, None)
    outcomes = whole.answered(Outcome(one, "00AB"))
    assert [(o.submission.number, o.carrier_message_id) for o in outcomes] == [(1, "00AB"), (2, "00AB")]
    assert live.segments is not None
    live.segments[0] = replace(live.segments[0], sent_us=5)
    assert whole.takes(three)
    assert whole.submit(three) == (False, Outcome(three, "00AB"))
    assert [submission.whole for submission in (one, two, three)] == [True] * 3


def test_a_refusal_is_shared_and_the_next_try_goes_to_the_wire_again() -> None:
    whole = WholeMessages(3)
    one, two, three = submissions(live_of(LONG))
    for submission in (one, two, three):
        whole.submit(submission)
    failure = SubmitFailed("carrier_throttled", 0x58, Retry.LATER)
    assert [o.failure for o in whole.answered(Outcome(one, failure=failure))] == [failure] * 3
    assert whole.submit(one) == (True, None)
    assert whole.submit(two) == (False, None)


def test_a_segment_that_comes_again_before_the_others_begins_a_new_round() -> None:
    whole = WholeMessages(3)
    one, _, _ = submissions(live_of(LONG))
    whole.submit(one)
    whole.answered(Outcome(one, unknown=True))
    assert whole.submit(one) == (True, None)


def test_a_message_of_which_a_part_was_taken_is_not_sent_whole() -> None:
    whole = WholeMessages(3)
    live = live_of(LONG)
    one, two, _ = submissions(live)
    assert whole.takes(one)
    assert live.segments is not None
    live.segments[1] = replace(live.segments[1], sent_us=5)
    assert not whole.takes(one)
    assert not whole.takes(two)
    assert not whole.takes(submissions(live_of("short"))[0])


def test_a_segment_that_went_along_in_another_life_is_not_sent_alone() -> None:
    live = live_of(LONG)
    one, two, three = submissions(live)
    assert live.segments is not None
    live.segments[0] = replace(live.segments[0], connector_id=3, sent_us=5, carrier_message_id="00AB")
    live.segments[1] = replace(live.segments[1], connector_id=3, carrier_message_id="00AB")
    live.segments[2] = replace(live.segments[2], connector_id=4, carrier_message_id="77")
    whole = WholeMessages(3)
    assert [whole.takes(submission) for submission in (one, two, three)] == [False, True, False]
    assert whole.submit(two) == (False, Outcome(two, "00AB"))
