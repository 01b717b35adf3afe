"""An SMPP session without I/O, for both roles.

Octets and ``now`` (seconds of any steady clock) go in; events and octets come out:

    session = Session(Role.ESME, window=10, now=now)
    session.bind(BindTransceiver(system_id="esme", password="secret"), now)
    write(session.data_to_send())
    session.receive(octets, now)
    for event in session.events(): ...
    wake_at = session.next_deadline()        # then session.tick(now)

Each request of ours holds one slot of the window until its response, its time-out or the end, and gives it back exactly
once. enquire_link, bind and unbind need no slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgspec

from heliograph.smpp import constants as c
from heliograph.smpp.codec import Decoded, decode, encode, encode_header
from heliograph.smpp.errors import EncodeError, IllegalState, PduRejected, WindowFull
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
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.pdus import PDUS, Bind, BindResp, DataSmResp, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from heliograph.smpp.states import BOUND_STATE, Role, State, may_send
from heliograph.smpp.straight import decode_message_id, decode_sm, encode_resp, encode_sm

__all__ = ["Session", "Timers"]

_header_of: Final = Struct(">IIII").unpack_from
_header: Final = Struct(">IIII").pack

_NACKS_OF_NOTHING_MAX: Final = 3
"""generic_nacks with sequence 0 after which the two sides no longer understand each other."""
_MISSES_MAX: Final = 2
_LATE_MAX: Final = 10_000
"""Requests whose late answer is still recognised: bounds the memory of a peer that stopped answering."""
_NACKED_STATUSES: Final = frozenset((c.ESME_RINVCMDID, c.ESME_RINVCMDLEN))
"""Refusals that the command's own response cannot say, since its body was not understood."""
_WITHOUT_RESPONSE: Final = frozenset((c.ALERT_NOTIFICATION, c.OUTBIND))


class Timers(msgspec.Struct, frozen=True):
    """How long a session waits, in seconds; 0 switches a timer off. Source: SMPP 3.4 §7.2, and what peers bear."""

    session_init_s: float = 10
    enquire_link_s: float = 30
    """Silence of the peer after which we probe; any PDU of it starts the count anew."""
    enquire_timeout_s: float = 15
    response_s: float = 60
    pdu_read_s: float = 10
    """From the first octet of a PDU to its last."""
    inactivity_s: float = 0
    unbind_s: float = 5
    late_s: float = 600
    """How long a request is remembered after its time-out."""


class Session:
    """One SMPP session. Not for use by two threads; ``now`` must never go back.

    ``epoch`` is put above the 32 bits of the sequence numbers that `Request` events show, so that an answer meant for
    an earlier session on the same link finds nothing here instead of answering a stranger.
    """

    __slots__ = (
        "_acted_at",
        "_again",
        "_bind_command",
        "_bind_sequence",
        "_capacity",
        "_epoch",
        "_events",
        "_heard_at",
        "_inbound",
        "_late",
        "_may_receive",
        "_may_send",
        "_misses",
        "_nacks_of_nothing",
        "_out",
        "_partial_since",
        "_peer_unbind",
        "_pending",
        "_probe_at",
        "_probe_sequence",
        "_reader",
        "_sequence",
        "_started_at",
        "_unbind_at",
        "_unbind_sequence",
        "ignored",
        "peer_version",
        "role",
        "state",
        "timers",
        "window",
    )

    def __init__(
        self,
        role: Role,
        *,
        window: int = 10,
        timers: Timers | None = None,
        now: float = 0.0,
        epoch: int = 0,
        first_sequence_number: int = 1,
    ) -> None:
        self.role = role
        self.window = window
        self.timers = timers if timers is not None else Timers()
        self.peer_version: int | None = None
        """interface_version as the peer stated it, None while it has not."""
        self.ignored = 0
        """PDUs that answered nothing we asked."""
        self._epoch = epoch << 32
        self._sequence = first_sequence_number
        self._pending: dict[int, tuple[float, object]] = {}
        self._late: dict[int, tuple[float, object]] = {}
        self._inbound: dict[int, int] = {}
        self._again: dict[int, list[int]] = {}
        self._events: list[Event] = []
        self._out: list[bytes] = []
        self._reader = FrameReader()
        self._started_at = self._heard_at = self._acted_at = now
        self._partial_since: float | None = None
        self._bind_sequence: int | None = None
        self._bind_command = 0
        self._probe_sequence: int | None = None
        self._probe_at = 0.0
        self._misses = 0
        self._nacks_of_nothing = 0
        self._unbind_sequence: int | None = None
        self._unbind_at: float | None = None
        self._peer_unbind: int | None = None
        self._set_state(State.OPEN)

    # --- what the owner sees -------------------------------------------------------------------------------------

    @property
    def free(self) -> int:
        """Slots of the window that are free; 0 unless bound so that we may send."""
        free = self._capacity - len(self._pending)
        return free if free > 0 else 0

    @property
    def in_flight(self) -> int:
        """Requests of ours that wait for their answer."""
        return len(self._pending)

    @property
    def unanswered(self) -> int:
        """Requests of the peer that wait for `respond`."""
        return len(self._inbound) + (sum(map(len, self._again.values())) if self._again else 0)

    @property
    def bound(self) -> bool:
        """Whether a bind holds and no unbind has begun."""
        return self.state in _BOUND

    @property
    def heard_at(self) -> float:
        """When a whole PDU of the peer came last."""
        return self._heard_at

    @property
    def closed(self) -> bool:
        """Whether the session is over: nothing is read any more; what is left to send may still be sent."""
        return self.state is State.CLOSED

    def events(self) -> list[Event]:
        """What happened since the last call, in order."""
        events = self._events
        self._events = []
        return events

    def next_event(self) -> Event | None:
        """The oldest event not yet taken, or None."""
        return self._events.pop(0) if self._events else None

    def data_to_send(self) -> bytes:
        """The octets to write now; each is given once."""
        out = self._out
        if not out:
            return b""
        octets = b"".join(out) if len(out) > 1 else out[0]
        out.clear()
        return octets

    # --- requests of ours ----------------------------------------------------------------------------------------

    def bind(self, pdu: Bind, now: float) -> int:
        """Ask to be bound; gives the sequence number. `Bound` or `BindRefused` follows. Raises `IllegalState`."""
        if pdu.command_id not in self._may_send or self._bind_sequence is not None:
            raise IllegalState(f"a bind is not allowed when {self.state.value}")
        sequence_number = self._take_sequence()
        self._out.append(encode(pdu, sequence_number))
        self._bind_sequence, self._bind_command = sequence_number, pdu.command_id
        self._acted_at = now
        return sequence_number

    def outbind(self, pdu: Pdu, now: float) -> int:
        """As SMSC: ask the ESME that we dialled to bind as receiver, or tell it with alert_notification.

        For PDUs that have no response and so need no slot. Raises `IllegalState`.
        """
        if pdu.command_id not in self._may_send or pdu.command_id not in _WITHOUT_RESPONSE:
            raise IllegalState(f"{type(pdu).__name__} is not allowed when {self.state.value}")
        sequence_number = self._take_sequence()
        self._out.append(encode(pdu, sequence_number))
        self._acted_at = now
        return sequence_number

    def submit(self, pdu: Pdu, now: float, context: object = None) -> int:
        """Send a request; its answer comes with ``context``. Gives the sequence number.

        Raises `WindowFull`, `IllegalState` (not bound for this PDU), `EncodeError`; then nothing is sent.
        """
        self._check_legal(pdu)
        if len(self._pending) >= self._capacity:
            raise WindowFull(f"{len(self._pending)} requests are unanswered")
        return self._send(pdu, now, context)

    def submit_all(self, batch: Sequence[tuple[Pdu, object]], now: float) -> list[tuple[object, EncodeError]]:
        """`submit` for many: (PDU, context) each. Gives those that cannot be said in SMPP, which were not sent.

        Raises `WindowFull` when there are more than free slots, `IllegalState`; then none is sent.
        """
        for kind in {type(pdu) for pdu, _ in batch}:
            self._check_legal(kind)
        if len(batch) > self._capacity - len(self._pending):
            raise WindowFull(f"{len(batch)} requests for {self.free} free slots")
        unsayable: list[tuple[object, EncodeError]] = []
        pending, late, out = self._pending, self._late, self._out
        sequence_number = self._sequence
        for pdu, context in batch:
            # The ordinary case of `_send`, without a call for each.
            if (
                type(pdu) is SubmitSm
                and sequence_number not in pending
                and sequence_number not in late
                and sequence_number <= c.SEQUENCE_NUMBER_MAX
            ):
                frame = encode_sm(pdu, sequence_number)
                if frame is not None:
                    out.append(frame)
                    pending[sequence_number] = (now, context)
                    sequence_number += 1
                    continue
            self._sequence = sequence_number
            try:
                self._send(pdu, now, context)
            except EncodeError as error:
                unsayable.append((context, error))
            sequence_number = self._sequence
        self._sequence = sequence_number
        self._acted_at = now
        return unsayable

    def _send(self, pdu: Pdu, now: float, context: object) -> int:
        sequence_number = self._unused_sequence()
        self._out.append(encode(pdu, sequence_number))
        self._sequence = sequence_number + 1
        self._pending[sequence_number] = (now, context)
        self._acted_at = now
        return sequence_number

    def _check_legal(self, pdu: Pdu | type[Pdu]) -> None:
        if pdu.command_id not in self._may_send or not self._capacity:
            name = pdu.__name__ if isinstance(pdu, type) else type(pdu).__name__
            raise IllegalState(f"{name} is not allowed when {self.state.value}")

    def respond_all(self, items: Sequence[tuple[int, Pdu | int]], now: float) -> int:
        """`respond` for many: (sequence number, answer) each. Gives how many were waiting.

        Raises as `respond` does; the answers before the one that cannot be given are sent.
        """
        inbound, out = self._inbound, self._out
        if self.closed:
            return 0
        if self._again or self._peer_unbind is not None:
            return sum([self.respond(number, answer, now) for number, answer in items])
        answered = 0
        for number, answer in items:
            # The two answers of the hot path, without a call for each.
            command_id = inbound.get(number)
            if command_id == c.DELIVER_SM and answer == 0:
                out.append(_header(17, c.DELIVER_SM_RESP, 0, number & 0xFFFFFFFF) + b"\0")
            elif command_id == c.SUBMIT_SM and type(answer) is SubmitSmResp:
                frame = encode_resp(answer, number & 0xFFFFFFFF)
                out.append(frame if frame is not None else encode(answer, number & 0xFFFFFFFF))
            else:
                answered += self.respond(number, answer, now)
                continue
            del inbound[number]
            answered += 1
        self._acted_at = now
        return answered

    def respond(self, sequence_number: int, answer: Pdu | int, now: float, command_status: int = 0) -> bool:
        """Answer the request that came with this number: by a status, or by a PDU (with ``command_status``).

        Gives whether such a request was waiting. Raises `IllegalState` for a PDU that does not answer that request, and
        `EncodeError`; then the request is still waiting.
        """
        command_id = self._inbound.get(sequence_number)
        if command_id is None or self.state is State.CLOSED:
            return False
        wire_number = sequence_number & 0xFFFFFFFF
        if command_id == c.DELIVER_SM and answer == 0:
            self._out.append(_header(17, c.DELIVER_SM_RESP, 0, wire_number) + b"\0")
        elif isinstance(answer, int):
            self._out.append(_status_response(command_id, wire_number, answer))
            command_status = answer
        elif answer.command_id == command_id | c.RESPONSE_BIT:
            self._out.append(encode(answer, wire_number, command_status))
        else:
            raise IllegalState(f"{type(answer).__name__} does not answer command 0x{command_id:08X}")
        self._forget_inbound(sequence_number)
        self._acted_at = now
        if command_id in BOUND_STATE and not command_status and self.state is State.OPEN:
            self._set_state(BOUND_STATE[command_id])
        if self._peer_unbind is not None and not self._inbound:
            self._end_by_peer()
        return True

    def unbind(self, now: float) -> None:
        """End in order: `Unbound` follows when the peer answers, or after ``unbind_s``. What is in flight may still be
        answered until then. When not bound, closes at once."""
        if self.state is State.CLOSED or self._unbind_at is not None:
            return
        if not self.bound:
            self.close()
            return
        self._unbind_sequence = self._take_sequence()
        self._unbind_at = now
        self._out.append(encode_header(c.UNBIND, self._unbind_sequence))
        self._leave()

    def close(self) -> None:
        """The connection is gone, or will be: tells with `Lost` which requests get no answer."""
        if self.state is State.CLOSED:
            return
        self._set_state(State.CLOSED)
        self._inbound.clear()
        self._again.clear()
        self._late.clear()
        if self._pending:
            self._events.append(Lost([context for _, context in self._pending.values()]))
            self._pending.clear()

    # --- octets of the peer --------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets of the peer, cut anywhere. Never raises: what is wrong becomes an answer or `Broken`."""
        if self.state is State.CLOSED:
            return
        reader = self._reader
        pending = self._pending
        events = self._events
        before = len(events)
        frames = reader.feed(octets)
        if frames:
            self._heard_at = now
            self._misses = 0
            self._probe_sequence = None
            self._partial_since = now if reader.partial else None
        elif self._partial_since is None and reader.partial:
            self._partial_since = now
        may_receive, inbound, epoch = self._may_receive, self._inbound, self._epoch
        for frame in frames:
            _, command_id, status, sequence_number = _header_of(frame)
            if command_id == c.SUBMIT_SM_RESP or command_id == c.DELIVER_SM_RESP:
                if not status and sequence_number in pending:
                    message_id = decode_message_id(frame)
                    if message_id is not None:
                        context = pending.pop(sequence_number)[1]
                        events.append(Response(context, 0, message_id, {}, sequence_number))
                        continue
            elif (command_id == c.DELIVER_SM or command_id == c.SUBMIT_SM) and command_id in may_receive:
                pdu: DeliverSm | SubmitSm | None = (
                    decode_sm(frame, DeliverSm) if command_id == c.DELIVER_SM else decode_sm(frame, SubmitSm)
                )
                ticket = sequence_number | epoch
                if pdu is not None and ticket not in inbound:
                    inbound[ticket] = command_id
                    events.append(Request(pdu, ticket))
                    continue
            self._other(frame, command_id, status, sequence_number, now)
            if self.closed:
                return
            may_receive = self._may_receive
        if len(events) != before:
            self._acted_at = now
        if reader.broken is not None:
            broken = reader.broken
            if broken.status:
                self._out.append(encode_header(c.GENERIC_NACK, broken.sequence_number, broken.status))
            self._break(broken.reason)

    def _other(self, frame: bytes, command_id: int, status: int, sequence_number: int, now: float) -> None:
        """All that has no straight code in `receive`."""
        if command_id == c.ENQUIRE_LINK:
            self._out.append(encode_header(c.ENQUIRE_LINK_RESP, sequence_number))
        elif command_id & c.RESPONSE_BIT:
            self._response(frame, command_id, status, sequence_number)
        elif command_id == c.UNBIND:
            self._unbind_asked(sequence_number, now)
        else:
            self._request(frame, command_id, sequence_number)

    # --- their requests ------------------------------------------------------------------------------------------

    def _request(self, frame: bytes, command_id: int, sequence_number: int) -> None:
        try:
            decoded = decode(frame)
        except PduRejected as rejected:
            self._refuse(command_id, sequence_number, rejected.status)
            return
        if command_id not in self._may_receive:
            bound_twice = command_id in c.BINDS and self.state is not State.OPEN
            self._refuse(command_id, sequence_number, c.ESME_RALYBND if bound_twice else c.ESME_RINVBNDSTS)
            return
        ticket = sequence_number | self._epoch
        if isinstance(decoded.pdu, Bind):
            if self._bind_command:
                self._refuse(command_id, sequence_number, c.ESME_RALYBND)
                return
            self.peer_version = decoded.pdu.interface_version
            self._bind_command = command_id
        if command_id not in _WITHOUT_RESPONSE:
            if ticket in self._inbound:
                self._again.setdefault(ticket, []).append(command_id)
            else:
                self._inbound[ticket] = command_id
        self._events.append(Request(decoded.pdu, ticket, int(decoded.leniency)))

    def _refuse(self, command_id: int, sequence_number: int, status: int) -> None:
        if command_id in _WITHOUT_RESPONSE:
            self.ignored += 1
        elif status in _NACKED_STATUSES:
            self._out.append(encode_header(c.GENERIC_NACK, sequence_number, status))
        else:
            self._out.append(encode_header(command_id | c.RESPONSE_BIT, sequence_number, status))

    def _forget_inbound(self, ticket: int) -> None:
        """Take off one request; of two with the same number the first is answered first."""
        again = self._again.get(ticket)
        if again is None:
            command_id = self._inbound.pop(ticket)
            if command_id in BOUND_STATE:
                self._bind_command = 0
            return
        self._inbound[ticket] = again.pop(0)
        if not again:
            del self._again[ticket]

    def _unbind_asked(self, sequence_number: int, now: float) -> None:
        """The peer leaves: no more requests of ours; its own get their answers before the unbind gets its."""
        self._peer_unbind = sequence_number
        if not self._inbound:
            self._end_by_peer()
            return
        if self._unbind_at is None:
            self._unbind_at = now
        self._leave()

    def _end_by_peer(self) -> None:
        assert self._peer_unbind is not None
        self._out.append(encode_header(c.UNBIND_RESP, self._peer_unbind))
        self._events.append(Unbound(by_peer=True))
        self.close()

    # --- their answers -------------------------------------------------------------------------------------------

    def _response(self, frame: bytes, command_id: int, status: int, sequence_number: int) -> None:
        if command_id == c.ENQUIRE_LINK_RESP:
            return
        if sequence_number == self._bind_sequence and (command_id in c.BIND_RESPONSES or command_id == c.GENERIC_NACK):
            self._bind_answered(frame, status if command_id != c.GENERIC_NACK else status or c.ESME_RUNKNOWNERR)
        elif sequence_number == self._unbind_sequence and command_id in (c.UNBIND_RESP, c.GENERIC_NACK):
            self._events.append(Unbound(by_peer=False))
            self.close()
        elif command_id == c.GENERIC_NACK:
            self._nacked(status or c.ESME_RUNKNOWNERR, sequence_number)
        elif sequence_number in self._pending or sequence_number in self._late:
            self._answered(frame, sequence_number)
        else:
            self.ignored += 1

    def _answered(self, frame: bytes, sequence_number: int) -> None:
        try:
            decoded = decode(frame)
        except PduRejected:
            # A response of a kind that nobody knows, to a request of ours: all it tells is that something went wrong.
            decoded = Decoded(c.ESME_RUNKNOWNERR, sequence_number, SubmitSmResp())
        pdu = decoded.pdu
        plain = isinstance(pdu, SubmitSmResp | DeliverSmResp | DataSmResp)
        message_id: str = getattr(pdu, "message_id", "")
        tlvs: dict[int, bytes] = getattr(pdu, "tlvs", {})
        entry = self._pending.pop(sequence_number, None)
        if entry is not None:
            whole = None if plain else pdu
            self._events.append(Response(entry[1], decoded.command_status, message_id, tlvs, sequence_number, whole))
            return
        context = self._late.pop(sequence_number)[1]
        self._events.append(LateResponse(context, decoded.command_status, message_id, tlvs, sequence_number))

    def _bind_answered(self, frame: bytes, status: int) -> None:
        self._bind_sequence = None
        if status:
            self._events.append(BindRefused(status))
            self.close()
            return
        pdu = decode(frame).pdu
        assert isinstance(pdu, BindResp)
        version = pdu.tlvs.get(c.TAG_SC_INTERFACE_VERSION, b"")
        self.peer_version = version[0] if len(version) == 1 else None
        self._set_state(BOUND_STATE[self._bind_command])
        self._events.append(Bound(pdu.system_id, self.peer_version, pdu.tlvs))

    def _nacked(self, status: int, sequence_number: int) -> None:
        entry = self._pending.pop(sequence_number, None)
        if entry is not None:
            self._events.append(Nacked(entry[1], status, sequence_number))
            return
        late = self._late.pop(sequence_number, None)
        if late is not None:
            self._events.append(LateResponse(late[1], status, "", {}, sequence_number))
            return
        self._events.append(Nacked(None, status, sequence_number))
        if not sequence_number:
            self._nacks_of_nothing += 1
            if self._nacks_of_nothing >= _NACKS_OF_NOTHING_MAX:
                self._break(f"{_NACKS_OF_NOTHING_MAX} generic_nacks without a sequence number")

    # --- time ----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before; None: never."""
        return min((at for at in self._deadlines() if at is not None), default=None)

    def _deadlines(self) -> tuple[float | None, ...]:
        timers = self.timers
        if self.state is State.CLOSED:
            return ()
        bound = self.state in _BOUND
        return (
            _after(self._started_at, timers.session_init_s) if self.state is State.OPEN else None,
            _after(self._partial_since, timers.pdu_read_s),
            _after(self._unbind_at, timers.unbind_s),
            _after(_first_of(self._pending), timers.response_s),
            _first_of(self._late),
            self._probe_deadline() if bound else None,
            _after(self._acted_at, timers.inactivity_s) if bound else None,
        )

    def _probe_deadline(self) -> float | None:
        if self._probe_sequence is not None:
            return _after(self._probe_at, self.timers.enquire_timeout_s)
        return _after(self._heard_at, self.timers.enquire_link_s)

    def tick(self, now: float) -> None:
        """Do what is due at ``now``: time-outs, probes, the end of waits. May be called at any time."""
        if self.state is State.CLOSED:
            return
        timers = self.timers
        if self.state is State.OPEN and _due(self._started_at, timers.session_init_s, now):
            self._break(f"not bound within {timers.session_init_s:g} s")
        elif _due(self._partial_since, timers.pdu_read_s, now):
            self._break(f"a PDU was not complete after {timers.pdu_read_s:g} s")
        elif self._unbind_at is not None and _due(self._unbind_at, timers.unbind_s, now):
            self._unbind_overdue()
        else:
            self._time_out_responses(now)
            self._forget_late(now)
            if self.state in _BOUND:
                self._probe(now)
            if self.state in _BOUND and _due(self._acted_at, timers.inactivity_s, now):
                self._break(f"nothing to do for {timers.inactivity_s:g} s")

    def _unbind_overdue(self) -> None:
        if self._peer_unbind is not None:
            self._end_by_peer()
            return
        self._events.append(Unbound(by_peer=False))
        self.close()

    def _time_out_responses(self, now: float) -> None:
        # A dict keeps the order in which requests were sent, so the overdue ones are in front.
        pending, late = self._pending, self._late
        while pending and _due(_first_of(pending), self.timers.response_s, now):
            sequence_number = next(iter(pending))
            context = pending.pop(sequence_number)[1]
            self._events.append(ResponseTimedOut(context, sequence_number))
            late[sequence_number] = (now + self.timers.late_s, context)
        while len(late) > _LATE_MAX:
            del late[next(iter(late))]

    def _forget_late(self, now: float) -> None:
        late = self._late
        while late and now >= late[next(iter(late))][0]:
            del late[next(iter(late))]

    def _probe(self, now: float) -> None:
        deadline = self._probe_deadline()
        if deadline is None or now < deadline:
            return
        if self._probe_sequence is not None:
            self._misses += 1
            if self._misses >= _MISSES_MAX:
                self._break(f"{_MISSES_MAX} enquire_links were not answered")
                return
        self._probe_sequence = self._take_sequence()
        self._probe_at = now
        self._out.append(encode_header(c.ENQUIRE_LINK, self._probe_sequence))

    # --- inside --------------------------------------------------------------------------------------------------

    def _set_state(self, state: State) -> None:
        self.state = state
        self._may_send = may_send(self.role, state)
        self._may_receive = may_send(self.role.peer, state)
        message = c.SUBMIT_SM if self.role is Role.ESME else c.DELIVER_SM
        self._capacity = self.window if message in self._may_send else 0

    def _leave(self) -> None:
        """No more requests of ours, while what the peer may send stays as it was: its PDUs may be on their way."""
        self.state = State.UNBINDING
        self._may_send = frozenset()
        self._capacity = 0

    def _break(self, reason: str) -> None:
        self._events.append(Broken(reason))
        self.close()

    def _unused_sequence(self) -> int:
        sequence_number = self._sequence
        if sequence_number > c.SEQUENCE_NUMBER_MAX:
            sequence_number = 1
        while sequence_number in self._pending or sequence_number in self._late:
            sequence_number = sequence_number + 1 if sequence_number < c.SEQUENCE_NUMBER_MAX else 1
        return sequence_number

    def _take_sequence(self) -> int:
        sequence_number = self._unused_sequence()
        self._sequence = sequence_number + 1
        return sequence_number


_BOUND: Final = frozenset((State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX))


def _first_of(entries: dict[int, tuple[float, object]]) -> float | None:
    return entries[next(iter(entries))][0] if entries else None


def _after(since: float | None, wait_s: float) -> float | None:
    return since + wait_s if since is not None and wait_s else None


def _due(since: float | None, wait_s: float, now: float) -> bool:
    return since is not None and wait_s > 0 and now >= since + wait_s


def _status_response(command_id: int, sequence_number: int, status: int) -> bytes:
    """A response that says no more than its status; a good one has its empty fields, a bad one its header alone."""
    response_id = command_id | c.RESPONSE_BIT
    if status:
        return encode_header(response_id, sequence_number, status)
    return encode(PDUS[response_id](), sequence_number)
