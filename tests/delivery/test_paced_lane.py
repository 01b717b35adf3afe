"""A paced lane on the loop that serves: uvloop, whose timers tell less than asyncio's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvloop

from heliograph.contracts import SystemClock
from heliograph.model import State
from tests.delivery.support import MemoryCarrier, house


def test_a_lane_with_a_pace_works_off_everything(tmp_path: Path) -> None:
    async def run() -> None:
        carrier = MemoryCarrier(1, segments_per_second=200.0)
        async with house(tmp_path / "s.db", [carrier], clock=SystemClock()) as here:  # type: ignore[arg-type]
            sent = [await here.send(to=f"+4915112345{number:03}") for number in range(40)]
            for one in sent:
                await here.ends(one.message.id, State.SENT)
            assert len(carrier.written) == 40

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
