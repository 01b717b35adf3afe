"""The peer's requests, until we have answered them; and how an answer is said."""

from __future__ import annotations

from struct import Struct
from typing import Final

from heliograph.smpp import constants as c
from heliograph.smpp.codec import encode, encode_header
from heliograph.smpp.errors import IllegalState
from heliograph.smpp.pdus import PDUS, Pdu

__all__ = ["WITHOUT_RESPONSE", "Answering", "refusal"]

_header: Final = Struct(">IIII").pack

WITHOUT_RESPONSE: Final = frozenset((c.ALERT_NOTIFICATION, c.OUTBIND))
"""Requests that nobody answers."""
_NACKED_STATUSES: Final = frozenset((c.ESME_RINVCMDID, c.ESME_RINVCMDLEN))
"""Refusals that the command's own response cannot say, since its body was not understood."""


class Answering:
    """The requests of one session's peer, by ticket: the sequence number, with the session's epoch above its 32 bits.

    Two open requests with one number are two requests, answered in their order. Answers are put behind ``out``.
    """

    __slots__ = ("_again", "_out", "open")

    def __init__(self, out: list[bytes]) -> None:
        self.open: dict[int, int] = {}
        """Ticket → command_id of what waits for its answer."""
        self._again: dict[int, list[int]] = {}
        """Ticket → command_ids of further requests with the number of one that is open."""
        self._out = out

    def __len__(self) -> int:
        return len(self.open) + (sum(map(len, self._again.values())) if self._again else 0)

    @property
    def plain(self) -> bool:
        """Whether each number stands for one request."""
        return not self._again

    def take(self, ticket: int, command_id: int) -> None:
        """One more to be answered."""
        if ticket in self.open:
            self._again.setdefault(ticket, []).append(command_id)
        else:
            self.open[ticket] = command_id

    def answer(self, ticket: int, command_id: int, answer: Pdu | int, command_status: int) -> int:
        """Answer what is open under this ticket: by a status, or by a PDU with ``command_status``. Gives the status.

        Raises `IllegalState` for a PDU that does not answer that command, and `EncodeError`; then it is still open.
        """
        sequence_number = ticket & 0xFFFFFFFF
        if command_id == c.DELIVER_SM and answer == 0:
            self._out.append(_header(17, c.DELIVER_SM_RESP, 0, sequence_number) + b"\0")
        elif isinstance(answer, int):
            self._out.append(_status_response(command_id, sequence_number, answer))
            command_status = answer
        elif answer.command_id == command_id | c.RESPONSE_BIT:
            self._out.append(encode(answer, sequence_number, command_status))
        else:
            raise IllegalState(f"{type(answer).__name__} does not answer command 0x{command_id:08X}")
        again = self._again.get(ticket)
        if again is None:
            del self.open[ticket]
        else:
            self.open[ticket] = again.pop(0)
            if not again:
                del self._again[ticket]
        return command_status

    def abandon(self) -> None:
        """The end: nothing is answered any more."""
        self.open.clear()
        self._again.clear()


def refusal(command_id: int, sequence_number: int, status: int) -> bytes:
    """The answer to a request that was not taken: its own response where it can say so, else generic_nack."""
    response_id = c.GENERIC_NACK if status in _NACKED_STATUSES else command_id | c.RESPONSE_BIT
    return encode_header(response_id, sequence_number, status)


def _status_response(command_id: int, sequence_number: int, status: int) -> bytes:
    """A response that says no more than its status; a good one has its empty fields, a bad one its header alone."""
    response_id = command_id | c.RESPONSE_BIT
    if status:
        return encode_header(response_id, sequence_number, status)
    return encode(PDUS[response_id](), sequence_number)
