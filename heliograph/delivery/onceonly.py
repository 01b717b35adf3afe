"""Requests that are done once: what they write and the idempotency key that they came with are one commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from heliograph.contracts import Acceptance, Changes, Claim, Clock, Store
from heliograph.delivery.idempotency import claim_of, earlier, same
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected

__all__ = ["OnceOnly"]

_RUNNING_S = 1


class OnceOnly:
    """Looks keys up, and claims them. All methods raise ``RequestRejected`` (409) for a key of another request."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._running: set[tuple[int, str]] = set()

    async def earlier(self, key: IdempotencyKey | None) -> Claim | None:
        """The claim of the same request, where it was done before."""
        return await earlier(self._store, key, self._clock.now_us())

    async def write(self, acceptance: Acceptance, key: IdempotencyKey | None, made: str) -> Claim | None:
        """Commits it; gives the earlier claim where the same request was quicker, and then writes nothing.

        ``made`` is the JSON that an answer is rebuilt from.
        """
        if key is not None:
            acceptance.claim = claim_of(key, made, self._clock.now_us())
        committed = await self._store.commit(Changes(acceptances=[acceptance]))
        lost = committed.lost.get(0)
        return None if lost is None else same(lost, key)

    async def used(self, key: IdempotencyKey | None) -> bool:
        """For requests that create nothing: True when the key was used for the same request before."""
        return key is not None and await self.write(Acceptance(()), key, "{}") is not None

    @asynccontextmanager
    async def alone(self, key: IdempotencyKey | None) -> AsyncIterator[None]:
        """While this lasts, a second request with the key is told to come again (409 with Retry-After)."""
        if key is None:
            yield
            return
        name = (key.account_id, key.key)
        if name in self._running:
            raise RequestRejected(
                "idempotency_in_progress",
                "A request with this Idempotency-Key is being worked on: send the same request again in a moment.",
                field="Idempotency-Key",
                status=409,
                retry_after_s=_RUNNING_S,
            )
        self._running.add(name)
        try:
            yield
        finally:
            self._running.discard(name)
