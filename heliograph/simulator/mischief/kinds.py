"""What a kind of misbehaviour is: a value. What it does to which PDU stands in the tables of the neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeAlias

__all__ = ["Fate", "Link", "Meddle", "Misbehaviour", "Moment"]


class Moment(Enum):
    """What the carrier is about to do when it goes wrong."""

    OPEN = "open"
    """A client has connected; there is no PDU yet."""
    BIND = "bind"
    """The answer to a bind."""
    SUBMIT = "submit"
    """The answer to a submit, good or bad."""
    RECEIPT = "receipt"
    REPLY = "reply"
    """What a handset wrote."""
    PROBE = "probe"
    """The answer to an enquire_link."""


class Fate(Enum):
    """What a client should make of it for its messages."""

    UNHARMED = "unharmed"
    """Delivered, submitted once."""
    LATER = "later"
    """Not taken while it lasts; delivered when it is over, and never on two wires."""
    AGAIN = "again"
    """The outcome of a submit is not known: submitted again and marked as a possible duplicate, then delivered."""
    CUT = "cut"
    """Delivered; what is on a link in the moment in which it ends is submitted again and marked."""
    NO_NEWS = "no_news"
    """Taken, but no receipt comes that means it: unknown once its receipt is overdue."""


class Link(Protocol):
    """One connection, as a misbehaviour meets it."""

    marks: dict[str, int]
    """Numbers that a misbehaviour keeps about this connection."""
    held: list[bytes]
    """PDUs that a misbehaviour keeps back."""

    def send(self, octets: bytes) -> None:
        """Write now."""

    def send_later(self, delay_s: float, octets: bytes) -> None:
        """Write after a while; what comes behind may overtake it."""

    def send_slowly(self, octets: bytes, gap_s: float) -> None:
        """Write octet by octet; what comes behind waits."""

    def call_later(self, delay_s: float, what: Callable[[], None]) -> None:
        """Do something on this connection after a while, unless it is gone by then."""

    def silence(self) -> None:
        """Write nothing more on this connection."""

    def stop_reading(self) -> None:
        """Read nothing more from this connection."""

    def close(self) -> None:
        """Cut it, behind what was written."""

    def chance(self) -> float:
        """The next number of the seed, 0 to 1."""

    def sequence(self) -> int:
        """A sequence number that the carrier has not used."""


Meddle: TypeAlias = Callable[[Link, bytes], None]
"""What happens instead of writing a PDU; the PDU itself is written by it or not at all."""


@dataclass(frozen=True, kw_only=True)
class Misbehaviour:
    """One way of going wrong. Its name, and what follows from it, are promises."""

    name: str
    what: str
    """What the carrier does, for people."""
    fate: Fate
    does: Mapping[Moment, Meddle] = field(default_factory=dict)
    bind_status: int = 0
    """Binds are refused with it."""
    submit_status: int = 0
    """Submits are not taken and answered with it."""
    per_second: float = 0.0
    """``submit_status`` is only for what comes faster; 0: for every submit."""
