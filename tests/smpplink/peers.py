"""What the tests of links share: a listener and a handler that write down what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import Bind, DeliverSm, SubmitSm, SubmitSmResp
from heliograph.smpp.session import Timers
from heliograph.smpplink.client import ClientLink
from heliograph.smpplink.server import Server, ServerLink, serve
from heliograph.smpplink.settings import LinkSettings, ServerSettings

TEXT = SubmitSm(source_addr="12345", destination_addr="447700900123", short_message=b"hi")
MO = DeliverSm(source_addr="447700900123", destination_addr="12345", short_message=b"yo")


class Notes:
    """Keeps what it is told by name and lets a test wait for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self._waiters: list[asyncio.Future[None]] = []

    def note(self, what: str, value: Any) -> None:
        self.told.append((what, value))
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def of(self, what: str) -> list[Any]:
        """Everything told under a name; lists joined."""
        values = [value for name, value in self.told if name == what]
        return [item for value in values for item in value] if values and isinstance(values[0], list) else values

    async def until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter

    async def until_told(self, what: str, count: int = 1) -> list[Any]:
        await self.until(lambda: len(self.of(what)) >= count)
        return self.of(what)


class Listener(Notes):
    """A listener that acknowledges deliveries with ``status`` (None: not at all)."""

    status: int | None = 0

    def bound(self, link: ClientLink) -> None:
        self.note("bound", link)

    def unbound(self, link: ClientLink, lost: list[object], reason: str) -> None:
        self.note("lost", lost)
        self.note("unbound", reason)

    def responses(self, link: ClientLink, responses: list[Any]) -> None:
        self.note("responses", responses)

    def late_responses(self, link: ClientLink, responses: list[Any]) -> None:
        self.note("late", responses)

    def timed_out(self, link: ClientLink, timed_out: list[Any]) -> None:
        self.note("timed_out", timed_out)

    def deliveries(self, link: ClientLink, deliveries: list[Any]) -> None:
        self.note("deliveries", deliveries)
        if self.status is not None:
            link.acknowledge([(delivery.sequence_number, self.status) for delivery in deliveries])


class Handler(Notes):
    """A server's handler that answers every submit with an id (``answer`` False: not at all)."""

    def __init__(self, *, bind_status: int = 0, answer: bool = True) -> None:
        super().__init__()
        self.bind_status = bind_status
        self.answer = answer
        self.link: ServerLink | None = None
        self.ids = 0

    def bind(self, link: ServerLink, bind: Bind) -> int | None:
        self.link = link
        self.note("bind", bind)
        return self.bind_status

    def requests(self, link: ServerLink, requests: list[Any]) -> None:
        self.note("requests", requests)
        if self.answer:
            link.respond([(request.sequence_number, self.respond_to(request.pdu)) for request in requests])

    def respond_to(self, pdu: Any) -> Any:
        if pdu.command_id != c.SUBMIT_SM:
            return 0
        self.ids += 1
        return SubmitSmResp(f"id{self.ids}")

    def responses(self, link: ServerLink, responses: list[Any]) -> None:
        self.note("responses", responses)

    def late_responses(self, link: ServerLink, responses: list[Any]) -> None:
        self.note("late", responses)

    def timed_out(self, link: ServerLink, timed_out: list[Any]) -> None:
        self.note("timed_out", timed_out)

    def unbound(self, link: ServerLink, lost: list[object], reason: str) -> None:
        self.note("lost", lost)
        self.note("unbound", reason)


class House:
    """A server, a client link to it, and both sides' notes; an async context."""

    def __init__(
        self,
        *,
        handler: Handler | None = None,
        listener: Listener | None = None,
        server: ServerSettings | None = None,
        client: dict[str, Any] | None = None,
        server_tls: Any = None,
    ) -> None:
        self.handler = handler or Handler()
        self.listener = listener or Listener()
        self._server_settings = server
        self._client_settings = client or {}
        self._server_tls = server_tls

    async def __aenter__(self) -> House:
        self.server: Server = await serve(
            "127.0.0.1", 0, lambda: self.handler, settings=self._server_settings, tls=self._server_tls
        )
        fields: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "system_id": "esme",
            "password": "secret",
            "reconnect_min_s": 0.01,
            "reconnect_max_s": 0.02,
        }
        self.settings = LinkSettings(**(fields | self._client_settings))
        self.link = ClientLink(
            self.settings, self.listener, on_trouble=lambda what: self.listener.note("trouble", what)
        )
        self.running = asyncio.create_task(self.link.run())
        return self

    async def bound(self) -> House:
        await self.listener.until_told("bound")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.stop(0)
        await asyncio.wait_for(self.running, 5)
        await self.server.close(0)


FAST = Timers(response_s=0.08, enquire_link_s=0.05, enquire_timeout_s=0.05, session_init_s=1, unbind_s=0.2)
