"""How a message reads in public, now or as of one of its events: one shape for GET, webhooks, streams and lists.

Only GET adds the list of segments and the attempts: rows that keep the latest news, not those of each event.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from heliograph.contracts import MessageRecord
from heliograph.delivery.instants import iso
from heliograph.delivery.segmenting import changes_of
from heliograph.delivery.submissionwords import attempts, carrier_fields, only_segment, segments
from heliograph.delivery.views import DAYS, STATE_WORDS, MessageView, ScheduleView, WindowView
from heliograph.model import (
    ARRIVED,
    END,
    Content,
    ContentKind,
    Direction,
    Encoding,
    Live,
    Message,
    Progress,
    Schedule,
    State,
    TrafficType,
    Window,
    schedule_at,
)

__all__ = ["as_of", "iso", "message_json", "message_view"]

_NO_NAMES: Final[Mapping[int, str]] = {}
_TYPE_WORDS: Final = {kind.value: kind.word for kind in TrafficType}
_ENCODING_WORDS: Final = {encoding.value: encoding.word for encoding in Encoding}
_DIRECTION_WORDS: Final = {Direction.OUT.value: "outbound", Direction.IN.value: "inbound"}
_INBOUND: Final = Direction.IN.value  # plain numbers: an enum's attribute costs as much as the comparison
_BINARY: Final = Encoding.BINARY.value
_DATA: Final = ContentKind.DATA.value
_SENT: Final = State.SENT.value
_END: Final = END.value
_encoder: Final = msgspec.json.Encoder()


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
        changes["segment_list"] = segments(record, operator, connectors)
        changes["attempts"] = attempts(record, operator, connectors)
    if operator:
        changes |= carrier_fields(only_segment(progress), True, connectors)
        changes |= {"route": record.message.route, "route_reason": record.message.route_reason}
    if accounts:
        changes["account"] = accounts.get(record.message.account_id, UNSET)
    sequence = progress.last_seq if upto is None else upto
    view = as_of(record, sequence, state, at_us, None if at_us is None else iso(at_us))
    return msgspec.structs.replace(view, **changes) if changes else view


def as_of(source: MessageRecord | Live, sequence: int, state: int, at_us: int | None, at: str | None) -> MessageView:
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
        error = None if state in ARRIVED else progress.error
    elif at_us is None:
        error = progress.error
    tags, metadata = message.tags, message.metadata
    text, data, udh = _content_fields(message, source.content)
    view = MessageView(
        message.id,
        _DIRECTION_WORDS[message.direction],
        message.channel,
        STATE_WORDS[state],
        message.recipient,
        message.sender,
        _TYPE_WORDS[message.type],
        _ENCODING_WORDS[message.encoding],
        message.segments,
        message.segments if state in ARRIVED else _segments_delivered(source, at_us),
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
    return sum(1 for part in source.segments if part.state in ARRIVED and (part.ended_us or at_us) <= at_us)


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
