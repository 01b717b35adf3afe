"""A link against carriers that go wrong in every way: each submit has one end, and the link works again afterwards.

The peers are sockets that write octets, so that they can say what no codec of ours would.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from struct import unpack_from
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from heliograph.smpp import constants as c
from heliograph.smpp.codec import encode, encode_header
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.pdus import BindTransceiverResp, SubmitSmResp
from heliograph.smpp.session import Timers
from heliograph.smpplink import wire
from heliograph.smpplink.client import ClientLink
from heliograph.smpplink.settings import LinkSettings
from tests.smpplink.peers import MO, TEXT, Listener

TIMERS = Timers(
    session_init_s=0.2, response_s=0.2, pdu_read_s=0.2, unbind_s=0.2, enquire_link_s=0.5, enquire_timeout_s=0.5
)
IMPATIENT = replace(TIMERS, response_s=0.5)
"""For carriers that leave a submit without its answer: what follows has time enough to be answered."""
PATIENT = replace(TIMERS, response_s=60.0)
"""For all others, however slow the machine is: no submit ends by its own time, before what ends it has its turn."""


class Peer(asyncio.Protocol):
    """One connection of a carrier: ``bad`` until told otherwise, then as it should be."""

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc
        self.reader = FrameReader()
        self.heard: list[tuple[int, int, int]] = []
        """(command_id, command_status, sequence_number) of each PDU."""
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.smsc.peers.append(self)
        self.smsc.meddle("open", self, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False

    def write(self, *pdus: bytes) -> None:
        self.transport.write(b"".join(pdus))

    def data_received(self, data: bytes) -> None:
        for frame in self.reader.feed(data):
            _, command_id, status, number = unpack_from(">IIII", frame)
            self.heard.append((command_id, status, number))
            if command_id == c.BIND_TRANSCEIVER and not self.smsc.meddle("bind", self, number):
                self.write(encode(BindTransceiverResp("smsc"), number))
            elif command_id == c.SUBMIT_SM and not self.smsc.meddle("submit", self, number):
                self.write(encode(SubmitSmResp(f"id{number}"), number))
            elif command_id == c.UNBIND:
                self.write(encode_header(c.UNBIND_RESP, number))


Act = Callable[[Peer, int], None]


class Smsc:
    def __init__(self, moment: str, act: Act) -> None:
        self.moment, self.act = moment, act
        self.bad = True
        self.peers: list[Peer] = []

    def meddle(self, moment: str, peer: Peer, number: int) -> bool:
        """Whether this was the moment to go wrong; at the opening it goes wrong besides what follows."""
        if not self.bad or moment != self.moment:
            return False
        if moment != "submit":
            self.bad = False
        self.act(peer, number)
        return True


@asynccontextmanager
async def against(moment: str, act: Act, **settings: Any) -> AsyncIterator[tuple[Smsc, ClientLink, Listener]]:
    """A client link that runs, its carrier, and a check that nothing is left of either."""
    smsc, listener = Smsc(moment, act), Listener()
    tasks = asyncio.all_tasks()
    server = await asyncio.get_running_loop().create_server(lambda: Peer(smsc), "127.0.0.1", 0)
    fields: dict[str, Any] = {
        "port": server.sockets[0].getsockname()[1], "timers": TIMERS, "refused_wait_s": 0.02, "window": 4,
    }  # fmt: skip
    link = ClientLink(
        LinkSettings(host="127.0.0.1", system_id="x", reconnect_min_s=0.01, reconnect_max_s=0.02, **fields | settings),
        listener,
        on_trouble=lambda what: listener.note("trouble", what),
    )
    running = asyncio.create_task(link.run())
    try:
        yield smsc, link, listener
    finally:
        await link.stop(0.5)
        await asyncio.wait_for(running, 5)
        server.close()
        async with asyncio.timeout(5):
            while any(peer.open for peer in smsc.peers):
                await asyncio.sleep(0)
    assert link.in_flight == 0
    assert asyncio.all_tasks() == tasks


def raw(length: int, command_id: int, status: int, number: int, body: bytes = b"") -> bytes:
    """A PDU whose header says what it likes."""
    return b"".join(value.to_bytes(4, "big") for value in (length, command_id, status, number)) + body


def closing(peer: Peer, number: int) -> None:
    peer.transport.close()


def silent(peer: Peer, number: int) -> None:
    """Nothing at all."""


def says(*pdus: Callable[[int], bytes]) -> Act:
    """Writes these, each made from the number of the request."""
    return lambda peer, number: peer.write(*[pdu(number) for pdu in pdus])


def good(number: int) -> bytes:
    return encode(SubmitSmResp("good"), number)


class Row(NamedTuple):
    """What a carrier does instead of answering a submit, and the end of that submit: a status, or a word."""

    what: str
    act: Act
    end: int | str
    """The status of its response; "timed_out"; "lost" with the link, which is opened again."""


ROWS = [
    Row("no response", silent, "timed_out"),
    Row("a nack with its number", says(lambda n: encode_header(c.GENERIC_NACK, n, c.ESME_RSYSERR)), c.ESME_RSYSERR),
    Row("a nack with its number and status 0", says(lambda n: encode_header(c.GENERIC_NACK, n)), c.ESME_RUNKNOWNERR),
    Row("a nack without a number", says(lambda n: encode_header(c.GENERIC_NACK, 0, c.ESME_RINVCMDLEN)), "timed_out"),
    Row("three nacks without a number", says(*[lambda n: encode_header(c.GENERIC_NACK, 0, 3)] * 3), "lost"),
    Row("a nack for a number never used", says(lambda n: encode_header(c.GENERIC_NACK, n + 9, 3), good), 0),
    Row("an unbind", says(lambda n: encode_header(c.UNBIND, 77)), "lost"),
    Row("an unbind and its end at once", lambda p, n: (p.write(encode_header(c.UNBIND, 77)), closing(p, n))[1], "lost"),
    Row("its answer behind an unbind", says(lambda n: encode_header(c.UNBIND, 77), good), "lost"),
    Row("an unbind behind its answer", says(good, lambda n: encode_header(c.UNBIND, 77)), 0),
    Row("a closed connection", closing, "lost"),
    Row("a broken connection", lambda p, n: p.transport.abort(), "lost"),
    Row("a length below the header's", says(lambda n: raw(15, c.SUBMIT_SM_RESP, 0, n)), "lost"),
    Row("a length of 0", says(lambda n: raw(0, c.SUBMIT_SM_RESP, 0, n)), "lost"),
    Row("a length beyond every bound", says(lambda n: raw(2**31, c.SUBMIT_SM_RESP, 0, n, b"7\0")), "lost"),
    Row("a length longer than what follows", says(lambda n: raw(40, c.SUBMIT_SM_RESP, 0, n, b"7\0")), "lost"),
    Row("half of a header", says(lambda n: raw(18, c.SUBMIT_SM_RESP, 0, n)[:9]), "lost"),
    Row("another protocol", says(lambda n: b"HTTP/1.1 400 Bad Request\r\n\r\n"), "lost"),
    Row("noise", says(lambda n: bytes(range(250, 255)) * 40), "lost"),
    Row("an unknown command", says(lambda n: encode_header(0x00000777, 5), good), 0),
    Row("an unknown response", says(lambda n: encode_header(0x80000777, n)), c.ESME_RUNKNOWNERR),
    Row("the number of another request", says(lambda n: encode(SubmitSmResp("x"), n + 1)), "timed_out"),
    Row("its answer twice", says(good, good), 0),
    Row("its answer, then a nack of it", says(good, lambda n: encode_header(c.GENERIC_NACK, n, 3)), 0),
    Row("a response without a body", says(lambda n: encode_header(c.SUBMIT_SM_RESP, n)), 0),
    Row("an id without its NUL", says(lambda n: raw(18, c.SUBMIT_SM_RESP, 0, n, b"ab")), 0),
    Row("an endless id", says(lambda n: raw(60_017, c.SUBMIT_SM_RESP, 0, n, b"7" * 60_000 + b"\0")), 0),
    Row("NULs behind the id", says(lambda n: raw(22, c.SUBMIT_SM_RESP, 0, n, b"ab\0\0\0\0")), 0),
    Row("a TLV over the end", says(lambda n: raw(23, c.SUBMIT_SM_RESP, 0, n, b"ab\0\x04\x28\0\x09")), 0),
    Row("a refusal with a body", says(lambda n: raw(17, c.SUBMIT_SM_RESP, 0x58, n, b"\0")), c.ESME_RTHROTTLED),
    Row("a refusal without one", says(lambda n: encode_header(c.SUBMIT_SM_RESP, n, 0x58)), c.ESME_RTHROTTLED),
    Row("a status of its own", says(lambda n: encode_header(c.SUBMIT_SM_RESP, n, 0xFFFFFFFF)), 0xFFFFFFFF),
    Row("another bind_resp", says(lambda n: encode(BindTransceiverResp("again"), 1), good), 0),
    Row("a request that only a client may send", says(lambda n: encode(TEXT, 5), good), 0),
    Row("a delivery cut short", says(lambda n: encode_header(c.DELIVER_SM, 5), good), 0),
    Row("deliveries with one number", says(*[lambda n: encode(MO, 5)] * 3, good), 0),
    Row("a thousand probes", says(*[lambda n: encode_header(c.ENQUIRE_LINK, 5)] * 1000, good), 0),
    Row("unasked answers", says(*[lambda n: encode_header(c.ENQUIRE_LINK_RESP, 999)] * 100, good), 0),
    Row("an alert cut short", says(lambda n: encode_header(c.ALERT_NOTIFICATION, 5), good), 0),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
async def test_a_submit_has_one_end_and_the_link_works_again(row: Row) -> None:
    timers = IMPATIENT if row.end == "timed_out" else PATIENT
    async with against("submit", row.act, timers=timers) as (smsc, link, listener):
        await listener.until_told("bound")
        link.submit([(TEXT, "first")])
        ends = ("responses", "timed_out", "lost")
        await listener.until(lambda: any(listener.of(end) for end in ends))
        smsc.bad = False
        if row.end == "lost":
            await listener.until_told("bound", 2)
        await listener.until(lambda: link.free > 0)
        link.submit([(TEXT, "second")])
        await listener.until(lambda: "second" in [one.context for one in listener.of("responses")])
        found = {one.context: one.status for one in listener.of("responses")}
        found |= {one.context: "timed_out" for one in listener.of("timed_out")}
        found |= dict.fromkeys(listener.of("lost"), "lost")
        assert found == {"first": row.end, "second": 0}
        assert sum(len(listener.of(end)) for end in ends) == 2


async def test_a_late_answer_is_told_as_late() -> None:
    async with against("submit", silent) as (smsc, link, listener):
        await listener.until_told("bound")
        link.submit([(TEXT, "first")])
        [timed_out] = await listener.until_told("timed_out")
        smsc.peers[0].write(good(timed_out.sequence_number))
        [late] = await listener.until_told("late")
        assert (late.context, late.message_id, listener.of("responses")) == ("first", "good", [])


BINDS: list[tuple[str, str, Act]] = [
    ("closes before the bind", "open", closing),
    ("breaks before the bind", "open", lambda peer, number: peer.transport.abort()),
    ("answers no bind", "bind", silent),
    ("closes on the bind", "bind", closing),
    ("refuses it", "bind", says(lambda n: encode_header(c.BIND_TRANSCEIVER_RESP, n, c.ESME_RBINDFAIL))),
    ("is bound already", "bind", says(lambda n: encode_header(c.BIND_TRANSCEIVER_RESP, n, c.ESME_RALYBND))),
    ("refuses it by a nack", "bind", says(lambda n: encode_header(c.GENERIC_NACK, n, c.ESME_RINVCMDID))),
    ("nacks without a number", "bind", says(lambda n: encode_header(c.GENERIC_NACK, 0, c.ESME_RINVCMDID))),
    ("answers another number", "bind", says(lambda n: encode(BindTransceiverResp("smsc"), n + 7))),
    ("unbinds", "bind", says(lambda n: encode_header(c.UNBIND, 1))),
    ("says a length of 3", "bind", says(lambda n: raw(3, c.BIND_TRANSCEIVER_RESP, 0, n))),
    ("says half an answer", "bind", says(lambda n: encode(BindTransceiverResp("smsc"), n)[:-2])),
    ("is a web server", "open", says(lambda n: b"HTTP/1.1 400 Bad Request\r\n\r\n")),
]


@pytest.mark.parametrize(("moment", "act"), [row[1:] for row in BINDS], ids=[row[0] for row in BINDS])
async def test_a_bind_that_fails_is_tried_again(moment: str, act: Act) -> None:
    async with against(moment, act) as (smsc, link, listener):
        await listener.until_told("bound")
        assert len(smsc.peers) == link.connects >= 2
        assert len(listener.of("trouble")) == 1
        async with asyncio.timeout(5):
            while smsc.peers[0].open:
                await asyncio.sleep(0)
        link.submit([(TEXT, 1)])
        [response] = await listener.until_told("responses")
        assert response.status == 0


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        (encode(MO, 5), (c.DELIVER_SM_RESP, c.ESME_RINVBNDSTS, 5)),
        (encode_header(c.ENQUIRE_LINK, 5), (c.ENQUIRE_LINK_RESP, 0, 5)),
        (encode_header(0x00000777, 5), (c.GENERIC_NACK, c.ESME_RINVCMDID, 5)),
    ],
    ids=["a delivery", "a probe", "an unknown command"],
)
async def test_what_comes_before_the_bind_is_answered_and_the_bind_goes_on(
    what: bytes, answer: tuple[int, int, int]
) -> None:
    async with against("open", says(lambda n: what)) as (smsc, link, listener):
        await listener.until_told("bound")
        async with asyncio.timeout(5):
            while answer not in smsc.peers[0].heard:
                await asyncio.sleep(0)
        assert (link.connects, listener.of("deliveries")) == (1, [])


async def test_a_carrier_that_asks_and_never_reads_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its probes cost it 16 octets each and us as many in answers: it is dropped when those pile up."""
    monkeypatch.setattr(wire, "_UNREAD_MAX_OCTETS", 10_000)
    probes = encode_header(c.ENQUIRE_LINK, 5) * 4096

    def flood(peer: Peer, number: int) -> None:
        peer.transport.pause_reading()
        peer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        pour(peer)

    def pour(peer: Peer) -> None:
        if peer.open:
            if peer.transport.get_write_buffer_size() < 1 << 20:
                peer.transport.write(probes)
            asyncio.get_running_loop().call_soon(pour, peer)

    async with against("submit", flood, write_stuck_s=60) as (smsc, link, listener):
        await listener.until_told("bound")
        link.submit([(TEXT, "first")])
        [reason] = await listener.until_told("unbound")
        assert "did not read" in reason
        assert listener.of("lost") + [one.context for one in listener.of("timed_out")] == ["first"]
        smsc.bad = False
        await listener.until_told("bound", 2)
