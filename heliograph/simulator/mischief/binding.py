"""Binds and probes that go wrong."""

from __future__ import annotations

from typing import Final

from heliograph.simulator.mischief.frames import body_of, frame, head_of, reply
from heliograph.simulator.mischief.kinds import Fate, Link, Misbehaviour, Moment
from heliograph.smpp import constants as c

__all__ = ["BINDING"]

_LATE_S: Final = 0.3
_STORM_S: Final = 0.05


def _nothing(link: Link, pdu: bytes) -> None:
    """Not written."""


def _late(link: Link, pdu: bytes) -> None:
    link.send_later(_LATE_S, pdu)


def _other_type(link: Link, pdu: bytes) -> None:
    _, command_id, status, sequence = head_of(pdu)
    other = c.BIND_RECEIVER_RESP if command_id != c.BIND_RECEIVER_RESP else c.BIND_TRANSMITTER_RESP
    link.send(frame(other, sequence, status=status, body=body_of(pdu)))


def _submit_resp(link: Link, pdu: bytes) -> None:
    link.send(frame(c.SUBMIT_SM_RESP, head_of(pdu)[3], body=b"1\0"))


def _nack(link: Link, pdu: bytes) -> None:
    link.send(frame(c.GENERIC_NACK, head_of(pdu)[3], status=c.ESME_RINVCMDID))


def _cut_short(link: Link, pdu: bytes) -> None:
    link.send(frame(head_of(pdu)[1], head_of(pdu)[3]))


def _twice(link: Link, pdu: bytes) -> None:
    link.send(pdu + pdu)


def _delivery_first(link: Link, pdu: bytes) -> None:
    link.send(reply(link.sequence(), b"too early") + pdu)


def _close_behind(link: Link, pdu: bytes) -> None:
    link.send(pdu)
    link.close()


def _unbind_behind(link: Link, pdu: bytes) -> None:
    link.send(pdu)
    link.call_later(_STORM_S, lambda: link.send(frame(c.UNBIND, link.sequence())))


def _greet(link: Link, pdu: bytes) -> None:
    link.send(b"220 mail.example.com ESMTP ready\r\n")


def _close(link: Link, pdu: bytes) -> None:
    link.close()


BINDING: Final = (
    Misbehaviour(
        name="bind_error",
        what="Refuses binds with a system error.",
        fate=Fate.LATER,
        bind_status=c.ESME_RSYSERR,
    ),
    Misbehaviour(
        name="already_bound",
        what="Says of each bind that there is one already.",
        fate=Fate.LATER,
        bind_status=c.ESME_RALYBND,
    ),
    Misbehaviour(
        name="bind_never",
        what="Never answers a bind.",
        fate=Fate.LATER,
        does={Moment.BIND: _nothing},
    ),
    Misbehaviour(
        name="bind_late",
        what=f"Answers binds after {_LATE_S:g} s.",
        fate=Fate.UNHARMED,
        does={Moment.BIND: _late},
    ),
    Misbehaviour(
        name="bind_wrong_type",
        what="Answers a bind as if it had been one of another type.",
        fate=Fate.UNHARMED,
        does={Moment.BIND: _other_type},
    ),
    Misbehaviour(
        name="bind_submit_resp",
        what="Answers a bind with a submit_sm_resp.",
        fate=Fate.LATER,
        does={Moment.BIND: _submit_resp},
    ),
    Misbehaviour(
        name="bind_nack",
        what="Answers a bind with a generic_nack.",
        fate=Fate.LATER,
        does={Moment.BIND: _nack},
    ),
    Misbehaviour(
        name="bind_without_body",
        what="Answers a bind with a head and nothing behind it.",
        fate=Fate.UNHARMED,
        does={Moment.BIND: _cut_short},
    ),
    Misbehaviour(
        name="bind_response_twice",
        what="Answers each bind twice.",
        fate=Fate.UNHARMED,
        does={Moment.BIND: _twice},
    ),
    Misbehaviour(
        name="deliver_before_bound",
        what="Sends a deliver_sm before it has answered the bind.",
        fate=Fate.UNHARMED,
        does={Moment.BIND: _delivery_first},
    ),
    Misbehaviour(
        name="close_behind_bind",
        what="Accepts a bind and closes the connection.",
        fate=Fate.CUT,
        does={Moment.BIND: _close_behind},
    ),
    Misbehaviour(
        name="unbind_storm",
        what="Unbinds each client shortly after its bind, for as long as it lasts.",
        fate=Fate.CUT,
        does={Moment.BIND: _unbind_behind},
    ),
    Misbehaviour(
        name="wrong_protocol",
        what="Greets clients like a mail server.",
        fate=Fate.LATER,
        does={Moment.OPEN: _greet},
    ),
    Misbehaviour(
        name="close_on_connect",
        what="Closes each connection as soon as it is there.",
        fate=Fate.LATER,
        does={Moment.OPEN: _close},
    ),
    Misbehaviour(
        name="close_on_enquire_link",
        what="Closes the connection when it is probed.",
        fate=Fate.CUT,
        does={Moment.PROBE: _close},
    ),
    Misbehaviour(
        name="no_enquire_link_resp",
        what="Never answers a probe.",
        fate=Fate.CUT,
        does={Moment.PROBE: _nothing},
    ),
)
"""Misbehaviours by the life of a link."""
