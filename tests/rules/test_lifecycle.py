"""The fold of news: the same state in whatever order it arrives, and every end told once."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.model import END, Live, Message, Progress, SegmentProgress, State
from heliograph.rules.lifecycle import News, advance, fold_segments

ENDS = [State.UNKNOWN, State.EXPIRED, State.UNDELIVERED, State.REJECTED, State.FAILED, State.DELIVERED, State.READ]
BAD_ENDS = ENDS[:-2]


def live(segments: int = 1) -> Live:
    message = Message(
        id="m0abd50bna0pu5b3lg9s",
        account_id=7,
        sender="Shop",
        recipient="+4915112345678",
        accepted_us=1,
        expires_us=2,
        segments=segments,
    )
    rows = None if segments == 1 else [SegmentProgress(number=number) for number in range(1, segments + 1)]
    return Live(message, Progress(connector_id=1, owner=1), (), rows)


def apply(target: Live, news: News) -> list[object]:
    """Moves ``target`` as the ledger does; gives what is told and logged."""
    step = advance(target, news)
    if step.progress is None:
        return []
    assert step.progress.version == target.progress.version + 1
    target.progress = step.progress
    if step.segment is not None and target.segments is not None:
        target.segments[news.segment - 1] = step.segment
    return [*step.logged, *([step.fact] if step.fact is not None else [])]


def taken(segment: int = 1, at: int = 10) -> News:
    return News(segment, State.SENT, at, 1, f"id{segment}", 0)


def ended(state: State, segment: int = 1, at: int = 20) -> News:
    return News(segment, state, at, 1, None, None, None if state >= State.DELIVERED else "undelivered")


def test_a_message_is_queued_sent_delivered_with_sequence_numbers_in_order() -> None:
    message = live()
    (sent,) = apply(message, taken())
    (delivered,) = apply(message, ended(State.DELIVERED))
    assert (sent.state, sent.sequence, delivered.state, delivered.sequence) == (State.SENT, 2, State.DELIVERED, 3)
    progress = message.progress
    assert (progress.sent_us, progress.ended_us, progress.carrier_message_id) == (10, 20, "id1")
    assert (progress.owner, progress.due_us, progress.segments_delivered) == (0, None, 1)


def test_the_same_news_twice_says_nothing() -> None:
    message = live()
    apply(message, taken())
    assert apply(message, taken()) == []
    apply(message, ended(State.DELIVERED))
    assert apply(message, ended(State.DELIVERED)) == []


def test_receipt_before_response_needs_no_sent_event() -> None:
    message = live()
    (delivered,) = apply(message, ended(State.DELIVERED))
    assert delivered.sequence == 2
    assert apply(message, taken()) == []
    assert message.progress.state == State.DELIVERED
    assert message.progress.carrier_message_id == "id1"
    assert message.progress.sent_seq == 0


@pytest.mark.parametrize("first", BAD_ENDS)
def test_a_later_delivered_corrects_any_other_end_once(first: State) -> None:
    message = live()
    apply(message, taken())
    apply(message, ended(first))
    kept, told = apply(message, ended(State.DELIVERED, at=30))
    assert (kept.kind, kept.sequence, kept.at_us) == (first.word, 3, 20)
    assert (told.state, told.corrects, told.sequence) == (State.DELIVERED, first, 4)
    assert (message.progress.ended_us, message.progress.error) == (30, None)
    assert apply(message, ended(State.DELIVERED, at=31)) == []


def test_read_follows_delivered_and_corrects_nothing() -> None:
    message = live()
    apply(message, ended(State.DELIVERED))
    _, told = apply(message, ended(State.READ, at=40))
    assert (told.state, told.corrects) == (State.READ, 0)


def test_news_against_the_end_is_kept_as_a_contradiction_and_not_told() -> None:
    message = live()
    apply(message, taken())
    apply(message, ended(State.DELIVERED))
    (contradiction,) = apply(message, ended(State.UNDELIVERED, at=50))
    assert (contradiction.kind, contradiction.sequence) == ("contradiction", 4)
    assert '"undelivered"' in contradiction.detail
    assert (message.progress.state, message.progress.ended_us) == (State.DELIVERED, 20)


@given(facts=st.lists(st.sampled_from([State.SENT, *ENDS]), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_one_segment_comes_out_the_same_in_every_order(facts: list[State]) -> None:
    outcomes = set()
    for order in set(itertools.permutations(facts)):
        message = live()
        for state in order:
            apply(message, taken() if state == State.SENT else ended(state))
        outcomes.add((message.progress.state, message.progress.carrier_message_id, message.progress.segments_delivered))
    assert len(outcomes) == 1
    assert outcomes.pop()[0] == max(facts)


@given(data=st.data(), segments=st.integers(2, 3))
@settings(max_examples=60, deadline=None)
def test_several_segments_come_out_the_same_in_every_order(data: st.DataObject, segments: int) -> None:
    facts = data.draw(
        st.lists(st.tuples(st.integers(1, segments), st.sampled_from([State.SENT, *ENDS])), min_size=1, max_size=5)
    )
    outcomes = set()
    for order in set(itertools.permutations(facts)):
        message = live(segments)
        told = []
        for segment, state in order:
            told += apply(message, taken(segment) if state == State.SENT else ended(state, segment))
        rows = tuple(segment.state for segment in message.segments or ())
        expected, delivered = fold_segments(rows)
        assert message.progress.segments_delivered == delivered
        ends = [one for one in told if hasattr(one, "corrects") and one.state >= END]
        assert len([one for one in ends if not one.corrects and one.state < State.READ]) <= 1
        if expected >= END:
            assert message.progress.state == expected
        outcomes.add((message.progress.state, rows))
    assert len(outcomes) == 1


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([State.DELIVERED, State.DELIVERED], (State.DELIVERED, 2)),
        ([State.READ, State.DELIVERED], (State.DELIVERED, 2)),
        ([State.READ, State.READ], (State.READ, 2)),
        ([State.DELIVERED, State.EXPIRED], (State.EXPIRED, 1)),
        ([State.UNKNOWN, State.FAILED], (State.FAILED, 0)),
        ([State.UNDELIVERED, State.REJECTED], (State.REJECTED, 0)),
        ([State.DELIVERED, State.SENT], (State.SENT, 1)),
        ([State.DELIVERED, State.QUEUED], (State.QUEUED, 1)),
    ],
)
def test_a_message_has_the_state_of_the_segment_that_got_least_far(
    states: list[State], expected: tuple[State, int]
) -> None:
    assert fold_segments(states) == expected
    assert fold_segments(reversed(states)) == expected


@pytest.mark.parametrize("segments", [1, 2])
@pytest.mark.parametrize("receipt_first", [False, True])
def test_the_submission_that_was_taken_is_counted_in_every_order(segments: int, receipt_first: bool) -> None:
    target = live(segments)
    news = [News(1, State.SENT, 10, 1, "id1", 0, None, 2), ended(State.DELIVERED)]
    for one in reversed(news) if receipt_first else news:
        apply(target, one)
    assert (target.segments[0] if target.segments else target.progress).attempts == 2


def test_a_submission_that_was_refused_for_good_is_counted() -> None:
    target = live()
    apply(target, News(1, State.REJECTED, 10, 1, None, 11, "recipient_invalid", 1))
    assert (target.progress.attempts, target.progress.status) == (1, 11)
