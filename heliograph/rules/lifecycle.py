"""How news moves a message: a pure fold, the same in whatever order the news arrives.

A segment's state is the greatest of its facts (``State`` is in rank order). A message of several
segments is ``delivered`` or ``read`` when all are; when all have ended otherwise it has the
greatest rank among the segments that did not arrive (failed, rejected, undelivered, expired,
canceled, unknown); before that it is ``sent`` once all were taken.

What is told is not the same as what is known: an end is told once; only a later ``delivered`` or
``read`` is told again (with what it corrects). Any other change after the end is kept as a
``contradiction``. Source: docs/explanation/states.md
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from heliograph.model import END, Fact, Live, LoggedEvent, Message, Progress, SegmentProgress, State
from heliograph.rules.delays import bucket_of

__all__ = ["Advance", "News", "advance", "come_due", "fact_of", "fold_segments"]

_DELIVERED = int(State.DELIVERED)
_SENT = int(State.SENT)
_UNKNOWN_ERRORS = (None, "outcome_unknown", "receipt_missing")
"""The errors of messages that ended as unknown; any other end has one of its own."""


class News(Struct, frozen=True, gc=False):
    """One fact about one segment. ``state`` is SENT (taken by a carrier) or an end.

    ``attempt`` counts the submission that brought it, from 1; 0 for what no submission did (a receipt).
    """

    segment: int
    state: int
    at_us: int
    connector_id: int = 0
    carrier_message_id: str | None = None
    status: int | None = None
    error: str | None = None
    attempt: int = 0


class Advance(Struct, frozen=True, gc=False):
    """What news changes: nothing where ``progress`` is None."""

    progress: Progress | None
    segment: SegmentProgress | None = None
    fact: Fact | None = None
    logged: tuple[LoggedEvent, ...] = ()


_NOTHING = Advance(None)


def fold_segments(states: Iterable[int]) -> tuple[int, int]:
    """(state of the message, segments delivered) from its segments' states, in any order."""
    states = list(states)
    delivered = sum(1 for state in states if state >= _DELIVERED)
    if delivered == len(states):
        return min(states), delivered
    if min(states) >= END:
        return max(state for state in states if state < _DELIVERED), delivered
    return (_SENT if min(states) >= _SENT else State.QUEUED), delivered


def advance(live: Live, news: News) -> Advance:
    """What ``news`` makes of ``live``. Changes nothing itself."""
    if live.segments is not None:
        return _advance_several(live, live.segments, news)
    old, state = live.progress, news.state
    if state == _SENT:
        if old.carrier_message_id is not None and old.sent_us is not None:
            return _NOTHING
        return _taken(live, news)
    if state == old.state:
        return _NOTHING
    if state >= END > old.state:
        return _ended(live, news, state, 1 if state >= _DELIVERED else 0)
    return _told_again(live, news, max(state, old.state), 1 if state >= _DELIVERED or old.state >= _DELIVERED else 0)


def come_due(live: Live, at_us: int) -> Advance:
    """A scheduled message has entered its lane: ``queued``, as an event of its own (no column tells it)."""
    old, message = live.progress, live.message
    sequence = old.last_seq + 1
    progress = replace(old, state=State.QUEUED, version=old.version + 1, last_seq=sequence)
    event = LoggedEvent(
        message_id=message.id,
        account_id=message.account_id,
        sequence=sequence,
        at_us=at_us,
        kind=State.QUEUED.word,
    )
    return Advance(progress, None, fact_of(message, sequence, State.QUEUED, at_us, old.connector_id), (event,))


def fact_of(
    message: Message,
    sequence: int,
    state: int,
    at_us: int,
    connector_id: int,
    corrects: int = 0,
    was: int = 0,
    error: str | None = None,
    waited: int = -1,
) -> Fact:
    """The outbox's short form of an event of this message."""
    return Fact(
        message.id,
        message.account_id,
        sequence,
        state,
        at_us,
        corrects,
        connector_id,
        message.direction,
        message.type,
        message.country,
        message.network,
        message.sender,
        message.callback is not None,
        message.segments,
        was,
        error,
        waited,
    )


def _waited(sent_us: int | None, state: int, at_us: int) -> int:
    """The bucket of a first receipt: what ends a message that was handed over, unless it ends as unknown."""
    return -1 if sent_us is None or state == State.UNKNOWN else bucket_of(at_us - sent_us)


def _taken(live: Live, news: News) -> Advance:
    old = live.progress
    message = live.message
    if old.state < _SENT:
        sequence = old.last_seq + 1
        progress = Progress(
            state=_SENT,
            version=old.version + 1,
            connector_id=news.connector_id,
            attempts=news.attempt or old.attempts,
            sent_us=news.at_us,
            sent_seq=sequence,
            last_seq=sequence,
            carrier_message_id=news.carrier_message_id,
            status=news.status,
            possible_duplicate=old.possible_duplicate,
        )
        return Advance(progress, None, fact_of(message, sequence, _SENT, news.at_us, news.connector_id))
    # The end was known before the response: the response adds what correlates, no event.
    progress = replace(
        old,
        version=old.version + 1,
        attempts=news.attempt or old.attempts,
        sent_us=news.at_us,
        carrier_message_id=news.carrier_message_id,
        due_us=None,
        owner=0,
    )
    return Advance(progress)


def _told(live: Live, news: News, state: int, delivered: int) -> Advance:
    """A message reaches ``state`` by news of an end: which event that is, and what columns say."""
    if state >= END > live.progress.state:
        return _ended(live, news, state, delivered)
    return _told_again(live, news, state, delivered)


def _ended(live: Live, news: News, state: int, delivered: int) -> Advance:
    """The end, told for the first time."""
    old, at_us = live.progress, news.at_us
    sequence = old.last_seq + 1
    connector_id = news.connector_id or old.connector_id
    error = None if state >= _DELIVERED else news.error
    progress = Progress(
        state=state,
        version=old.version + 1,
        connector_id=connector_id,
        attempts=news.attempt or old.attempts,
        sent_us=old.sent_us,
        ended_us=at_us,
        sent_seq=old.sent_seq,
        ended_seq=sequence,
        last_seq=sequence,
        carrier_message_id=old.carrier_message_id,
        status=old.status if news.status is None else news.status,
        error=error,
        segments_delivered=delivered,
        possible_duplicate=old.possible_duplicate,
    )
    waited = _waited(old.sent_us, state, at_us)
    return Advance(progress, None, fact_of(live.message, sequence, state, at_us, connector_id, 0, 0, error, waited))


def _told_again(live: Live, news: News, state: int, delivered: int) -> Advance:
    """News of an end that was told already."""
    if state >= _DELIVERED and state > live.progress.state:
        return _corrected(live, news, state, delivered)
    return _contradicted(live, news, state, delivered)


def _corrected(live: Live, news: News, state: int, delivered: int) -> Advance:
    """A later ``delivered`` or ``read``: the end that was told keeps its event, the new one is told too."""
    old, message = live.progress, live.message
    sequence = old.last_seq + 1
    corrects = old.state if old.state < _DELIVERED else 0
    progress = replace(
        old,
        state=state,
        version=old.version + 1,
        ended_us=news.at_us,
        ended_seq=sequence,
        last_seq=sequence,
        error=None,
        segments_delivered=delivered,
        due_us=None,
        owner=0,
    )
    was = _told_end(old)
    waited = _waited(old.sent_us, state, news.at_us) if was == State.UNKNOWN else -1
    fact = fact_of(message, sequence, state, news.at_us, old.connector_id, corrects, was, old.error, waited)
    return Advance(progress, None, fact, (_end_that_was_told(message, old),))


def _told_end(old: Progress) -> int:
    """The end that was told last. A contradiction may have moved the state since, but it leaves the error."""
    moved = old.last_seq > old.ended_seq and old.state < _DELIVERED
    return State.UNKNOWN if moved and old.error in _UNKNOWN_ERRORS else old.state


def _contradicted(live: Live, news: News, state: int, delivered: int) -> Advance:
    """News after the end that is not told: kept as an event of its own."""
    old, message = live.progress, live.message
    sequence = old.last_seq + 1
    detail = msgspec.json.encode({"state": State(news.state).word, "error": news.error, "segment": news.segment})
    contradiction = LoggedEvent(
        message_id=message.id,
        account_id=message.account_id,
        sequence=sequence,
        at_us=news.at_us,
        kind="contradiction",
        detail=detail.decode(),
    )
    progress = replace(
        old, state=state, version=old.version + 1, last_seq=sequence, segments_delivered=delivered, due_us=None, owner=0
    )
    kept = () if state == old.state else (_end_that_was_told(message, old),)
    return Advance(progress, None, None, (*kept, contradiction))


def _end_that_was_told(message: Message, old: Progress) -> LoggedEvent:
    """The event that the columns told until now, written out because they will tell another."""
    return LoggedEvent(
        message_id=message.id,
        account_id=message.account_id,
        sequence=old.ended_seq,
        at_us=old.ended_us or 0,
        kind=State(old.state).word,
        detail=None if old.error is None else msgspec.json.encode({"error": old.error}).decode(),
    )


def _advance_several(live: Live, segments: Sequence[SegmentProgress], news: News) -> Advance:
    before = segments[news.segment - 1]
    segment = _segment_after(before, news)
    if segment is None:
        return _NOTHING
    states = [segment.state if other.number == news.segment else other.state for other in segments]
    state, delivered = fold_segments(states)
    old = live.progress
    if news.state >= END and before.state >= END and segment.state == before.state:
        contradicted = _contradicted(live, news, state, delivered)
        return Advance(contradicted.progress, segment, None, contradicted.logged)
    if state < END:
        return _on_the_way(live, news, segment, state, delivered)
    if state == old.state:
        progress = replace(old, version=old.version + 1, segments_delivered=delivered)
        return Advance(progress, segment)
    told = _told(live, news, state, delivered)
    return Advance(told.progress, segment, told.fact, told.logged)


def _on_the_way(live: Live, news: News, segment: SegmentProgress, state: int, delivered: int) -> Advance:
    old = live.progress
    version = old.version + 1
    if state == _SENT and old.state < _SENT:
        sequence = old.last_seq + 1
        progress = replace(
            old,
            state=_SENT,
            version=version,
            sent_us=news.at_us,
            sent_seq=sequence,
            last_seq=sequence,
            segments_delivered=delivered,
            due_us=None,
            owner=0,
        )
        return Advance(progress, segment, fact_of(live.message, sequence, _SENT, news.at_us, news.connector_id))
    return Advance(replace(old, version=version, segments_delivered=delivered), segment)


def _segment_after(old: SegmentProgress, news: News) -> SegmentProgress | None:
    """A segment after news of it; None where it says nothing new."""
    if news.state == _SENT:
        if old.sent_us is not None and old.carrier_message_id is not None:
            return None
        return replace(
            old,
            state=max(old.state, _SENT),
            connector_id=news.connector_id,
            attempts=news.attempt or old.attempts,
            sent_us=news.at_us,
            carrier_message_id=news.carrier_message_id,
            status=news.status,
        )
    if news.state == old.state:
        return None
    if news.state < old.state:
        return old
    return replace(
        old,
        state=news.state,
        attempts=news.attempt or old.attempts,
        ended_us=old.ended_us or news.at_us,
        status=old.status if news.status is None else news.status,
        error=None if news.state >= _DELIVERED else news.error,
    )
