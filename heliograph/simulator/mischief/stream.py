"""Octets that are no PDUs, and PDUs that nobody can want."""

from __future__ import annotations

from typing import Final

from heliograph.simulator.mischief.frames import body_of, frame, head_of, reply
from heliograph.simulator.mischief.kinds import Fate, Link, Meddle, Misbehaviour, Moment
from heliograph.smpp import constants as c

__all__ = ["STREAM"]

_FLOOD: Final = 200
_UNKNOWN_COMMAND: Final = 0x0000FFEE
_SLOW_S: Final = 0.001


def _too_short(link: Link, pdu: bytes) -> None:
    _, command_id, status, sequence = head_of(pdu)
    link.send(frame(command_id, sequence, status=status, body=body_of(pdu), length=4))


def _too_long(link: Link, pdu: bytes) -> None:
    _, command_id, status, sequence = head_of(pdu)
    link.send(frame(command_id, sequence, status=status, body=body_of(pdu), length=0x7FFFFFFF))


def _a_little_too_long(link: Link, pdu: bytes) -> None:
    length, command_id, status, sequence = head_of(pdu)
    link.send(frame(command_id, sequence, status=status, body=body_of(pdu), length=length + 5))


def _half(link: Link, pdu: bytes) -> None:
    link.send(pdu[: len(pdu) // 2])
    link.silence()


def _garbage(link: Link, pdu: bytes) -> None:
    link.send(bytes(int(link.chance() * 256) for _ in range(400)))


def _slowly(link: Link, pdu: bytes) -> None:
    link.send_slowly(pdu, _SLOW_S)


def _web_page(link: Link, pdu: bytes) -> None:
    link.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def _unknown_command(link: Link, pdu: bytes) -> None:
    link.send(frame(_UNKNOWN_COMMAND, link.sequence(), body=b"what?") + pdu)


def _unknown_response(link: Link, pdu: bytes) -> None:
    link.send(frame(_UNKNOWN_COMMAND | c.RESPONSE_BIT, link.sequence(), body=b"what?") + pdu)


def _broken_tlv(link: Link, pdu: bytes) -> None:
    _, command_id, status, sequence = head_of(pdu)
    link.send(frame(command_id, sequence, status=status, body=body_of(pdu) + b"\x04\x27\x00\x40\x01"))


def _deliver_flood(link: Link, pdu: bytes) -> None:
    link.send(pdu + b"".join(reply(link.sequence(), b"flood") for _ in range(_FLOOD)))


def _part_flood(link: Link, pdu: bytes) -> None:
    """Parts of long messages, no two of one message, with places that cannot be."""
    parts = []
    for number in range(_FLOOD):
        sequence = link.sequence()
        udh = bytes((5, 0, 3, sequence & 0xFF, (0, 255, 2)[number % 3], (0, 3, 1)[number % 3]))
        parts.append(reply(sequence, b"part", udh=udh, source=str(1_000_000 + sequence % 1_000_000)))
    link.send(pdu + b"".join(parts))


def _probe_flood(link: Link, pdu: bytes) -> None:
    link.send(pdu + b"".join(frame(c.ENQUIRE_LINK, link.sequence()) for _ in range(_FLOOD)))


def _alert_flood(link: Link, pdu: bytes) -> None:
    body = b"\1\1" + b"14155550123\0" + b"\0\0" + b"1999\0"
    link.send(pdu + b"".join(frame(c.ALERT_NOTIFICATION, link.sequence(), body=body) for _ in range(_FLOOD)))


def _submit_back(link: Link, pdu: bytes) -> None:
    submit = reply(link.sequence(), b"yours?")
    link.send(pdu + frame(c.SUBMIT_SM, head_of(submit)[3], body=body_of(submit)))


def _broken_delivery(link: Link, pdu: bytes) -> None:
    """A text that says to be longer than its PDU."""
    delivery = reply(link.sequence(), b"0123456789")
    body = body_of(delivery)
    link.send(pdu + frame(c.DELIVER_SM, head_of(delivery)[3], body=body[:-11] + b"\xfa" + body[-10:]))


def _empty_delivery(link: Link, pdu: bytes) -> None:
    link.send(pdu + frame(c.DELIVER_SM, link.sequence(), body=bytes(17)))


def _same_sequence(link: Link, pdu: bytes) -> None:
    sequence = link.sequence()
    link.send(pdu + reply(sequence, b"one") + reply(sequence, b"two") + reply(0, b"zero") + reply(0xFFFFFFFF, b"most"))


def _bind_back(link: Link, pdu: bytes) -> None:
    body = b"us\0\0\0\x34\0\0\0"
    link.send(pdu + frame(c.BIND_TRANSCEIVER, link.sequence(), body=body))


def _on_submit(name: str, what: str, fate: Fate, meddle: Meddle) -> Misbehaviour:
    return Misbehaviour(name=name, what=what, fate=fate, does={Moment.SUBMIT: meddle})


STREAM: Final = (
    _on_submit("length_too_short", "Answers with a PDU that says to have 4 octets.", Fate.AGAIN, _too_short),
    _on_submit("length_too_long", "Answers with a PDU that says to have 2 GiB.", Fate.AGAIN, _too_long),
    _on_submit(
        "length_of_more",
        "Answers with PDUs that say to have five octets more, which the next one loses.",
        Fate.AGAIN,
        _a_little_too_long,
    ),
    _on_submit("half_pdu", "Writes half an answer, then nothing more.", Fate.AGAIN, _half),
    _on_submit("garbage", "Answers with random octets.", Fate.AGAIN, _garbage),
    _on_submit("slow_octets", f"Writes an answer every {_SLOW_S * 1000:g} ms one octet.", Fate.UNHARMED, _slowly),
    _on_submit("http", "Answers like a web server.", Fate.AGAIN, _web_page),
    _on_submit(
        "unknown_command", "Sends a command that no book knows before each answer.", Fate.UNHARMED, _unknown_command
    ),
    _on_submit(
        "unknown_response",
        "Sends a response that no book knows before each answer.",
        Fate.UNHARMED,
        _unknown_response,
    ),
    _on_submit("broken_tlv", "Answers with a TLV that says to be longer than the PDU.", Fate.UNHARMED, _broken_tlv),
    _on_submit("deliver_flood", f"Sends {_FLOOD} deliver_sm behind each answer.", Fate.UNHARMED, _deliver_flood),
    _on_submit(
        "part_flood",
        f"Sends {_FLOOD} parts behind each answer, of long messages that are never whole.",
        Fate.UNHARMED,
        _part_flood,
    ),
    _on_submit("enquire_link_flood", f"Probes {_FLOOD} times behind each answer.", Fate.UNHARMED, _probe_flood),
    _on_submit("alert_flood", f"Sends {_FLOOD} alert_notifications behind each answer.", Fate.UNHARMED, _alert_flood),
    _on_submit("submits_to_us", "Sends its client a submit_sm behind each answer.", Fate.UNHARMED, _submit_back),
    _on_submit("binds_to_us", "Asks its client for a bind behind each answer.", Fate.UNHARMED, _bind_back),
    _on_submit(
        "broken_deliver",
        "Sends a deliver_sm whose text is longer than the PDU behind each answer.",
        Fate.UNHARMED,
        _broken_delivery,
    ),
    _on_submit(
        "empty_deliver",
        "Sends a deliver_sm without numbers or text behind each answer.",
        Fate.UNHARMED,
        _empty_delivery,
    ),
    _on_submit(
        "same_sequence",
        "Sends several deliver_sm under one number, under 0, and under 0xFFFFFFFF.",
        Fate.UNHARMED,
        _same_sequence,
    ),
)
"""Misbehaviours by what is on the wire."""
