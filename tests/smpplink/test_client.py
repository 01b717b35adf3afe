"""The client's link against a server of ours on loopback."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from heliograph.smpp import constants as c
from heliograph.smpp.codec import encode, encode_header
from heliograph.smpp.errors import IllegalState, WindowFull
from heliograph.smpp.events import Response
from heliograph.smpp.pdus import AlertNotification, BindTransceiverResp, DeliverSm, SubmitSm, SubmitSmResp
from heliograph.smpp.session import Timers
from heliograph.smpplink.client import ClientLink
from heliograph.smpplink.settings import BindMode, LinkSettings, ServerSettings
from tests.smpplink.peers import FAST, MO, TEXT, Handler, House, Listener


async def test_messages_there_and_back() -> None:
    async with House() as house:
        await house.bound()
        assert house.link.free == 10
        house.link.submit([(TEXT, "a"), (TEXT, "b")])
        responses = await house.listener.until_told("responses", 2)
        assert [(one.context, one.status, one.message_id) for one in responses] == [("a", 0, "id1"), ("b", 0, "id2")]
        assert house.link.free == 10
        assert house.handler.link is not None
        house.handler.link.deliver([(MO, "x"), (MO, "y")])
        answers = await house.handler.until_told("responses", 2)
        assert [one.context for one in answers] == ["x", "y"]
        assert [one.pdu for one in house.listener.of("deliveries")] == [MO, MO]


async def test_the_bind_says_what_was_configured_and_the_server_its_version() -> None:
    async with House(client={"system_type": "sms", "interface_version": 0x34, "bind": BindMode.RECEIVER}) as house:
        await house.bound()
        (bind,) = house.handler.of("bind")
        assert (bind.command_id, bind.system_id, bind.password) == (c.BIND_RECEIVER, "esme", "secret")
        assert (house.link.peer_version, house.link.peer_system_id) == (0x34, "heliograph")
        assert house.link.free == 0
        with pytest.raises(IllegalState):
            house.link.submit([(TEXT, 1)])


@pytest.mark.parametrize(
    ("ours", "theirs", "told", "spoken"),
    [(0x50, 0x50, 0x50, 0x50), (0x50, 0x34, 0x34, 0x34), (0x34, 0x50, 0x50, 0x34), (0x33, 0x50, None, 0x33)],
)
async def test_the_older_version_is_spoken(ours: int, theirs: int, told: int | None, spoken: int) -> None:
    async with House(server=ServerSettings(interface_version=theirs), client={"interface_version": ours}) as house:
        await house.bound()
        assert (house.link.peer_version, house.link.interface_version) == (told, spoken)
        assert house.handler.link is not None
        assert house.handler.link.interface_version == spoken


async def test_a_submit_when_not_bound_or_beyond_the_window_writes_nothing() -> None:
    link = ClientLink(LinkSettings(host="127.0.0.1", system_id="x"), Listener())
    assert link.free == 0
    with pytest.raises(IllegalState):
        link.submit([(TEXT, 1)])
    async with House(client={"window": 2}) as house:
        await house.bound()
        with pytest.raises(WindowFull):
            house.link.submit([(TEXT, n) for n in range(3)])
        assert house.link.free == 2


async def test_the_unsayable_are_given_back() -> None:
    async with House() as house:
        await house.bound()
        ((context, error),) = house.link.submit([(SubmitSm(source_addr="1" * 30), "bad"), (TEXT, "good")])
        assert (context, error.field) == ("bad", "source_addr")
        (response,) = await house.listener.until_told("responses")
        assert response.context == "good"


async def test_a_lost_link_tells_what_was_lost_and_comes_back() -> None:
    async with House(handler=Handler(answer=False)) as house:
        await house.bound()
        house.link.submit([(TEXT, "a"), (TEXT, "b")])
        await house.handler.until_told("requests", 2)
        assert house.handler.link is not None
        house.handler.link.close()
        await house.listener.until_told("bound", 2)
        assert house.listener.of("lost") == ["a", "b"]
        assert len(house.server.links) == 1
        assert house.link.connects == 2
        assert house.listener.of("trouble")[0].startswith("lost: ")


async def test_an_answer_for_an_earlier_connection_acknowledges_nothing() -> None:
    listener = Listener()
    listener.status = None
    async with House(listener=listener) as house:
        await house.bound()
        assert house.handler.link is not None
        house.handler.link.deliver([(MO, 1)])
        (old,) = await listener.until_told("deliveries")
        house.handler.link.close()
        await listener.until_told("bound", 2)
        house.handler.link.deliver([(MO, 2)])
        _, new = await listener.until_told("deliveries", 2)
        assert new.sequence_number & 0xFFFFFFFF == old.sequence_number & 0xFFFFFFFF
        house.link.acknowledge([(old.sequence_number, 0), (new.sequence_number, c.ESME_RX_T_APPN)])
        (response,) = await house.handler.until_told("responses")
        assert (response.context, response.status) == (2, c.ESME_RX_T_APPN)


async def test_wrong_credentials_are_told_once_and_wait_long() -> None:
    async with House(handler=Handler(bind_status=c.ESME_RINVPASWD)) as house:
        await house.listener.until_told("trouble")
        assert house.listener.told == [("trouble", "bind refused with ESME_RINVPASWD: the credentials are wrong")]
        assert house.link._backoff.wait_s(c.ESME_RINVPASWD) >= 60


async def test_a_carrier_that_is_away_is_one_trouble() -> None:
    async with House(handler=Handler(bind_status=c.ESME_RALYBND)) as house:
        await house.handler.until_told("bind", 4)
        assert len(house.listener.of("trouble")) == 1


async def test_nobody_listening_is_one_trouble() -> None:
    async with House() as house:
        await house.bound()
        port = house.server.port
    troubles: list[str] = []
    tries = 0

    def chance() -> float:
        nonlocal tries
        tries += 1
        if tries > 3:
            link._stopping = True
        return 0.0

    settings = LinkSettings(host="127.0.0.1", port=port, system_id="x", reconnect_min_s=0.001, reconnect_max_s=0.002)
    link = ClientLink(settings, Listener(), on_trouble=troubles.append, chance=chance)
    await asyncio.wait_for(link.run(), 5)
    assert len(troubles) == 1
    assert "connect" in troubles[0]


async def test_time_outs_and_late_answers_reach_the_listener() -> None:
    handler = Handler(answer=False)
    async with House(handler=handler, client={"timers": Timers(response_s=0.08, enquire_link_s=0)}) as house:
        await house.bound()
        house.link.submit([(TEXT, "slow")])
        (request,) = await handler.until_told("requests")
        (timed_out,) = await house.listener.until_told("timed_out")
        assert timed_out.context == "slow"
        assert house.link.free == 10
        assert handler.link is not None
        handler.link.respond([(request.sequence_number, SubmitSmResp("late"))])
        (late,) = await house.listener.until_told("late")
        assert (late.context, late.message_id) == ("slow", "late")


async def test_a_stop_drains_the_window_and_unbinds() -> None:
    handler = Handler(answer=False)
    async with House(handler=handler) as house:
        await house.bound()
        house.link.submit([(TEXT, "last")])
        (request,) = await handler.until_told("requests")
        stopping = asyncio.create_task(house.link.stop(5))
        await asyncio.sleep(0)
        assert house.link.free == 0
        assert handler.link is not None
        handler.link.respond([(request.sequence_number, SubmitSmResp("id"))])
        await asyncio.wait_for(stopping, 5)
        await asyncio.wait_for(house.running, 5)
        assert [one.context for one in house.listener.of("responses")] == ["last"]
        assert house.listener.of("lost") == []
        assert house.listener.of("unbound") == ["unbound"]
        await handler.until_told("unbound")
        assert handler.of("unbound") == ["unbound by the peer"]


async def test_a_stop_does_not_wait_for_ever() -> None:
    async with House(handler=Handler(answer=False), client={"timers": FAST}) as house:
        await house.bound()
        house.link.submit([(TEXT, "never")])
        await asyncio.wait_for(house.link.stop(0.02), 5)
        ended = house.listener.of("lost") + [one.context for one in house.listener.of("timed_out")]
        assert ended == ["never"]


async def test_cancelling_closes_the_socket_and_tells_the_lost() -> None:
    async with House(handler=Handler(answer=False)) as house:
        await house.bound()
        house.link.submit([(TEXT, "a")])
        house.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await house.running
        assert house.listener.of("lost") == ["a"]
        await house.handler.until_told("unbound")
        house.running = asyncio.create_task(asyncio.sleep(0))


class Failing(Listener):
    def responses(self, link: ClientLink, responses: list[Any]) -> None:
        super().responses(link, responses)
        if any(one.context == "boom" for one in responses):
            raise RuntimeError("the listener fell over")


async def test_an_exception_of_the_listener_closes_the_link_with_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    async with House(listener=Failing()) as house:
        await house.bound()
        with caplog.at_level(logging.ERROR, "heliograph.smpplink"):
            house.link.submit([(TEXT, "boom")])
            await house.listener.until_told("bound", 2)
        assert house.listener.of("unbound") == ["its user failed on 'turn': RuntimeError"]
        assert "fell over" in caplog.text


async def test_alert_notification_reaches_the_listener() -> None:
    async with House() as house:
        await house.bound()
        assert house.handler.link is not None
        house.handler.link.tell(AlertNotification(source_addr="4477"))
        (delivery,) = await house.listener.until_told("deliveries")
        assert delivery.pdu == AlertNotification(source_addr="4477")


class Scripted(asyncio.Protocol):
    """A raw SMSC: accepts the bind, then writes what it is told and keeps the sizes of reads."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)
        if len(self.reads) == 1:
            self.transport.write(encode(BindTransceiverResp("smsc"), 1))


class Raw:
    """A client link against a `Scripted` SMSC."""

    def __init__(self, **client: Any) -> None:
        self.client = client
        self.peers: list[Scripted] = []
        self.listener = Listener()

    def _peer(self) -> Scripted:
        self.peers.append(Scripted())
        return self.peers[-1]

    async def __aenter__(self) -> Raw:
        self.server = await asyncio.get_running_loop().create_server(self._peer, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        settings = LinkSettings(
            host="127.0.0.1", port=port, system_id="x", reconnect_min_s=0.01, reconnect_max_s=0.02, **self.client
        )
        self.link = ClientLink(settings, self.listener, on_trouble=lambda _: None)
        self.running = asyncio.create_task(self.link.run())
        await self.listener.until_told("bound")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.running.cancel()
        await asyncio.wait((self.running,))
        self.server.close()
        for peer in self.peers:
            peer.transport.abort()


async def test_what_leaves_in_one_turn_leaves_in_one_write() -> None:
    class Busy(Listener):
        def responses(self, link: ClientLink, responses: list[Any]) -> None:
            super().responses(link, responses)
            link.submit([(TEXT, 3)])

    raw = Raw(timers=Timers(enquire_link_s=0))
    raw.listener = Busy()
    async with raw:
        raw.link.submit([(TEXT, 1), (TEXT, 2)])
        (peer,) = raw.peers
        await raw.listener.until(lambda: True)
        while len(peer.reads) < 2:
            await asyncio.sleep(0.001)
        assert peer.reads[1] == encode(TEXT, 2) + encode(TEXT, 3)
        peer.transport.write(encode(SubmitSmResp("a"), 2) + encode(MO, 9) + encode_header(c.ENQUIRE_LINK, 10))
        while len(peer.reads) < 3:
            await asyncio.sleep(0.001)
        assert sorted([peer.reads[2][:16], peer.reads[2][16:]][0:1]) == [encode_header(c.ENQUIRE_LINK_RESP, 10)]
        assert peer.reads[2][16:].startswith(encode(TEXT, 4))
        assert len(peer.reads[2]) == 16 + len(encode(TEXT, 4)) + 17


async def test_garbage_is_nacked_and_the_link_comes_back() -> None:
    async with Raw() as raw:
        raw.peers[0].transport.write(encode(MO, 5) + b"\xff" * 16)
        await raw.listener.until_told("bound", 2)
        assert [one.pdu for one in raw.listener.of("deliveries")] == [MO]
        assert len(raw.peers) == 2


async def test_a_peer_that_reads_nothing_shows_no_free_slots_and_is_dropped() -> None:
    big = SubmitSm(short_message=b"x" * 250, tlvs={c.TAG_MESSAGE_PAYLOAD: b"y" * 60000})
    async with Raw(window=1000, write_stuck_s=0.1, timers=Timers(enquire_link_s=0.05)) as raw:
        raw.peers[0].transport.pause_reading()
        sent = 0
        while raw.link.free:
            raw.link.submit([(big, sent)])
            sent += 1
            await asyncio.sleep(0)
        assert 0 < sent < 1000
        await raw.listener.until_told("bound", 2)
        assert raw.listener.of("lost") == list(range(sent))
        assert "took nothing" in raw.listener.of("unbound")[0]


async def test_a_flood_of_deliveries_stops_the_reading_until_they_are_acknowledged() -> None:
    listener = Listener()
    listener.status = None
    raw = Raw(unanswered_max=10)
    raw.listener = listener
    async with raw:
        small = DeliverSm(short_message=b"x" * 200)
        for batch in range(400):
            raw.peers[0].transport.write(b"".join(encode(small, 100 * batch + n) for n in range(100)))
        await listener.until(lambda: len(listener.of("deliveries")) > 10)
        await asyncio.sleep(0.1)
        before = len(listener.of("deliveries"))
        assert 10 < before < 40_000
        listener.status = 0
        raw.link.acknowledge([(one.sequence_number, 0) for one in listener.of("deliveries")])
        await listener.until_told("deliveries", 40_000)


async def test_two_probes_without_an_answer_end_the_link() -> None:
    async with Raw(timers=FAST) as raw:
        reason = (await raw.listener.until_told("unbound"))[0]
        assert "enquire_link" in reason


async def test_the_window_is_refilled_from_responses() -> None:
    class Pump(Listener):
        left = 500

        def bound(self, link: ClientLink) -> None:
            super().bound(link)
            self.fill(link)

        def responses(self, link: ClientLink, responses: list[Response]) -> None:
            super().responses(link, responses)
            self.fill(link)

        def fill(self, link: ClientLink) -> None:
            count = min(link.free, self.left)
            self.left -= count
            link.submit([(TEXT, n) for n in range(count)])

    async with House(listener=Pump(), server=ServerSettings(unanswered_max=3)) as house:
        responses = await house.listener.until_told("responses", 500)
        assert len({one.message_id for one in responses}) == 500
