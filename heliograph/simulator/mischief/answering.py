"""Submits that are answered wrongly, late, twice, or not at all."""

from __future__ import annotations

from typing import Final

from heliograph.simulator.mischief.frames import frame, head_of, submit_resp, with_sequence
from heliograph.simulator.mischief.kinds import Fate, Link, Misbehaviour, Moment
from heliograph.smpp import constants as c

__all__ = ["ANSWERING"]

_VENDOR_STATUS: Final = 0x0ABC
_SHUFFLE_S: Final = 0.05
_AFTER_RECEIPT_S: Final = 0.1
_LATE_S: Final = 2.0


def _nothing(link: Link, pdu: bytes) -> None:
    """Not written."""


def _nack(link: Link, pdu: bytes) -> None:
    _, _, status, sequence = head_of(pdu)
    link.send(frame(c.GENERIC_NACK, sequence, status=status))


def _nack_of_nothing(link: Link, pdu: bytes) -> None:
    link.send(frame(c.GENERIC_NACK, 0, status=head_of(pdu)[2]))


def _late(link: Link, pdu: bytes) -> None:
    link.send_later(_LATE_S, pdu)


def _after_receipt(link: Link, pdu: bytes) -> None:
    link.send_later(_AFTER_RECEIPT_S, pdu)


def _wrong_sequence(link: Link, pdu: bytes) -> None:
    link.send(with_sequence(pdu, link.sequence()))


def _twice(link: Link, pdu: bytes) -> None:
    link.send(pdu + pdu)


def _for_nothing(link: Link, pdu: bytes) -> None:
    link.send(submit_resp(link.sequence(), "nothing") + pdu)


def _without_id(link: Link, pdu: bytes) -> None:
    link.send(submit_resp(head_of(pdu)[3], ""))


def _long_id(link: Link, pdu: bytes) -> None:
    link.send(submit_resp(head_of(pdu)[3], "9" * 200))


def _other_type(link: Link, pdu: bytes) -> None:
    link.send(frame(c.QUERY_SM_RESP, head_of(pdu)[3], status=head_of(pdu)[2], body=b"1\0\0\2\0"))


def _error_with_id(link: Link, pdu: bytes) -> None:
    _, command_id, status, sequence = head_of(pdu)
    link.send(frame(command_id, sequence, status=status, body=b"4711\0\x04\x24\xff\xff"))


def _shuffled(link: Link, pdu: bytes) -> None:
    """Answers are kept for a moment and leave in any order."""
    if not link.held:
        link.call_later(_SHUFFLE_S, lambda: _let_go(link))
    link.held.append(pdu)


def _let_go(link: Link) -> None:
    held = sorted(link.held, key=lambda _: link.chance())
    link.held.clear()
    link.send(b"".join(held))


def _unbind(link: Link, pdu: bytes) -> None:
    link.send(frame(c.UNBIND, link.sequence()))


def _close(link: Link, pdu: bytes) -> None:
    link.close()


def _stop_reading(link: Link, pdu: bytes) -> None:
    link.stop_reading()


ANSWERING: Final = (
    Misbehaviour(
        name="no_response",
        what="Takes submits and never answers them.",
        fate=Fate.AGAIN,
        does={Moment.SUBMIT: _nothing},
    ),
    Misbehaviour(
        name="nack",
        what="Answers submits with a generic_nack, under their number.",
        fate=Fate.LATER,
        submit_status=c.ESME_RSYSERR,
        does={Moment.SUBMIT: _nack},
    ),
    Misbehaviour(
        name="nack_without_sequence",
        what="Answers submits with a generic_nack of number 0, which belongs to nothing.",
        fate=Fate.AGAIN,
        submit_status=c.ESME_RSYSERR,
        does={Moment.SUBMIT: _nack_of_nothing},
    ),
    Misbehaviour(
        name="late_response",
        what=f"Answers submits {_LATE_S:g} s late.",
        fate=Fate.AGAIN,
        does={Moment.SUBMIT: _late},
    ),
    Misbehaviour(
        name="receipt_before_response",
        what="Answers a submit after its receipt.",
        fate=Fate.UNHARMED,
        does={Moment.SUBMIT: _after_receipt},
    ),
    Misbehaviour(
        name="wrong_sequence",
        what="Answers submits under numbers that nobody asked with.",
        fate=Fate.AGAIN,
        does={Moment.SUBMIT: _wrong_sequence},
    ),
    Misbehaviour(
        name="response_twice",
        what="Answers each submit twice.",
        fate=Fate.UNHARMED,
        does={Moment.SUBMIT: _twice},
    ),
    Misbehaviour(
        name="response_for_nothing",
        what="Sends the answer to a submit that never was before each that was.",
        fate=Fate.UNHARMED,
        does={Moment.SUBMIT: _for_nothing},
    ),
    Misbehaviour(
        name="empty_message_id",
        what="Takes submits and gives them no id, so that no receipt finds them.",
        fate=Fate.NO_NEWS,
        does={Moment.SUBMIT: _without_id},
    ),
    Misbehaviour(
        name="long_message_id",
        what="Gives ids of 200 characters, where the book allows 64, and receipts have other ones.",
        fate=Fate.NO_NEWS,
        does={Moment.SUBMIT: _long_id},
    ),
    Misbehaviour(
        name="wrong_response_type",
        what="Answers submits with a query_sm_resp that says there was a failure.",
        fate=Fate.LATER,
        submit_status=c.ESME_RSYSERR,
        does={Moment.SUBMIT: _other_type},
    ),
    Misbehaviour(
        name="error_with_id",
        what="Refuses submits with a message id, and a broken TLV behind it.",
        fate=Fate.LATER,
        submit_status=c.ESME_RSYSERR,
        does={Moment.SUBMIT: _error_with_id},
    ),
    Misbehaviour(
        name="shuffled_responses",
        what="Answers what it got within a moment in any order.",
        fate=Fate.UNHARMED,
        does={Moment.SUBMIT: _shuffled},
    ),
    Misbehaviour(
        name="error_for_all",
        what="Refuses every submit with a system error.",
        fate=Fate.LATER,
        submit_status=c.ESME_RSYSERR,
    ),
    Misbehaviour(
        name="queue_full",
        what="Says of every submit that its queue is full.",
        fate=Fate.LATER,
        submit_status=c.ESME_RMSGQFUL,
    ),
    Misbehaviour(
        name="unknown_status",
        what=f"Refuses every submit with 0x{_VENDOR_STATUS:04X}, which no book knows.",
        fate=Fate.LATER,
        submit_status=_VENDOR_STATUS,
    ),
    Misbehaviour(
        name="throttle",
        what="Takes two submits a second and throttles the rest.",
        fate=Fate.LATER,
        submit_status=c.ESME_RTHROTTLED,
        per_second=2,
    ),
    Misbehaviour(
        name="unbind_on_submit",
        what="Unbinds in the place of an answer.",
        fate=Fate.AGAIN,
        does={Moment.SUBMIT: _unbind},
    ),
    Misbehaviour(
        name="close_on_submit",
        what="Closes the connection in the place of an answer.",
        fate=Fate.AGAIN,
        does={Moment.SUBMIT: _close},
    ),
    Misbehaviour(
        name="stops_reading",
        what="Takes a submit, answers nothing, and reads nothing more.",
        fate=Fate.AGAIN,
        does={Moment.SUBMIT: _stop_reading, Moment.PROBE: _nothing},
    ),
)
"""Misbehaviours by the answer to a submit."""
