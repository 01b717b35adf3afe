"""A step of the wall clock, two hours either way: nothing is sent early, late or twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from heliograph.contracts import Outcome
from heliograph.errors import Retry, SubmitFailed
from heliograph.model import State
from tests.delivery.support import HandClock, MemoryCarrier, house

STEPS = [2 * 3600, -2 * 3600]
BUSY = SubmitFailed("carrier_error", 0x08, Retry.LATER, 30.0)


@pytest.mark.parametrize("step_s", STEPS)
async def test_a_retry_waits_its_time_whatever_the_wall_clock_says(tmp_path: Path, step_s: int) -> None:
    carrier = MemoryCarrier(1)
    refusals = iter([BUSY])

    def once(submission):  # type: ignore[no-untyped-def]
        failure = next(refusals, None)
        return carrier.take(submission) if failure is None else Outcome(submission, failure=failure)

    carrier.answer = once
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        accepted = await here.send()
        await here.until(lambda: len(carrier.written) == 1 and not carrier.open)
        lane = here.pipeline.dispatch.lanes[1]
        clock.wall_us += step_s * 1_000_000
        for _ in range(20):
            clock.move(1.0)
            lane.plan_turn()
            await asyncio.sleep(0.002)
        assert len(carrier.written) == 1
        clock.move(15.0)
        lane.plan_turn()
        await here.ends(accepted.message.id, State.SENT)
        assert len(carrier.written) == 2


@pytest.mark.parametrize("step_s", STEPS)
async def test_what_waits_for_its_turn_alone_leaves_when_it_can(tmp_path: Path, step_s: int) -> None:
    carrier = MemoryCarrier(1)
    carrier.bound = False
    clock = HandClock()
    async with house(tmp_path / "s.db", [carrier], clock=clock) as here:
        sent = [await here.send(to=f"+491511234567{digit}") for digit in range(5)]
        clock.wall_us += step_s * 1_000_000
        later = [await here.send(to=f"+491511234568{digit}") for digit in range(5)]
        carrier.bound = True
        carrier.news.ready(carrier)
        for one in (*sent, *later):
            await here.ends(one.message.id, State.SENT)
        written = [one.live.message.id for one in carrier.written]
        assert written == [one.message.id for one in (*sent, *later)]
        assert written == sorted(written)


async def test_ids_rise_also_when_the_clock_steps_back_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    clock = HandClock()
    async with house(path, [MemoryCarrier(1)], clock=clock) as here:
        before = (await here.send()).message.id
    clock.wall_us -= 2 * 3600 * 1_000_000
    async with house(path, [MemoryCarrier(1)], clock=clock) as here:
        assert (await here.send()).message.id > before
