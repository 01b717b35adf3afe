"""A connector: a configured way to a carrier, as the pipeline sees it.

The pipeline calls a connector with batches; the connector calls the pipeline back with batches,
once for each turn of the loop in which something arrived. All of it are plain calls on the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from heliograph.errors import SubmitFailed
from heliograph.model import Live

__all__ = ["CarrierNews", "Connector", "InboundShort", "Outcome", "ReceiptNews", "SegmentSubmission"]


class SegmentSubmission(Struct, eq=False, gc=False):
    """One segment to hand over, once. Made by the lane, given back in its outcome."""

    live: Live
    number: int
    """The segment's number, from 1."""
    octets: bytes
    """The segment's user data without the concatenation header (with the message's own UDH, if it has one)."""
    attempt: int
    validity_left_s: int
    """What is left of the validity, which the carrier is told."""
    queued_at: float
    """Monotonic seconds of entering the lane."""
    submitted_at: float = 0.0
    """Monotonic seconds of being written to the link."""
    late: bool = False
    """Set by the pipeline when the carrier took it after its outcome was told as unknown."""
    whole: bool = False
    """Set by a connector that sends the whole message at once: the carrier's id and its receipt are every

    segment's.
    """


class Outcome(Struct, frozen=True, gc=False):
    """What became of a submission.

    ``failure`` None and ``unknown`` False: taken, under ``carrier_message_id`` (None where the carrier gave
    none). ``unknown``: it was written and nobody will ever say (link lost, no response in time).
    ``never_written``: the link was lost before anything of it left.
    """

    submission: SegmentSubmission
    carrier_message_id: str | None = None
    failure: SubmitFailed | None = None
    unknown: bool = False
    never_written: bool = False


class ReceiptNews(Struct, frozen=True, gc=False):
    """A delivery receipt. ``handle`` acknowledges it; ``canonical`` candidates are tried in order."""

    handle: Any
    canonical: tuple[str, ...]
    state: int
    """The state that it reports (``State``); ``SENT`` for anything that is not final."""
    raw_id: str
    stat: str = ""
    error: str | None = None
    """Our stable word for the failure, None when delivered."""
    status: str | None = None
    """The carrier's own code, as text."""
    done_at: str | None = None
    """The carrier's own time as it said it: its zone is its own business."""


class InboundShort(Struct, frozen=True, gc=False):
    """One short message from a handset. ``concat`` is (reference, reference_octets, total, number) or None."""

    handle: Any
    sender: str
    recipient: str
    data_coding: int
    octets: bytes
    """User data without UDH."""
    text: str | None
    """Decoded; None for data."""
    udh: bytes = b""
    concat: tuple[int, int, int, int] | None = None


class CarrierNews(Protocol):
    """What a connector tells the pipeline. Plain calls; nothing is awaited."""

    def ready(self, connector: Connector) -> None:
        """A link bound, a window opened, or writing became possible again: there may be work to take."""
        ...

    def outcomes(self, connector: Connector, outcomes: Sequence[Outcome]) -> None: ...

    def receipts(self, connector: Connector, receipts: Sequence[ReceiptNews]) -> None:
        """The connector hears through :meth:`Connector.acknowledge` when they are durable."""
        ...

    def late(self, connector: Connector, submissions: Sequence[tuple[SegmentSubmission, str]]) -> None:
        """A carrier took these after all, under these ids: their outcome was told as unknown before.

        Nothing is sent or called back for it; from now on a receipt under the id finds the message.
        """
        ...

    def congested(self, connector: Connector, state: int) -> None:
        """The carrier told how busy it is, 0 (idle) to 100 (congested): the greatest of one turn."""
        ...

    def inbound(self, connector: Connector, shorts: Sequence[InboundShort]) -> None:
        """The same for short messages from handsets."""
        ...


class Connector(Protocol):
    """A way to a carrier. ``id`` and ``name`` never change while it lives."""

    id: int
    name: str
    segments_per_second: float
    """0 means no limit."""
    window: int
    """Unanswered submissions allowed, over all links."""
    reference_octets: int
    """1 or 2: the size of concatenation references on this connector."""
    national_tables: bool
    """Whether the carrier takes segments in national language tables (header elements 0x24 and 0x25)."""
    assigns_recent_writer: bool
    """Whether a reply to a number that nobody owns belongs to who wrote last from it to that handset."""
    wants_receipts: bool
    """Whether submissions ask for receipts; without, a message ends as ``unknown`` once it is handed over."""

    @property
    def bound(self) -> bool:
        """Whether at least one link may transmit."""
        ...

    @property
    def free(self) -> int:
        """Submissions that can be written right now without waiting."""
        ...

    async def start(self, news: CarrierNews) -> None:
        """Begins to connect, and returns at once."""
        ...

    async def stop(self, drain_s: float) -> None:
        """Takes no more, waits for what is unanswered, unbinds, closes. Reports every open outcome."""
        ...

    def submit(self, batch: Sequence[SegmentSubmission]) -> None:
        """Writes these, at most ``free`` of them, in one write. Each is reported once in ``outcomes``."""
        ...

    def acknowledge(self, handles: Sequence[Any], *, kept: bool) -> None:
        """Answers receipts or inbound messages: durable (``kept``), or not, so that the carrier sends them again."""
        ...

    def canonical(self, raw_id: str) -> tuple[str, ...]:
        """The forms under which an id from a response may come back in a receipt, the surest first."""
        ...

    def paired(self, response_id: str, receipt_id: str) -> None:
        """A response's id and a receipt's id proved to belong together: the id codec may learn from it."""
        ...
