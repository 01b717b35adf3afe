"""Slices of long works: one a turn of the loop."""

from __future__ import annotations

import asyncio

from heliograph.delivery.slices import Slices


async def test_a_turn_of_the_loop_has_one_slice_whoever_works() -> None:
    slices = Slices()
    turn = 0
    worked: list[tuple[int, str]] = []

    async def work(name: str) -> None:
        for _ in range(3):
            await slices.next()
            worked.append((turn, name))

    works = [asyncio.create_task(work(name)) for name in "abc"]
    while not all(one.done() for one in works):
        turn += 1
        await asyncio.sleep(0)
    turns = [at for at, _ in worked]
    assert len(set(turns)) == len(turns) == 9
    assert [name for _, name in worked] == list("abcabcabc")


async def test_a_work_that_was_ended_holds_up_nobody() -> None:
    slices = Slices()
    ended = [asyncio.create_task(slices.next()) for _ in range(2)]
    other = asyncio.create_task(slices.next())
    await asyncio.sleep(0)
    for one in ended:
        one.cancel()
    async with asyncio.timeout(5):
        await other
        await slices.next()  # and afterwards as before
