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
from operator import itemgetter
from struct import Struct
from typing import Final

from heliograph.smpp import constants as c
from heliograph.smpp.answering import WITHOUT_RESPONSE, Answering, refusal
from heliograph.smpp.asking import Asking
from heliograph.smpp.codec import decode, encode, encode_header
from heliograph.smpp.errors import EncodeError, IllegalState, PduRejected, WindowFull
from heliograph.smpp.events import BindRefused, Bound, Broken, Event, Lost, Nacked, Request, Response, Unbound
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.pdus import Bind, BindResp, DeliverSm, Pdu, SubmitSm, SubmitSmResp
from heliograph.smpp.plain import read_receipt
from heliograph.smpp.states import BOUND, BOUND_STATE, Role, State, may_send
from heliograph.smpp.straight import decode_message_id, decode_sm, encode_resp
from heliograph.smpp.waits import MISSES_MAX, Timers, Waits

__all__ = ["Session", "Timers"]

_first: Final = itemgetter(0)
_header_of: Final = Struct(">IIII").unpack_from
_header: Final = Struct(">IIII").pack

_SUBMIT_SM: Final = c.SUBMIT_SM
_MESSAGES: Final = frozenset((c.SUBMIT_SM, c.DELIVER_SM))
_ANSWERS: Final = frozenset((c.SUBMIT_SM_RESP, c.DELIVER_SM_RESP))

_NACKS_OF_NOTHING_MAX: Final = 3
"""generic_nacks with sequence 0 after which the two sides no longer understand each other."""


class Session:
    """One SMPP session. Not for use by two threads; ``now`` must never go back.

    ``epoch`` is put above the 32 bits of the sequence numbers that `Request` events show, so that an answer meant for
    an earlier session on the same link finds nothing here instead of answering a stranger. ``reads_receipts``: a
    deliver_sm that is an ordinary receipt is told as a `plain.PlainReceipt`.
    """

    __slots__ = (
        "_answering",
        "_asking",
        "_bind_command",
        "_bind_sequence",
        "_capacity",
        "_epoch",
        "_events",
        "_inbound",
        "_may_receive",
        "_may_send",
        "_nacks_of_nothing",
        "_out",
        "_peer_unbind",
        "_pending",
        "_reader",
        "_reads_receipts",
        "_requests",
        "_responses",
        "_unbind_sequence",
        "_waits",
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
        reads_receipts: bool = False,
    ) -> None:
        self.role = role
        self.window = window
        self.timers = timers if timers is not None else Timers()
        self.peer_version: int | None = None
        """interface_version as the peer stated it, None while it has not."""
        self.ignored = 0
        """PDUs that answered nothing we asked."""
        self._epoch = epoch << 32
        self._reads_receipts = reads_receipts
        self._events: list[Event] = []
        self._responses: list[Response] = []
        self._requests: list[Request] = []
        self._out: list[bytes] = []
        self._asking = Asking(self._out, first_sequence_number)
        self._pending = self._asking.pending
        """The very dict of ``_asking``, one look-up nearer; as is ``_inbound``."""
        self._answering = Answering(self._out)
        self._inbound = self._answering.open
        self._reader = FrameReader()
        self._waits = Waits(self.timers, now)
        self._bind_sequence: int | None = None
        self._bind_command = 0
        self._nacks_of_nothing = 0
        self._unbind_sequence: int | None = None
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
        return len(self._answering)

    @property
    def bound(self) -> bool:
        """Whether a bind holds and no unbind has begun."""
        return self.state in BOUND

    @property
    def heard_at(self) -> float:
        """When a whole PDU of the peer came last."""
        return self._waits.heard_at

    @property
    def closed(self) -> bool:
        """Whether the session is over: nothing is read any more; what is left to send may still be sent."""
        return self.state is State.CLOSED

    def turn(self) -> tuple[list[Response], list[Request], list[Event]]:
        """What happened since the last call: answers to us, requests to us, and all else; each in order."""
        told = self._responses, self._requests, self._events
        self._responses, self._requests, self._events = [], [], []
        return told

    def events(self) -> list[Event]:
        """The same in one list."""
        responses, requests, others = self.turn()
        return [*responses, *requests, *others]

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
        sequence_number = self._asking.take_number()
        self._out.append(encode(pdu, sequence_number))
        self._bind_sequence, self._bind_command = sequence_number, pdu.command_id
        self._waits.acted_at = now
        return sequence_number

    def outbind(self, pdu: Pdu, now: float) -> int:
        """As SMSC: ask the ESME that we dialled to bind as receiver, or tell it with alert_notification.

        For PDUs that have no response and so need no slot. Raises `IllegalState`.
        """
        if pdu.command_id not in self._may_send or pdu.command_id not in WITHOUT_RESPONSE:
            raise IllegalState(f"{type(pdu).__name__} is not allowed when {self.state.value}")
        sequence_number = self._asking.take_number()
        self._out.append(encode(pdu, sequence_number))
        self._waits.acted_at = now
        return sequence_number

    def submit(self, pdu: Pdu, now: float, context: object = None) -> int:
        """Send a request; its answer comes with ``context``. Gives the sequence number.

        Raises `WindowFull`, `IllegalState` (not bound for this PDU), `EncodeError`; then nothing is sent.
        """
        self._check_legal(pdu)
        if len(self._pending) >= self._capacity:
            raise WindowFull(f"{len(self._pending)} requests are unanswered")
        sequence_number = self._asking.send(pdu, now, context)
        self._waits.acted_at = now
        return sequence_number

    def submit_all(self, batch: Sequence[tuple[Pdu | bytes, object]], now: float) -> list[tuple[object, EncodeError]]:
        """`submit` for many: (PDU, context) each. Gives those that cannot be said in SMPP, which were not sent.

        Octets are the body of a submit_sm. Raises `WindowFull` when there are more than free slots, `IllegalState`;
        then none is sent.
        """
        for kind in set(map(type, map(_first, batch))):
            self._check_legal(SubmitSm if kind is bytes else kind)
        if len(batch) > self._capacity - len(self._pending):
            raise WindowFull(f"{len(batch)} requests for {self.free} free slots")
        unsayable = self._asking.send_all(batch, now)
        self._waits.acted_at = now
        return unsayable

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
        if not self._answering.plain or self._peer_unbind is not None:
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
        self._waits.acted_at = now
        return answered

    def respond(self, sequence_number: int, answer: Pdu | int, now: float, command_status: int = 0) -> bool:
        """Answer the request that came with this number: by a status, or by a PDU (with ``command_status``).

        Gives whether such a request was waiting. Raises `IllegalState` for a PDU that does not answer that request, and
        `EncodeError`; then the request is still waiting.
        """
        command_id = self._inbound.get(sequence_number)
        if command_id is None or self.state is State.CLOSED:
            return False
        command_status = self._answering.answer(sequence_number, command_id, answer, command_status)
        self._waits.acted_at = now
        if command_id in BOUND_STATE:
            self._bind_command = 0
            if not command_status and self.state is State.OPEN:
                self._set_state(BOUND_STATE[command_id])
        if self._peer_unbind is not None and not self._inbound:
            self._end_by_peer()
        return True

    def unbind(self, now: float) -> None:
        """End in order: `Unbound` follows when the peer answers, or after ``unbind_s``. What is in flight may still be
        answered until then. When not bound, closes at once."""
        if self.state is State.CLOSED or self._waits.unbind_at is not None:
            return
        if not self.bound:
            self.close()
            return
        self._unbind_sequence = self._asking.take_number()
        self._waits.unbind_at = now
        self._out.append(encode_header(c.UNBIND, self._unbind_sequence))
        self._leave()

    def close(self) -> None:
        """The connection is gone, or will be: tells with `Lost` which requests get no answer."""
        if self.state is State.CLOSED:
            return
        self._set_state(State.CLOSED)
        self._answering.abandon()
        contexts = self._asking.abandon()
        if contexts:
            self._events.append(Lost(contexts))

    # --- octets of the peer --------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets of the peer, cut anywhere. Never raises: what is wrong becomes an answer or `Broken`."""
        if self.state is State.CLOSED:
            return
        reader, waits = self._reader, self._waits
        frames = reader.feed(octets)
        if frames:
            waits.heard_at = now
            waits.misses = 0
            waits.probe_number = None
            waits.partial_since = now if reader.partial else None
        elif waits.partial_since is None and reader.partial:
            waits.partial_since = now
        pending, inbound, epoch = self._pending, self._inbound, self._epoch
        responses, requests = self._responses, self._requests
        before = len(responses) + len(requests) + len(self._events)
        may_receive, reads_receipts = self._may_receive, self._reads_receipts
        for frame in frames:
            _, command_id, status, sequence_number = _header_of(frame)
            if command_id in _ANSWERS:
                if not status and (entry := pending.get(sequence_number)) is not None:
                    message_id = decode_message_id(frame)
                    if message_id is not None:
                        del pending[sequence_number]
                        responses.append(Response(entry[1], 0, message_id, {}, sequence_number))
                        continue
            elif command_id in _MESSAGES and command_id in may_receive:
                pdu: Pdu | None
                if command_id == _SUBMIT_SM:
                    pdu = decode_sm(frame, SubmitSm)
                elif not reads_receipts or (pdu := read_receipt(frame)) is None:
                    pdu = decode_sm(frame, DeliverSm)
                ticket = sequence_number | epoch
                if pdu is not None and ticket not in inbound:
                    inbound[ticket] = command_id
                    requests.append(Request(pdu, ticket))
                    continue
            self._other(frame, command_id, status, sequence_number, now)
            if self.closed:
                return
            may_receive = self._may_receive
        if len(responses) + len(requests) + len(self._events) != before:
            waits.acted_at = now
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
        if command_id not in WITHOUT_RESPONSE:
            self._answering.take(ticket, command_id)
        self._requests.append(Request(decoded.pdu, ticket, int(decoded.leniency)))

    def _refuse(self, command_id: int, sequence_number: int, status: int) -> None:
        if command_id in WITHOUT_RESPONSE:
            self.ignored += 1
        else:
            self._out.append(refusal(command_id, sequence_number, status))

    def _unbind_asked(self, sequence_number: int, now: float) -> None:
        """The peer leaves: no more requests of ours; its own get their answers before the unbind gets its."""
        self._peer_unbind = sequence_number
        if not self._inbound:
            self._end_by_peer()
            return
        if self._waits.unbind_at is None:
            self._waits.unbind_at = now
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
        else:
            event = self._asking.answered(frame, sequence_number)
            if event is None:
                self.ignored += 1
            elif type(event) is Response:
                self._responses.append(event)
            else:
                self._events.append(event)

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
        event = self._asking.nacked(status, sequence_number)
        if event is not None:
            self._events.append(event)
            return
        self._events.append(Nacked(None, status, sequence_number))
        if not sequence_number:
            self._nacks_of_nothing += 1
            if self._nacks_of_nothing >= _NACKS_OF_NOTHING_MAX:
                self._break(f"{_NACKS_OF_NOTHING_MAX} generic_nacks without a sequence number")

    # --- time ----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before; None: never."""
        if self.state is State.CLOSED:
            return None
        deadlines = *self._waits.deadlines(self.state), *self._asking.deadlines(self.timers.response_s)
        return min((at for at in deadlines if at is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due at ``now``: time-outs, probes, the end of waits. May be called at any time."""
        if self.state is State.CLOSED:
            return
        timers, waits = self.timers, self._waits
        reason = waits.broken(self.state, now)
        if reason is not None:
            self._break(reason)
        elif waits.unbind_over(now):
            self._unbind_overdue()
        else:
            self._events += self._asking.time_out(timers.response_s, timers.late_s, now)
            if self.state in BOUND:
                self._probe(now)
            idle = waits.idle(now) if self.state in BOUND else None
            if idle is not None:
                self._break(idle)

    def _unbind_overdue(self) -> None:
        if self._peer_unbind is not None:
            self._end_by_peer()
            return
        self._events.append(Unbound(by_peer=False))
        self.close()

    def _probe(self, now: float) -> None:
        waits = self._waits
        if not waits.probe_due(now):
            return
        if waits.misses >= MISSES_MAX:
            self._break(f"{MISSES_MAX} enquire_links were not answered")
            return
        waits.probe_number = self._asking.take_number()
        waits.probe_at = now
        self._out.append(encode_header(c.ENQUIRE_LINK, waits.probe_number))

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
