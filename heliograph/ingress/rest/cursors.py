"""Cursors: opaque, the same for the same place, and good for the one reader and list that gave them.

A place is sealed by AES-SIV (RFC 5297) under a key that is derived from the master key. What stands beside it
(which list, whose, by which filter) is associated data: a cursor of another list, account or filter opens nothing,
and none tells what else goes through the house.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from heliograph.errors import RequestRejected

__all__ = ["CURSOR_KEYS", "Cursors"]

T = TypeVar("T")

CURSOR_KEYS: Final = b"cursors"
"""What the keys of cursors are derived for."""
_MOST_CHARACTERS: Final = 128
_PLACE_OCTETS: Final = 32
"""Room for a position of the outbox, or a date and a message id, with its length before it."""
_MOST_CIPHERS: Final = 64


class Cursors:
    """Gives and reads cursors. ``keys`` gives the keys of 64 octets, asked each time: the first seals, all open."""

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys
        self._ciphers: dict[bytes, AESSIV] = {}

    def give(self, place: object, *about: object) -> str:
        """A place (numbers and texts) of the list that ``about`` names."""
        cipher = self._cipher(self._keys()[0])
        sealed = cipher.encrypt(_padded(msgspec.msgpack.encode(place)), [msgspec.msgpack.encode(about)])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, text: str, kind: type[T], *about: object, field: str = "cursor") -> T:
        """The place that a cursor of this very list names. Raises ``RequestRejected`` for any other text."""
        beside = [msgspec.msgpack.encode(about)]
        for key in self._keys() if (sealed := _octets(text)) else ():
            try:
                padded = self._cipher(key).decrypt(sealed, beside)
                return msgspec.msgpack.decode(padded[1 : padded[0] + 1], type=kind)
            except (InvalidTag, ValueError, msgspec.DecodeError):
                continue
        raise RequestRejected(
            "cursor_invalid",
            f"Give the {field} that an earlier answer to this very request gave, unchanged and with the same filter "
            "and account, or none.",
            status=400,
            field=field,
        )

    def _cipher(self, key: bytes) -> AESSIV:
        cipher = self._ciphers.get(key)
        if cipher is None:
            if len(self._ciphers) >= _MOST_CIPHERS:
                self._ciphers.clear()
            cipher = self._ciphers[key] = AESSIV(key)
        return cipher


def _padded(octets: bytes) -> bytes:
    """All places of a list have one length, so that it says nothing of how large their numbers are."""
    return (bytes([len(octets)]) + octets).ljust(_PLACE_OCTETS, b"\0")


def _octets(text: str) -> bytes:
    """The octets of a cursor; none where it cannot be one."""
    if not text or len(text) > _MOST_CHARACTERS:
        return b""
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
