"""Delivery receipts: telling them from messages, reading what peers write, writing our own.

The text of a receipt is a vendor's format (SMPP 3.4 appendix B gives an example only), so it is read by its keys,
whatever their case, order and spacing, and the TLVs receipted_message_id, message_state and network_error_code win
over it. Nothing here raises on foreign octets: what cannot be read is empty.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSm, DeliverSm, Tlvs

__all__ = [
    "STATES",
    "ReceiptFields",
    "date_of",
    "is_intermediate",
    "is_receipt",
    "message_octets",
    "parse_receipt",
    "parse_receipt_text",
    "receipt_text",
    "receipt_tlvs",
]

_TEXT_OCTETS = 20
"""How much of the message the default form repeats."""

_ordinary: Final = re.compile(
    r"id:([^ \0]+) sub:[^ ]* dlvrd:[^ ]* submit date:(\d+) done date:(\d+)"
    r" stat:([A-Z]+) err:(\w+) [tT]ext:",
    re.ASCII,
).match
_from_iso: Final = datetime.fromisoformat
_KEYS: Final = re.compile(
    r"(?<![A-Za-z0-9])(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat(?:us)?|err(?:or)?|text)\s?:",
    re.ASCII | re.IGNORECASE,
)
_SHORT_KEYS: Final = {"status": "stat", "error": "err"}

STATES: Final[dict[str, int]] = {word: state for state, word in c.MESSAGE_STATES.items()} | {
    "SCHEDULED": c.STATE_SCHEDULED,
    "DELIVERED": c.STATE_DELIVERED,
    "UNDELIVERABLE": c.STATE_UNDELIVERABLE,
    "UNDELIVERED": c.STATE_UNDELIVERABLE,
    "ACCEPTED": c.STATE_ACCEPTED,
    "REJECTED": c.STATE_REJECTED,
}
"""The message_state that a word of the text stands for."""


class ReceiptFields(msgspec.Struct, frozen=True, gc=False):
    """What a receipt says; each field is empty or None where it says nothing that can be read.

    ``stat`` is the word of the text, in capitals (or the standard's word for a TLV without text). ``message_state`` is
    the TLV's, else the state of a known word; None for a vendor's own word. ``network_error_code`` is (network type,
    code). The two dates are as the carrier wrote them, in its own zone.
    """

    message_id: str = ""
    stat: str = ""
    message_state: int | None = None
    err: str = ""
    network_error_code: tuple[int, int] | None = None
    submit_date: str = ""
    done_date: str = ""
    text: str = ""

    @property
    def submitted_at(self) -> datetime | None:
        """``submit_date`` as a naive datetime in the carrier's zone, None when it is none."""
        return date_of(self.submit_date)

    @property
    def done_at(self) -> datetime | None:
        """``done_date`` likewise."""
        return date_of(self.done_date)


def is_receipt(pdu: DeliverSm | DataSm, *, by_tlv: bool = True) -> bool:
    """Whether this is about a message of ours rather than a message.

    ``by_tlv``: also when esm_class does not say so but receipted_message_id is there, as some peers send it.
    """
    return bool(pdu.esm_class & c.ESM_TYPE_MASK) or (by_tlv and c.TAG_RECEIPTED_MESSAGE_ID in pdu.tlvs)


def is_intermediate(pdu: DeliverSm | DataSm) -> bool:
    """Whether a receipt calls itself an intermediate notification."""
    return pdu.esm_class & c.ESM_TYPE_MASK == c.ESM_TYPE_INTERMEDIATE


def message_octets(pdu: DeliverSm | DataSm) -> bytes:
    """The content of a message, user data header included: message_payload where there is one, else short_message."""
    tlvs = pdu.tlvs
    if tlvs and c.TAG_MESSAGE_PAYLOAD in tlvs:
        return tlvs[c.TAG_MESSAGE_PAYLOAD]
    return pdu.short_message if isinstance(pdu, DeliverSm) else b""


def parse_receipt(pdu: DeliverSm | DataSm) -> ReceiptFields:
    """What a receipt says, TLVs before text. Whether it is one, `is_receipt` tells."""
    tlvs = pdu.tlvs
    octets = message_octets(pdu) if c.TAG_MESSAGE_PAYLOAD in tlvs or type(pdu) is not DeliverSm else pdu.short_message
    if octets and pdu.esm_class & c.ESM_UDHI:
        octets = octets[octets[0] + 1 :]
    words = octets.decode("latin-1")
    # The standard's own form is read in one match; whatever differs from it goes by its keys.
    match = _ordinary(words)
    if match is not None:
        message_id, submit_date, done_date, stat, err = match.groups()
        text = words[match.end() :]
        if "\0" in text:
            text = text.replace("\0", "")
    else:
        if "\0" in words:
            words = _with_nuls(octets)
        message_id, stat, err, submit_date, done_date, text = _read_by_keys(words)
    message_state = STATES.get(stat)
    network_error_code = None
    if tlvs:
        value = tlvs.get(c.TAG_RECEIPTED_MESSAGE_ID)
        if value is not None:
            message_id = value.decode("latin-1").strip("\0 ") or message_id
        value = tlvs.get(c.TAG_MESSAGE_STATE)
        if value is not None and len(value) == 1:
            message_state = value[0]
            stat = stat or c.MESSAGE_STATES.get(message_state, "")
        value = tlvs.get(c.TAG_NETWORK_ERROR_CODE)
        if value is not None and len(value) == 3:
            network_error_code = (value[0], value[1] << 8 | value[2])
    return ReceiptFields(message_id, stat, message_state, err, network_error_code, submit_date, done_date, text)


def parse_receipt_text(octets: bytes) -> ReceiptFields:
    """What the text of a receipt says, in ASCII (or a superset of it) or UTF-16, whatever its data_coding claims."""
    return parse_receipt(DeliverSm(short_message=octets))


def _with_nuls(octets: bytes) -> str:
    """Receipts come as UTF-16 of either order, with or without its mark, or with a stray NUL."""
    if octets[:2] == b"\xfe\xff" or not any(octets[0::2]):
        return octets.decode("utf-16-be", "replace").lstrip("\ufeff")
    if octets[:2] == b"\xff\xfe" or not any(octets[1::2]):
        return octets.decode("utf-16-le", "replace").lstrip("\ufeff")
    return octets.decode("latin-1").replace("\0", "")


def _read_by_keys(words: str) -> tuple[str, str, str, str, str, str]:
    """(id, stat, err, submit date, done date, text) of a text in any form."""
    values: dict[str, str] = {}
    key, at = "", 0
    for match in _KEYS.finditer(words):
        if key:
            values.setdefault(key, words[at : match.start()].strip())
        key, at = match[1].lower().replace(" ", "").replace("_", ""), match.end()
        key = _SHORT_KEYS.get(key, key)
        if key == "text":
            break
    if key:
        values.setdefault(key, words[at:] if key == "text" else words[at:].strip())
    stat = values.get("stat", "").upper()
    return (
        values.get("id", ""),
        stat,
        values.get("err", ""),
        values.get("submitdate", ""),
        values.get("donedate", ""),
        values.get("text", ""),
    )


def date_of(digits: str) -> datetime | None:
    """``YYMMDDhhmm[ss]`` of a receipt, or with the century; None for all else: a bad date must not cost the state."""
    try:
        return _from_iso(f"20{digits[:6]}T{digits[6:]}")
    except ValueError:
        pass
    try:
        return _from_iso(f"{digits[:8]}T{digits[8:]}") if digits.isascii() and digits.isdigit() else None
    except ValueError:
        return None


def receipt_text(
    message_id: str,
    stat: str,
    submitted_at: datetime,
    done_at: datetime,
    *,
    err: str = "000",
    text: bytes = b"",
    sub: int = 1,
    dlvrd: int | None = None,
) -> bytes:
    """The text of a receipt in the standard's own form, with ten-digit dates and at most 20 octets of the message.

    ``dlvrd`` is ``sub`` for DELIVRD and 0 otherwise, unless given. Source: SMPP 3.4 appendix B.
    """
    if dlvrd is None:
        dlvrd = sub if stat == "DELIVRD" else 0
    words = (
        f"id:{message_id} sub:{sub:03} dlvrd:{dlvrd:03} submit date:{_ten_digits(submitted_at)}"
        f" done date:{_ten_digits(done_at)} stat:{stat} err:{err} text:"
    )
    return words.encode("latin-1", "replace") + text[:_TEXT_OCTETS]


def _ten_digits(at: datetime) -> str:
    return f"{at.year % 100:02}{at.month:02}{at.day:02}{at.hour:02}{at.minute:02}"


def receipt_tlvs(message_id: str, message_state: int, network_error_code: tuple[int, int] | None = None) -> Tlvs:
    """The TLVs that a receipt carries beside its text."""
    tlvs = {
        c.TAG_RECEIPTED_MESSAGE_ID: message_id.encode("latin-1", "replace") + b"\0",
        c.TAG_MESSAGE_STATE: bytes((message_state,)),
    }
    if network_error_code is not None:
        network, code = network_error_code
        tlvs[c.TAG_NETWORK_ERROR_CODE] = bytes((network,)) + code.to_bytes(2, "big")
    return tlvs
