"""Two sessions back to back in memory, under a clock moved by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.smpp import constants as c
from heliograph.smpp import pdus as p
from heliograph.smpp.codec import Leniency, decode, encode, encode_header
from heliograph.smpp.errors import EncodeError, IllegalState, WindowFull
from heliograph.smpp.events import (
    BindRefused,
    Bound,
    Broken,
    LateResponse,
    Lost,
    Nacked,
    Request,
    Response,
    ResponseTimedOut,
    Unbound,
)
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.session import Session, Timers
from heliograph.smpp.states import LEGAL, Role, State, may_send

TEXT = p.SubmitSm(source_addr="12345", destination_addr="447700900123", short_message=b"hi")
MO = p.DeliverSm(source_addr="447700900123", destination_addr="12345", short_message=b"yo")
TRX = p.BindTransceiver("esme", "secret")


class Pair:
    """A client and a server with a wire between them and one clock."""

    def __init__(self, bind: p.Bind = TRX, *, window: int = 10, timers: Timers | None = None, **client: Any) -> None:
        self.now = 0.0
        self.client = Session(Role.ESME, window=window, timers=timers, **client)
        self.server = Session(Role.SMSC, window=window, timers=timers)
        self.client.bind(bind, self.now)
        (request,) = self.exchange().server
        self.server.respond(request.sequence_number, 0, self.now)
        (bound,) = self.exchange().client
        assert isinstance(bound, Bound)

    def exchange(self) -> Pair:
        """Carry octets until both are silent."""
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return self.collect()
            self.server.receive(up, self.now)
            self.client.receive(down, self.now)

    def collect(self) -> Pair:
        pair = object.__new__(Taken)
        pair.client, pair.server = self.client.events(), self.server.events()
        return pair

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.client.tick(self.now)
        self.server.tick(self.now)


class Taken:
    client: list[Any]
    server: list[Any]


def bound_client(**settings: Any) -> Session:
    session = Session(Role.ESME, **settings)
    number = session.bind(TRX, 0.0)
    session.data_to_send()
    session.receive(encode(p.BindTransceiverResp("smsc"), number), 0.0)
    assert isinstance(session.events()[0], Bound)
    return session


def headers(octets: bytes) -> list[tuple[int, int, int]]:
    """(command_id, status, sequence number) of each frame."""
    return [
        (int.from_bytes(f[4:8], "big"), int.from_bytes(f[8:12], "big"), int.from_bytes(f[12:16], "big"))
        for f in FrameReader().feed(octets)
    ]


def test_a_message_there_and_a_message_back() -> None:
    pair = Pair()
    number = pair.client.submit(TEXT, pair.now, "mine")
    (request,) = pair.exchange().server
    assert request == Request(TEXT, number)
    assert pair.client.free == 9
    assert pair.server.respond(number, p.SubmitSmResp("id-1"), pair.now)
    assert pair.exchange().client == [Response("mine", 0, "id-1", {}, number)]
    assert pair.client.free == 10

    pair.server.submit(MO, pair.now, "theirs")
    (delivery,) = pair.exchange().client
    assert delivery.pdu == MO
    assert pair.client.unanswered == 1
    assert pair.client.respond(delivery.sequence_number, 0, pair.now)
    assert pair.exchange().server == [Response("theirs", 0, "", {}, delivery.sequence_number)]
    assert pair.client.unanswered == 0


@pytest.mark.parametrize(
    ("bind", "client", "server"),
    [(p.BindTransmitter(), 10, 0), (p.BindReceiver(), 0, 10), (p.BindTransceiver(), 10, 10)],
)
def test_only_who_is_bound_to_send_has_free_slots(bind: p.Bind, client: int, server: int) -> None:
    pair = Pair(bind)
    assert (pair.client.free, pair.server.free) == (client, server)
    for session, pdu, free in ((pair.client, TEXT, client), (pair.server, MO, server)):
        if not free:
            with pytest.raises(IllegalState):
                session.submit(pdu, 0.0)


def test_the_table_of_legal_states_is_the_standards() -> None:
    sendable = {row.command_id for row in LEGAL}
    every_request = {id_ for id_ in p.PDUS if not id_ & c.RESPONSE_BIT} - {c.UNBIND, c.ENQUIRE_LINK}
    assert sendable == every_request
    assert may_send(Role.ESME, State.BOUND_RX) == frozenset()
    assert may_send(Role.SMSC, State.BOUND_TX) == frozenset()


@pytest.mark.parametrize("version", [None, 0x34, 0x50, 0x00])
def test_the_peers_version_is_known_when_it_says_so(version: int | None) -> None:
    session = Session(Role.ESME)
    tlvs = {} if version is None else {c.TAG_SC_INTERFACE_VERSION: bytes((version,))}
    number = session.bind(TRX, 0.0)
    session.receive(encode(p.BindTransceiverResp("smsc", tlvs), number), 0.0)
    assert session.events() == [Bound("smsc", version, tlvs)]
    assert session.peer_version == version


@pytest.mark.parametrize("version", [0x00, 0x33, 0x34, 0x50])
def test_a_server_accepts_every_version(version: int) -> None:
    server = Session(Role.SMSC)
    server.receive(encode(p.BindReceiver("a", interface_version=version), 2), 0.0)
    assert isinstance(server.events()[0], Request)
    assert server.peer_version == version


@pytest.mark.parametrize("answer", [encode_header(c.BIND_TRANSCEIVER_RESP, 1, 0x0E), encode_header(c.GENERIC_NACK, 1)])
def test_a_refused_bind_ends_the_session(answer: bytes) -> None:
    session = Session(Role.ESME)
    session.bind(TRX, 0.0)
    session.receive(answer, 0.0)
    assert session.events() == [BindRefused(0x0E if answer[7] == 9 else c.ESME_RUNKNOWNERR)]
    assert session.closed


def test_a_bind_response_without_a_body_binds() -> None:
    session = Session(Role.ESME)
    session.bind(TRX, 0.0)
    session.receive(encode_header(c.BIND_TRANSCEIVER_RESP, 1), 0.0)
    assert session.events() == [Bound("", None, {})]


def test_a_request_in_the_wrong_state_is_refused_by_its_own_response() -> None:
    server = Session(Role.SMSC)
    server.receive(encode(TEXT, 5), 0.0)
    assert headers(server.data_to_send()) == [(c.SUBMIT_SM_RESP, c.ESME_RINVBNDSTS, 5)]
    transmitter = Pair(p.BindTransmitter())
    transmitter.client.receive(encode(MO, 6), 0.0)
    assert headers(transmitter.client.data_to_send()) == [(c.DELIVER_SM_RESP, c.ESME_RINVBNDSTS, 6)]


def test_a_second_bind_is_already_bound() -> None:
    pair = Pair()
    pair.server.receive(encode(p.BindReceiver("again"), 9), 0.0)
    assert headers(pair.server.data_to_send()) == [(c.BIND_RECEIVER_RESP, c.ESME_RALYBND, 9)]
    waiting = Session(Role.SMSC)
    waiting.receive(encode(TRX, 1) + encode(TRX, 2), 0.0)
    assert headers(waiting.data_to_send()) == [(c.BIND_TRANSCEIVER_RESP, c.ESME_RALYBND, 2)]


@pytest.mark.parametrize("prepare", ["open", "bound", "unbinding"])
def test_enquire_link_is_answered_in_every_state(prepare: str) -> None:
    session = Session(Role.ESME) if prepare == "open" else bound_client()
    if prepare == "unbinding":
        session.unbind(0.0)
    session.data_to_send()
    session.receive(encode_header(c.ENQUIRE_LINK, 0xFFFFFFFF), 0.0)
    assert headers(session.data_to_send()) == [(c.ENQUIRE_LINK_RESP, 0, 0xFFFFFFFF)]


def test_a_probe_is_answered_while_messages_wait_for_their_answers() -> None:
    session = bound_client()
    session.receive(encode(MO, 1) + encode_header(c.ENQUIRE_LINK, 2) + encode(MO, 3), 0.0)
    assert headers(session.data_to_send()) == [(c.ENQUIRE_LINK_RESP, 0, 2)]
    assert session.unanswered == 2


def test_a_delivery_is_acknowledged_with_an_empty_id_and_refused_with_a_header_alone() -> None:
    session = bound_client()
    session.receive(b"".join(encode(MO, number) for number in (1, 2, 3, 4)), 0.0)
    session.respond(1, 0, 0.0)
    session.respond_all([(2, 0)], 0.0)
    session.respond(3, c.ESME_RX_T_APPN, 0.0)
    session.respond_all([(4, c.ESME_RX_T_APPN)], 0.0)
    frames = FrameReader().feed(session.data_to_send())
    assert [frame[16:] for frame in frames] == [b"\0", b"\0", b"", b""]


def test_an_unknown_command_is_nacked_with_its_number_and_the_session_stays() -> None:
    session = bound_client()
    session.receive(encode_header(0x00000114, 77), 0.0)
    assert headers(session.data_to_send()) == [(c.GENERIC_NACK, c.ESME_RINVCMDID, 77)]
    assert session.bound


def test_a_bad_field_is_refused_by_its_status_and_a_cut_body_by_a_nack() -> None:
    pair = Pair()
    long_source = (16 + 83).to_bytes(4, "big") + encode_header(c.SUBMIT_SM, 3)[4:] + bytes(3) + b"1" * 65 + bytes(15)
    pair.server.receive(long_source, 0.0)
    cut = encode(TEXT, 4)[:25]
    pair.server.receive((25).to_bytes(4, "big") + cut[4:], 0.0)
    assert headers(pair.server.data_to_send()) == [
        (c.SUBMIT_SM_RESP, c.ESME_RINVSRCADR, 3),
        (c.GENERIC_NACK, c.ESME_RINVCMDLEN, 4),
    ]
    assert pair.server.bound


@pytest.mark.parametrize("number", [0, 1, 2, 0x80000001, 0xFFFFFFFF])
def test_any_sequence_number_of_a_peer_is_echoed(number: int) -> None:
    session = bound_client(epoch=3)
    session.receive(encode(MO, number), 0.0)
    request = session.events()[0]
    assert isinstance(request, Request)
    assert session.respond(request.sequence_number, 0, 0.0)
    assert headers(session.data_to_send())[-1] == (c.DELIVER_SM_RESP, 0, number)
    assert not session.respond(request.sequence_number, 0, 0.0)


def test_two_requests_with_one_number_are_two_requests() -> None:
    session = bound_client()
    session.receive(encode(MO, 5) + encode(p.DataSm(), 5), 0.0)
    one, two = session.events()
    assert session.unanswered == 2
    assert session.respond(one.sequence_number, c.ESME_RX_T_APPN, 0.0)
    assert session.respond(two.sequence_number, 0, 0.0)
    assert headers(session.data_to_send()) == [(c.DELIVER_SM_RESP, c.ESME_RX_T_APPN, 5), (c.DATA_SM_RESP, 0, 5)]
    assert session.unanswered == 0


def test_an_answer_meant_for_an_earlier_session_finds_nothing() -> None:
    earlier, later = bound_client(epoch=1), bound_client(epoch=2)
    for session in (earlier, later):
        session.receive(encode(MO, 5), 0.0)
    old = earlier.events()[0]
    assert isinstance(old, Request)
    assert not later.respond(old.sequence_number, 0, 0.0)
    assert later.unanswered == 1


def test_the_window_is_never_exceeded() -> None:
    session = bound_client(window=2)
    session.submit(TEXT, 0.0, "a")
    session.submit(TEXT, 0.0, "b")
    with pytest.raises(WindowFull):
        session.submit(TEXT, 0.0, "c")
    with pytest.raises(WindowFull):
        session.submit_all([(TEXT, "c")], 0.0)
    assert len(headers(session.data_to_send())) == 2


def test_of_a_batch_the_unsayable_are_given_back_and_the_rest_is_sent() -> None:
    session = bound_client()
    bad = p.SubmitSm(source_addr="1" * 30)
    ((context, error),) = session.submit_all([(TEXT, 1), (bad, 2), (TEXT, 3)], 0.0)
    assert (context, error.field) == (2, "source_addr")
    assert session.in_flight == len(headers(session.data_to_send())) == 2


def test_a_request_that_cannot_be_said_takes_no_slot() -> None:
    session = bound_client()
    with pytest.raises(EncodeError):
        session.submit(p.SubmitSm(data_coding=999), 0.0)
    assert (session.free, session.data_to_send()) == (10, b"")


def test_numbers_wrap_to_one_and_skip_those_in_flight() -> None:
    session = bound_client(first_sequence_number=0x7FFFFFFE)
    numbers = [session.submit(TEXT, 0.0) for _ in range(2)]
    assert numbers == [0x7FFFFFFF, 1]
    session._asking._sequence = 0x7FFFFFFF
    assert session.submit(TEXT, 0.0) == 2


def test_a_slot_comes_back_exactly_once() -> None:
    session = bound_client(window=1)
    number = session.submit(TEXT, 0.0, "a")
    answer = encode(p.SubmitSmResp("id"), number)
    session.receive(answer + answer + encode_header(c.GENERIC_NACK, number, 8), 0.0)
    assert session.events() == [Response("a", 0, "id", {}, number), Nacked(None, 8, number)]
    assert session.free == 1
    assert session.ignored == 1


@pytest.mark.parametrize("status", [0x58, 0x0445])
def test_an_error_response_keeps_its_status_and_tlvs(status: int) -> None:
    session = bound_client()
    number = session.submit(TEXT, 0.0, "a")
    session.receive(encode(p.SubmitSmResp(tlvs={c.TAG_CONGESTION_STATE: b"\x5b"}), number, status), 0.0)
    assert session.events() == [Response("a", status, "", {c.TAG_CONGESTION_STATE: b"\x5b"}, number)]


def test_a_nack_fails_its_request() -> None:
    session = bound_client()
    number = session.submit(TEXT, 0.0, "a")
    session.receive(encode_header(c.GENERIC_NACK, number, c.ESME_RINVCMDID), 0.0)
    assert session.events() == [Nacked("a", c.ESME_RINVCMDID, number)]
    assert session.free == 10


def test_three_nacks_of_nothing_end_the_session() -> None:
    session = bound_client()
    session.submit(TEXT, 0.0, "a")
    session.receive(encode_header(c.GENERIC_NACK, 0, 3) * 2, 0.0)
    assert session.events() == [Nacked(None, 3, 0)] * 2
    session.receive(encode_header(c.GENERIC_NACK, 0, 3), 0.0)
    _, broken, lost = session.events()
    assert isinstance(broken, Broken)
    assert lost == Lost(["a"])
    assert session.closed


def test_a_response_of_an_unknown_kind_fails_its_request_and_is_ignored_otherwise() -> None:
    session = bound_client()
    number = session.submit(TEXT, 0.0, "a")
    session.data_to_send()
    session.receive(encode_header(0x80000114, number) + encode_header(0x80000114, 999), 0.0)
    assert session.events() == [Response("a", c.ESME_RUNKNOWNERR, "", {}, number)]
    assert session.data_to_send() == b""
    assert session.ignored == 1


def test_a_time_out_frees_the_slot_and_a_late_answer_still_tells() -> None:
    session = bound_client(window=2)
    first = session.submit(TEXT, 0.0, "a")
    second = session.submit(TEXT, 1.0, "b")
    session.receive(encode_header(c.ENQUIRE_LINK, 1), 59.0)
    session.tick(59.9)
    assert session.events() == []
    assert session.next_deadline() == 60.0
    session.tick(60.0)
    assert session.events() == [ResponseTimedOut("a", first)]
    assert session.free == 1
    session.receive(encode(p.SubmitSmResp("late"), first), 60.5)
    session.tick(61.0)
    assert session.events() == [LateResponse("a", 0, "late", {}, first), ResponseTimedOut("b", second)]
    session.receive(encode_header(c.GENERIC_NACK, second, 8), 62.0)
    assert session.events() == [LateResponse("b", 8, "", {}, second)]
    assert session.free == 2


def test_late_answers_are_awaited_for_a_bounded_time() -> None:
    session = bound_client(timers=Timers(response_s=1, late_s=5, enquire_link_s=0))
    number = session.submit(TEXT, 0.0, "a")
    session.tick(1.0)
    session.tick(6.0)
    session.events()
    session.receive(encode(p.SubmitSmResp("late"), number), 6.0)
    assert session.events() == []
    assert session.next_deadline() is None


def test_only_silence_is_probed_and_two_misses_break() -> None:
    session = bound_client()
    session.receive(encode_header(c.ENQUIRE_LINK, 1), 20.0)
    session.data_to_send()
    session.tick(49.0)
    assert session.data_to_send() == b""
    assert session.next_deadline() == 50.0
    session.tick(50.0)
    ((command, _, number),) = headers(session.data_to_send())
    assert command == c.ENQUIRE_LINK
    assert session.free == 10
    session.receive(encode_header(c.ENQUIRE_LINK_RESP, number), 51.0)
    session.tick(80.9)
    assert session.data_to_send() == b""
    session.tick(81.0)
    session.tick(96.0)
    assert len(headers(session.data_to_send())) == 2
    session.tick(110.9)
    assert session.events() == []
    session.tick(111.0)
    (broken,) = session.events()
    assert isinstance(broken, Broken)


def test_any_traffic_answers_a_probe() -> None:
    session = bound_client()
    session.tick(30.0)
    session.receive(encode(MO, 1), 40.0)
    session.events()
    session.tick(69.0)
    assert len(headers(session.data_to_send())) == 1
    assert session.bound


def test_a_session_that_is_not_bound_in_time_breaks() -> None:
    for session in (Session(Role.ESME), Session(Role.SMSC)):
        assert session.next_deadline() == 10
        session.tick(10.0)
        assert isinstance(session.events()[0], Broken)


def test_a_pdu_that_comes_too_slowly_breaks() -> None:
    session = bound_client()
    octets = encode(MO, 1)
    for at in range(10):
        session.receive(octets[at : at + 1], 5.0 + at)
    session.tick(14.9)
    assert not session.events()
    session.tick(15.0)
    assert isinstance(session.events()[0], Broken)


def test_inactivity_is_told_by_messages_alone() -> None:
    session = bound_client(timers=Timers(inactivity_s=100, enquire_link_s=0))
    session.submit(TEXT, 50.0)
    session.receive(encode_header(c.ENQUIRE_LINK, 1), 140.0)
    session.tick(149.0)
    assert session.bound is True
    session.tick(150.0)
    assert session.closed


def test_our_unbind_waits_for_its_answer_and_tells_what_was_lost() -> None:
    pair = Pair()
    pair.client.submit(TEXT, 0.0, "a")
    number = pair.client.submit(TEXT, 0.0, "b")
    pair.exchange()
    pair.client.unbind(0.0)
    assert pair.client.free == 0
    pair.client.receive(encode(p.SubmitSmResp("id"), number), 0.0)
    taken = pair.collect()
    assert taken.client == [Response("b", 0, "id", {}, number)]
    pair.server.respond(1, 0, 0.0)
    pair.wait(5.0)
    assert pair.collect().client == [Unbound(by_peer=False), Lost(["a"])]


def test_a_peers_unbind_is_answered_after_its_requests() -> None:
    pair = Pair()
    pair.client.submit(TEXT, 0.0, "a")
    (request,) = pair.exchange().server
    pair.client.unbind(0.0)
    assert pair.exchange().client == []
    assert pair.server.free == 0
    pair.server.respond(request.sequence_number, p.SubmitSmResp("id"), 0.0)
    taken = pair.exchange()
    assert taken.client == [Response("a", 0, "id", {}, request.sequence_number), Unbound(by_peer=False)]
    assert taken.server == [Unbound(by_peer=True)]
    assert pair.client.closed
    assert pair.server.closed


def test_a_peers_unbind_does_not_wait_for_ever() -> None:
    pair = Pair()
    pair.client.submit(TEXT, 0.0, "a")
    pair.exchange()
    pair.server.receive(encode_header(c.UNBIND, 99), 0.0)
    pair.wait(5.0)
    assert pair.server.events() == [Unbound(by_peer=True)]
    assert headers(pair.server.data_to_send()) == [(c.UNBIND_RESP, 0, 99)]


def test_closing_tells_the_lost_once() -> None:
    session = bound_client()
    session.submit_all([(TEXT, n) for n in range(3)], 0.0)
    session.close()
    session.close()
    assert session.events() == [Lost([0, 1, 2])]
    session.receive(encode(MO, 1), 0.0)
    session.tick(1e9)
    assert session.events() == []
    assert session.next_deadline() is None


def test_garbage_is_nacked_and_breaks_but_strangers_get_no_answer() -> None:
    session = bound_client()
    session.receive(encode(MO, 1) + b"\0\0\0\5" + bytes(8) + b"\0\0\0\7", 0.0)
    delivery, broken = session.events()
    assert isinstance(delivery, Request)
    assert isinstance(broken, Broken)
    assert headers(session.data_to_send()) == [(c.GENERIC_NACK, c.ESME_RINVCMDLEN, 7)]
    server = Session(Role.SMSC)
    server.receive(b"GET / HTTP/1.1\r\n\r\n", 0.0)
    (broken,) = server.events()
    assert "HTTP" in broken.reason
    assert server.data_to_send() == b""


def test_alert_notification_is_told_and_not_answered() -> None:
    pair = Pair()
    pair.server.outbind(p.AlertNotification(source_addr="4477"), 0.0)
    (alert,) = pair.exchange().client
    assert alert.pdu == p.AlertNotification(source_addr="4477")
    assert pair.client.unanswered == 0


def test_an_outbind_reaches_a_client_that_has_not_bound() -> None:
    server, client = Session(Role.SMSC), Session(Role.ESME)
    server.outbind(p.Outbind("smsc", "pw"), 0.0)
    client.receive(server.data_to_send(), 0.0)
    (request,) = client.events()
    assert request.pdu == p.Outbind("smsc", "pw")


def test_other_responses_come_whole() -> None:
    pair = Pair()
    number = pair.client.submit(p.QuerySm("id", source_addr="1"), 0.0, "q")
    pair.exchange()
    answer = p.QuerySmResp("id", "", c.STATE_ENROUTE, 0)
    pair.server.respond(number, answer, 0.0)
    assert pair.exchange().client == [Response("q", 0, "id", {}, number, answer)]


def test_an_answer_of_the_wrong_kind_is_our_mistake() -> None:
    session = bound_client()
    session.receive(encode(MO, 1), 0.0)
    with pytest.raises(IllegalState):
        session.respond(1, p.SubmitSmResp(), 0.0)
    assert session.unanswered == 1


def test_what_the_codec_forgave_is_told() -> None:
    session = bound_client()
    frame = encode(MO, 1) + b"\0"
    session.receive(len(frame).to_bytes(4, "big") + frame[4:], 0.0)
    (request,) = session.events()
    assert request.pdu == MO
    assert Leniency(request.leniency) == Leniency.TRAILING_NUL


actions = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 5)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from((0.1, 20.0, 61.0))),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(actions)
def test_every_request_has_exactly_one_end(steps: list[tuple[str, Any]]) -> None:
    pair = Pair(window=4)
    sent = 0
    ends: list[object] = []
    asked: list[int] = []
    for what, amount in steps:
        if what == "submit":
            for _ in range(min(amount, pair.client.free)):
                pair.client.submit(TEXT, pair.now, sent)
                sent += 1
        elif what == "answer":
            for number in asked[:amount]:
                pair.server.respond(number, 0, pair.now)
            del asked[:amount]
        else:
            pair.wait(amount)
        taken = pair.exchange()
        asked += [event.sequence_number for event in taken.server if isinstance(event, Request)]
        ends += [event.context for event in taken.client if isinstance(event, Response | ResponseTimedOut)]
        assert 0 <= pair.client.free <= 4
        assert pair.client.in_flight + len(ends) == sent
    pair.client.close()
    for event in pair.client.events():
        if isinstance(event, Lost):
            ends += event.contexts
    assert sorted(ends, key=int) == list(range(sent))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(Role)), st.lists(st.binary(max_size=60), max_size=6))
def test_any_octets_give_events_and_no_error(role: Role, reads: list[bytes]) -> None:
    session = bound_client() if role is Role.ESME else Session(role)
    for at, octets in enumerate(reads):
        session.receive(octets, float(at))
        session.tick(float(at))
    for frame in FrameReader().feed(session.data_to_send()):
        decode(frame)
