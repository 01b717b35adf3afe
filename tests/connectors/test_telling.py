"""What an operator hears of a connector, against an SMSC on loopback: each thing once."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from heliograph.connectors.smpp import SmppConnector
from heliograph.smpp import constants as c
from heliograph.smpp.pdus import Bind
from heliograph.smpplink.server import ServerLink, serve
from heliograph.smpplink.settings import ServerSettings
from heliograph.telemetry import journal
from tests.connectors.build import live_of, smpp_settings, submissions
from tests.connectors.smsc import Carrier
from tests.connectors.test_smpp import Pipeline

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The journal so far; logging is as before afterwards."""
    loggers = [logging.getLogger(name) for name in (None, "heliograph", "heliograph.smpplink")]
    levels = [logger.level for logger in loggers]
    handlers = loggers[0].handlers[:]
    stream = io.StringIO()
    journal.configure("json", "info", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class Doorman(Carrier):
    """A carrier that answers binds with ``status``."""

    status = 0

    def bind(self, link: ServerLink, bind: Bind) -> int | None:
        super().bind(link, bind)
        return self.status


@asynccontextmanager
async def stage(status: int = 0) -> AsyncIterator[tuple[Doorman, SmppConnector, Pipeline]]:
    carrier = Doorman()
    carrier.status = status
    server = await serve("127.0.0.1", 0, lambda: carrier, settings=ServerSettings(window=50))
    connector = SmppConnector(smpp_settings(port=server.port, reconnect_min_s=0.01, reconnect_max_s=0.02), 1)
    pipeline = Pipeline()
    await connector.start(pipeline)
    try:
        if not status:
            await pipeline.until(lambda: pipeline.readies > 0)
        yield carrier, connector, pipeline
    finally:
        await connector.stop(0)
        await server.close(0)


async def until(lines: Lines, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        while len(lines()) < count:
            await asyncio.sleep(0.002)
    return lines()


async def test_a_bind_and_a_loss_are_one_line_each_and_our_own_end_is_none(lines: Lines) -> None:
    async with stage() as (carrier, connector, pipeline):
        carrier.answer = lambda link, pdu: None
        connector.submit(submissions(live_of()))
        await carrier.until(lambda: bool(carrier.unanswered))
        carrier.unanswered.clear()
        carrier.links[0].close()
        bound, lost, again = await until(lines, 3)
        await pipeline.until(lambda: pipeline.readies > 1)
    assert (bound["event"], bound["connector"], bound["link"], bound["bind"]) == (
        "link_bound",
        "main",
        1,
        "transceiver",
    )
    assert (lost["event"], lost["level"], lost["link"], lost["unanswered"]) == ("link_lost", "warning", 1, 1)
    assert again["event"] == "link_bound"
    assert len(lines()) == 3


async def test_wrong_credentials_are_an_error_that_says_what_to_do(lines: Lines) -> None:
    async with stage(c.ESME_RINVPASWD):
        (line,) = await until(lines, 1)
    assert line["level"] == "error"
    assert "ESME_RINVPASWD" in line["event"]
    assert "Correct system_id, password" in line["event"]
    assert "secret" not in line["event"]
    assert len(lines()) == 1


async def test_a_bind_that_is_refused_again_and_again_is_one_line(lines: Lines) -> None:
    async with stage(c.ESME_RSYSERR) as (carrier, _, _):
        await carrier.until(lambda: len(carrier.binds) >= 3)
    (line,) = lines()
    assert (line["event"], line["level"]) == ("link_refused", "warning")
    assert "ESME_RSYSERR" in line["why"]


async def test_a_pause_of_the_lane_is_one_line_however_many_segments_meet_it(lines: Lines) -> None:
    async with stage() as (carrier, connector, pipeline):
        carrier.answer = lambda link, pdu: c.ESME_RTHROTTLED
        for number in range(3):
            connector.submit(submissions(live_of(str(number))))
        await pipeline.until(lambda: len(pipeline.outcomes_told) == 3)
        told = [line for line in lines() if line["event"] == "lane_paused"]
    assert [(line["connector"], line["why"]) for line in told] == [("main", "carrier_throttled, ESME_RTHROTTLED")]
