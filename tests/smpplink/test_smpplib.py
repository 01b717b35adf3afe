"""python-smpplib as an independent client of our server: it binds, sends, and gets a receipt and a message."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import smpplib.client
import smpplib.exceptions

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DeliverSm, SubmitSm, SubmitSmResp
from heliograph.smpp.receipts import receipt_text, receipt_tlvs
from heliograph.smpplink.server import ServerLink, serve
from tests.smpp.test_receipts import AT, DONE
from tests.smpplink.peers import MO, Handler


class Carrier(Handler):
    """Answers a submit and sends its receipt behind the answer; refuses what goes to a number ending in 9."""

    def requests(self, link: ServerLink, requests: list[Any]) -> None:
        self.note("requests", requests)
        for number, request in enumerate(requests):
            if request.pdu.destination_addr.endswith("9"):
                link.respond([(request.sequence_number, c.ESME_RINVDSTADR)])
                continue
            link.respond([(request.sequence_number, SubmitSmResp("k7"))])
            if request.pdu.registered_delivery:
                link.deliver([(self.receipt(request.pdu), number)])

    def receipt(self, submit: SubmitSm) -> DeliverSm:
        return DeliverSm(
            source_addr=submit.destination_addr,
            destination_addr=submit.source_addr,
            esm_class=c.ESM_TYPE_RECEIPT,
            short_message=receipt_text("k7", "DELIVRD", AT, DONE),
            tlvs=receipt_tlvs("k7", c.STATE_DELIVERED),
        )


def converse(port: int) -> dict[str, Any]:
    """The whole of a client's life, in a thread of its own: smpplib blocks."""
    got: dict[str, Any] = {"responses": set(), "deliveries": []}
    client = smpplib.client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    client.set_message_sent_handler(lambda pdu: got["responses"].add((pdu.status, pdu.message_id)))
    client.set_message_received_handler(lambda pdu: got["deliveries"].append((pdu.esm_class, pdu.short_message)))
    client.set_error_pdu_handler(lambda pdu: got["responses"].add((pdu.status, None)))
    client.connect()
    client.bind_transceiver(system_id="them", password="secret")
    for destination in ("447700900123", "447700900129"):
        client.send_message(
            source_addr="12345",
            destination_addr=destination,
            short_message=b"hi @\0",
            registered_delivery=1,
        )
    while len(got["responses"]) < 2 or len(got["deliveries"]) < 2:
        client.read_once()
    client.unbind()
    client.disconnect()
    return got


async def test_smpplib_binds_sends_and_gets_a_receipt() -> None:
    carrier = Carrier()
    server = await serve("127.0.0.1", 0, lambda: carrier)
    talking = asyncio.create_task(asyncio.to_thread(converse, server.port))
    await carrier.until_told("requests")
    assert carrier.link is not None
    carrier.link.deliver([(MO, "mo")])
    got = await asyncio.wait_for(talking, 10)
    assert got["responses"] == {(0, b"k7"), (c.ESME_RINVDSTADR, None)}
    assert sorted(got["deliveries"]) == [(0, b"yo"), (c.ESM_TYPE_RECEIPT, receipt_text("k7", "DELIVRD", AT, DONE))]
    assert [request.pdu.short_message for request in carrier.of("requests")] == [b"hi @\0"] * 2
    assert (await carrier.until_told("unbound"))[0] == "unbound by the peer"
    assert {(one.context, one.status) for one in carrier.of("responses")} == {(0, 0), ("mo", 0)}
    await server.close(0)


async def test_smpplib_is_told_why_its_bind_is_refused() -> None:
    server = await serve("127.0.0.1", 0, lambda: Handler(bind_status=c.ESME_RINVPASWD))

    def attempt() -> None:
        client = smpplib.client.Client("127.0.0.1", server.port, timeout=5, allow_unknown_opt_params=True)
        client.connect()
        try:
            client.bind_transmitter(system_id="them", password="wrong")
        finally:
            client._socket.shutdown(socket.SHUT_RDWR)
            client.disconnect()

    with pytest.raises((smpplib.exceptions.PDUError, OSError)):
        await asyncio.to_thread(attempt)
    await server.close(0)
