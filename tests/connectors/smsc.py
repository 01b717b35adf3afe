"""An SMSC on loopback whose behaviour a test sets: real sockets, the server's own codec."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import Bind, DeliverSm, SubmitSmResp
from heliograph.smpplink.server import ServerLink


class Told:
    """Lets a test wait until what was told is enough."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                future = asyncio.get_running_loop().create_future()
                self._waiting.append(future)
                await future


class Carrier(Told):
    """An SMSC whose behaviour a test sets. It answers each submit_sm with ``answer``, or not at all for None."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[ServerLink] = []
        self.binds: list[Bind] = []
        self.submits: list[Any] = []
        self.acks: list[int] = []
        self.unanswered: list[tuple[ServerLink, int]] = []
        self.answer: Callable[[ServerLink, Any], Any] = self.accept
        self._ids = 0x00B8BE18

    def accept(self, link: ServerLink, pdu: Any) -> Any:
        self._ids += 1
        return SubmitSmResp(f"{self._ids:08X}")

    def deliver(self, pdu: DeliverSm, link: ServerLink | None = None) -> None:
        (link or next(link for link in self.links if link.can_receive)).deliver([(pdu, None)])

    def receipt(self, message_id: str, stat: str = "DELIVRD", link: ServerLink | None = None) -> None:
        text = (
            f"id:{message_id} sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:{stat} err:000 text:"
        )
        self.deliver(DeliverSm(esm_class=c.ESM_TYPE_RECEIPT, short_message=text.encode()), link)

    def bind(self, link: ServerLink, bind: Bind) -> int | None:
        self.links.append(link)
        self.binds.append(bind)
        self._tell()
        return 0

    def requests(self, link: ServerLink, requests: list[Any]) -> None:
        for request in requests:
            self.submits.append(request.pdu)
            answer = self.answer(link, request.pdu)
            if answer is None:
                self.unanswered.append((link, request.sequence_number))
            else:
                link.respond([(request.sequence_number, answer)])
        self._tell()

    def responses(self, link: ServerLink, responses: list[Any]) -> None:
        self.acks += [response.status for response in responses]
        self._tell()

    def late_responses(self, link: ServerLink, responses: list[Any]) -> None: ...

    def timed_out(self, link: ServerLink, timed_out: list[Any]) -> None: ...

    def unbound(self, link: ServerLink, lost: list[object], reason: str) -> None:
        if link in self.links:
            self.links.remove(link)
