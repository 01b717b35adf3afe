"""Receipts and replies on their way to clients: whom they go to, and when they come again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from heliograph.simulator.clients import Client, Switchboard
from heliograph.simulator.log import CarrierLog, Fact
from heliograph.simulator.outgoing import Outgoing
from heliograph.smpp import constants as c
from heliograph.smpp.events import Response

__all__ = ["Deliveries"]

_TRIES_MAX: Final = 100
"""After so many refusals a receipt or a reply is given up."""
_FOR_GOOD: Final = frozenset((c.ESME_ROK, c.ESME_RX_P_APPN, c.ESME_RX_R_APPN))
"""Answers after which a receipt or a reply does not come again."""


class Deliveries:
    """Keeps every receipt and reply until a client has answered it for good."""

    def __init__(
        self,
        board: Switchboard,
        log: CarrierLog,
        *,
        other_bind: bool,
        again: Callable[[Callable[..., None], Outgoing], None],
    ) -> None:
        self.unfinished = 0
        """Receipts and replies that nobody has answered for good yet."""
        self._board = board
        self._log = log
        self.other_bind = other_bind
        """Whether receipts go to another bind than the one that submitted."""
        self._again_later = again
        self._homeless: deque[Outgoing] = deque()

    def begin(self, outgoing: Outgoing) -> None:
        """A new receipt or reply exists; it is given to somebody when it is due."""
        self.unfinished += 1

    def give(self, outgoing: Outgoing) -> None:
        """Send it, or let it wait for room, or for somebody who receives."""
        client = self._choose(outgoing)
        if client is None:
            self._homeless.append(outgoing)
        elif client.waiting or client.room <= 0:
            client.waiting.append(outgoing)
        else:
            self._send(client, outgoing)

    def _choose(self, outgoing: Outgoing) -> Client | None:
        clients = self._board.clients
        own = clients.get(outgoing.link)
        if own is not None and not own.receives:
            own = None
        if own is not None and not self.other_bind:
            return own
        others = [client for client in clients.values() if client is not own and client.receives]
        return max(others, key=_readiness) if others else own

    def pump(self, client: Client) -> None:
        """There may be room: send what waits for it."""
        waiting = client.waiting
        room = client.room
        while waiting and room > 0:
            self._send(client, waiting.popleft())
            room -= 1

    def bound(self) -> None:
        """Somebody bound: what waited for that goes on."""
        homeless, self._homeless = self._homeless, deque()
        self.give_all(homeless)

    def give_all(self, outgoing: Iterable[Any]) -> None:
        """:meth:`give` for each."""
        for one in outgoing:
            self.give(one)

    def answered(self, client: Client, responses: list[Response]) -> None:
        """The client answered; anything but yes or a final no makes it come again."""
        at = time.time()
        for response in responses:
            outgoing: Any = response.context
            self._log.add(
                Fact(
                    fact=outgoing.fact + "_response",
                    at=at,
                    link=client.number,
                    sequence=response.sequence_number,
                    to=outgoing.to,
                    sender=outgoing.sender,
                    id=outgoing.id,
                    status=response.status,
                )
            )
            if response.status in _FOR_GOOD:
                self.unfinished -= 1
            else:
                self.again(outgoing)
        if client.waiting:
            self.pump(client)

    def again(self, outgoing: Any) -> None:
        """It comes again after a while, a hundred times at most."""
        outgoing.tries += 1
        if outgoing.tries < _TRIES_MAX:
            self._again_later(self.give, outgoing)
        else:
            self.unfinished -= 1

    def _send(self, client: Client, outgoing: Outgoing) -> None:
        self._log.add(
            Fact(
                fact=outgoing.fact,
                at=time.time(),
                link=client.number,
                to=outgoing.to,
                sender=outgoing.sender,
                id=outgoing.id,
                stat=outgoing.stat,
                text=outgoing.text,
                hash=outgoing.hash,
                part=outgoing.part,
            )
        )
        self._board.send(client, outgoing)


def _readiness(client: Client) -> int:
    return client.room - len(client.waiting)
