"""What a lane works on, and how much of it."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from heliograph.model import Live, State

__all__ = ["Admission", "LaneLimits", "Work", "open_segments"]


class LaneLimits(Struct, frozen=True, kw_only=True):
    """How much of the backlog may be in memory: segments for one (class, account), and for the lane."""

    account_segments: int = 20_000
    lane_segments: int = 40_000


class Admission(Enum):
    """What a lane can do for a message that is about to be written."""

    WAITING = "waiting"
    """Born unclaimed: it waits in the store."""
    CLAIMED = "claimed"
    """Born claimed: it enters the lane from memory."""
    PERMITTED = "permitted"
    """Born claimed, and its own insert permits it to be on the wire."""


class Work(Struct, gc=False):
    """Segments of one message that have to leave, in order. ``entered_at`` is monotonic."""

    live: Live
    numbers: tuple[int, ...]
    entered_at: float

    @property
    def pair(self) -> tuple[str, str]:
        """(sender, recipient): what order holds for."""
        message = self.live.message
        return (message.sender, message.recipient)


def open_segments(live: Live) -> tuple[int, ...]:
    """Segments that no carrier has taken yet."""
    if live.segments is None:
        return (1,)
    return tuple(segment.number for segment in live.segments if segment.state < State.SENT)
