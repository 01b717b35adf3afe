"""What the carrier writes, read by an independent decoder (``smpp.pdu3``)."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from smpp.pdu.pdu_encoding import PDUEncoder

from heliograph.simulator import Refusal, VirtualCarrier
from heliograph.smpp.codec import encode
from heliograph.smpp.constants import DELIVER_SM
from heliograph.smpp.frames import FrameReader
from heliograph.smpp.pdus import BindTransceiver, DeliverSmResp, EnquireLink, Unbind
from tests.simulator.support import submit


async def _frames(carrier: VirtualCarrier) -> list[bytes]:
    """A conversation on a bare socket; every frame that the carrier wrote."""
    reader, writer = await asyncio.open_connection("127.0.0.1", carrier.port)
    cutter = FrameReader()
    frames: list[bytes] = []

    async def until(count: int) -> None:
        while len(frames) < count:
            fresh = cutter.feed(await reader.read(65536))
            for frame in fresh:
                if int.from_bytes(frame[4:8], "big") == DELIVER_SM:
                    writer.write(encode(DeliverSmResp(), int.from_bytes(frame[12:16], "big")))
            frames.extend(fresh)

    writer.write(encode(BindTransceiver(system_id="esme", password="secret"), 1))
    await until(1)
    writer.write(encode(submit(text=b"hello"), 2) + encode(submit("+14155550199"), 3) + encode(EnquireLink(), 4))
    await until(5)
    carrier.reply("+491701234567", "12345", "A long reply with a € sign. " * 10)
    await until(7)
    await carrier.settled()
    writer.write(encode(Unbind(), 6))
    await until(8)
    writer.close()
    await writer.wait_closed()
    return frames


async def test_every_pdu_is_well_formed_to_another_decoder() -> None:
    async with VirtualCarrier(refusals=(Refusal(status=0x0B, suffix="99"),)) as carrier:
        async with asyncio.timeout(8):
            frames = await _frames(carrier)
    decoded: list[Any] = []
    for frame in frames:
        stream = BytesIO(frame)
        decoded.append(PDUEncoder().decode(stream))
        assert stream.read() == b""
    assert sorted(pdu.id.name for pdu in decoded) == [
        "bind_transceiver_resp",
        "deliver_sm",
        "deliver_sm",
        "deliver_sm",
        "enquire_link_resp",
        "submit_sm_resp",
        "submit_sm_resp",
        "unbind_resp",
    ]
    assert [pdu.status.name for pdu in decoded if pdu.status.name != "ESME_ROK"] == ["ESME_RINVDSTADR"]
    [receipt] = [pdu for pdu in decoded if "message_state" in pdu.params]
    [taken] = [pdu for pdu in decoded if pdu.id.name == "submit_sm_resp" and pdu.status.name == "ESME_ROK"]
    assert receipt.params["receipted_message_id"].rstrip(b"\0") == taken.params["message_id"]
    assert receipt.params["message_state"].name == "DELIVERED"
