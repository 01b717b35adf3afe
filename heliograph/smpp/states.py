"""Which side may send which PDU in which state of the session. Source: SMPP 3.4 §2.2 and table 2-1,
SMPP 5.0 §2.4."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from heliograph.smpp import constants as c

__all__ = ["BOUND", "BOUND_STATE", "LEGAL", "Legal", "Role", "State", "may_send"]


class Role(Enum):
    """Which end of the session we are."""

    ESME = "client"
    SMSC = "server"

    @property
    def peer(self) -> Role:
        """The other end."""
        return Role.SMSC if self is Role.ESME else Role.ESME


class State(Enum):
    """The states of the standard, and the two on the way out."""

    OPEN = "open"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBINDING = "unbinding"
    CLOSED = "closed"


BOUND_STATE: Final = {
    c.BIND_TRANSMITTER: State.BOUND_TX,
    c.BIND_RECEIVER: State.BOUND_RX,
    c.BIND_TRANSCEIVER: State.BOUND_TRX,
}
"""The state that each bind leads to."""

BOUND: Final = frozenset(BOUND_STATE.values())
"""A bind holds and no unbind has begun."""


class Legal(NamedTuple):
    """One row: a request, who sends it, and when."""

    command_id: int
    sender: Role
    states: frozenset[State]


_OPEN = frozenset((State.OPEN,))
_SENDING = frozenset((State.BOUND_TX, State.BOUND_TRX))
_RECEIVING = frozenset((State.BOUND_RX, State.BOUND_TRX))

LEGAL: Final = (
    Legal(c.BIND_TRANSMITTER, Role.ESME, _OPEN),
    Legal(c.BIND_RECEIVER, Role.ESME, _OPEN),
    Legal(c.BIND_TRANSCEIVER, Role.ESME, _OPEN),
    Legal(c.OUTBIND, Role.SMSC, _OPEN),
    Legal(c.SUBMIT_SM, Role.ESME, _SENDING),
    Legal(c.SUBMIT_MULTI, Role.ESME, _SENDING),
    Legal(c.DATA_SM, Role.ESME, _SENDING),
    Legal(c.DATA_SM, Role.SMSC, _RECEIVING),
    Legal(c.DELIVER_SM, Role.SMSC, _RECEIVING),
    Legal(c.QUERY_SM, Role.ESME, _SENDING),
    Legal(c.CANCEL_SM, Role.ESME, _SENDING),
    Legal(c.REPLACE_SM, Role.ESME, _SENDING),
    Legal(c.BROADCAST_SM, Role.ESME, _SENDING),
    Legal(c.QUERY_BROADCAST_SM, Role.ESME, _SENDING),
    Legal(c.CANCEL_BROADCAST_SM, Role.ESME, _SENDING),
    Legal(c.ALERT_NOTIFICATION, Role.SMSC, _RECEIVING),
)
"""Requests bound to a state. enquire_link and generic_nack are legal in every one, unbind in every bound one."""


def may_send(role: Role, state: State) -> frozenset[int]:
    """The requests that this role may send in this state."""
    return frozenset(row.command_id for row in LEGAL if row.sender is role and state in row.states)
