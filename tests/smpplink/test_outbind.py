"""An SMSC dials us."""

from __future__ import annotations

import asyncio

import pytest

from heliograph.smpp import constants as c
from heliograph.smpp.codec import decode, encode
from heliograph.smpp.pdus import BindReceiver, BindReceiverResp, Outbind
from heliograph.smpplink.client import ClientLink
from heliograph.smpplink.outbind import OutbindSettings, listen_for_outbind
from heliograph.smpplink.settings import BindMode, LinkSettings
from tests.smpplink.peers import MO, Listener

SETTINGS = LinkSettings(host="", system_id="esme", password="secret", bind=BindMode.RECEIVER)
AGREED = OutbindSettings(system_id="smsc", password="shared", networks=("127.0.0.0/8",))


class Dialling:
    """A listener for outbind and an SMSC that dialled it."""

    def __init__(self, agreed: OutbindSettings = AGREED) -> None:
        self.agreed = agreed
        self.listener = Listener()

    async def __aenter__(self) -> Dialling:
        def new_link() -> ClientLink:
            return ClientLink(SETTINGS, self.listener, on_trouble=lambda _: None)

        self.server = await listen_for_outbind("127.0.0.1", 0, self.agreed, new_link)
        port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        self.server.close()

    async def read(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(4096), 5)


async def test_an_outbind_with_the_secret_is_bound_to_as_receiver() -> None:
    async with Dialling() as dialling:
        dialling.writer.write(encode(Outbind("smsc", "shared"), 1))
        bind = decode(await dialling.read())
        assert bind.pdu == BindReceiver("esme", "secret")
        dialling.writer.write(encode(BindReceiverResp("smsc"), bind.sequence_number) + encode(MO, 7))
        (delivery,) = await dialling.listener.until_told("deliveries")
        assert delivery.pdu == MO
        answer = decode(await dialling.read())
        assert (answer.pdu.command_id, answer.sequence_number) == (c.DELIVER_SM_RESP, 7)
        dialling.writer.close()
        await dialling.listener.until_told("unbound")


@pytest.mark.parametrize("outbind", [Outbind("smsc", "guess"), Outbind("other", "shared"), Outbind()])
async def test_a_wrong_secret_is_closed_without_an_answer(outbind: Outbind) -> None:
    async with Dialling() as dialling:
        dialling.writer.write(encode(outbind, 1))
        assert await dialling.read() == b""
        assert dialling.listener.told == []


async def test_a_stranger_is_closed_at_once() -> None:
    agreed = OutbindSettings(system_id="smsc", password="shared", networks=("192.0.2.0/24",))
    async with Dialling(agreed) as dialling:
        assert await dialling.read() == b""


def test_the_secret_is_not_in_the_repr() -> None:
    assert "shared" not in repr(AGREED)
