"""What the API answers, as values. Fields that a newer server adds are left out; texts keep the server's words.

Times are ISO 8601 in UTC, as the server says them. Source: ``/openapi.json``
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

__all__ = [
    "Accepted",
    "Attempt",
    "Event",
    "ForcedUnicode",
    "InspectedSegment",
    "Inspection",
    "Message",
    "MessagePage",
    "PublishableToken",
    "Refused",
    "Segment",
    "Webhook",
]


class Accepted(Struct, frozen=True, kw_only=True):
    """A message that is kept: it is durable, and will end. ``route`` and ``connector`` only for operators' keys."""

    id: str
    state: str
    encoding: str
    segments: int
    to: str
    client_ref: str | None = None
    warnings: tuple[str, ...] = ()
    route: str | None = None
    route_reason: str | None = None
    connector: str | None = None


class Refused(Struct, frozen=True, kw_only=True):
    """An item of a batch that was refused: the others are not concerned. ``code`` is stable."""

    code: str
    detail: str
    title: str = ""
    status: int = 422
    field: str | None = None


class Segment(Struct, frozen=True, kw_only=True):
    """One segment of a message. The fields from ``connector`` on are the operator's."""

    number: int
    state: str
    sent_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    possible_duplicate: bool = False
    connector: str | None = None
    carrier_status: int | None = None
    carrier_message_id: str | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One submission to a carrier. The fields from ``connector`` on are the operator's."""

    segment: int
    number: int
    at: str
    error: str | None = None
    connector: str | None = None
    carrier_status: int | None = None
    carrier_message_id: str | None = None


class Message(Struct, frozen=True, kw_only=True):
    """A message, sent or received. ``text`` (or ``data``, base64) is None once the content is deleted.

    ``segment_list`` and ``attempts`` come with one message alone, not in lists and events.
    """

    id: str
    direction: str
    state: str
    to: str
    sender: str = field(name="from")
    type: str
    encoding: str
    segments: int
    channel: str = "sms"
    segments_delivered: int = 0
    client_ref: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] | None = None
    at_most_once: bool = False
    flash: bool = False
    possible_duplicate: bool = False
    error: str | None = None
    accepted_at: str
    expires_at: str | None = None
    sent_at: str | None = None
    ended_at: str | None = None
    send_at: str | None = None
    text: str | None = None
    data: str | None = None
    udh: str | None = None
    segment_list: tuple[Segment, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    connector: str | None = None
    route: str | None = None
    route_reason: str | None = None
    sandbox: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected of it (a late ``delivered`` may still correct another end)."""
        return self.ended_at is not None


class MessagePage(Struct, frozen=True):
    """A page of a list, newest first; ``next`` is the cursor of the page after it, None at the end."""

    messages: tuple[Message, ...]
    next: str | None = None


class Event(Struct, frozen=True, kw_only=True):
    """What happened to a message: a CloudEvents 1.0 object. ``data`` is the message as of then.

    ``id`` is the same at every telling: keep it to notice repetitions. ``sequence`` counts within the message.
    """

    id: str
    type: str
    time: str
    sequence: int
    data: Message
    subject: str = ""
    source: str = ""
    specversion: str = "1.0"
    corrects: str | None = None


class InspectedSegment(Struct, frozen=True, kw_only=True):
    """One segment of an inspected text; ``length`` is in the inspection's unit."""

    text: str
    length: int


class ForcedUnicode(Struct, frozen=True, kw_only=True):
    """A character that GSM 03.38 does not have, and where it stands."""

    character: str
    code_point: str
    name: str
    positions: tuple[int, ...]


class Inspection(Struct, frozen=True, kw_only=True):
    """How a text leaves: encoding, ``length`` in ``unit``, its segments, and which characters forced Unicode."""

    encoding: str
    unit: str
    length: int
    per_segment: int
    segments: tuple[InspectedSegment, ...]
    remaining: int
    forced_unicode: tuple[ForcedUnicode, ...] = ()


class PublishableToken(Struct, frozen=True, kw_only=True):
    """What a web page can start one prepared message with. ``token`` is there once, when it was made: give it away.

    ``state`` is ``open``, ``started``, ``refused``, ``expired`` or ``revoked``; ``refusal`` is why the start was.
    """

    id: str
    state: str
    origins: tuple[str, ...]
    created_at: str
    expires_at: str
    token: str | None = None
    message_id: str | None = None
    refusal: str | None = None
    revoked_at: str | None = None
    test: bool = False


class Webhook(Struct, frozen=True, kw_only=True):
    """An endpoint of yours. ``secret`` is there once, when it was made: keep it."""

    id: str
    url: str
    events: tuple[str, ...] = ()
    batch: int = 1
    created_at: str = ""
    secret: str | None = None
