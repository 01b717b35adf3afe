"""Straight code for what nearly all traffic of a client is: an ordinary submit_sm out, an ordinary receipt in.

Neither becomes a PDU on its way. A `SubmitForm` has said once what is constant; a `PlainReceipt` is read in two
matches. Whatever is odd gives None and goes the way of all PDUs; property tests hold both ways equal.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import Pdu, SubmitSm
from heliograph.smpp.receipts import STATES
from heliograph.smpp.straight import encode_sm

__all__ = ["PlainReceipt", "SubmitForm", "read_receipt", "submit_form"]


class SubmitForm:
    """Submits without TLVs that differ in recipient, validity and content only."""

    __slots__ = ("_after", "_before", "_between")

    def __init__(self, sample: SubmitSm) -> None:
        """``sample`` has all that is constant, in fields that can be said in SMPP."""
        one = sample
        self._before = (
            f"{one.service_type}\0{chr(one.source_addr_ton)}{chr(one.source_addr_npi)}{one.source_addr}\0"
            f"{chr(one.dest_addr_ton)}{chr(one.dest_addr_npi)}"
        )
        self._between = (
            f"\0{chr(one.esm_class)}{chr(one.protocol_id)}{chr(one.priority_flag)}{one.schedule_delivery_time}\0"
        )
        self._after = (
            f"\0{chr(one.registered_delivery)}{chr(one.replace_if_present_flag)}{chr(one.data_coding)}"
            f"{chr(one.sm_default_msg_id)}"
        )

    def body(self, recipient: str, validity: str, octets: bytes) -> bytes | None:
        """What stands behind the header; None: make the PDU. ``validity`` is empty or well formed."""
        size = len(octets)
        if len(recipient) > 20 or "\0" in recipient or size > 254:
            return None
        try:
            words = f"{self._before}{recipient}{self._between}{validity}{self._after}{chr(size)}"
            return words.encode("latin-1") + octets
        except UnicodeEncodeError:
            return None


def submit_form(sample: SubmitSm) -> SubmitForm | None:
    """The form of submits like ``sample``; None where there is no straight code for these."""
    return None if sample.tlvs or encode_sm(sample, 1) is None else SubmitForm(sample)


class PlainReceipt(Pdu, frozen=True, gc=False):
    """A deliver_sm that is a final receipt in the standard's own form, as far as anybody asks of it.

    The fields are those that ``parse_receipt`` gives for the same octets.
    """

    command_id: ClassVar[int] = c.DELIVER_SM
    message_id: str
    stat: str
    message_state: int | None
    err: str
    done_date: str


_receipt: Final = re.compile(
    r"[^\0]{0,5}\0..[^\0]{0,20}\0..[^\0]{0,20}\0"  # service_type and the two addresses
    r"\x04..\0\0....(.)"  # esm_class, the two times, which are empty, and sm_length
    r"id:([^ \0]+) sub:[^ ]* dlvrd:[^ ]* submit date:\d+ done date:(\d+) stat:([A-Z]+) err:(\w+) [tT]ext:",
    re.ASCII | re.DOTALL,
).match
_tlvs: Final = re.compile(r"\0\x1e\0(.)([^\0 ]+)\0\x04\x27\0\x01(.)\Z", re.DOTALL).match
"""receipted_message_id and message_state, as most carriers add them."""


def read_receipt(frame: bytes) -> PlainReceipt | None:
    """The receipt in the whole frame of a deliver_sm; None: decode it."""
    words = frame.decode("latin-1")
    match = _receipt(words, c.HEADER_OCTETS)
    if match is None:
        return None
    size, message_id, done_date, stat, err = match.groups()
    end = match.end(1) + ord(size)
    if end < match.end():
        return None
    state = STATES.get(stat)
    if end != len(words):
        match = _tlvs(words, end)
        if match is None:
            return None
        size, message_id, value = match.groups()
        if ord(size) != len(message_id) + 1:
            return None
        state = ord(value)
    return PlainReceipt(message_id, stat, state, err, done_date)
