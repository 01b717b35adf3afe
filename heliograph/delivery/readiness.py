"""Whether this server should be asked at all: what ``/readyz`` says.

Ready is who can read *and* write. The answer itself costs nothing: the store remembers how its last
transaction went. Only while that went wrong, a look each second writes something small, so that a
server that nobody asks any more notices that it can be asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from heliograph.contracts import Clock, Store
from heliograph.errors import HeliographError
from heliograph.telemetry import journal

__all__ = ["Readiness"]

_PATIENCE_S = 5.0
"""A store that takes longer for one small read or write is not there for its callers either."""


class Readiness:
    """Why this server is not ready; None when it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._store: Store | None = None
        self._read: Callable[[], Awaitable[None]] | None = None
        self._idle: str | None = "the server is starting: try again in a moment"
        self._unread: str | None = None
        self._since: float | None = None

    def serve(self, store: Store, read: Callable[[], Awaitable[None]]) -> None:
        """The server takes requests from now on. ``read`` is a small read of the store."""
        self._store, self._read, self._idle = store, read, None

    def stop(self) -> None:
        """No more requests are taken."""
        self._idle = "the server is stopping: ask another, or try again"

    def reason(self) -> str | None:
        """Why requests had better go elsewhere, in words; None: they are welcome."""
        if self._idle is not None or self._store is None:
            return self._idle
        return self._unread or (None if (trouble := self._store.trouble) is None else f"nothing is kept: {trouble}")

    async def look(self) -> None:
        """Reads, and writes where that went wrong before. Takes ten seconds at most, raises nothing of the store's."""
        if self._store is None or self._read is None:
            return
        self._unread = await _fault(self._read)
        if self._store.trouble is not None:
            await _fault(self._store.probe)
        self._tell(self.reason())

    def _tell(self, reason: str | None) -> None:
        """The journal hears once that the store went, and once that it is back."""
        now = self._clock.monotonic()
        if reason is not None and self._since is None:
            self._since = now
            journal.store_unavailable(reason)
        elif reason is None and self._since is not None:
            journal.store_recovered(now - self._since)
            self._since = None


async def _fault(ask: Callable[[], Awaitable[None]]) -> str | None:
    """What came of asking the store: None, or why it did not answer."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await ask()
    except TimeoutError:
        return f"the store does not answer: nothing came for {_PATIENCE_S:.0f} s"
    except HeliographError as error:
        return f"the store does not answer: {error}"
    return None
