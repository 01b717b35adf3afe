"""What one caller wants written, and what became of it: the values of :meth:`Store.commit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from heliograph.contracts.claims import Claim
from heliograph.errors import StoreError
from heliograph.model import (
    Attempt,
    AuditEntry,
    Content,
    Endpoint,
    Fact,
    Live,
    LoggedEvent,
    Message,
    PendingDelivery,
    Progress,
    Schedule,
    SegmentProgress,
    Usage,
)

__all__ = [
    "Acceptance",
    "Changes",
    "Committed",
    "Correlation",
    "InboundPart",
    "NewMessage",
    "Orphan",
    "ReferenceKey",
    "Told",
    "Update",
]


class NewMessage(Struct, frozen=True, gc=False):
    """The rows of one new message. ``segments`` has an entry each where there are several."""

    message: Message
    progress: Progress
    content: Content
    segments: tuple[SegmentProgress, ...] | None = None


@dataclass(slots=True)
class Acceptance:
    """What is written all together, or not at all because its claim is taken.

    One without messages stands for the ``updates`` beside it as well: where its claim is taken these are not
    written, and where one of them is stale its claim is not taken.

    ``guard_optouts``: recipients are checked once more inside the transaction (see
    :attr:`Committed.opted_out`).
    """

    messages: Sequence[NewMessage]
    claim: Claim | None = None
    endpoints: Sequence[Endpoint] = ()
    deleted_endpoints: Sequence[tuple[int, str, int]] = ()
    """(account_id, endpoint id, when in µs)."""
    schedules: Sequence[Schedule] = ()
    """The dates of those of ``messages`` that have one."""
    deliveries: Sequence[PendingDelivery] = ()
    """As those of :class:`Changes`, under the claim."""
    deliveries_done: Sequence[str] = ()
    usage: Sequence[Usage] = ()
    """What it uses of the limits of accounts and keys: counted with it, or not at all."""
    audit: Sequence[AuditEntry] = ()
    """Who asked for it, where it changes what somebody set up."""


class Update(Struct, frozen=True, gc=False):
    """A new ``progress`` for a message whose row is still at ``base_version``; otherwise it is stale."""

    message_id: str
    account_id: int
    base_version: int
    progress: Progress


class Correlation(Struct, frozen=True, gc=False):
    """Which submission a carrier's message id belongs to. ``canonical`` is the id after the connector's codec."""

    connector_id: int
    canonical: str
    account_id: int
    message_id: str
    segment: int
    attempt: int


class Orphan(Struct, frozen=True, kw_only=True):
    """A receipt that found no message yet. ``fields`` is the receipt as JSON, ``id`` the store's own (0: new)."""

    connector_id: int
    canonical: str
    arrived_us: int
    fields: str
    id: int = 0


class InboundPart(Struct, frozen=True, kw_only=True):
    """A part of a long inbound message that waits for the others.

    ``(connector_id, sender, recipient, reference, reference_octets, total)`` names the set.
    """

    connector_id: int
    sender: str
    recipient: str
    reference: int
    reference_octets: int
    total: int
    number: int
    arrived_us: int
    data_coding: int
    octets: bytes

    @property
    def set_key(self) -> tuple[int, str, str, int, int, int]:
        return (self.connector_id, self.sender, self.recipient, self.reference, self.reference_octets, self.total)


ReferenceKey = tuple[int, str, str]
"""(connector_id, sender, recipient): what concatenation references count per."""


@dataclass(slots=True)
class Changes:
    """What one caller wants written, in one transaction (with the changes of others).

    Within one message the order of ``updates`` is the order of the list; across calls to
    ``commit`` it is the order of the calls.
    """

    acceptances: list[Acceptance] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    segments: list[tuple[str, int, SegmentProgress]] = field(default_factory=list)
    """(message_id, account_id, new progress) of segments whose rows exist."""
    attempts: list[Attempt] = field(default_factory=list)
    logged: list[LoggedEvent] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    """A second correlation with the same key replaces the first (carriers reuse ids after weeks)."""
    orphans: list[Orphan] = field(default_factory=list)
    orphans_matched: list[int] = field(default_factory=list)
    wires: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """connector_id → ids of messages that this node's lane may have on the wire from this commit on."""
    facts: list[Fact] = field(default_factory=list)
    """Written as one outbox row; together with the facts of all others in the transaction."""
    lives: list[Live] = field(default_factory=list)
    """Beside ``facts``, one for one: the messages in memory. Not written; told with the facts."""
    positions: dict[str, int] = field(default_factory=dict)
    """endpoint id → outbox position up to which it is owed nothing (never moves back)."""
    deliveries: list[PendingDelivery] = field(default_factory=list)
    """Inserted, or replaced by id."""
    deliveries_done: list[str] = field(default_factory=list)
    """Ids of pending deliveries that are over."""
    parts: list[InboundPart] = field(default_factory=list)
    """The same part twice is kept once."""
    parts_done: list[tuple[int, str, str, int, int, int]] = field(default_factory=list)
    """Set keys whose parts are deleted."""
    references: dict[ReferenceKey, int] = field(default_factory=dict)
    schedules: list[Schedule] = field(default_factory=list)
    """Further dates of messages that exist, or the same again (by message and sequence): their ``expires_us`` is the
    message's from now on."""

    @property
    def empty(self) -> bool:
        """Nothing at all to write."""
        return not any(getattr(self, name) for name in self.__dataclass_fields__)


@dataclass(slots=True)
class Committed:
    """What became of one caller's changes. Everything not named here is durable."""

    lost: dict[int, Claim] = field(default_factory=dict)
    """Index in ``acceptances`` → the claim that was there first; nothing of that acceptance was written."""
    opted_out: dict[int, frozenset[str]] = field(default_factory=dict)
    """Index in ``acceptances`` → recipients that opted out since the gather step; nothing of it was written."""
    stale: set[str] = field(default_factory=set)
    """Message ids whose update met another version; neither the update nor the rest of this
    call's rows of that message (segments, facts) may be believed: read it again and decide anew."""
    position: int = 0
    """The outbox position of this transaction's facts (0: there were none)."""


Told = Callable[[Committed | StoreError], None]
"""Hears what became of changes: durable, or why nothing of them was kept."""
