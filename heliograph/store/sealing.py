"""Secrets of endpoints as they stand in a row: ``sealed:1:KEYID:BASE64``, bound to account, endpoint and field.

What does not begin so stands in clear: a store that was made before secrets were sealed.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from heliograph.contracts import Sealer, StoreCheck
from heliograph.errors import SecretLocked
from heliograph.model import Endpoint

__all__ = ["STEP", "SecretRow", "count_keys", "findings", "key_of", "open_endpoint", "seal_endpoint", "sealed_anew"]

_MARK = "sealed:1:"
_FIELDS = ("secret", "old_secret")
STEP = 500
"""Rows that are sealed in one transaction: some milliseconds."""

SecretRow: TypeAlias = tuple[str, int, str, str | None]
"""(endpoint id, account id, secret, old secret), as they stand in the table."""


def key_of(text: str) -> str:
    """The id of the key under which a text is sealed; "" where it stands in clear."""
    return text.removeprefix(_MARK).partition(":")[0] if text.startswith(_MARK) else ""


def seal_endpoint(endpoint: Endpoint, sealer: Sealer | None) -> Endpoint:
    """The endpoint as its row is written."""
    if sealer is None or sealer.key_id is None:
        return endpoint
    secret, old = _seal_both(endpoint.id, endpoint.account_id, endpoint.secret, endpoint.old_secret, sealer)
    return replace(endpoint, secret=secret, old_secret=old)


def open_endpoint(endpoint: Endpoint, sealer: Sealer | None) -> Endpoint:
    """The endpoint of a row, with its secrets in clear. Raises ``SecretLocked``."""
    if not endpoint.secret.startswith(_MARK) and not (endpoint.old_secret or "").startswith(_MARK):
        return endpoint
    secret, old = _open_both(endpoint.id, endpoint.account_id, endpoint.secret, endpoint.old_secret, sealer)
    return replace(endpoint, secret=secret, old_secret=old)


def sealed_anew(rows: Iterable[SecretRow], sealer: Sealer, *, every: bool) -> list[tuple[SecretRow, SecretRow]]:
    """(row as it is, row as it must be) of those that stand in clear; with ``every``, under another key too."""
    changed = []
    for row in rows:
        keys = {key_of(text) for text in row[2:] if text is not None}
        if "" in keys or (every and keys != {sealer.key_id}):
            clear = _open_both(*row, sealer)
            changed.append((row, (*row[:2], *_seal_both(*row[:2], *clear, sealer))))
    return changed


def count_keys(rows: Iterable[SecretRow]) -> dict[str, int]:
    """Key id ("": none) → secrets that are sealed under it."""
    return dict(Counter(key_of(text) for row in rows for text in row[2:] if text is not None))


def findings(rows: Sequence[SecretRow], sealer: Sealer | None) -> list[StoreCheck]:
    """What ``store check`` says of secrets: how many, and which cannot be opened."""
    locked: list[str] = []
    for row in rows:
        try:
            _open_both(*row, sealer)
        except SecretLocked as error:
            locked.append(str(error))
    if locked:
        return [StoreCheck(False, f"{len(locked)} webhooks with a secret that cannot be opened: {locked[0]}")]
    return [StoreCheck(True, f"the secrets of {len(rows)} webhooks can be opened")]


def _about(endpoint_id: str, account_id: int, field: str) -> bytes:
    return f"endpoints\n{account_id}\n{endpoint_id}\n{field}".encode()


def _seal_both(
    endpoint_id: str, account_id: int, secret: str, old: str | None, sealer: Sealer
) -> tuple[str, str | None]:
    def one(text: str, field: str) -> str:
        key_id, octets = sealer.seal(text.encode(), _about(endpoint_id, account_id, field))
        return f"{_MARK}{key_id}:{base64.b64encode(octets).decode()}"

    return one(secret, _FIELDS[0]), None if old is None else one(old, _FIELDS[1])


def _open_both(
    endpoint_id: str, account_id: int, secret: str, old: str | None, sealer: Sealer | None
) -> tuple[str, str | None]:
    def one(text: str, field: str) -> str:
        if not text.startswith(_MARK):
            return text
        key_id, _, sealed = text.removeprefix(_MARK).partition(":")
        if sealer is None:
            raise SecretLocked(endpoint_id, key_id)
        try:
            octets = base64.b64decode(sealed, validate=True)
        except binascii.Error:
            octets = b""
        try:
            return sealer.open(key_id, octets, _about(endpoint_id, account_id, field)).decode()
        except SecretLocked as error:
            raise SecretLocked(endpoint_id, key_id, damaged=error.damaged) from None

    return one(secret, _FIELDS[0]), None if old is None else one(old, _FIELDS[1])
