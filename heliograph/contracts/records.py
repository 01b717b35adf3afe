"""The part of the store that customers see: messages with all their rows, one by one and in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from heliograph.model import Attempt, Content, LoggedEvent, Message, Progress, Schedule, SegmentProgress

__all__ = ["ListFilter", "MessagePage", "MessageRecord", "Records"]


class MessageRecord(Struct, frozen=True, kw_only=True):
    """A message as it is shown: every row of it. ``on_wire``: a lane may have it on the wire now."""

    message: Message
    progress: Progress
    content: Content | None
    segments: tuple[SegmentProgress, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    on_wire: bool = False
    schedules: tuple[Schedule, ...] = ()


class ListFilter(Struct, frozen=True, kw_only=True):
    """What ``GET /v1/messages`` asks. ``before`` is the id after which the page begins (exclusive).

    ``tag`` is one of the message's tags; ``from_us`` (inclusive) and ``to_us`` (exclusive) bound ``accepted_us``.
    """

    states: tuple[int, ...] = ()
    recipient: str | None = None
    sender: str | None = None
    tag: str | None = None
    client_ref: str | None = None
    from_us: int | None = None
    to_us: int | None = None
    connector_id: int | None = None
    before: str | None = None
    limit: int = 50


class MessagePage(Struct, frozen=True):
    """Messages newest first. The next page is ``before`` ``next``; None where nothing older is left.

    A page has fewer messages than asked, perhaps none, where the store looked through its share of
    messages that the filter does not want: each page costs a bounded time.
    """

    records: tuple[MessageRecord, ...]
    next: str | None


class Records(Protocol):
    """Messages as they are shown. Every read takes the account and finds nothing of anybody else's."""

    async def message(self, account_id: int, message_id: str) -> MessageRecord | None:
        """One message of this account with all its rows. Raises ``MessageUnreadable`` where its own is damaged.

        Where another of its rows is, it has no content, segments and attempts.
        """
        ...

    async def records(self, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
        """Many messages with all their rows (for events that are told later)."""
        ...

    async def messages(self, account_id: int, asked: ListFilter) -> MessagePage:
        """Newest first (without attempts and events). At most ``limit``.

        Pages hold under inserts: what is new comes before the first page. A clock that was set back by more
        than a minute moves what was accepted meanwhile out of ranges of time.
        """
        ...

    async def messages_within(self, accounts: Sequence[int], asked: ListFilter) -> MessagePage:
        """As :meth:`messages`, of all these accounts in one list. No message of another one is read in vain for it
        but those between two of theirs, so it costs a look at an index for each account, and what it gives.
        """
        ...

    async def owner_within(self, accounts: Sequence[int], message_id: str) -> int | None:
        """Which of these accounts has the message; None where none has."""
        ...

    async def scheduled(
        self, account_id: int, *, after: tuple[int, str], before_us: int, limit: int
    ) -> list[MessageRecord]:
        """Messages that wait for their date, soonest first, after (due_us, id) and due before then (exclusive)."""
        ...

    async def logged(self, account_id: int, message_id: str) -> list[LoggedEvent]:
        """Events of one message that no column tells, in order."""
        ...
