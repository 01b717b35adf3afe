"""States and kinds: small numbers in rows, words everywhere else.

A state's number is its rank: a segment's state is the greatest of its facts, so it comes out the
same in whatever order they arrive (docs/explanation/states.md).
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ARRIVED", "END", "ENDS", "AddressKind", "ContentKind", "Direction", "Encoding", "State", "TrafficType"]


class State(IntEnum):
    """The state of a message or a segment, in rank order. ``received`` is an inbound message's."""

    SCHEDULED = 1
    HELD = 2
    QUEUED = 10
    SUBMITTING = 20
    SENT = 30
    UNKNOWN = 40
    CANCELED = 41
    EXPIRED = 42
    UNDELIVERED = 43
    REJECTED = 44
    FAILED = 45
    DELIVERED = 50
    READ = 60
    RECEIVED = 90

    @property
    def word(self) -> str:
        """The state as customers read it: ``delivered``."""
        return self.name.lower()


END = State.UNKNOWN
"""From this rank on a message has ended."""

ENDS = tuple(state for state in State if END <= state < State.RECEIVED)

ARRIVED = frozenset((State.DELIVERED.value, State.READ.value, State.RECEIVED.value))
"""The states of what reached a handset, or us from one."""


class Direction(IntEnum):
    """MT goes to the handset (``OUT``), MO comes from it (``IN``)."""

    OUT = 0
    IN = 1


class TrafficType(IntEnum):
    """What a message is for; also its class in a lane, most urgent first."""

    OTP = 0
    TRANSACTIONAL = 1
    PROMOTIONAL = 2

    @property
    def word(self) -> str:
        return self.name.lower()


class Encoding(IntEnum):
    """How a message's characters travel. ``GSM7_NATIONAL``: in national tables, which each segment's header names."""

    GSM7 = 0
    UCS2 = 1
    BINARY = 2
    GSM7_NATIONAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class AddressKind(IntEnum):
    """What an address is: decides TON and NPI."""

    E164 = 0
    SHORT_CODE = 1
    ALPHANUMERIC = 2


class ContentKind(IntEnum):
    """What the octets of a content are: UTF-8 text, or data (with its UDH in front, ``udh_octets`` long)."""

    TEXT = 0
    DATA = 1
