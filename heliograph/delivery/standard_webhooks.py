"""Our own voice: Standard Webhooks, so that nine languages can verify us with a library they have.

The signature covers ``<id>.<timestamp>.<body>``; the address is no part of it, so proxies and ports
cannot break it. Source: standardwebhooks.com specification 1.0 ("Signature scheme").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final, TypeAlias

from heliograph.contracts import Answer, Heard, Post, Telling, Verdict
from heliograph.model import Endpoint

_Hash: TypeAlias = "hashlib._Hash"

__all__ = ["SECRET_PREFIX", "StandardWebhooks", "new_secret", "secret_key"]

SECRET_PREFIX: Final = "whsec_"
_SECRET_OCTETS: Final = 32
"""The specification asks for 24 to 64."""
_BLOCK_OCTETS: Final = 64
_INNER: Final = bytes(octet ^ 0x36 for octet in range(256))
_OUTER: Final = bytes(octet ^ 0x5C for octet in range(256))
_KEYS_KEPT: Final = 10_000
_GONE: Final = 410
_BATCH_REFUSED: Final = frozenset((400, 413))


def new_secret() -> str:
    """A fresh signing secret: ``whsec_`` and 256 random bits in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_OCTETS)).decode()


def secret_key(secret: str) -> bytes:
    """The octets that sign. Raises ``ValueError`` for what is not base64 (with or without the prefix)."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None
    if not key:
        raise ValueError("a webhook secret must not be empty")
    return key


class StandardWebhooks:
    """Words events as signed POSTs. One event is the object itself, several are an array of such objects."""

    def __init__(self, *, user_agent: str = "heliograph", timeout_s: float = 15.0) -> None:
        self._constant: Mapping[str, str] = {"content-type": "application/json", "user-agent": user_agent}
        self._timeout_s = timeout_s
        self._keys: dict[str, tuple[_Hash, _Hash]] = {}

    def words(self, telling: Telling, endpoint: Endpoint, now_us: int) -> Post:
        """The request that tells these events to this endpoint."""
        events = telling.events
        body = events[0] if len(events) == 1 else b"[" + b",".join(events) + b"]"
        return self.repeat(telling.id, body, endpoint, now_us)

    def repeat(self, webhook_id: str, body: bytes, endpoint: Endpoint, now_us: int) -> Post:
        """The same body, signed for now: receivers refuse a signature that is minutes old."""
        inner, outer = self._keys.get(endpoint.secret) or self._key(endpoint.secret)
        timestamp = str(now_us // 1_000_000)
        inner, outer = inner.copy(), outer.copy()
        inner.update(b"%b.%b.%b" % (webhook_id.encode(), timestamp.encode(), body))
        outer.update(inner.digest())
        signature = "v1," + binascii.b2a_base64(outer.digest(), newline=False).decode()
        if endpoint.old_secret is not None and now_us < endpoint.old_until_us:
            signature += " " + self._signature(endpoint.old_secret, webhook_id, timestamp, body)
        headers = {
            **self._constant,
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        }
        return Post(endpoint.url, headers, body, self._timeout_s)

    def _signature(self, secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
        """Of a secret that ends soon: receivers that still have it find it behind the new one's."""
        content = b"%b.%b.%b" % (webhook_id.encode(), timestamp.encode(), body)
        return "v1," + binascii.b2a_base64(hmac.digest(secret_key(secret), content, "sha256"), newline=False).decode()

    def hear(self, answer: Answer, *, batch: bool) -> Heard:
        """2xx is done, 410 gone, a batch refused by 400 or 413 is owed singly, all else is owed again."""
        status = answer.status
        if 200 <= status < 300:
            return _DONE
        if status == _GONE:
            return _IS_GONE
        if batch and status in _BATCH_REFUSED:
            return _SINGLY
        return Heard(Verdict.AGAIN, answer.retry_after_s)

    def _key(self, secret: str) -> tuple[_Hash, _Hash]:
        """HMAC's two hashes with the key in them (RFC 2104): a copy of each costs half of a fresh HMAC."""
        if len(self._keys) >= _KEYS_KEPT:
            self._keys.clear()
        key = secret_key(secret)
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_OCTETS else key).ljust(_BLOCK_OCTETS, b"\0")
        pair = (hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER)))
        self._keys[secret] = pair
        return pair


_DONE: Final = Heard(Verdict.DONE)
_IS_GONE: Final = Heard(Verdict.GONE)
_SINGLY: Final = Heard(Verdict.ONE_BY_ONE)
