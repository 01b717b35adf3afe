"""A client for the tests: our own link, with everything that it heard kept in lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from heliograph.simulator import VirtualCarrier
from heliograph.smpp import constants as c
from heliograph.smpp.events import LateResponse, Request, Response, ResponseTimedOut
from heliograph.smpp.pdus import DeliverSm, SubmitSm
from heliograph.smpp.receipts import ReceiptFields, is_receipt, parse_receipt
from heliograph.smpplink.client import ClientLink
from heliograph.smpplink.settings import BindMode, LinkSettings


class Ear:
    """A ``LinkListener`` that keeps what it hears, in order, and acknowledges what comes."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.deliver_status = c.ESME_ROK
        self.binds = 0
        self.lost: list[object] = []
        self.troubles: list[str] = []
        self._news = asyncio.Event()

    def bound(self, link: ClientLink) -> None:
        self.binds += 1
        self._news.set()

    def unbound(self, link: ClientLink, lost: list[object], reason: str) -> None:
        self.lost += lost
        self._news.set()

    def responses(self, link: ClientLink, responses: list[Response]) -> None:
        self.heard += [("response", response) for response in responses]
        self._news.set()

    def late_responses(self, link: ClientLink, responses: list[LateResponse]) -> None:
        raise AssertionError("nothing is late here")

    def timed_out(self, link: ClientLink, timed_out: list[ResponseTimedOut]) -> None:
        raise AssertionError("nothing times out here")

    def deliveries(self, link: ClientLink, deliveries: list[Request]) -> None:
        for delivery in deliveries:
            assert isinstance(delivery.pdu, DeliverSm)
            self.heard.append(("receipt" if is_receipt(delivery.pdu) else "mo", delivery.pdu))
        link.acknowledge([(delivery.sequence_number, self.deliver_status) for delivery in deliveries])
        self._news.set()

    def of(self, kind: str) -> list[Any]:
        return [what for heard, what in self.heard if heard == kind]

    @property
    def receipts(self) -> list[ReceiptFields]:
        return [parse_receipt(pdu) for pdu in self.of("receipt")]

    def trouble(self, sentence: str) -> None:
        self.troubles.append(sentence)
        self._news.set()

    async def until(self, true: Callable[[], bool], timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def hears(self, kind: str, count: int) -> list[Any]:
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)


@asynccontextmanager
async def client(
    carrier: VirtualCarrier,
    *,
    window: int = 100,
    bind: BindMode = BindMode.TRANSCEIVER,
    wait: bool = True,
    interface_version: int = 0x34,
) -> AsyncIterator[tuple[ClientLink, Ear]]:
    """A bound client of the carrier."""
    ear = Ear()
    settings = LinkSettings(
        host="127.0.0.1",
        port=carrier.port,
        system_id=carrier.settings.system_id,
        password=carrier.settings.password,
        window=window,
        bind=bind,
        interface_version=interface_version,
        reconnect_min_s=0.01,
        reconnect_max_s=0.01,
    )
    link = ClientLink(settings, ear, on_trouble=ear.trouble)
    running = asyncio.create_task(link.run())
    try:
        if wait:
            await ear.until(lambda: ear.binds > 0)
        yield link, ear
    finally:
        running.cancel()
        await asyncio.wait((running,))


def submit(to: str = "+491701234567", text: bytes = b"hello", **fields: Any) -> SubmitSm:
    """A submit that asks for a receipt."""
    values: dict[str, Any] = {
        "source_addr_ton": 5,
        "source_addr": "Shop",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": to.removeprefix("+"),
        "registered_delivery": 1,
        "short_message": text,
    }
    return SubmitSm(**(values | fields))
