"""Links of clients to us: a port that they bind to, and one `ServerLink` for each connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol

from heliograph.smpp import constants as c
from heliograph.smpp.errors import EncodeError
from heliograph.smpp.events import Bound, LateResponse, Request, Response, ResponseTimedOut
from heliograph.smpp.pdus import (
    Bind,
    BindReceiverResp,
    BindResp,
    BindTransceiverResp,
    BindTransmitterResp,
    Pdu,
)
from heliograph.smpp.session import Session
from heliograph.smpp.states import Role, State
from heliograph.smpplink.settings import ServerSettings
from heliograph.smpplink.wire import Turn, Wire

__all__ = ["Server", "ServerHandler", "ServerLink", "serve"]

_log = logging.getLogger("heliograph.smpplink")

_BIND_RESPONSES: dict[int, type[BindResp]] = {
    c.BIND_RECEIVER: BindReceiverResp,
    c.BIND_TRANSMITTER: BindTransmitterResp,
    c.BIND_TRANSCEIVER: BindTransceiverResp,
}
_RECEIVING = frozenset((State.BOUND_RX, State.BOUND_TRX))


class ServerHandler(Protocol):
    """Who answers one client. Plain calls on the loop, each with all of a turn; an exception closes the link."""

    def bind(self, link: ServerLink, bind: Bind) -> int | None:
        """The status that answers a bind: 0 accepts. None: `ServerLink.answer_bind` will be called later."""

    def requests(self, link: ServerLink, requests: list[Request]) -> None:
        """submit_sm and other requests, in order; answer each with `ServerLink.respond`."""

    def responses(self, link: ServerLink, responses: list[Response]) -> None:
        """Answers to deliveries. An empty list: look at ``link.free`` again."""

    def late_responses(self, link: ServerLink, responses: list[LateResponse]) -> None:
        """Answers to deliveries that were told as timed out before."""

    def timed_out(self, link: ServerLink, timed_out: list[ResponseTimedOut]) -> None:
        """Deliveries that were not answered in time."""

    def unbound(self, link: ServerLink, lost: list[object], reason: str) -> None:
        """The link is over, bound or not. ``lost`` are the contexts of deliveries that nobody will answer."""


class ServerLink:
    """One client's connection."""

    def __init__(self, settings: ServerSettings, handler: ServerHandler, links: set[ServerLink]) -> None:
        self.settings = settings
        self.bind_pdu: Bind | None = None
        """The bind as the client sent it, None before."""
        self._bind_sequence: int | None = None
        self._handler = handler
        self._links = links
        self._wire: Wire | None = None

    @property
    def free(self) -> int:
        """How many deliveries fit now; 0 unless bound to receive, or while the transport is paused."""
        return 0 if self._wire is None else self._wire.free

    @property
    def is_bound(self) -> bool:
        """Whether a bind holds now."""
        return self._wire is not None and self._wire.session.bound

    @property
    def can_receive(self) -> bool:
        """Whether the client bound as receiver or transceiver."""
        return self._wire is not None and self._wire.session.state in _RECEIVING

    @property
    def interface_version(self) -> int:
        """The version that both sides speak."""
        theirs = self.bind_pdu.interface_version if self.bind_pdu is not None else 0
        return min(theirs, self.settings.interface_version)

    @property
    def peer(self) -> str:
        """Address and port of the client."""
        return "" if self._wire is None else self._wire.peer

    def answer_bind(self, status: int) -> None:
        """Answer the bind that is waiting; anything but 0 closes the link after the answer left."""
        wire, sequence_number, bind = self._wire, self._bind_sequence, self.bind_pdu
        if wire is None or sequence_number is None or bind is None:
            return
        self._bind_sequence = None
        if status:
            wire.session.respond(sequence_number, status, wire.now())
            wire.close(f"bind refused with {c.status_name(status)}")
            return
        # A client of 3.3 knows no TLVs; one that says 0x34 or more may be told what we speak.
        version = bytes((self.settings.interface_version,))
        tlvs = {c.TAG_SC_INTERFACE_VERSION: version} if bind.interface_version >= c.VERSION_3_4 else {}
        answer = _BIND_RESPONSES[bind.command_id](self.settings.system_id[:15], tlvs)
        wire.session.respond(sequence_number, answer, wire.now())
        wire.answered()

    def respond(self, items: Sequence[tuple[int, Pdu | int]]) -> None:
        """Answer requests, in one write: (sequence_number, PDU or status) each. Those of a gone client pass over."""
        wire = self._wire
        if wire is None:
            return
        wire.session.respond_all(items, wire.now())
        wire.answered()

    def deliver(self, batch: Sequence[tuple[Pdu, object]]) -> list[tuple[object, EncodeError]]:
        """Send (deliver_sm or data_sm, context) pairs, in one write; as `ClientLink.submit`."""
        wire = self._wire
        if wire is None:
            return []
        unsayable = wire.session.submit_all(batch, wire.now())
        wire.flush()
        return unsayable

    def tell(self, pdu: Pdu) -> None:
        """Send an alert_notification (or outbind), which has no answer."""
        wire = self._wire
        if wire is not None:
            wire.session.outbind(pdu, wire.now())
            wire.flush()

    def close(self, reason: str = "closed by us") -> None:
        """Drop the client at once."""
        if self._wire is not None:
            self._wire.abort(reason)

    async def stop(self, drain_s: float = 5.0) -> None:
        """Wait at most ``drain_s`` for what is unanswered, unbind, wait for that, close."""
        wire = self._wire
        if wire is None:
            return
        if wire.session.bound:
            await wire.idle(drain_s)
        wire.unbind()
        await asyncio.wait((wire.closed,), timeout=wire.session.timers.unbind_s + 1)
        wire.abort("stopped")

    # --- for the wire --------------------------------------------------------------------------------------------

    def opened(self, wire: Wire) -> None:
        """Part of `WireOwner`."""
        self._wire = wire
        self._links.add(self)

    def bound(self, wire: Wire, bound: Bound) -> None:
        """Part of `WireOwner`; a server is bound by its own answer."""

    def bind_refused(self, wire: Wire, status: int) -> None:
        """Part of `WireOwner`; a server does not bind."""

    def turn(self, wire: Wire, turn: Turn) -> None:
        """Part of `WireOwner`."""
        handler = self._handler
        if turn.late:
            handler.late_responses(self, turn.late)
        if turn.timed_out:
            handler.timed_out(self, turn.timed_out)
        if turn.responses:
            handler.responses(self, turn.responses)
        requests = turn.requests
        if requests and isinstance(requests[0].pdu, Bind):
            self._bind(requests[0])
            requests = requests[1:]
        if requests:
            handler.requests(self, requests)
        elif not (turn.responses or turn.requests or turn.timed_out or turn.late):
            handler.responses(self, [])

    def _bind(self, request: Request) -> None:
        assert isinstance(request.pdu, Bind)
        self.bind_pdu = request.pdu
        self._bind_sequence = request.sequence_number
        status = self._handler.bind(self, request.pdu)
        if status is not None:
            self.answer_bind(status)

    def ended(self, wire: Wire, lost: list[object], reason: str) -> None:
        """Part of `WireOwner`."""
        self._links.discard(self)
        self._wire = None
        self._handler.unbound(self, lost, reason)


class Server:
    """A listening port and the links of its clients."""

    def __init__(self, server: asyncio.Server, links: set[ServerLink]) -> None:
        self._server = server
        self.links = links

    @property
    def port(self) -> int:
        """The port in use, also when 0 was asked for."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self, drain_s: float = 1.0) -> None:
        """Take no more clients, end each link in order, and drop what is left."""
        self._server.close()
        if self.links:
            await asyncio.gather(*[link.stop(drain_s) for link in tuple(self.links)])
        for link in tuple(self.links):
            link.close("the server stopped")


async def serve(
    host: str,
    port: int,
    handler_factory: Callable[[], ServerHandler],
    *,
    settings: ServerSettings | None = None,
    tls: ssl.SSLContext | None = None,
    between: Callable[[Wire], asyncio.Protocol] | None = None,
) -> Server:
    """Listen; each connection gets a handler of its own. ``port`` 0 takes a free one. Raises OSError.

    ``between`` makes a protocol that stands between a connection and its wire.
    """
    loop = asyncio.get_running_loop()
    chosen = settings if settings is not None else ServerSettings()
    links: set[ServerLink] = set()

    def new_wire() -> asyncio.Protocol:
        session = Session(Role.SMSC, window=chosen.window, timers=chosen.timers, now=loop.time())
        link = ServerLink(chosen, handler_factory(), links)
        wire = Wire(session, link, write_stuck_s=chosen.write_stuck_s, unanswered_max=chosen.unanswered_max)
        return wire if between is None else between(wire)

    return Server(await loop.create_server(new_wire, host, port, ssl=tls), links)
