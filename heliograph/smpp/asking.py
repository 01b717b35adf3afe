"""Our requests: their sequence numbers, and who waits for which answer.

A request is open until its answer, its time-out or the end. After its time-out it is remembered for a while, so that
an answer that comes late still tells the truth about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

from heliograph.smpp import constants as c
from heliograph.smpp.codec import Decoded, decode, encode
from heliograph.smpp.errors import EncodeError, PduRejected
from heliograph.smpp.events import LateResponse, Nacked, Response, ResponseTimedOut
from heliograph.smpp.pdus import DataSmResp, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from heliograph.smpp.straight import encode_sm
from heliograph.smpp.waits import after, due

__all__ = ["Asking"]

_header: Final = Struct(">IIII").pack
_SUBMIT_SM: Final = c.SUBMIT_SM

_LATE_MAX: Final = 10_000
"""Requests whose late answer is still recognised: bounds the memory of a peer that stopped answering."""


class Asking:
    """The requests of one session of ours. What is sent is put behind ``out``."""

    __slots__ = ("_late", "_out", "_sequence", "pending")

    def __init__(self, out: list[bytes], first_sequence_number: int) -> None:
        self.pending: dict[int, tuple[float, object]] = {}
        """Sequence number → (sent at, context) of what is open, in the order of sending."""
        self._late: dict[int, tuple[float, object]] = {}
        """Sequence number → (remembered until, context)."""
        self._out = out
        self._sequence = first_sequence_number

    # --- sending ---------------------------------------------------------------------------------------------------

    def take_number(self) -> int:
        """A sequence number for a request whose answer is not waited for here."""
        sequence_number = self._unused_number()
        self._sequence = sequence_number + 1
        return sequence_number

    def send(self, pdu: Pdu | bytes, now: float, context: object) -> int:
        """Send one (octets: the body of a submit_sm); gives its number. Raises `EncodeError`; then nothing is sent."""
        sequence_number = self._unused_number()
        self._out.append(_submit(pdu, sequence_number) if isinstance(pdu, bytes) else encode(pdu, sequence_number))
        self._sequence = sequence_number + 1
        self.pending[sequence_number] = (now, context)
        return sequence_number

    def send_all(self, batch: Iterable[tuple[Pdu | bytes, object]], now: float) -> list[tuple[object, EncodeError]]:
        """`send` for many: (PDU, context) each. Gives those that cannot be said in SMPP, which were not sent."""
        unsayable: list[tuple[object, EncodeError]] = []
        pending, late, out = self.pending, self._late, self._out
        sequence_number = self._sequence
        for pdu, context in batch:
            # The ordinary case of `send`, without a call for each.
            if (
                sequence_number not in pending
                and sequence_number <= c.SEQUENCE_NUMBER_MAX
                and (not late or sequence_number not in late)
            ):
                frame = None
                if type(pdu) is bytes:
                    frame = _submit(pdu, sequence_number)
                elif type(pdu) is SubmitSm:
                    frame = encode_sm(pdu, sequence_number)
                if frame is not None:
                    out.append(frame)
                    pending[sequence_number] = (now, context)
                    sequence_number += 1
                    continue
            self._sequence = sequence_number
            try:
                self.send(pdu, now, context)
            except EncodeError as error:
                unsayable.append((context, error))
            sequence_number = self._sequence
        self._sequence = sequence_number
        return unsayable

    def _unused_number(self) -> int:
        sequence_number = self._sequence
        if sequence_number > c.SEQUENCE_NUMBER_MAX:
            sequence_number = 1
        while sequence_number in self.pending or sequence_number in self._late:
            sequence_number = sequence_number + 1 if sequence_number < c.SEQUENCE_NUMBER_MAX else 1
        return sequence_number

    # --- answers ---------------------------------------------------------------------------------------------------

    def answered(self, frame: bytes, sequence_number: int) -> Response | LateResponse | None:
        """What a response says of the request with its number; None where there is no such request."""
        entry = self.pending.pop(sequence_number, None)
        late = self._late.pop(sequence_number, None) if entry is None else None
        if entry is None and late is None:
            return None
        try:
            decoded = decode(frame)
        except PduRejected:
            # A response of a kind that nobody knows, to a request of ours: all it tells is that something went wrong.
            decoded = Decoded(c.ESME_RUNKNOWNERR, sequence_number, SubmitSmResp())
        pdu = decoded.pdu
        message_id: str = getattr(pdu, "message_id", "")
        tlvs: dict[int, bytes] = getattr(pdu, "tlvs", {})
        if late is not None:
            return LateResponse(late[1], decoded.command_status, message_id, tlvs, sequence_number)
        assert entry is not None
        whole = None if isinstance(pdu, SubmitSmResp | DeliverSmResp | DataSmResp) else pdu
        return Response(entry[1], decoded.command_status, message_id, tlvs, sequence_number, whole)

    def nacked(self, status: int, sequence_number: int) -> Nacked | LateResponse | None:
        """What a generic_nack says of the request with its number; None where there is no such request."""
        entry = self.pending.pop(sequence_number, None)
        if entry is not None:
            return Nacked(entry[1], status, sequence_number)
        late = self._late.pop(sequence_number, None)
        return LateResponse(late[1], status, "", {}, sequence_number) if late is not None else None

    # --- time ------------------------------------------------------------------------------------------------------

    def deadlines(self, response_s: float) -> tuple[float | None, float | None]:
        """When the oldest open request times out, and when the oldest remembered one is forgotten."""
        return after(_first_of(self.pending), response_s), _first_of(self._late)

    def time_out(self, response_s: float, late_s: float, now: float) -> list[ResponseTimedOut]:
        """Ends the requests that had no answer in time, and forgets those that were remembered for long enough."""
        # A dict keeps the order in which requests were sent, so the overdue ones are in front.
        pending, late = self.pending, self._late
        timed_out: list[ResponseTimedOut] = []
        while pending and due(_first_of(pending), response_s, now):
            sequence_number = next(iter(pending))
            context = pending.pop(sequence_number)[1]
            timed_out.append(ResponseTimedOut(context, sequence_number))
            late[sequence_number] = (now + late_s, context)
        while late and (len(late) > _LATE_MAX or now >= late[next(iter(late))][0]):
            del late[next(iter(late))]
        return timed_out

    def abandon(self) -> list[object]:
        """The end: forgets everything, and gives the contexts of what was still open."""
        contexts = [context for _, context in self.pending.values()]
        self.pending.clear()
        self._late.clear()
        return contexts


def _submit(body: bytes, sequence_number: int) -> bytes:
    return _header(c.HEADER_OCTETS + len(body), _SUBMIT_SM, 0, sequence_number) + body


def _first_of(entries: dict[int, tuple[float, object]]) -> float | None:
    return entries[next(iter(entries))][0] if entries else None
