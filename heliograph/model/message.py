"""A message: what was accepted (never changes), its progress (does), its content (has its own life).

Times are microseconds since 1970 UTC (``…_us``). A message of one segment and one attempt is told
by ``Message`` and ``Progress`` alone; ``SegmentProgress`` exists for each segment of a longer
message, ``Attempt`` for each attempt that failed before the present one.
"""

from __future__ import annotations

from msgspec import Struct

from heliograph.model.schedule import Schedule
from heliograph.model.states import AddressKind, ContentKind, Direction, Encoding, State, TrafficType

__all__ = ["AT_ONCE", "Attempt", "Content", "Live", "Message", "Progress", "SegmentProgress"]


AT_ONCE = 0
"""The ``due_us`` of what waits for nothing but its turn: no step of the wall clock can delay it."""


class Message(Struct, frozen=True, gc=False):
    """What was accepted. Never changes.

    ``tags`` and ``metadata``, ``callback`` and ``entrance_data`` are JSON as text or None;
    ``reference`` is the concatenation reference of a message of several segments (0 otherwise).
    """

    id: str
    account_id: int
    sender: str
    recipient: str
    accepted_us: int
    expires_us: int
    direction: int = Direction.OUT
    channel: str = "sms"
    type: int = TrafficType.TRANSACTIONAL
    sender_kind: int = AddressKind.E164
    recipient_kind: int = AddressKind.E164
    encoding: int = Encoding.GSM7
    segments: int = 1
    reference: int = 0
    at_most_once: bool = False
    flash: bool = False
    receipt_wanted: bool = True
    entrance: str = "rest"
    entrance_data: str | None = None
    client_ref: str | None = None
    tags: str | None = None
    metadata: str | None = None
    callback: str | None = None
    route: str | None = None
    route_reason: str | None = None
    country: str | None = None
    network: str | None = None
    currency: str | None = None
    price: str | None = None


class Progress(Struct, frozen=True, gc=False, kw_only=True):
    """What changes in a message's row.

    ``version`` counts updates. ``owner`` is the node that has claimed it (0: nobody). ``due_us`` is
    set while the store knows the message as waiting in the backlog of ``connector_id`` (also while
    claimed from there); it is None for one that was born claimed and for one that has left.
    ``attempts`` counts submissions begun. ``sent_seq`` and ``ended_seq`` are the sequence numbers of
    the events that ``sent_us`` and ``ended_us`` tell (0: no such event); ``last_seq`` is the newest
    given. ``carrier_message_id``, ``status`` (the carrier's code) and ``error`` (our stable word)
    belong to the only or latest attempt of a message of one segment.
    """

    state: int = State.QUEUED
    version: int = 1
    connector_id: int = 0
    owner: int = 0
    due_us: int | None = None
    attempts: int = 0
    sent_us: int | None = None
    ended_us: int | None = None
    sent_seq: int = 0
    ended_seq: int = 0
    last_seq: int = 1
    carrier_message_id: str | None = None
    status: int | None = None
    error: str | None = None
    segments_delivered: int = 0
    possible_duplicate: bool = False


class SegmentProgress(Struct, frozen=True, gc=False, kw_only=True):
    """One segment of a message that has several. ``number`` counts from 1."""

    number: int
    state: int = State.QUEUED
    connector_id: int = 0
    attempts: int = 0
    sent_us: int | None = None
    ended_us: int | None = None
    carrier_message_id: str | None = None
    status: int | None = None
    error: str | None = None
    possible_duplicate: bool = False


class Attempt(Struct, frozen=True, gc=False, kw_only=True):
    """A submission that failed or whose outcome stayed open, and was followed by another decision."""

    message_id: str
    account_id: int
    segment: int
    number: int
    connector_id: int
    at_us: int
    status: int | None = None
    error: str | None = None
    carrier_message_id: str | None = None


class Content(Struct, frozen=True, gc=False, kw_only=True):
    """What a message says. ``octets`` is UTF-8 (text), or data behind ``udh_octets`` octets of UDH.

    ``key_id`` 0 means that the octets are clear. Deleted before its message's record is.
    """

    kind: int = ContentKind.TEXT
    octets: bytes = b""
    udh_octets: int = 0
    key_id: int = 0


class Live(Struct, eq=False, gc=False):
    """A message in flight: the one mutable thing, owned by the event loop of its node."""

    message: Message
    progress: Progress
    parts: tuple[bytes, ...] = ()
    """The segments' octets without UDH, or () once they are not needed any more."""
    segments: list[SegmentProgress] | None = None
    """One entry a segment, in order; None for a message of one segment."""
    content: Content | None = None
    """What it says, where it is at hand: events show it."""
    schedules: tuple[Schedule, ...] = ()
    """Its dates in order, the last one holds; () for a message that was to go at once."""
