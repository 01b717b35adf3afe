"""Senders and recipients as the SMPP fields know them: kinds of address with their type of number and numbering plan.

Source: SMPP 3.4 §5.2.5, §5.2.6; 3GPP TS 23.040 §9.1.2.5 (alphanumeric senders)
"""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from heliograph.sms.alphabets import NotGsm7, gsm7_encode

__all__ = [
    "Address",
    "AddressKind",
    "BadAddress",
    "from_wire",
    "normalise",
    "sender",
    "sender_kind",
    "to_wire",
    "ton_npi",
]

MAX_SENDER_SEPTETS: Final = 11
"""An alphanumeric sender has 10 octets on the air."""

_INTERNATIONAL: Final = re.compile(r"[1-9][0-9]{6,14}")
_SHORT: Final = re.compile(r"[0-9]{3,8}")
_DIGITS: Final = re.compile(r"[0-9]+")


class AddressKind(StrEnum):
    """Kinds of address. ``UNKNOWN`` comes from peers only: digits that are neither of the first two."""

    E164 = "e164"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"
    UNKNOWN = "unknown"


class Address(Struct, frozen=True):
    """An address and its kind; E.164 with its plus."""

    kind: AddressKind
    value: str


class BadAddress(ValueError):
    """The text is no address that a message can come from; the sentence says what is wrong."""


# TON: 0 unknown, 1 international, 3 network specific, 5 alphanumeric. NPI: 0 unknown, 1 E.164.
_TON_NPI: Final = {
    AddressKind.E164: (1, 1),
    AddressKind.SHORT_CODE: (3, 0),
    AddressKind.ALPHANUMERIC: (5, 0),
    AddressKind.UNKNOWN: (0, 0),
}


def ton_npi(kind: AddressKind) -> tuple[int, int]:
    """Type of number and numbering plan that most carriers want for a kind; a connector may say otherwise."""
    return _TON_NPI[kind]


def normalise(text: str) -> str:
    """``+`` and digits for a number that begins with ``+`` or ``00``; all else as it is, without outer space."""
    text = text.strip()
    digits = text[1:] if text.startswith("+") else text[2:] if text.startswith("00") else ""
    return "+" + digits if _INTERNATIONAL.fullmatch(digits) else text


def sender(text: str) -> Address:
    """The sender that ``text`` names.

    With ``+`` or ``00``, or with 9 to 15 digits, it is E.164; 3 to 8 digits are a short code; what is left is
    alphanumeric: 1 to 11 septets of GSM 7-bit with a letter among them. Raises :class:`BadAddress`.
    """
    value = normalise(text)
    if value.startswith("+"):
        if not _INTERNATIONAL.fullmatch(value, 1):
            raise BadAddress("a sender with + is 7 to 15 digits that begin with a calling code")
        return Address(AddressKind.E164, value)
    if _SHORT.fullmatch(value):
        return Address(AddressKind.SHORT_CODE, value)
    if _INTERNATIONAL.fullmatch(value):
        return Address(AddressKind.E164, "+" + value)
    if _DIGITS.fullmatch(value):
        raise BadAddress("a sender in digits is a short code (3 to 8) or a number with its calling code (up to 15)")
    return _alphanumeric(value)


def _alphanumeric(value: str) -> Address:
    try:
        septets = len(gsm7_encode(value))
    except NotGsm7 as error:
        raise BadAddress(f"an alphanumeric sender is in GSM 7-bit: {error}") from None
    if not 1 <= septets <= MAX_SENDER_SEPTETS:
        raise BadAddress(f"an alphanumeric sender has 1 to {MAX_SENDER_SEPTETS} septets, this one {septets}")
    if not any(c.isalpha() for c in value):
        raise BadAddress("an alphanumeric sender has at least one letter")
    if not value.isprintable():
        raise BadAddress("an alphanumeric sender has no control characters")
    return Address(AddressKind.ALPHANUMERIC, value)


def sender_kind(text: str) -> AddressKind:
    """The kind of a sender. Raises :class:`BadAddress`."""
    return sender(text).kind


def to_wire(address: Address) -> tuple[int, int, str]:
    """(TON, NPI, octet string) of an address; the plus is said by the TON."""
    ton, npi = _TON_NPI[address.kind]
    return ton, npi, address.value.removeprefix("+") if address.kind == AddressKind.E164 else address.value


def from_wire(ton: int, npi: int, value: str) -> Address:
    """The address that a peer sent, whatever it is.

    Peers are careless with TON: a plus or 00 is taken off, and digits of nine and more that do not begin with 0 are
    a number in international form unless the peer says national (2) or alphanumeric (5).
    """
    text = normalise(value)
    if text.startswith("+") and _INTERNATIONAL.fullmatch(text, 1) and ton != 5:
        return Address(AddressKind.E164, text)
    if ton == 5 or not _DIGITS.fullmatch(text):
        return Address(AddressKind.ALPHANUMERIC if text else AddressKind.UNKNOWN, text)
    if _INTERNATIONAL.fullmatch(text) and (ton == 1 or (len(text) > 8 and ton != 2)):
        return Address(AddressKind.E164, "+" + text)
    if _SHORT.fullmatch(text) and ton not in (1, 2):
        return Address(AddressKind.SHORT_CODE, text)
    return Address(AddressKind.UNKNOWN, text)
