"""What only one writer may have."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Claim"]


class Claim(Struct, frozen=True, kw_only=True):
    """A key that one acceptance alone may have: an idempotency key, an inbound message seen before, or the one
    endpoint of an account's callbacks.

    ``scope`` is ``http``, ``inbound`` or ``callback``; ``(account_id, scope, key)`` is unique until ``expires_us``.
    ``body_hash`` (32 octets) tells another body under the same key. ``made`` says, as JSON, what was
    created, so that the answer can be rebuilt; it holds no secret and no answer.
    """

    account_id: int
    scope: str
    key: str
    body_hash: bytes
    created_us: int
    expires_us: int
    made: str | None = None
