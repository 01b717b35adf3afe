"""What can go wrong in SMPP, sorted by who caused it.

`LocalError` is ours: a value that no PDU can say, or a call that the session's state forbids. `RemoteError` is the
peer's, with the two verdicts on bad input: `PduRejected` (answer it and go on) and `StreamBroken` (framing is lost:
close). The third verdict, "more is needed", is a value and no error.
"""

from __future__ import annotations

from heliograph.smpp.constants import status_name

__all__ = [
    "EncodeError",
    "IllegalState",
    "LocalError",
    "PduRejected",
    "RemoteError",
    "SmppError",
    "StreamBroken",
    "WindowFull",
]


class SmppError(Exception):
    """The root of all errors of this room."""


class LocalError(SmppError):
    """Our own side asked for something that SMPP does not allow."""


class EncodeError(LocalError, ValueError):
    """A field holds what its place on the wire cannot say. The value itself is never shown: it may be private."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class WindowFull(LocalError):
    """As many requests as the window allows are unanswered."""


class IllegalState(LocalError):
    """The session's state forbids this PDU."""


class RemoteError(SmppError):
    """The peer sent something that we cannot accept."""


class PduRejected(RemoteError):
    """A whole PDU that we refuse; the stream is intact, so answer with ``status`` and the same number, and go on."""

    def __init__(self, status: int, sequence_number: int, command_id: int, reason: str = "") -> None:
        super().__init__(f"PDU 0x{command_id:08X} refused with {status_name(status)}: {reason or 'malformed'}")
        self.status = status
        self.sequence_number = sequence_number
        self.command_id = command_id
        self.reason = reason


class StreamBroken(RemoteError):
    """Where the next PDU begins is unknown: nothing more can be read.

    ``status`` is what a last `generic_nack` should say, or 0 where the peer does not speak SMPP at all and gets none.
    """

    def __init__(self, reason: str, status: int = 0, sequence_number: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.sequence_number = sequence_number
