"""Messages whose connector is gone when they are due."""

from __future__ import annotations

import asyncio
from pathlib import Path

from heliograph.model import Route, State
from heliograph.rules.schedule import Wish
from tests.delivery.support import HandClock, MemoryCarrier, house

HOUR_US = 3_600_000_000


async def test_a_message_goes_where_its_route_leads_when_it_is_due(tmp_path: Path) -> None:
    clock = HandClock()
    due = clock.wall_us + HOUR_US
    async with house(tmp_path / "s.db", [MemoryCarrier(1), MemoryCarrier(2, "second")], clock=clock) as here:
        dated = await here.send(wish=Wish(at_us=due), text="long " * 60)
        later = await here.send(wish=Wish(at_us=due + 9 * HOUR_US), to="+4915112345679")
        assert dated.progress.connector_id == 1
    second = MemoryCarrier(2, "second")
    clock.wall_us = due
    everything = [Route(name="default", prefixes=("",), connectors=(2,))]
    async with house(tmp_path / "s.db", [second], clock=clock, routes=everything) as here:
        clock.seconds += 31
        await here.pipeline.dispatch.sweep()
        assert (await here.record(dated.message.id)).progress.connector_id == 1  # once is no proof
        clock.seconds += 31
        await here.pipeline.dispatch.sweep()
        record = await here.ends(dated.message.id, State.SENT)
        assert record.message.segments == len(second.written) == 2
        assert (await here.record(later.message.id)).progress.connector_id == 1


async def test_without_a_route_it_waits_for_one_until_its_validity_ends(tmp_path: Path) -> None:
    clock = HandClock()
    async with house(tmp_path / "s.db", [MemoryCarrier(1), MemoryCarrier(2, "second")], clock=clock) as here:
        dated = await here.send(wish=Wish(at_us=clock.wall_us + HOUR_US), validity_s=3600)
    clock.wall_us += HOUR_US
    second = MemoryCarrier(2, "second")
    elsewhere = [Route(name="other", prefixes=("1",), connectors=(2,))]
    async with house(tmp_path / "s.db", [second], clock=clock, routes=elsewhere) as here:
        for _ in range(3):
            clock.seconds += 31
            await here.pipeline.dispatch.sweep()
            await asyncio.sleep(0.01)
        progress = (await here.record(dated.message.id)).progress
        assert (progress.state, progress.owner) == (State.SCHEDULED, 0)
        assert second.written == []
        clock.wall_us += HOUR_US
        assert await here.pipeline.rescue.end_expired() == 1
        assert (await here.record(dated.message.id)).progress.state == State.EXPIRED
