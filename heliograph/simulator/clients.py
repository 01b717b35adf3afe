"""The carrier's side of each connection: what it owes its client, written once a turn."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from heliograph.simulator.log import CarrierLog
from heliograph.simulator.outgoing import Outgoing
from heliograph.smpp.constants import VERSION_5_0
from heliograph.smpp.events import LateResponse, Request, Response, ResponseTimedOut
from heliograph.smpp.pdus import Bind, Pdu
from heliograph.smpplink.server import ServerLink

__all__ = ["Carrier", "Client", "Switchboard"]


class Carrier(Protocol):
    """Who decides; each call has all that one turn brought for one client."""

    def asked_to_bind(self, client: Client, bind: Bind) -> int: ...

    def asked(self, client: Client, requests: list[Request]) -> None: ...

    def answered(self, client: Client, responses: list[Response]) -> None: ...

    def unanswered(self, client: Client, contexts: list[object]) -> None:
        """Receipts or replies that were not answered in time."""
        ...

    def gone(self, client: Client, lost: list[object], reason: str) -> None: ...


class Client:
    """One connection. Fulfils ``smpplink.server.ServerHandler``."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        self.number = number
        """Counted from 1; what the log calls the link."""
        self.link: ServerLink | None = None
        self.submits = 0
        self.waiting: deque[Outgoing] = deque()
        """What it is sent as soon as its window has room."""
        self.answers: list[tuple[int, Pdu | int]] = []
        self.sends: list[tuple[Pdu, object]] = []
        self._carrier = carrier

    @property
    def receives(self) -> bool:
        """Whether it takes receipts and replies."""
        return self.link is not None and self.link.can_receive

    @property
    def speaks_5_0(self) -> bool:
        """Whether both sides of its bind know SMPP 5.0."""
        return self.link is not None and self.link.interface_version >= VERSION_5_0

    @property
    def room(self) -> int:
        """How many more receipts and replies fit into its window."""
        return 0 if self.link is None else self.link.free - len(self.sends)

    def write(self, *, receipts_first: bool) -> None:
        """Write what this turn owes it."""
        link = self.link
        if link is None:
            return
        answers, self.answers = self.answers, []
        if answers and not receipts_first:
            link.respond(answers)
        # What a client that is leaving cannot take any more stays here until its link has ended.
        if self.sends and link.can_receive:
            sends, self.sends = self.sends, []
            link.deliver(sends)
        if answers and receipts_first:
            link.respond(answers)

    def bind(self, link: ServerLink, bind: Bind) -> int:
        self.link = link
        return self._carrier.asked_to_bind(self, bind)

    def requests(self, link: ServerLink, requests: list[Request]) -> None:
        self._carrier.asked(self, requests)

    def responses(self, link: ServerLink, responses: list[Response]) -> None:
        self._carrier.answered(self, responses)

    def late_responses(self, link: ServerLink, responses: list[LateResponse]) -> None:
        """What was answered too late is on its way again."""

    def timed_out(self, link: ServerLink, timed_out: list[ResponseTimedOut]) -> None:
        self._carrier.unanswered(self, [event.context for event in timed_out])

    def unbound(self, link: ServerLink, lost: list[object], reason: str) -> None:
        # Answers are lost with the link; receipts are not.
        lost = lost + [outgoing for _, outgoing in self.sends]
        self.link, self.answers, self.sends = None, [], []
        self._carrier.gone(self, lost, reason)


class Switchboard:
    """All clients; and which of them are owed a write at the end of the turn."""

    def __init__(self, log: CarrierLog, *, receipts_first: bool) -> None:
        self.clients: dict[int, Client] = {}
        """Those that are bound, by number."""
        self._log = log
        self.receipts_first = receipts_first
        """Whether receipts are written before the responses of the same turn."""
        self._owed: set[Client] = set()

    def answer(self, client: Client, ticket: int, answer: Pdu | int) -> None:
        client.answers.append((ticket, answer))
        self._owed.add(client)

    def send(self, client: Client, outgoing: Outgoing) -> None:
        client.sends.append((outgoing.pdu, outgoing))
        self._owed.add(client)

    def write(self) -> None:
        """The end of a turn: the truth to the log, then one write for each client."""
        self._log.flush()
        owed, self._owed = self._owed, set()
        for client in owed:
            client.write(receipts_first=self.receipts_first)
