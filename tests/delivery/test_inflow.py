"""Room in a lane: a large request waits for it where that is soon, and only there."""

from __future__ import annotations

import asyncio

from heliograph.delivery.lane.inflow import Inflow
from tests.delivery.support import HandClock

KEY, OTHER = (1, 7), (1, 8)


class Memory:
    """Room by (class, account), and an inflow that has seen ``rate`` segments a second leave."""

    def __init__(self, rate: float = 10_000.0) -> None:
        self.clock = HandClock()
        self.room = {KEY: 0, OTHER: 0}
        self.waiting: set[tuple[int, int]] = set()
        self.inflow = Inflow(self.clock, lambda key: self.room[key], self.waiting.__contains__)
        self.inflow.left += int(rate)
        self.clock.move(1.0)
        self.inflow.measure()

    async def ask(self, segments: int, key: tuple[int, int] = KEY) -> asyncio.Task[int]:
        task = asyncio.create_task(self.inflow.reserve(key, segments))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    async def leave(self, segments: int, key: tuple[int, int] = KEY) -> None:
        self.room[key] += segments
        self.inflow.let_in()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_where_there_is_room_nobody_waits() -> None:
    memory = Memory()
    memory.room[KEY] = 1_000
    assert (await memory.ask(1_000)).done()


async def test_a_lane_that_empties_fast_is_waited_for_in_turn() -> None:
    memory = Memory()
    first, second = await memory.ask(1_000), await memory.ask(500)
    await memory.leave(900)
    assert not first.done()
    assert not second.done()  # though it would fit: order holds
    await memory.leave(100)
    assert first.done()
    assert not second.done()
    memory.room[KEY] = 0
    memory.inflow.placed(KEY, 1_000)
    await memory.leave(500)
    assert second.done()
    assert not memory.inflow


async def test_room_is_promised_once() -> None:
    memory = Memory()
    first, second = await memory.ask(1_000), await memory.ask(1_000)
    await memory.leave(1_500)
    assert first.done()
    assert not second.done()
    memory.room[KEY] -= 1_000  # the first has been admitted
    memory.inflow.placed(KEY, 1_000)
    await memory.leave(500)
    assert second.done()


async def test_one_account_does_not_wait_for_another() -> None:
    memory = Memory()
    mine, theirs = await memory.ask(1_000), await memory.ask(1_000, OTHER)
    await memory.leave(1_000, OTHER)
    assert theirs.done()
    assert not mine.done()
    await memory.leave(1_000)
    assert mine.done()


async def test_a_slow_lane_is_not_waited_for() -> None:
    assert (await Memory(rate=500.0).ask(100)).done()


async def test_what_would_take_too_long_is_not_waited_for() -> None:
    memory = Memory()
    assert not (waiting := await memory.ask(9_000)).done()
    assert (await memory.ask(9_000)).done()  # behind the first: nearly two seconds
    await memory.leave(9_000)
    assert waiting.done()


async def test_nobody_goes_past_those_who_wait_in_the_store() -> None:
    memory = Memory()
    memory.waiting.add(KEY)
    memory.room[KEY] = 5_000
    task = await memory.ask(1_000)
    await memory.leave(100)
    assert not task.done()
    memory.waiting.clear()
    await memory.leave(0)
    assert task.done()
    assert task.result() == 1_000


async def test_a_slow_moment_of_a_fast_lane_changes_little() -> None:
    memory = Memory()
    memory.inflow.left += 10
    memory.clock.move(0.1)
    memory.inflow.measure()
    assert not (await memory.ask(1_000)).done()


async def test_a_lane_that_stands_still_has_no_rate() -> None:
    memory = Memory()
    memory.clock.move(60.0)
    memory.inflow.measure()
    assert (await memory.ask(10)).done()


async def test_a_wait_that_was_in_vain_ends() -> None:
    memory = Memory()
    waiting = await memory.ask(10)
    async with asyncio.timeout(5):
        await waiting  # a millisecond was expected: it gives up soon, and goes to the store
    assert not memory.inflow
