"""What a session tells: small values, drained after each call."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from heliograph.smpp.pdus import Pdu, Tlvs

__all__ = [
    "BindRefused",
    "Bound",
    "Broken",
    "Event",
    "LateResponse",
    "Lost",
    "Nacked",
    "Request",
    "Response",
    "ResponseTimedOut",
    "Unbound",
]


class Bound(msgspec.Struct):
    """The peer accepted our bind. ``interface_version`` is what it said it speaks, None when it said nothing."""

    system_id: str
    interface_version: int | None
    tlvs: Tlvs


class BindRefused(msgspec.Struct):
    """The peer refused our bind; the session is closed."""

    status: int


class Response(msgspec.Struct):
    """The answer to a request of ours; ``context`` is what was given with it.

    ``pdu`` is the whole response where it says more than an id (query_sm_resp, submit_multi_resp, …), else None.
    """

    context: object
    status: int
    message_id: str
    tlvs: Tlvs
    sequence_number: int
    pdu: Pdu | None = None


class ResponseTimedOut(msgspec.Struct):
    """No answer within ``response_s``. The slot is free again; whether the peer took the request is unknown."""

    context: object
    sequence_number: int


class LateResponse(msgspec.Struct):
    """An answer that came after its time-out was told: the truth about that request, if it is still wanted."""

    context: object
    status: int
    message_id: str
    tlvs: Tlvs
    sequence_number: int


class Request(msgspec.Struct):
    """A request of the peer that we have to answer with `Session.respond` (alert_notification and outbind: not).

    ``sequence_number`` is the peer's number, with the session's epoch above its 32 bits: give it back as it is.
    ``leniency`` holds what the codec forgave (`codec.Leniency`).
    """

    pdu: Pdu
    sequence_number: int
    leniency: int = 0


class Nacked(msgspec.Struct):
    """A generic_nack: for the request with ``context``, or for nothing we know (None)."""

    context: object
    status: int
    sequence_number: int


class Unbound(msgspec.Struct):
    """The session ended in order, by our unbind or by the peer's."""

    by_peer: bool


class Broken(msgspec.Struct):
    """The session cannot go on: send what is left to send, and close the connection."""

    reason: str


class Lost(msgspec.Struct):
    """The contexts of requests that will get no answer any more: their outcome is unknown."""

    contexts: list[object]


Event: TypeAlias = (
    Bound | BindRefused | Response | ResponseTimedOut | LateResponse | Request | Nacked | Unbound | Broken | Lost
)
