"""What an entrance hands to intake, and what it gets back."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from heliograph.errors import RequestRejected
from heliograph.model import Account, Message, Progress, Schedule, TrafficType
from heliograph.rules.schedule import Wish

__all__ = ["CLAIM_LIFE_US", "Accepted", "Callback", "IdempotencyKey", "Received", "Submission"]

CLAIM_LIFE_US: Final = 24 * 3600 * 1_000_000
"""For how long an idempotency key of a caller is kept."""


class Callback(Struct, frozen=True, kw_only=True):
    """A message's own webhook. ``events`` empty means all."""

    url: str
    events: tuple[str, ...] = ()


class Submission(Struct, frozen=True, gc=False):
    """A message that somebody wants sent, as any entrance says it; nothing of it is decided yet.

    Exactly one of ``text`` and ``data`` is given. ``encoding`` is ``auto``, ``gsm7`` or ``ucs2``.
    ``smart_encoding`` None goes by the account; ``truncate``: a text of more than ``max_segments`` is cut off.
    ``validity_s`` None is the default of the type. ``tags`` and ``metadata`` are JSON text. ``like`` is, of one text
    to many, what all of them have in common: they differ in ``to`` alone.
    """

    account: Account
    to: str
    sender: str | None = None
    text: str | None = None
    data: bytes | None = None
    udh: bytes | None = None
    type: int = TrafficType.TRANSACTIONAL
    encoding: str = "auto"
    max_segments: int | None = None
    smart_encoding: bool | None = None
    truncate: bool = False
    validity_s: int | None = None
    client_ref: str | None = None
    tags: str | None = None
    metadata: str | None = None
    at_most_once: bool = False
    flash: bool = False
    callback: Callback | None = None
    entrance: str = "rest"
    entrance_data: str | None = None
    wish: Wish | None = None
    """When it is to go; None: at once."""
    like: Submission | None = None


class Accepted(Struct, frozen=True, gc=False):
    """A message that is kept: durable before anybody sees this."""

    message: Message
    progress: Progress
    warnings: tuple[str, ...] = ()
    schedule: Schedule | None = None
    """The date that it was accepted with."""


class Received(Struct, frozen=True, gc=False):
    """The answer to one call of intake: a result for each submission in order.

    ``replayed``: the key was used before; this is the answer of then, rebuilt from what was created.
    """

    results: list[Accepted | RequestRejected]
    replayed: bool


class IdempotencyKey(Struct, frozen=True, kw_only=True):
    """The caller's key for one request, and the SHA-256 of what it asked. It is kept for ``life_us``."""

    account_id: int
    key: str
    body_hash: bytes
    life_us: int = CLAIM_LIFE_US
