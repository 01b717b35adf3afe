"""Events: what happened to a message, each with a sequence number, once.

A ``Fact`` is what the outbox keeps of an event: enough to compose it again at any time, under the
same id. The event itself (a CloudEvents object) is worded when it is told: from the message in memory
where it is at hand with its content, from its rows otherwise. Its ``data`` is the message as GET shows it,
without the list of segments and the attempts; a content that was deleted meanwhile reads null.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["DEAD_FROM_US", "Endpoint", "Fact", "LoggedEvent", "PendingDelivery", "event_id"]

DEAD_FROM_US = 1 << 62
"""A delivery whose ``next_us`` is this or more is a dead letter: nothing tries it again by itself.

What is above it is when it died, so that the index of what is due serves dead letters too, newest or oldest first.
"""


def event_id(message_id: str, sequence: int) -> str:
    """An event's id, the same for ever: its message's, and its place in it."""
    return f"{message_id}-{sequence}"


class Fact(Struct, frozen=True, gc=False, array_like=True):
    """One event as the outbox keeps it.

    ``state`` is the state that the message reached; ``corrects`` the state that this one corrects
    (0: none). The rest says what counts need, and whether the message has a callback of its own.
    ``was`` is the end that this one replaces (0: none was told), ``error`` why it did not arrive, or why the
    replaced end did not; ``waited`` is how long its first receipt took, as a bucket of ``rules.delays``
    (-1: it is no receipt, or not the first).
    """

    message_id: str
    account_id: int
    sequence: int
    state: int
    at_us: int
    corrects: int
    connector_id: int
    direction: int
    type: int
    country: str | None
    network: str | None
    sender: str
    has_callback: bool
    segments: int
    was: int = 0
    error: str | None = None
    waited: int = -1


class LoggedEvent(Struct, frozen=True, gc=False, kw_only=True):
    """An event that no column tells: a correction, a contradiction, progress of a long message.

    ``kind`` is the event's type without ``message.`` (a state's word, or ``contradiction``);
    ``detail`` is JSON.
    """

    message_id: str
    account_id: int
    sequence: int
    at_us: int
    kind: str
    detail: str | None = None


class Endpoint(Struct, frozen=True, kw_only=True):
    """A subscriber by webhook. ``kind`` is ``webhook`` or ``callback`` (all per-message callbacks of an account).

    ``events`` is empty for all. ``position`` is the outbox position up to which nothing is owed.
    ``batch`` is the most events that one request may hold. ``secret`` is sealed or plain by the store's key;
    until ``old_until_us`` requests are signed with ``old_secret`` too. ``tags`` is empty for all messages, otherwise
    a message must have one of them. ``paused_us`` is since when nothing is told.
    """

    id: str
    account_id: int
    kind: str
    url: str
    events: tuple[str, ...]
    secret: str
    batch: int = 1
    position: int = 0
    created_us: int = 0
    deleted_us: int | None = None
    tags: tuple[str, ...] = ()
    paused_us: int | None = None
    old_secret: str | None = None
    old_until_us: int = 0


class PendingDelivery(Struct, frozen=True, gc=False, kw_only=True):
    """Events that an endpoint owes a second try: one, or a batch composed once (``body`` kept as it was sent).

    ``id`` begins with the webhook id, the same for every try. ``next_us`` from :data:`DEAD_FROM_US` on: a dead letter.
    """

    endpoint_id: str
    id: str
    account_id: int
    events: tuple[tuple[str, int], ...]
    tries: int
    next_us: int
    first_us: int
    body: bytes | None = None
    last_error: str | None = None
