"""What a carrier sends on its own: receipts, and messages that handsets write."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Final, TypeVar

from heliograph.simulator.handsets import Submit
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DeliverSm, SubmitSm
from heliograph.smpp.receipts import receipt_text, receipt_tlvs
from heliograph.sms import BadAddress, concat_udh, data_coding, encode, sender, split, to_wire

__all__ = ["Outgoing", "in_order", "receipt_pdu", "reply_pdus"]

_T = TypeVar("_T")

_STATE_OF: Final = {word: state for state, word in c.MESSAGE_STATES.items()}
_ERROR_OF: Final = {"DELIVRD": "000", "ACCEPTD": "000", "EXPIRED": "027", "DELETED": "010", "UNDELIV": "001"}
"""``err`` as carriers write it beside a final state; anything else is 099."""


class Outgoing:
    """One deliver_sm on its way to a client, until the client has answered it for good."""

    __slots__ = ("fact", "hash", "id", "link", "part", "pdu", "second", "sender", "stat", "text", "to", "tries")

    def __init__(
        self,
        fact: str,
        pdu: DeliverSm,
        *,
        to: str,
        sender: str,
        link: int = 0,
        id: str = "",
        stat: str = "",
        text: str = "",
        hash: str = "",
        part: str = "",
    ) -> None:
        self.fact = fact
        """``receipt`` or ``mo``."""
        self.pdu = pdu
        self.to = to
        self.sender = sender
        self.link = link
        """The link that it belongs to: where the submit came (0: none)."""
        self.id = id
        self.stat = stat
        self.text = text
        self.hash = hash
        self.part = part
        self.tries = 0
        self.second: Outgoing | None = None
        """What follows it at once: another receipt for the same message."""


def receipt_pdu(
    submit: Submit, id: str, stat: str, submitted_at: float, done_at: float, text_octets: int, err: str = ""
) -> DeliverSm:
    """The receipt for a submit; it comes from the recipient and goes to the sender. Times in seconds since 1970 UTC.

    ``err`` empty is what carriers usually write beside ``stat``.
    """
    text = receipt_text(
        id,
        stat,
        datetime.fromtimestamp(submitted_at, UTC),
        datetime.fromtimestamp(done_at, UTC),
        err=err or _ERROR_OF.get(stat, "099"),
        text=submit.short_message[:text_octets] if isinstance(submit, SubmitSm) and text_octets else b"",
    )
    return DeliverSm(
        source_addr_ton=submit.dest_addr_ton,
        source_addr_npi=submit.dest_addr_npi,
        source_addr=submit.destination_addr,
        dest_addr_ton=submit.source_addr_ton,
        dest_addr_npi=submit.source_addr_npi,
        destination_addr=submit.source_addr,
        esm_class=c.ESM_TYPE_RECEIPT,
        short_message=text,
        tlvs=receipt_tlvs(id, _STATE_OF[stat]),
    )


def reply_pdus(handset: str, to: str, text: str, reference: int, way: str) -> list[DeliverSm]:
    """What a handset writes to a number, in as many parts as it needs; ``way`` is ``udh``, ``sar`` or ``payload``.

    Raises ``BadAddress``, and what encoding and cutting a text raise.
    """
    encoding, octets = encode(text)
    coding = data_coding(encoding)
    if way == "payload":
        return [_mo(handset, to, coding, b"", tlvs={c.TAG_MESSAGE_PAYLOAD: octets})]
    parts = split(octets, encoding)
    total = len(parts)
    if total == 1:
        return [_mo(handset, to, coding, octets)]
    if way == "sar":
        return [
            _mo(
                handset,
                to,
                coding,
                part,
                tlvs={
                    c.TAG_SAR_MSG_REF_NUM: (reference & 0xFFFF).to_bytes(2, "big"),
                    c.TAG_SAR_TOTAL_SEGMENTS: bytes((total,)),
                    c.TAG_SAR_SEGMENT_SEQNUM: bytes((number,)),
                },
            )
            for number, part in enumerate(parts, 1)
        ]
    return [
        _mo(handset, to, coding, concat_udh(reference, total, number) + part, esm_class=c.ESM_UDHI)
        for number, part in enumerate(parts, 1)
    ]


def in_order(parts: list[_T], order: str, random: Random) -> list[_T]:
    """Parts ``in_order``, ``reversed`` or ``shuffled``."""
    if order == "shuffled":
        return random.sample(parts, len(parts))
    return parts[::-1] if order == "reversed" else parts


def _mo(
    handset: str, to: str, coding: int, octets: bytes, *, esm_class: int = 0, tlvs: dict[int, bytes] | None = None
) -> DeliverSm:
    source_ton, source_npi, source = _wire(handset)
    dest_ton, dest_npi, dest = _wire(to)
    return DeliverSm(
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source,
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=dest,
        esm_class=esm_class,
        data_coding=coding,
        short_message=octets,
        tlvs=tlvs or {},
    )


def _wire(number: str) -> tuple[int, int, str]:
    try:
        return to_wire(sender(number))
    except BadAddress:
        return c.TON_UNKNOWN, c.NPI_UNKNOWN, number[:20]
