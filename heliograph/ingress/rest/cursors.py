"""Cursors of lists: opaque, and good for the one list that gave them."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from heliograph.contracts import ListFilter
from heliograph.errors import RequestRejected
from heliograph.model import id_from_number
from heliograph.model.ids import id_number

__all__ = ["cursor", "position"]

_ID_OCTETS = 12
_SEAL_OCTETS = 6
_CHARACTERS = (_ID_OCTETS + _SEAL_OCTETS) * 4 // 3


def cursor(account_id: int, asked: ListFilter, before: str) -> str:
    """Where the next page of this list begins."""
    place = id_number(before).to_bytes(_ID_OCTETS, "big")
    return base64.urlsafe_b64encode(place + _seal(account_id, asked, place)).decode()


def position(account_id: int, asked: ListFilter, text: str) -> str:
    """The id that a cursor of this list stands for. Raises ``RequestRejected`` for any other text."""
    try:
        octets = base64.b64decode(text.encode("ascii"), b"-_", validate=True) if len(text) == _CHARACTERS else b""
    except (binascii.Error, UnicodeEncodeError):
        octets = b""
    place, seal = octets[:_ID_OCTETS], octets[_ID_OCTETS:]
    if not seal or seal != _seal(account_id, asked, place):
        raise RequestRejected(
            "cursor_invalid",
            "Give the cursor that the page before gave as next, unchanged, with the same filter.",
            field="cursor",
        )
    return id_from_number(int.from_bytes(place, "big"))


def _seal(account_id: int, asked: ListFilter, place: bytes) -> bytes:
    """Binds a place to whose list it is and to everything that is asked of it but the size of its pages."""
    bound = msgspec.structs.replace(asked, before=None, limit=0)
    return hashlib.blake2b(msgspec.msgpack.encode((account_id, bound)) + place, digest_size=_SEAL_OCTETS).digest()
