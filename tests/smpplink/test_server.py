"""The server's side: binds, windows, orderly ends, TLS."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliograph.smpp import constants as c
from heliograph.smpp.codec import decode, encode
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.pdus import Bind, BindTransceiver, BindTransmitter, QuerySm, SubmitSm
from heliograph.smpplink.server import ServerLink, serve
from heliograph.smpplink.settings import ServerSettings
from tests.smpplink.peers import MO, TEXT, Handler, House


class RawClient:
    """A socket that speaks frames."""

    async def open(self, port: int) -> RawClient:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.frames = FrameReader()
        return self

    async def ask(self, octets: bytes) -> list[Any]:
        self.writer.write(octets)
        frames: list[bytes] = []
        while not frames:
            read = await asyncio.wait_for(self.reader.read(65536), 5)
            if not read:
                return []
            frames = self.frames.feed(read)
        return [decode(frame) for frame in frames]

    async def close(self) -> None:
        self.writer.close()
        await asyncio.wait_for(self.writer.wait_closed(), 5)


@pytest.mark.parametrize(
    ("version", "told"), [(0x00, {}), (0x33, {}), (0x34, {0x0210: b"\x34"}), (0x50, {0x0210: b"\x34"})]
)
async def test_every_version_may_bind_and_only_those_with_tlvs_get_one(version: int, told: dict[int, bytes]) -> None:
    handler = Handler()
    server = await serve("127.0.0.1", 0, lambda: handler)
    client = await RawClient().open(server.port)
    (answer,) = await client.ask(encode(BindTransceiver("a", interface_version=version), 2))
    assert (answer.command_status, answer.sequence_number, answer.pdu.tlvs) == (0, 2, told)
    assert handler.link is not None
    assert handler.link.interface_version == min(version, 0x34)
    await client.close()
    await handler.until_told("unbound")
    await server.close(0)


async def test_a_refused_bind_is_answered_and_closed() -> None:
    handler = Handler(bind_status=c.ESME_RINVPASWD)
    server = await serve("127.0.0.1", 0, lambda: handler)
    client = await RawClient().open(server.port)
    (answer,) = await client.ask(encode(BindTransceiver("a", "wrong"), 1))
    assert answer.command_status == c.ESME_RINVPASWD
    assert await client.reader.read() == b""
    await client.close()
    await handler.until_told("unbound")
    assert not server.links
    await server.close(0)


class Later(Handler):
    def bind(self, link: ServerLink, bind: Bind) -> int | None:
        super().bind(link, bind)
        return None


async def test_a_bind_may_be_answered_later() -> None:
    async with House(handler=Later()) as house:
        await house.handler.until_told("bind")
        assert house.handler.link is not None
        house.handler.link.answer_bind(0)
        await house.bound()
        house.handler.link.answer_bind(0)
        assert house.link.is_bound


async def test_a_transmitter_gets_no_deliveries() -> None:
    handler = Handler()
    server = await serve("127.0.0.1", 0, lambda: handler)
    client = await RawClient().open(server.port)
    await client.ask(encode(BindTransmitter("a"), 1))
    assert handler.link is not None
    assert (handler.link.free, handler.link.can_receive) == (0, False)
    await client.close()
    await server.close(0)


async def test_other_requests_reach_the_handler() -> None:
    async with House() as house:
        await house.bound()
        house.link.submit([(QuerySm("id", source_addr="1"), "q")])
        (request,) = await house.handler.until_told("requests")
        assert request.pdu == QuerySm("id", source_addr="1")
        (response,) = await house.listener.until_told("responses")
        assert (response.context, response.pdu.message_id) == ("q", "")


async def test_deliveries_nobody_answers_are_lost_with_the_link() -> None:
    async with House() as house:
        await house.bound()
        house.listener.status = None
        assert house.handler.link is not None
        house.handler.link.deliver([(MO, "x")])
        await house.listener.until_told("deliveries")
        house.running.cancel()
        await house.handler.until_told("unbound")
        assert house.handler.of("lost") == ["x"]
        await asyncio.wait((house.running,))
        house.running = asyncio.create_task(asyncio.sleep(0))


async def test_a_server_that_closes_unbinds_its_clients() -> None:
    async with House() as house:
        await house.bound()
        await house.server.close(1)
        assert (await house.listener.until_told("unbound"))[0] == "unbound by the peer"


async def test_a_client_that_says_nothing_is_closed() -> None:
    handler = Handler()
    timers = ServerSettings().timers
    settings = ServerSettings(timers=type(timers)(session_init_s=0.05))
    server = await serve("127.0.0.1", 0, lambda: handler, settings=settings)
    client = await RawClient().open(server.port)
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    assert "not bound within" in (await handler.until_told("unbound"))[0]
    await client.close()
    await server.close(0)


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_strangers_are_named_and_closed_without_an_answer(hello: bytes) -> None:
    handler = Handler()
    server = await serve("127.0.0.1", 0, lambda: handler)
    client = await RawClient().open(server.port)
    assert await client.ask(hello) == []
    assert "not SMPP" in (await handler.until_told("unbound"))[0]
    await client.close()
    await server.close(0)


async def test_requests_above_the_limit_wait_in_the_socket() -> None:
    handler = Handler(answer=False)
    settings = ServerSettings(unanswered_max=100)
    async with House(handler=handler, server=settings, client={"window": 50_000}) as house:
        await house.bound()
        long = SubmitSm(short_message=b"x" * 200)
        total = 40_000
        for _ in range(total // 1000):
            house.link.submit([(long, 0)] * 1000)
        await handler.until(lambda: len(handler.of("requests")) > 100)
        await asyncio.sleep(0.1)  # what would not wait would come now
        assert len(handler.of("requests")) < total
        handler.answer = True
        assert handler.link is not None
        handler.link.respond([(one.sequence_number, 0) for one in handler.of("requests")])
        await house.listener.until_told("responses", total)


async def test_sixteen_clients_at_once() -> None:
    handlers: list[Handler] = []

    def new_handler() -> Handler:
        handlers.append(Handler())
        return handlers[-1]

    server = await serve("127.0.0.1", 0, new_handler)
    clients = [await RawClient().open(server.port) for _ in range(16)]
    for client in clients:
        await client.ask(encode(BindTransceiver("a"), 1))
        (answer,) = await client.ask(encode(TEXT, 2))
        assert answer.pdu.message_id == "id1"
    assert len(server.links) == len(handlers) == 16
    for client in clients:
        await client.close()
    await server.close(0)
