"""One TCP connection under one session: octets in, batches of events out, one write a turn.

Both ends build on it. It moves octets and time between the transport and the session, sorts the events of a turn into
batches, and sees to it that neither side can fill the other: a paused transport shows no free slots, a flood of
requests stops the reading, a peer that takes nothing is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final, Protocol, cast

from heliograph.smpp.events import (
    BindRefused,
    Bound,
    Broken,
    Event,
    LateResponse,
    Lost,
    Nacked,
    Request,
    Response,
    ResponseTimedOut,
    Unbound,
)
from heliograph.smpp.session import Session

__all__ = ["Turn", "Wire", "WireOwner"]

_log = logging.getLogger("heliograph.smpplink")

_WRITE_BUFFER_HIGH_OCTETS: Final = 256 * 1024
"""About a thousand submits: above it the peer does not keep up and more would only wait longer."""
_UNREAD_MAX_OCTETS: Final = 4 * 1024 * 1024
"""Answers that may pile up for a peer which goes on to ask and reads nothing."""
_TICK_MAX_S: Final = 1.0
_TICK_MIN_S: Final = 0.01
_CLOSE_S: Final = 1.0
"""How long the last octets (a nack, an unbind_resp) may take to leave."""


class Turn:
    """What one turn of the loop brought, in batches."""

    __slots__ = ("late", "requests", "responses", "timed_out")

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.late: list[LateResponse] = []
        self.timed_out: list[ResponseTimedOut] = []
        self.requests: list[Request] = []


class WireOwner(Protocol):
    """Who builds on a wire. May raise: the wire then closes and says so."""

    def opened(self, wire: Wire) -> None:
        """The connection is there."""

    def bound(self, wire: Wire, bound: Bound) -> None:
        """Our bind was accepted."""

    def bind_refused(self, wire: Wire, status: int) -> None:
        """Our bind was refused; `ended` follows."""

    def turn(self, wire: Wire, turn: Turn) -> None:
        """Something arrived, or timed out; an empty turn says that free slots are back after a pause."""

    def ended(self, wire: Wire, lost: list[object], reason: str) -> None:
        """The session is over, told once; the contexts in ``lost`` get no answer. The socket may still be closing."""


class Wire(asyncio.Protocol):
    """An asyncio protocol that drives one session. Made inside a running loop."""

    def __init__(self, session: Session, owner: WireOwner, *, write_stuck_s: float, unanswered_max: int) -> None:
        self.session = session
        self.peer = ""
        self._owner = owner
        self._write_stuck_s = write_stuck_s
        self._unanswered_max = unanswered_max
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the socket is closed."""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None
        self._tick_s = _tick_s(session)
        self._in_turn = False
        self._ended = False
        self._reason = ""
        self._lost: list[object] = []
        self._writing_paused_at: float | None = None
        self._unread = 0
        """Octets of answers that were written since the peer stopped to read."""
        self._reading_paused_at: float | None = None
        self._idle: asyncio.Future[None] | None = None

    # --- the owner's side ----------------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """Free slots of the window; 0 while the transport takes nothing more."""
        return 0 if self._writing_paused_at is not None or self._ended else self.session.free

    def now(self) -> float:
        """The loop's steady clock."""
        return self._loop.time()

    def flush(self) -> None:
        """Write what the session has to send. Inside a turn this waits for its end, so that a turn is one write."""
        if not self._in_turn:
            self._flush()

    def answered(self) -> None:
        """Requests of the peer were answered: write that, and read on if there is room again."""
        self.flush()
        if self._reading_paused_at is not None and self.session.unanswered <= self._unanswered_max // 2:
            self._reading_paused_at = None
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        if self.session.closed:
            self._settle()
        self._check_idle()

    def unbind(self) -> None:
        """End in order, see `Session.unbind`."""
        self.session.unbind(self.now())
        self._settle()

    async def idle(self, timeout_s: float) -> bool:
        """Wait until nothing is unanswered on either side, or the session is over; False when that takes too long."""
        if not self._busy():
            return True
        self._idle = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle
        except TimeoutError:
            return False
        finally:
            self._idle = None
        return True

    def close(self, reason: str) -> None:
        """End now; what is left to send is still sent."""
        self._reason = self._reason or reason
        self.session.close()
        self._settle()

    def abort(self, reason: str) -> None:
        """End now and drop what is left to send."""
        self.close(reason)
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, only alike.
        transport = self._transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=_WRITE_BUFFER_HIGH_OCTETS)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            # Nagle's algorithm would hold each write until the peer's delayed acknowledgement: 40 ms a window.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = _peer_of(transport)
        self._timer = self._loop.call_later(self._tick_s, self._on_timer)
        self._in_turn = True
        self._call_owner("opened")
        self._end_turn()

    def data_received(self, data: bytes) -> None:
        self._in_turn = True
        self.session.receive(data, self._loop.time())
        if self._writing_paused_at is not None:
            self._answer_who_does_not_read()
        self._tell()
        self._end_turn()

    def pause_writing(self) -> None:
        self._writing_paused_at = self._loop.time()

    def resume_writing(self) -> None:
        self._writing_paused_at = None
        self._unread = 0
        self._in_turn = True
        self._call_owner("turn", Turn())
        self._end_turn()

    def eof_received(self) -> bool:
        self._reason = self._reason or "the peer closed the connection"
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._reason = self._reason or (f"connection lost: {exc}" if exc else "the peer closed the connection")
        for timer in (self._timer, self._abort_timer):
            if timer is not None:
                timer.cancel()
        self.session.close()
        self._settle()
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)

    # --- a turn --------------------------------------------------------------------------------------------------

    def _on_timer(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(self._tick_s, self._on_timer)
        if _stuck(self._writing_paused_at, self._write_stuck_s, now):
            self.abort(f"the peer took nothing for {self._write_stuck_s:g} s")
            return
        if self._reading_paused_at is not None:
            # We chose not to hear the peer, so nothing that it did not say may be held against it.
            if _stuck(self._reading_paused_at, self.session.timers.response_s, now):
                self.close("our own side did not answer the peer's requests")
            return
        self._in_turn = True
        self.session.tick(now)
        self._tell()
        self._end_turn()

    def _tell(self) -> None:
        """Give the owner what the session has to tell, sorted."""
        turn = Turn()
        turn.responses, turn.requests, others = self.session.turn()
        for event in others:
            self._sort(event, turn)
        if turn.responses or turn.requests or turn.late or turn.timed_out:
            self._call_owner("turn", turn)

    def _sort(self, event: Event, turn: Turn) -> None:
        if isinstance(event, ResponseTimedOut):
            turn.timed_out.append(event)
        elif isinstance(event, LateResponse):
            turn.late.append(event)
        elif isinstance(event, Nacked):
            if event.context is not None:
                turn.responses.append(Response(event.context, event.status, "", {}, event.sequence_number))
        else:
            self._about_the_session(event)

    def _about_the_session(self, event: Event) -> None:
        if isinstance(event, Bound):
            self._call_owner("bound", event)
        elif isinstance(event, BindRefused):
            self._reason = self._reason or "bind refused"
            self._call_owner("bind_refused", event.status)
        elif isinstance(event, Broken):
            self._reason = self._reason or event.reason
        elif isinstance(event, Unbound):
            self._reason = self._reason or ("unbound by the peer" if event.by_peer else "unbound")
        elif isinstance(event, Lost):
            self._lost += event.contexts

    def _call_owner(self, what: str, *arguments: object) -> None:
        """Call the owner; what it raises ends this link with a reason, and nothing else."""
        try:
            getattr(self._owner, what)(self, *arguments)
        except Exception as error:
            _log.exception("SMPP link to %s: its user failed on %r", self.peer, what)
            self._reason = self._reason or f"its user failed on {what!r}: {type(error).__name__}"
            self.session.close()

    def _end_turn(self) -> None:
        self._in_turn = False
        self._flush()
        session = self.session
        if session.closed:
            self._settle()
        elif session.unanswered > self._unanswered_max and self._reading_paused_at is None:
            self._reading_paused_at = self._loop.time()
            if self._transport is not None:
                self._transport.pause_reading()
        self._check_idle()

    def _check_idle(self) -> None:
        if self._idle is not None and not self._idle.done() and not self._busy():
            self._idle.set_result(None)

    def _busy(self) -> bool:
        return not self.session.closed and bool(self.session.in_flight or self.session.unanswered)

    def _answer_who_does_not_read(self) -> None:
        """What we send of our own accord is bounded by the window; what a peer asks for is bounded here."""
        octets = self.session.data_to_send()
        self._unread += len(octets)
        if self._unread > _UNREAD_MAX_OCTETS:
            self.abort("the peer did not read what it asked for")
        elif octets and self._transport is not None:
            self._transport.write(octets)

    def _flush(self) -> None:
        octets = self.session.data_to_send()
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _settle(self) -> None:
        """Write what is left, and once the session is over tell it and close the socket."""
        if self._in_turn:
            return
        self._flush()
        if not self.session.closed or self._ended:
            return
        self._ended = True
        self._tell()
        self._call_owner("ended", self._lost, self._reason or "closed")
        self._check_idle()
        if self._transport is not None and not self.closed.done():
            self._transport.close()
            self._abort_timer = self._loop.call_later(_CLOSE_S, self._transport.abort)


def _stuck(since: float | None, bound_s: float, now: float) -> bool:
    return since is not None and now - since >= bound_s


def _tick_s(session: Session) -> float:
    """How often to look at the clock: a fraction of the shortest timer, and at least once a second."""
    timers = session.timers
    waits = (
        timers.session_init_s,
        timers.enquire_link_s,
        timers.enquire_timeout_s,
        timers.response_s,
        timers.pdu_read_s,
        timers.inactivity_s,
        timers.unbind_s,
    )
    return max(_TICK_MIN_S, min(_TICK_MAX_S, min((wait for wait in waits if wait), default=_TICK_MAX_S) / 4))


def _peer_of(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) and len(name) >= 2 else str(name or "")
