"""How an endpoint does: the breaker's state, and the last requests to it. In memory; a restart finds out anew.

The breaker is the trust of ``rules.redelivery``: *closed* while an endpoint takes what it is told, *open* while it
rests after so many failures in a row, *half open* when a rest is over and one request at a time tries it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec import Struct

from heliograph.contracts import Answer, Post
from heliograph.rules.redelivery import rest_s

__all__ = ["HEALTHS", "Health", "Records", "Tried", "breaker"]

HEALTHS: Final = ("closed", "half_open", "open", "paused")
_SUCCESSES: Final = 16
_FAILURES: Final = 32
_BODY_OCTETS: Final = 16_384
"""A body above it (a large batch) is not kept."""


class Tried(Struct, frozen=True, gc=False):
    """A request and what came of it: an answer, or our word for the failure. ``at_us`` is when it ended."""

    post: Post
    answer: Answer | None
    error: str | None
    at_us: int


class Health(Struct, frozen=True):
    """``failures`` in a row, the last reason, and since when it has taken nothing (0: it is not failing)."""

    state: str
    failures: int
    last_error: str | None
    failing_since_us: int


def breaker(failures: int, rest_until: float, now: float, *, paused: bool) -> str:
    """The breaker's state in a word. ``rest_until`` and ``now`` are monotonic seconds."""
    if paused:
        return "paused"
    if not rest_s(failures):
        return "closed"
    return "open" if rest_until > now else "half_open"


class Records:
    """The last requests to one endpoint. A success costs one append: its time is in its own header."""

    __slots__ = ("_failed", "_took")

    def __init__(self) -> None:
        self._took: deque[tuple[Post, Answer]] = deque(maxlen=_SUCCESSES)
        self._failed: deque[Tried] = deque(maxlen=_FAILURES)

    def took(self, post: Post, answer: Answer) -> None:
        """The endpoint took it."""
        if len(post.body) > _BODY_OCTETS:
            post = _without_body(post)
        self._took.append((post, answer))

    def failed(self, post: Post, answer: Answer | None, error: str, at_us: int) -> None:
        """It did not."""
        if len(post.body) > _BODY_OCTETS:
            post = _without_body(post)
        self._failed.append(Tried(post, answer, error, at_us))

    def newest(self, limit: int) -> list[Tried]:
        """The last ones, newest first."""
        took = [Tried(post, answer, None, _told_us(post)) for post, answer in self._took]
        return sorted([*took, *self._failed], key=lambda one: one.at_us, reverse=True)[:limit]


def _without_body(post: Post) -> Post:
    return Post(post.url, post.headers, b"", post.timeout_s)


def _told_us(post: Post) -> int:
    return int(post.headers.get("webhook-timestamp", "0")) * 1_000_000
