"""What carriers get wrong: octets that are no SMPP, and receipts that fit nothing. No message is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from heliograph.simulator import CarrierSettings, ReceiptSettings, VirtualCarrier
from heliograph.smpp.codec import encode
from heliograph.smpp.pdus import DeliverSm
from tests.dialogues.stage import HANDSET, NUMBER, Stage, eventually, stage

RECEIPT = encode(DeliverSm(source_addr="1", destination_addr="2", esm_class=4, short_message=b"id:1 stat:DELIVRD"), 77)
BREAKS = {
    "noise": bytes(range(256)) * 8,
    "a length of four": b"\0\0\0\4",
    "a length of 4 GB": b"\xff\xff\xff\xff",
    "a length of 10 MB": b"\x00\x98\x96\x80" + RECEIPT[4:],
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}
"""After these nobody knows where the next PDU begins: the link is closed and opened again."""
LEAVES = {
    "an unknown command": b"\0\0\0\x10\0\0\x0f\xff\0\0\0\0\0\0\0\x09",
    "a body cut short": (len(RECEIPT) - 10).to_bytes(4, "big") + RECEIPT[4:-10],
    "a body of nothing": b"\0\0\0\x10\0\0\0\x05\0\0\0\0\0\0\0\x09",
    "an answer to nothing": b"\0\0\0\x11\x80\0\0\x04\0\0\0\0\0\x0f\xff\xff\0",
    "an error for everything": b"\0\0\0\x10\x80\0\0\0\0\0\0\x03\0\0\0\0",
    "a receipt that says nothing": encode(DeliverSm(esm_class=4, short_message=b"\xff\0\xff"), 78),
    "a receipt without anything": encode(DeliverSm(esm_class=4), 79),
}
"""These are one bad PDU: it is answered or dropped, and the link stays."""


class Meddler:
    """Stands between a house and its carrier and adds octets to what the carrier says."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = 0
        self._carrier_port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.step = 65_536
        """So many octets of the carrier's at once, each in a write of its own."""

    async def __aenter__(self) -> Meddler:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def say(self, octets: bytes) -> None:
        """Says something on the newest connection, in the carrier's name."""
        self._writers[-1].write(octets)

    def hang_up(self) -> None:
        self._writers[-1].close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._carrier_port)
        self._writers.append(writer)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.get_running_loop().create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while octets := await source.read(65_536):
                for at in range(0, len(octets), self.step):
                    sink.write(octets[at : at + self.step])
                    await sink.drain()
                    if self.step < len(octets):
                        await asyncio.sleep(0.001)  # so that each octet is a segment of its own
        sink.close()


@contextlib.asynccontextmanager
async def meddled(folder: Path, settings: CarrierSettings | None = None) -> AsyncIterator[tuple[Stage, Meddler]]:
    """A house whose carrier is behind a meddler."""
    made: list[Meddler] = []

    def between(port: int) -> Meddler:
        made.append(Meddler(port))
        return made[0]

    async with stage(folder, VirtualCarrier(settings), between=between) as s:
        yield s, made[0]


async def test_after_noise_the_link_is_opened_again_and_what_is_repeated_is_marked(tmp_path: Path) -> None:
    async with meddled(tmp_path, CarrierSettings(latency_ms=20)) as (s, meddler):
        ids: dict[str, str] = {}
        for number, octets in enumerate(BREAKS.values(), 1):
            for at in range(3):
                text = f"number {number}, {at}"
                ids[text] = (await s.send(text=text, to=f"+141555501{number}{at}"))["id"]
            meddler.say(octets)

            async def opened_again(connections: int = number) -> bool:
                return meddler.connections > connections and s.carrier.binds > 0

            await eventually(opened_again)
        shown = {text: await s.until(one, "delivered") for text, one in ids.items()}
        times = Counter(fact.text for fact in s.carrier.log.of("submit"))
        assert times.keys() == ids.keys()
        assert {text for text in ids if times[text] > 1} <= {t for t in ids if shown[t]["possible_duplicate"]}


async def test_a_pdu_that_ends_in_the_middle_is_no_pdu(tmp_path: Path) -> None:
    async with meddled(tmp_path) as (s, meddler):
        meddler.say(RECEIPT[:-5])
        meddler.hang_up()
        await s.until((await s.send())["id"], "delivered")
        assert meddler.connections == 2


async def test_one_bad_pdu_costs_no_link(tmp_path: Path) -> None:
    async with meddled(tmp_path) as (s, meddler):
        for octets in LEAVES.values():
            meddler.say(octets)
            await s.until((await s.send())["id"], "delivered")
        assert meddler.connections == 1
        assert s.server.metrics.exposition().find(b"heliograph_troubles_total{") < 0


async def test_a_carrier_that_speaks_octet_by_octet_is_understood(tmp_path: Path) -> None:
    async with meddled(tmp_path) as (s, meddler):
        meddler.step = 1
        shown = await s.until((await s.send(text="x" * 500))["id"], "delivered")
        assert (shown["segments_delivered"], meddler.connections) == (4, 1)


# --- receipts ---------------------------------------------------------------------------------------


def orphans(s: Stage) -> int:
    for line in s.server.metrics.exposition().decode().splitlines():
        if line.startswith("heliograph_orphan_receipts_total "):
            return int(float(line.split()[1]))
    return 0


async def test_receipts_for_nothing_are_kept_answered_and_change_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        accepted = await s.send()
        await s.until(accepted["id"], "delivered")
        before = await s.show(accepted["id"])
        for number in range(300):
            s.carrier.receipt(f"stranger-{number}", "DELIVRD", to=HANDSET, sender=NUMBER)
        await s.carrier.settled()
        answers = [fact.status for fact in s.carrier.log.of("receipt_response")]
        assert answers == [0] * 301
        assert orphans(s) == 300
        assert await s.show(accepted["id"]) == before


async def test_receipts_that_come_twice_or_contradict_change_no_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as s, s.webhook() as webhook:
        accepted = await s.send()
        await s.until(accepted["id"], "delivered")
        [fact] = s.carrier.log.of("receipt")
        for stat in ("DELIVRD", "UNDELIV", "EXPIRED", "DELIVRD", "REJECTD", "ACCEPTD", "UNKNOWN"):
            s.carrier.receipt(fact.id, stat, to=HANDSET, sender=NUMBER)
            await s.carrier.settled()
        assert (await s.show(accepted["id"]))["state"] == "delivered"
        assert (await s.events(accepted["id"]))[:3] == ["queued", "sent", "delivered"]
        assert set((await s.events(accepted["id"]))[3:]) == {"contradiction"}

        # Nobody is told of contradictions: they are in the list of events.
        await s.until((await s.send())["id"], "delivered")
        await webhook.wait_for(
            lambda event: event["subject"] != accepted["id"] and event["type"] == "message.delivered"
        )
        told = [event["type"] for event in webhook.events if event["subject"] == accepted["id"]]
        assert told == ["message.queued", "message.sent", "message.delivered"]


@pytest.mark.parametrize("before_response", [False, True])
async def test_a_flood_of_receipts_is_answered_receipt_by_receipt(tmp_path: Path, before_response: bool) -> None:
    settings = CarrierSettings(receipts=ReceiptSettings(before_response=before_response), window=10_000)
    async with stage(tmp_path, VirtualCarrier(settings), settings="window = 1000") as s:
        body = {"to": [f"+1415555{number:04}" for number in range(100, 200)] * 10, "text": "hello"}
        answer = await s.ask("POST", "/v1/messages/batch", body, status=202)
        await s.carrier.received(1_000)
        await s.carrier.settled()
        for one in answer["results"][::100]:
            await s.until(one["id"], "delivered")
        assert s.carrier.log.counts["receipt_response"] == 1_000
        assert orphans(s) == 0


async def test_a_reply_that_is_no_text_is_a_message_all_the_same(tmp_path: Path) -> None:
    octets: Sequence[tuple[int, bytes]] = [(8, b"\xd8"), (8, b"\xd8\x3d"), (0, b"\x1b"), (99, b"\xff\x00"), (8, b"")]
    async with meddled(tmp_path) as (s, meddler):
        for number, (coding, said) in enumerate(octets, 100):
            pdu = DeliverSm(source_addr="1", destination_addr=NUMBER, data_coding=coding, short_message=said)
            meddler.say(encode(pdu, number))

        async def all_there() -> bool:
            found = await s.ask("GET", "/v1/messages?state=received")
            return len(found["messages"]) == len(octets)

        await eventually(all_there)
        assert meddler.connections == 1
