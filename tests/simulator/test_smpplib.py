"""An independent client, python-smpplib, sends and gets receipts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import smpplib.client
import smpplib.consts
import smpplib.gsm

from heliograph.simulator import ReceiptSettings, VirtualCarrier


class Customer:
    """A blocking client that lives in a thread."""

    def __init__(self, port: int) -> None:
        self.heard: list[str] = []
        self.responses: list[Any] = []
        self.receipts: list[Any] = []
        self.replies: list[Any] = []
        self.client = smpplib.client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
        self.client.set_message_sent_handler(self._sent)
        self.client.set_message_received_handler(self._received)

    def _sent(self, pdu: Any) -> None:
        self.heard.append("response")
        self.responses.append(pdu)

    def _received(self, pdu: Any) -> int:
        receipt = pdu.esm_class & smpplib.consts.SMPP_MSGTYPE_DELIVERYACK or pdu.receipted_message_id is not None
        self.heard.append("receipt" if receipt else "reply")
        (self.receipts if receipt else self.replies).append(pdu)
        return 0

    def send(self, text: str) -> int:
        parts, encoding, msg_type = smpplib.gsm.make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr="Shop",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr="491701234567",
                short_message=part,
                data_coding=encoding,
                esm_class=msg_type,
                registered_delivery=True,
            )
        return len(parts)

    def read_until(self, true: Callable[[], bool], over: threading.Event) -> None:
        while not true() and not over.is_set():
            self.client.read_once()


def converse(port: int, texts: list[str], over: threading.Event) -> Customer:
    customer = Customer(port)
    customer.client.connect()
    customer.client.bind_transceiver(system_id="esme", password="secret")
    segments = sum(customer.send(text) for text in texts)
    customer.read_until(
        lambda: len(customer.responses) == segments and len(customer.receipts) == segments and bool(customer.replies),
        over,
    )
    customer.client.unbind()
    customer.client.disconnect()
    return customer


async def converse_with(carrier: VirtualCarrier, texts: list[str]) -> Customer:
    """Run the client in its thread, beside the carrier."""
    over = threading.Event()
    conversation = asyncio.create_task(asyncio.to_thread(converse, carrier.port, texts, over))
    try:
        async with asyncio.timeout(8):
            return await conversation
    finally:
        over.set()


async def test_smpplib_sees_a_receipt_before_its_response() -> None:
    async with VirtualCarrier(receipts=ReceiptSettings(before_response=True)) as carrier:
        carrier.reply("+491701234567", "12345", "a reply")
        customer = await converse_with(carrier, ["hello"])
        assert customer.heard == ["reply", "receipt", "response"]


async def test_smpplib_sends_short_and_long_messages_and_gets_receipts_and_a_reply() -> None:
    texts = ["hello", "A long message, in three parts. " * 12, "Ünïcödé 🌬 " * 10]
    async with VirtualCarrier(ids="hex") as carrier:
        carrier.reply("+491701234567", "12345", "a reply")
        customer = await converse_with(carrier, texts)
        assert [message.text for message in carrier.messages] == texts
        ids = [pdu.message_id.decode() for pdu in customer.responses]
        assert [pdu.receipted_message_id.decode().rstrip("\0") for pdu in customer.receipts] == ids
        assert b"stat:DELIVRD" in customer.receipts[0].short_message
        assert [pdu.short_message for pdu in customer.replies] == [b"a reply"]
        assert [fact.status for fact in carrier.log.of("bind")] == [0]
