"""Verifying webhooks: that they are from your server, unchanged, and recent.

Source: standardwebhooks.com specification 1.0 ("Signature scheme")
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from heliograph.client.faults import BadSignature
from heliograph.client.values import Event

__all__ = ["WebhookVerifier"]

_PREFIX: Final = "whsec_"
_TOLERANCE_S: Final = 300

_one: Final = msgspec.json.Decoder(Event)
_several: Final = msgspec.json.Decoder(tuple[Event, ...])


class WebhookVerifier:
    """Checks what arrives at an endpoint. Several secrets may be valid while one replaces the other.

    Raises ``ValueError`` for a secret that is none.
    """

    def __init__(self, secret: str | Sequence[str], *, tolerance_s: int = _TOLERANCE_S) -> None:
        secrets = (secret,) if isinstance(secret, str) else tuple(secret)
        self._keys = tuple(_key(one) for one in secrets)
        self._tolerance_s = tolerance_s
        if not self._keys:
            raise ValueError("at least one secret is needed")

    def verify(self, body: bytes, headers: Mapping[str, str]) -> tuple[Event, ...]:
        """The events of a request: one, or as many as a batch has. Raises :class:`BadSignature`.

        ``body`` must be the octets as they came; names of headers are found in any case.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        try:
            webhook_id = lower["webhook-id"]
            timestamp = lower["webhook-timestamp"]
            signatures = lower["webhook-signature"].split()
        except KeyError as missing:
            raise BadSignature(f"the header {missing.args[0]} is missing") from None
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            raise BadSignature("the timestamp is no number")
        if abs(time.time() - int(timestamp)) > self._tolerance_s:
            raise BadSignature(f"it was signed more than {self._tolerance_s} s ago, or in the future")
        signed = b"%b.%b.%b" % (webhook_id.encode(), timestamp.encode(), body)
        given = [signature[3:].encode() for signature in signatures if signature.startswith("v1,")]
        good = False
        for key in self._keys:
            expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
            for one in given:
                good |= hmac.compare_digest(expected, one)
        if not good:
            raise BadSignature("no signature fits the secret and the body")
        try:
            return _several.decode(body) if body[:1] == b"[" else (_one.decode(body),)
        except msgspec.DecodeError as error:
            raise BadSignature(f"the body holds no events of Heliograph: {error}") from error


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is whsec_ and base64: POST /v1/webhooks shows it once")
    return key
