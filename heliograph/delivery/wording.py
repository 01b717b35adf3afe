"""How a message and its events read in public: one shape for GET, webhooks, streams and lists.

An event is a CloudEvents 1.0 JSON object. Its ``data`` is the message as a customer sees it **as of
that event**: what came later is left out, so the same event has the same body at every telling. Its
content alone has a life of its own: once it is deleted, ``text`` (or ``data``) reads null in every telling.
Only GET adds the list of segments and the attempts: rows that keep the latest news, not those of each event.
Times are ISO 8601 in UTC with microseconds. Source: CloudEvents 1.0.2, JSON event format 1.0.2.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from heliograph.contracts import MessageRecord
from heliograph.delivery.segmenting import TextChanges, changes_of
from heliograph.model import (
    END,
    Attempt,
    Content,
    ContentKind,
    Direction,
    Encoding,
    Fact,
    Live,
    LoggedEvent,
    Message,
    Progress,
    Schedule,
    SegmentProgress,
    State,
    TrafficType,
    Window,
    schedule_at,
)

__all__ = [
    "DAYS",
    "EVENT_SOURCE",
    "EVENT_TYPES",
    "AttemptView",
    "EventView",
    "MessageView",
    "ScheduleView",
    "SegmentView",
    "WindowView",
    "event_json",
    "event_view",
    "events_of",
    "iso",
    "message_json",
    "message_view",
    "owned_event_json",
    "states_of",
]

EVENT_SOURCE: Final = "/v1/messages"
"""CloudEvents ``source`` of every event; with ``id`` it names the event for ever."""

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a delivery window, Monday first."""

EVENT_TYPES: Final[dict[int, str]] = {state.value: f"message.{state.word}" for state in State}
"""State → event type; also the words that a subscriber's filter is made of."""

_NO_NAMES: Final[Mapping[int, str]] = {}
_STATE_WORDS: Final = {state.value: state.word for state in State}
_STATE_OF_WORD: Final = {state.word: state.value for state in State}
_TYPE_WORDS: Final = {kind.value: kind.word for kind in TrafficType}
_ENCODING_WORDS: Final = {encoding.value: encoding.word for encoding in Encoding}
_DIRECTION_WORDS: Final = {Direction.OUT.value: "outbound", Direction.IN.value: "inbound"}
_INBOUND: Final = Direction.IN.value  # plain numbers: an enum's attribute costs as much as the comparison
_BINARY: Final = Encoding.BINARY.value
_DATA: Final = ContentKind.DATA.value
_SENT: Final = State.SENT.value
_END: Final = END.value
_ARRIVED: Final = frozenset((State.DELIVERED.value, State.READ.value, State.RECEIVED.value))
_SECONDS_KEPT: Final = 4096
"""Worded seconds that stay in memory: an hour of them, more than one batch ever touches."""

_thousandths: Final = tuple(f"{number:03d}" for number in range(1000))
_last_thousandths: Final = tuple(f"{number:03d}Z" for number in range(1000))
_seconds: dict[int, str] = {}
_encoder: Final = msgspec.json.Encoder()


class SegmentView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One segment. The fields from ``connector`` on are the operator's."""

    number: int
    state: str
    sent_at: str | None
    ended_at: str | None
    error: str | None
    possible_duplicate: bool
    connector: str | UnsetType | None = UNSET
    carrier_status: int | UnsetType | None = UNSET
    carrier_message_id: str | UnsetType | None = UNSET


class AttemptView(Struct, frozen=True, kw_only=True):
    """One submission to a carrier. The fields from ``connector`` on are the operator's."""

    segment: int
    number: int
    at: str
    error: str | None
    connector: str | UnsetType | None = UNSET
    carrier_status: int | UnsetType | None = UNSET
    carrier_message_id: str | UnsetType | None = UNSET


class WindowView(Struct, frozen=True, kw_only=True):
    """When the handset may be written to."""

    time_zones: Sequence[str]
    days: Sequence[str]
    hours: Sequence[str]
    holidays: str | None


class ScheduleView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked of the date. ``zone_data`` is the version of the zone data that read a local time."""

    send_at: str | UnsetType = UNSET
    send_at_local: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    zone_data: str | UnsetType = UNSET
    deliver_within: WindowView | UnsetType = UNSET


class MessageView(Struct, frozen=True, gc=False):
    """A message as JSON. It has ``text`` or ``data``; null where the content is gone."""

    id: str
    direction: str
    channel: str
    state: str
    to: str
    from_: str = msgspec.field(name="from")
    type: str
    encoding: str
    segments: int
    segments_delivered: int
    client_ref: str | None
    tags: Raw | None
    metadata: Raw | None
    at_most_once: bool
    flash: bool
    possible_duplicate: bool
    error: str | None
    accepted_at: str
    expires_at: str | None
    sent_at: str | None
    ended_at: str | None
    text: str | UnsetType | None = UNSET
    data: str | UnsetType | None = UNSET
    udh: str | UnsetType = UNSET
    send_at: str | UnsetType = UNSET
    schedule: ScheduleView | UnsetType = UNSET
    segment_list: Sequence[SegmentView] | UnsetType = UNSET
    attempts: Sequence[AttemptView] | UnsetType = UNSET
    connector: str | UnsetType | None = UNSET
    route: str | UnsetType | None = UNSET
    route_reason: str | UnsetType | None = UNSET
    carrier_status: int | UnsetType | None = UNSET
    carrier_message_id: str | UnsetType | None = UNSET
    text_changes: TextChanges | UnsetType = UNSET
    sandbox: bool | UnsetType = UNSET
    account: str | UnsetType = UNSET


class EventView(Struct, frozen=True, gc=False):
    """An event as JSON. ``corrects`` is the state that this one corrects; ``detail`` what a logged event adds."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: int
    datacontenttype: str
    data: MessageView
    corrects: str | UnsetType = UNSET
    detail: Raw | UnsetType = UNSET


def states_of(events: Sequence[str]) -> frozenset[int] | None:
    """The states that a subscriber's event types mean; None for all."""
    return frozenset(state for state, word in EVENT_TYPES.items() if word in events) if events else None


def iso(at_us: int) -> str:
    """Microseconds since 1970 as ``2026-03-01T12:00:00.000000Z``."""
    try:
        worded = _seconds[at_us // 1_000_000]
    except KeyError:
        worded = _word_second(at_us // 1_000_000)
    rest = at_us % 1_000_000
    return worded + _thousandths[rest // 1000] + _last_thousandths[rest % 1000]


def _word_second(second: int) -> str:
    if len(_seconds) >= _SECONDS_KEPT:
        _seconds.clear()
    _seconds[second] = worded = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
    return worded


def event_json(source: MessageRecord | Live, fact: Fact) -> bytes:
    """The event that ``fact`` keeps, as a customer gets it, from the message's rows or from memory."""
    return _encoder.encode(event_view(source, fact))


def owned_event_json(source: MessageRecord | Live, fact: Fact, account: str) -> bytes:
    """:func:`event_json` whose message says whose it is: for who reads events of several accounts."""
    view = event_view(source, fact)
    return _encoder.encode(msgspec.structs.replace(view, data=msgspec.structs.replace(view.data, account=account)))


def event_view(source: MessageRecord | Live, fact: Fact) -> EventView:
    """:func:`event_json` before it is text."""
    message_id = fact.message_id
    sequence = fact.sequence
    at_us = fact.at_us
    at = iso(at_us)
    return EventView(
        "1.0",
        f"{message_id}-{sequence}",
        EVENT_SOURCE,
        EVENT_TYPES[fact.state],
        message_id,
        at,
        sequence,
        "application/json",
        _as_of(source, sequence, fact.state, at_us, at),
        _STATE_WORDS[fact.corrects] if fact.corrects else UNSET,
    )


def message_json(
    record: MessageRecord,
    *,
    operator: bool = False,
    upto: int | None = None,
    connectors: Mapping[int, str] = _NO_NAMES,
    accounts: Mapping[int, str] = _NO_NAMES,
) -> bytes:
    """What ``GET /v1/messages/{id}`` answers; ``upto`` shows it as of that event (see :func:`message_view`)."""
    return _encoder.encode(message_view(record, operator=operator, upto=upto, connectors=connectors, accounts=accounts))


def message_view(
    record: MessageRecord,
    *,
    operator: bool = False,
    upto: int | None = None,
    connectors: Mapping[int, str] = _NO_NAMES,
    detail: bool = True,
    accounts: Mapping[int, str] = _NO_NAMES,
) -> MessageView:
    """A message with its text or data, its segments and its attempts (not without ``detail``: in lists).

    ``operator`` adds route, connectors and carriers' codes (scope ``routes:read``); ``connectors`` names
    them by number, ``accounts`` the accounts whose messages say whose they are. ``upto`` is the sequence number of an
    event: nothing after it is shown.
    """
    progress = record.progress
    state, at_us = (progress.state, None) if upto is None else _state_at(progress, upto)
    changes: dict[str, Any] = {}
    if detail and at_us is None:
        changes["segment_list"] = _segments(record, operator, connectors)
        changes["attempts"] = _attempts(record, operator, connectors)
    if operator:
        changes |= _carrier_fields(_only_segment(progress), True, connectors)
        changes |= {"route": record.message.route, "route_reason": record.message.route_reason}
    if accounts:
        changes["account"] = accounts.get(record.message.account_id, UNSET)
    sequence = progress.last_seq if upto is None else upto
    view = _as_of(record, sequence, state, at_us, None if at_us is None else iso(at_us))
    return msgspec.structs.replace(view, **changes) if changes else view


def events_of(record: MessageRecord, logged: Iterable[LoggedEvent] = ()) -> list[EventView]:
    """Every event of a message in order: those that columns tell, and the logged ones.

    Columns tell the latest end; an end before it was written out when it was corrected (with its error).
    """
    written = {event.sequence: event for event in logged}
    facts = [fact for fact in _derived(record) if fact.sequence not in written]
    facts += [_fact_of(record, event) for event in written.values()]
    events: list[EventView] = []
    state, end = State.SCHEDULED.value if record.schedules else State.QUEUED.value, 0
    for fact in sorted(facts, key=lambda fact: fact.sequence):
        event = written.get(fact.sequence)
        if event is None or event.kind in _STATE_OF_WORD:
            state = fact.state
            if state >= _END:
                fact = msgspec.structs.replace(fact, corrects=0 if end in _ARRIVED else end)
                end = state
            view = event_view(record, fact)
            events.append(view if event is None else _with_error(view, event))
        else:  # it changed nothing: shown in the state that the message had
            view = event_view(record, msgspec.structs.replace(fact, state=state))
            detail = UNSET if event.detail is None else Raw(event.detail.encode())
            events.append(msgspec.structs.replace(view, type=f"message.{event.kind}", detail=detail))
    return events


def _as_of(source: MessageRecord | Live, sequence: int, state: int, at_us: int | None, at: str | None) -> MessageView:
    """The customer's view after the event ``sequence``, which brought ``state`` at ``at_us`` (None: as of now).

    ``at`` is ``at_us`` in words: it is most often the time of sending or of the end, too.
    """
    message = source.message
    progress = source.progress
    inbound = message.direction == _INBOUND
    sent_us, sent_seq = progress.sent_us, progress.sent_seq
    if sent_us is not None and at_us is not None and (sent_seq > sequence if sent_seq else sent_us > at_us):
        sent_us = None
    ended_us: int | None = None
    error: str | None = None
    if state >= _END and not inbound:
        ended_us = progress.ended_us if at_us is None or 0 < progress.ended_seq <= sequence else at_us
        error = None if state in _ARRIVED else progress.error
    elif at_us is None:
        error = progress.error
    tags, metadata = message.tags, message.metadata
    text, data, udh = _content_fields(message, source.content)
    view = MessageView(
        message.id,
        _DIRECTION_WORDS[message.direction],
        message.channel,
        _STATE_WORDS[state],
        message.recipient,
        message.sender,
        _TYPE_WORDS[message.type],
        _ENCODING_WORDS[message.encoding],
        message.segments,
        message.segments if state in _ARRIVED else _segments_delivered(source, at_us),
        message.client_ref,
        None if tags is None else Raw(tags.encode()),
        None if metadata is None else Raw(metadata.encode()),
        message.at_most_once,
        message.flash,
        progress.possible_duplicate and (at_us is None or state >= _SENT),  # never so when it was queued
        error,
        iso(message.accepted_us),
        None if inbound else iso(message.expires_us),
        None if sent_us is None else at if sent_us == at_us else iso(sent_us),
        None if ended_us is None else at if ended_us == at_us else iso(ended_us),
        text,
        data,
        udh,
    )
    if message.account_id < 0:
        view = msgspec.structs.replace(view, sandbox=True)
    if message.entrance_data is not None:
        changes = changes_of(message.entrance_data)
        view = msgspec.structs.replace(view, text_changes=UNSET if changes is None else changes)
    return _dated(view, source.schedules, sequence) if source.schedules else view


def _dated(view: MessageView, schedules: tuple[Schedule, ...], sequence: int) -> MessageView:
    """The view with the date that held after this event, and the validity that follows from it."""
    held = schedule_at(schedules, sequence)
    if held is None:
        return view
    window = held.window
    asked = ScheduleView(
        send_at=UNSET if held.asked_us is None or held.local is not None else iso(held.asked_us),
        send_at_local=held.local or UNSET,
        time_zone=held.zone or UNSET,
        zone_data=held.zone_version or UNSET,
        deliver_within=UNSET if window is None else _window_view(window),
    )
    return msgspec.structs.replace(view, send_at=iso(held.send_us), schedule=asked, expires_at=iso(held.expires_us))


def _window_view(window: Window) -> WindowView:
    return WindowView(
        time_zones=window.zones,
        days=[DAYS[day] for day in window.days],
        hours=[f"{_clock(begin)}-{_clock(end)}" for begin, end in window.hours],
        holidays=window.holidays,
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _segments_delivered(source: MessageRecord | Live, at_us: int | None) -> int:
    """How many segments had arrived by then, of a message that had not."""
    if at_us is None or not source.segments:
        return source.progress.segments_delivered if at_us is None else 0
    return sum(1 for part in source.segments if part.state in _ARRIVED and (part.ended_us or at_us) <= at_us)


def _state_at(progress: Progress, sequence: int) -> tuple[int, int | None]:
    """State and time of a message after one of its events, from its columns alone."""
    if sequence >= progress.last_seq:
        return progress.state, None
    if 0 < progress.ended_seq <= sequence:
        return progress.state, progress.ended_us
    if 0 < progress.sent_seq <= sequence:
        return State.SENT, progress.sent_us
    return State.QUEUED, 0


_ContentFields = tuple[str | UnsetType | None, str | UnsetType | None, str | UnsetType]
_TEXT_GONE: Final[_ContentFields] = (None, UNSET, UNSET)
_DATA_GONE: Final[_ContentFields] = (UNSET, None, UNSET)


def _content_fields(message: Message, content: Content | None) -> _ContentFields:
    """text, data and udh (base64); null for a content that is gone, or sealed with a key that is."""
    if content is None:
        return _DATA_GONE if message.encoding == _BINARY else _TEXT_GONE
    binary = content.kind == _DATA
    if content.key_id:
        return _DATA_GONE if binary else _TEXT_GONE
    octets = content.octets
    if not binary:
        return octets.decode(), UNSET, UNSET
    udh, data = octets[: content.udh_octets], octets[content.udh_octets :]
    return UNSET, base64.b64encode(data).decode(), base64.b64encode(udh).decode() if udh else UNSET


def _segments(record: MessageRecord, operator: bool, connectors: Mapping[int, str]) -> list[SegmentView]:
    return [
        SegmentView(
            number=part.number,
            state=_STATE_WORDS[part.state],
            sent_at=None if part.sent_us is None else iso(part.sent_us),
            ended_at=None if part.ended_us is None else iso(part.ended_us),
            error=None if part.state in _ARRIVED else part.error,
            possible_duplicate=part.possible_duplicate,
            **_carrier_fields(part, operator, connectors),
        )
        for part in record.segments or (_only_segment(record.progress),)
    ]


def _only_segment(progress: Progress) -> SegmentProgress:
    """The segment of a message that has one: its row says it."""
    return SegmentProgress(
        number=1,
        state=progress.state,
        connector_id=progress.connector_id,
        attempts=progress.attempts,
        sent_us=progress.sent_us,
        ended_us=progress.ended_us,
        carrier_message_id=progress.carrier_message_id,
        status=progress.status,
        error=progress.error,
        possible_duplicate=progress.possible_duplicate,
    )


def _attempts(record: MessageRecord, operator: bool, connectors: Mapping[int, str]) -> list[AttemptView]:
    """Attempts that were followed by others, from their rows, and the latest of each segment, from its progress."""
    rows = [*record.attempts, *_latest_attempts(record)]
    return [
        AttemptView(
            segment=row.segment,
            number=row.number,
            at=iso(row.at_us),
            error=row.error,
            **_carrier_fields(row, operator, connectors),
        )
        for row in sorted(rows, key=lambda row: (row.segment, row.number))
    ]


def _latest_attempts(record: MessageRecord) -> list[Attempt]:
    """The latest attempt of each segment. One that a carrier took went well, whatever became of the segment later."""
    told = {(row.segment, row.number) for row in record.attempts}
    return [
        Attempt(
            message_id=record.message.id,
            account_id=record.message.account_id,
            segment=part.number,
            number=part.attempts,
            connector_id=part.connector_id,
            at_us=at_us,
            status=part.status if part.sent_us is None else 0,
            error=part.error if part.sent_us is None else None,
            carrier_message_id=part.carrier_message_id,
        )
        for part in record.segments or (_only_segment(record.progress),)
        if part.attempts and (part.number, part.attempts) not in told and (at_us := part.sent_us or part.ended_us)
    ]


def _carrier_fields(row: SegmentProgress | Attempt, operator: bool, connectors: Mapping[int, str]) -> dict[str, Any]:
    """What only the operator sees: a customer never learns who the carriers are."""
    if not operator:
        return {}
    return {
        "connector": connectors.get(row.connector_id),
        "carrier_status": row.status,
        "carrier_message_id": row.carrier_message_id,
    }


def _derived(record: MessageRecord) -> list[Fact]:
    """The events that columns tell: queued, sent, ended (or received)."""
    message, progress = record.message, record.progress
    if message.direction == _INBOUND:
        return [_fact(message, 1, State.RECEIVED, message.accepted_us)]
    facts = [_fact(message, 1, State.QUEUED, message.accepted_us)]
    if any(one.send_us > one.at_us for one in record.schedules):  # when it was queued is a logged event
        facts = [_fact(message, one.sequence, State.SCHEDULED, one.at_us) for one in record.schedules]
    if progress.sent_seq and progress.sent_us is not None:
        facts.append(_fact(message, progress.sent_seq, State.SENT, progress.sent_us))
    if progress.ended_seq and progress.ended_us is not None:
        facts.append(_fact(message, progress.ended_seq, progress.state, progress.ended_us))
    return facts


def _fact_of(record: MessageRecord, event: LoggedEvent) -> Fact:
    state = _STATE_OF_WORD.get(event.kind, record.progress.state)
    return _fact(record.message, event.sequence, state, event.at_us)


def _fact(message: Message, sequence: int, state: int, at_us: int) -> Fact:
    return Fact(
        message.id,
        message.account_id,
        sequence,
        int(state),
        at_us,
        0,
        0,
        message.direction,
        message.type,
        message.country,
        message.network,
        message.sender,
        message.callback is not None,
        message.segments,
    )


def _with_error(view: EventView, event: LoggedEvent) -> EventView:
    """An earlier end keeps the error that it was told with (``{"error": …}``)."""
    detail = msgspec.json.decode(event.detail) if event.detail else None
    error = detail.get("error") if isinstance(detail, dict) else None
    if error is None:
        return view
    return msgspec.structs.replace(view, data=msgspec.structs.replace(view.data, error=str(error)))
