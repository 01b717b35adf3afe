"""The link of a client to its SMSC: one owner of one bind that connects, keeps, and connects again."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from heliograph.smpp.constants import VERSION_3_4, status_name
from heliograph.smpp.errors import EncodeError, IllegalState
from heliograph.smpp.events import Bound, LateResponse, Request, Response, ResponseTimedOut
from heliograph.smpp.pdus import Outbind, Pdu
from heliograph.smpp.session import Session
from heliograph.smpp.states import Role
from heliograph.smpplink.backoff import WRONG_CREDENTIALS, Backoff
from heliograph.smpplink.settings import LinkSettings, bind_pdu, client_context
from heliograph.smpplink.wire import Turn, Wire, WireOwner

__all__ = ["ClientLink", "Delivery", "LinkListener"]

_log = logging.getLogger("heliograph.smpplink")

Delivery: TypeAlias = Request
"""A deliver_sm, data_sm or alert_notification of the SMSC; acknowledge the first two by ``sequence_number``."""


class LinkListener(Protocol):
    """Who uses a link. Plain calls on the loop, each with all that one turn brought; an exception closes the link."""

    def bound(self, link: ClientLink) -> None:
        """The link can be used; ``link.free`` tells how far."""

    def unbound(self, link: ClientLink, lost: list[object], reason: str) -> None:
        """The link cannot be used any more. ``lost`` are the contexts of submits whose outcome nobody will tell."""

    def responses(self, link: ClientLink, responses: list[Response]) -> None:
        """Answers to submits, whose slots are free again. An empty list: look at ``link.free`` again."""

    def late_responses(self, link: ClientLink, responses: list[LateResponse]) -> None:
        """Answers to submits that were told as timed out before."""

    def timed_out(self, link: ClientLink, timed_out: list[ResponseTimedOut]) -> None:
        """Submits that were not answered in time: their slots are free, their outcome is unknown for now."""

    def deliveries(self, link: ClientLink, deliveries: list[Delivery]) -> None:
        """Messages and receipts; call `ClientLink.acknowledge` once each is safe."""


class ClientLink:
    """One bind to one SMSC. ``run`` it in a task; `stop` ends it in order, cancelling the task at once.

    ``on_trouble`` is called with a sentence for each change that an operator should know of; by default it is logged.
    ``chance`` gives the jitter of the back-off (0 to 1).
    """

    def __init__(
        self,
        settings: LinkSettings,
        listener: LinkListener,
        *,
        name: str = "",
        on_trouble: Callable[[str], None] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.name = name or f"{settings.system_id}@{settings.host}:{settings.port}"
        self.peer_version: int | None = None
        """interface_version that the SMSC told with its bind response, None when it did not."""
        self.peer_system_id = ""
        self.connects = 0
        """Connections opened since the start, for a gauge and for tests."""
        self.heard_at = 0.0
        """When the connection that ended last was last heard of, in the loop's seconds."""
        self._listener = listener
        self._on_trouble = on_trouble if on_trouble is not None else self._log_trouble
        self._backoff = Backoff(settings.reconnect_min_s, settings.reconnect_max_s, settings.refused_wait_s, chance)
        self._wire: Wire | None = None
        self._bound_at: float | None = None
        self._bind_status = 0
        self._epoch = 0
        self._stopping = False
        self._woken: asyncio.Future[None] | None = None
        self._told = ""

    # --- for the listener ----------------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """How many submits fit now; 0 when not bound to send, while the transport is paused, or when stopping."""
        wire = self._wire
        return 0 if wire is None or self._stopping else wire.free

    @property
    def is_bound(self) -> bool:
        """Whether a bind holds now."""
        return self._wire is not None and self._wire.session.bound

    @property
    def interface_version(self) -> int:
        """The version that both sides speak: that of our bind, or the SMSC's where it told an older one.

        An SMSC that tells none is taken for one of 3.4 at most, as many of that version leave it out.
        """
        theirs = self.peer_version if self.peer_version is not None else VERSION_3_4
        return min(self.settings.interface_version, theirs)

    @property
    def in_flight(self) -> int:
        """Submits that wait for their response."""
        return 0 if self._wire is None else self._wire.session.in_flight

    def submit(self, batch: Sequence[tuple[Pdu | bytes, object]]) -> list[tuple[object, EncodeError]]:
        """Send (PDU, context) pairs, in one write; each context comes back in exactly one of `responses`, `timed_out`
        or `unbound`. Octets in the place of a PDU are the body of a submit_sm.

        Gives those that cannot be said in SMPP: they were not sent and come back nowhere else. Raises `WindowFull`
        (more than `free`) and `IllegalState` (not bound): then none was sent.
        """
        wire = self._wire
        if wire is None or self._stopping:
            raise IllegalState("the link is not bound")
        unsayable = wire.session.submit_all(batch, wire.now())
        wire.flush()
        return unsayable

    def acknowledge(self, items: Sequence[tuple[int, int]]) -> None:
        """Answer deliveries: (sequence_number, command_status) each, in one write.

        Numbers of an earlier connection, or answered already, are passed over: the SMSC will deliver those again.
        """
        wire = self._wire
        if wire is None:
            return
        wire.session.respond_all(items, wire.now())
        wire.answered()

    # --- life ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the link up until `stop`. Returns then; lets cancellation pass after closing the socket."""
        while not self._stopping:
            await self._connect_once()
            if not self._stopping:
                await self._pause(self._backoff.wait_s(self._bind_status))

    async def stop(self, drain_s: float = 5.0) -> None:
        """Send no more, wait at most ``drain_s`` for what is unanswered, unbind, wait for that, close."""
        self._stopping = True
        wire = self._wire
        if wire is not None and not wire.closed.done():
            if wire.session.bound:
                await wire.idle(drain_s)
            wire.unbind()
            await asyncio.wait((wire.closed,), timeout=wire.session.timers.unbind_s + 1)
            wire.abort("stopped")
            await asyncio.wait((wire.closed,), timeout=1)
        self._wake()

    async def _connect_once(self) -> None:
        """One connection from its opening to its end; the socket is closed when this returns."""
        self._bind_status = 0
        try:
            wire = await self._open()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that is no name (TimeoutError is an OSError)
            self._trouble(f"cannot connect: {str(error) or type(error).__name__}")
            return
        try:
            await asyncio.wait((wire.closed,))
        finally:
            if not wire.closed.done():
                wire.abort("cancelled")

    async def _open(self) -> Wire:
        settings = self.settings
        loop = asyncio.get_running_loop()
        context: ssl.SSLContext | None = None
        server_name: str | None = None
        if settings.tls is not None:
            context = client_context(settings.tls)
            server_name = settings.tls.server_name or settings.host
        async with asyncio.timeout(settings.connect_timeout_s):
            _, wire = await loop.create_connection(
                self.new_wire, settings.host, settings.port, ssl=context, server_hostname=server_name
            )
        return wire

    def new_wire(self, owner: WireOwner | None = None) -> Wire:
        """A connection for this link, under a session of its own; ``owner`` is the link itself unless given."""
        settings = self.settings
        self._epoch += 1
        session = Session(
            Role.ESME,
            window=settings.window,
            timers=settings.timers,
            now=asyncio.get_running_loop().time(),
            epoch=self._epoch,
            reads_receipts=settings.reads_receipts,
        )
        return Wire(
            session,
            self if owner is None else owner,
            write_stuck_s=settings.write_stuck_s,
            unanswered_max=settings.unanswered_max,
        )

    async def _pause(self, wait_s: float) -> None:
        self._woken = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait((self._woken,), timeout=wait_s)
        finally:
            self._woken = None

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    # --- for the wire --------------------------------------------------------------------------------------------

    def opened(self, wire: Wire) -> None:
        """Part of `WireOwner`."""
        self._wire = wire
        self.connects += 1
        if self._stopping:
            wire.session.close()
        else:
            wire.session.bind(bind_pdu(self.settings), wire.now())

    def bound(self, wire: Wire, bound: Bound) -> None:
        """Part of `WireOwner`."""
        self._bound_at = wire.now()
        self.peer_version = bound.interface_version
        self.peer_system_id = bound.system_id
        self._told = ""
        _log.info("SMPP link %s is bound as %s", self.name, self.settings.bind.value)
        self._listener.bound(self)

    def bind_refused(self, wire: Wire, status: int) -> None:
        """Part of `WireOwner`."""
        self._bind_status = status
        what = "the credentials are wrong" if status in WRONG_CREDENTIALS else "try later"
        self._trouble(f"bind refused with {status_name(status)}: {what}")

    def turn(self, wire: Wire, turn: Turn) -> None:
        """Part of `WireOwner`. Responses come first, so that a receipt rarely meets a submit without its id."""
        listener = self._listener
        if turn.late:
            listener.late_responses(self, turn.late)
        if turn.timed_out:
            listener.timed_out(self, turn.timed_out)
        if turn.responses:
            listener.responses(self, turn.responses)
        if turn.requests:
            deliveries = turn.requests
            while deliveries and type(deliveries[0].pdu) is Outbind:  # nothing else comes before a bind
                deliveries = deliveries[1:]
            if deliveries:
                listener.deliveries(self, deliveries)
        elif not turn.responses and not turn.timed_out and not turn.late:
            listener.responses(self, [])

    def ended(self, wire: Wire, lost: list[object], reason: str) -> None:
        """Part of `WireOwner`."""
        self._wire = None
        self.heard_at = wire.session.heard_at
        bound_at, self._bound_at = self._bound_at, None
        if bound_at is None:
            if not self._bind_status and not self._stopping:
                self._trouble(f"not bound: {reason}")
            return
        if wire.now() - bound_at >= self.settings.stable_s:
            self._backoff.succeeded()
        if not self._stopping:
            self._trouble(f"lost: {reason}")
        self._listener.unbound(self, lost, reason)

    def _trouble(self, what: str) -> None:
        """Tell a change, once: a carrier that is away for a night is one line."""
        if what != self._told:
            self._told = what
            self._on_trouble(what)

    def _log_trouble(self, what: str) -> None:
        _log.warning("SMPP link %s %s", self.name, what)
