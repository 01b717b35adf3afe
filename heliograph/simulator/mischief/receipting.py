"""Receipts that say nothing, too much, or two things."""

from __future__ import annotations

from typing import Final

from heliograph.simulator.mischief.frames import delivery_of, head_of, receipt_id, receipt_of, with_sequence
from heliograph.simulator.mischief.kinds import Fate, Link, Meddle, Misbehaviour, Moment
from heliograph.smpp import constants as c

__all__ = ["RECEIPTING"]


def _nothing(link: Link, pdu: bytes) -> None:
    """Not written."""


def _text_alone(text: bytes) -> Meddle:
    """The receipt with another text, and without TLVs."""

    def meddle(link: Link, pdu: bytes) -> None:
        delivery = delivery_of(pdu)
        if delivery is not None:
            link.send(receipt_of(delivery, head_of(pdu)[3], text=text))

    return meddle


def _for_nothing(link: Link, pdu: bytes) -> None:
    delivery = delivery_of(pdu)
    if delivery is not None:
        text = b"id:987654321 sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
        link.send(receipt_of(delivery, link.sequence(), text=text, id="987654321", state=c.STATE_DELIVERED) + pdu)


def _twice(link: Link, pdu: bytes) -> None:
    link.send(pdu + with_sequence(pdu, link.sequence()))


def _contradicting(link: Link, pdu: bytes) -> None:
    delivery = delivery_of(pdu)
    if delivery is not None:
        id = receipt_id(delivery)
        text = f"id:{id} sub:001 dlvrd:000 stat:UNDELIV err:001 text:".encode()
        link.send(pdu + receipt_of(delivery, link.sequence(), text=text, id=id, state=c.STATE_UNDELIVERABLE))


def _on_receipt(name: str, what: str, fate: Fate, meddle: Meddle) -> Misbehaviour:
    return Misbehaviour(name=name, what=what, fate=fate, does={Moment.RECEIPT: meddle})


RECEIPTING: Final = (
    _on_receipt("receipt_never", "Sends no receipts.", Fate.NO_NEWS, _nothing),
    _on_receipt(
        "receipt_garbage", "Sends receipts of random signs.", Fate.NO_NEWS, _text_alone(b"\xff\0id:\x80 stat?\x1b;;::")
    ),
    _on_receipt(
        "receipt_without_id",
        "Sends receipts that name no message.",
        Fate.NO_NEWS,
        _text_alone(b"sub:001 dlvrd:001 stat:DELIVRD err:000 text:"),
    ),
    _on_receipt("receipt_empty", "Sends receipts without a word.", Fate.NO_NEWS, _text_alone(b"")),
    _on_receipt(
        "receipt_for_nothing",
        "Sends a receipt for a message that never was before each that was.",
        Fate.UNHARMED,
        _for_nothing,
    ),
    _on_receipt("receipt_twice", "Sends each receipt twice.", Fate.UNHARMED, _twice),
    _on_receipt(
        "receipt_contradicting",
        "Sends a second receipt behind each, which says that the message was not delivered.",
        Fate.UNHARMED,
        _contradicting,
    ),
)
"""Misbehaviours by receipts."""
