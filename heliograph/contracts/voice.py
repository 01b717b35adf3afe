"""A voice: how an event is told to a customer. Ours is Standard Webhooks; each dialect brings its own."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from msgspec import Struct

from heliograph.contracts.http import Answer, Post
from heliograph.model import Endpoint

__all__ = ["Heard", "Telling", "Verdict", "Voice"]


class Verdict(Enum):
    """What an answer means for the events that were told."""

    DONE = "done"
    AGAIN = "again"
    GONE = "gone"
    """The endpoint does not want anything more."""
    ONE_BY_ONE = "one_by_one"
    """It cannot take a batch: the same events are owed singly."""


class Heard(Struct, frozen=True):
    """A verdict, with the earliest next try where the answer named one."""

    verdict: Verdict
    retry_after_s: float | None = None


class Telling(Struct, frozen=True, gc=False):
    """What is told in one request: a webhook id for ever, and the events' JSON, worded once."""

    id: str
    events: Sequence[bytes]


class Voice(Protocol):
    """The contract between the outbox and a way to word events."""

    def words(self, telling: Telling, endpoint: Endpoint, now_us: int) -> Post:
        """The request that tells these events to this endpoint."""
        ...

    def repeat(self, webhook_id: str, body: bytes, endpoint: Endpoint, now_us: int) -> Post:
        """The same body again, signed for now."""
        ...

    def hear(self, answer: Answer, *, batch: bool) -> Heard:
        """What the endpoint's answer means."""
        ...
