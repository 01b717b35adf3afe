"""The connector under the pipeline: an SMSC on loopback, the real store, restarts between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from heliograph.connectors.smpp import SmppConnector
from heliograph.model import State
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import SubmitSmResp
from heliograph.smpplink.server import ServerLink, serve
from heliograph.smpplink.settings import ServerSettings
from tests.connectors.build import smpp_settings
from tests.connectors.smsc import Carrier
from tests.delivery.support import House, house

LONG = "x" * 400


@asynccontextmanager
async def smsc() -> AsyncIterator[tuple[Carrier, int]]:
    """A carrier and its port."""
    carrier = Carrier()
    server = await serve("127.0.0.1", 0, lambda: carrier, settings=ServerSettings(window=50))
    try:
        yield carrier, server.port
    finally:
        await server.close(0)


@asynccontextmanager
async def running(path: Path, port: int, **fields: Any) -> AsyncIterator[House]:
    """One life of the program."""
    connector = SmppConnector(smpp_settings(port=port, **fields), 1)
    async with house(path, cast(Any, [connector])) as h:
        await h.until(lambda: connector.bound, "the bind")
        yield h


def nothing(link: ServerLink, pdu: Any) -> None:
    """The answer of a carrier that is busy with itself."""


async def acknowledged(carrier: Carrier, count: int) -> None:
    await carrier.until(lambda: len(carrier.acks) == count)
    assert carrier.acks == [0] * count


async def test_a_late_response_lets_the_receipt_find_its_message(tmp_path: Path) -> None:
    async with smsc() as (carrier, port), running(tmp_path / "db", port, response_timeout_s=1) as h:
        carrier.answer = nothing
        accepted = await h.send()
        await carrier.until(lambda: len(carrier.unanswered) == 2)
        link, first = carrier.unanswered[0]
        link.respond([(first, SubmitSmResp("0A"))])
        carrier.receipt("10")
        await acknowledged(carrier, 1)
        record = await h.ends(accepted.message.id, State.DELIVERED)
        assert record.progress.possible_duplicate
        first_attempt = record.attempts[0]
        assert (first_attempt.number, first_attempt.error, first_attempt.carrier_message_id) == (1, None, "0A")
        link.respond([(carrier.unanswered[1][1], SubmitSmResp("0B"))])


async def test_a_late_response_to_at_most_once_lets_the_receipt_correct_it(tmp_path: Path) -> None:
    async with smsc() as (carrier, port), running(tmp_path / "db", port, response_timeout_s=1) as h:
        carrier.answer = nothing
        accepted = await h.send(at_most_once=True)
        await h.ends(accepted.message.id, State.UNKNOWN)
        carrier.receipt("10")  # before its response even now: it is parked
        await acknowledged(carrier, 1)
        assert (await h.record(accepted.message.id)).progress.state == State.UNKNOWN
        link, first = carrier.unanswered[0]
        link.respond([(first, SubmitSmResp("0A"))])
        await h.ends(accepted.message.id, State.DELIVERED)
        assert len(carrier.submits) == 1


async def test_one_receipt_delivers_every_segment_of_a_whole_message_after_a_restart(tmp_path: Path) -> None:
    async with smsc() as (carrier, port):
        async with running(tmp_path / "db", port, concatenation="payload") as h:
            accepted = await h.send(text=LONG)
            record = await h.ends(accepted.message.id, State.SENT)
            assert [one.carrier_message_id for one in record.segments] == ["00B8BE19"] * 3
        async with running(tmp_path / "db", port, concatenation="payload") as h:
            carrier.receipt("12107289", "ENROUTE")
            carrier.receipt("12107289")
            await acknowledged(carrier, 2)
            progress = (await h.record(accepted.message.id)).progress
            assert (progress.state, progress.segments_delivered) == (State.DELIVERED, 3)
        assert len(carrier.submits) == 1


async def test_a_receipt_before_the_answer_delivers_every_segment(tmp_path: Path) -> None:
    async with smsc() as (carrier, port), running(tmp_path / "db", port, concatenation="payload") as h:
        carrier.answer = nothing
        accepted = await h.send(text=LONG)
        await carrier.until(lambda: bool(carrier.unanswered))
        carrier.receipt("0A", "UNDELIV")
        await acknowledged(carrier, 1)  # nobody is known by it: it is an orphan as well as parked
        link, number = carrier.unanswered[0]
        link.respond([(number, SubmitSmResp("0A"))])
        record = await h.ends(accepted.message.id, State.UNDELIVERED)
        assert [one.state for one in record.segments] == [State.UNDELIVERED] * 3


async def test_an_orphan_of_a_whole_message_is_matched_for_every_segment(tmp_path: Path) -> None:
    async with smsc() as (carrier, port):
        async with running(tmp_path / "db", port, concatenation="payload") as h:
            carrier.receipt("0A")
            await acknowledged(carrier, 1)
        async with running(tmp_path / "db", port, concatenation="payload") as h:
            carrier.answer = lambda link, pdu: SubmitSmResp("0A")
            accepted = await h.send(text=LONG)
            await h.ends(accepted.message.id, State.SENT)
            assert await h.pipeline.receipts.match_orphans() >= 1
            progress = (await h.record(accepted.message.id)).progress
            assert (progress.state, progress.segments_delivered) == (State.DELIVERED, 3)


async def test_a_narrow_window_sends_a_whole_message_once(tmp_path: Path) -> None:
    """The others are handed over when the first was answered, or after a restart: they went along."""
    async with smsc() as (carrier, port):
        async with running(tmp_path / "db", port, concatenation="payload", window=1) as h:
            accepted = await h.send(text=LONG)
            await h.ends(accepted.message.id, State.SENT)
        assert len(carrier.submits) == 1
        assert carrier.submits[0].tlvs[c.TAG_MESSAGE_PAYLOAD] == b"x" * 400


async def test_what_went_along_is_not_sent_alone_after_a_restart(tmp_path: Path) -> None:
    async with smsc() as (carrier, port):
        slow = {"concatenation": "payload", "segments_per_second": 0.01}
        async with running(tmp_path / "db", port, **slow) as h:
            accepted = await h.send(text=LONG)
            async with asyncio.timeout(5):
                while (record := await h.record(accepted.message.id)).segments[0].sent_us is None:
                    await asyncio.sleep(0.002)
            assert [one.state >= State.SENT for one in record.segments] == [
                True,
                False,
                False,
            ]  # they wait for the pace
        async with running(tmp_path / "db", port, concatenation="payload") as h:
            record = await h.ends(accepted.message.id, State.SENT)
            assert [one.carrier_message_id for one in record.segments] == ["00B8BE19"] * 3
        assert len(carrier.submits) == 1


async def test_a_carrier_near_congestion_slows_the_lane_down_without_a_refusal(tmp_path: Path) -> None:
    """No limit is set: what left in the last second is what the carrier's word cuts."""
    async with smsc() as (carrier, port), running(tmp_path / "db", port, version="5.0") as h:
        carrier.answer = lambda link, pdu: SubmitSmResp("1", {c.TAG_CONGESTION_STATE: b"\x5f"})
        [lane] = h.pipeline.dispatch.lanes.values()
        assert (lane.pace.rate, lane.congestion) == (0, 0)
        await h.send()
        await h.until(lambda: lane.congestion == 95, "the carrier's word")
        assert 0 < lane.pace.rate < 100
        carrier.answer = lambda link, pdu: SubmitSmResp("2", {c.TAG_CONGESTION_STATE: b"\x0a"})
        h.clock.move(2)
        await h.send()
        await h.until(lambda: lane.congestion == 10, "the carrier's word")
        assert len(carrier.submits) == 2
