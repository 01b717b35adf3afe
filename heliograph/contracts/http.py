"""Outgoing HTTP, as the pipeline sees it: one request, one bounded answer, always guarded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

__all__ = ["Answer", "Http", "HttpFailure", "Post"]


class Post(Struct, frozen=True, gc=False):
    """One POST. ``headers`` hold no hop-by-hop headers; the time limit covers all of it."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float = 15.0


class Answer(Struct, frozen=True, gc=False):
    """What came back: status, the ``Retry-After`` header's seconds if any, at most the first 4 KiB of the body."""

    status: int
    retry_after_s: float | None = None
    body: bytes = b""


class HttpFailure(Exception):
    """No answer: refused by the guard, unreachable, too slow, or not HTTP.

    ``code`` is stable: ``address_refused``, ``unreachable``, ``timeout``, ``bad_answer``.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


class Http(Protocol):
    """The guarded door out: no redirects, no private addresses unless allowed, bounded body and time."""

    async def post(self, request: Post) -> Answer:
        """Raises :class:`HttpFailure`."""
        ...

    async def close(self) -> None: ...
