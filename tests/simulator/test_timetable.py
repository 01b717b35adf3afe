"""Entries come when they are due, in order, and together."""

from __future__ import annotations

import asyncio

from heliograph.simulator.timetable import Timetable


async def test_what_is_due_comes_in_order_and_is_ended_once() -> None:
    done: list[object] = []
    ended = asyncio.Event()

    def after() -> None:
        done.append("end")
        if len(done) == 6:
            ended.set()

    table = Timetable(asyncio.get_running_loop(), after)
    now = table.now()
    table.do_at(now + 0.02, done.append, "third")
    table.do_at(now, done.append, "first")
    table.do_at(now, done.append, "second")
    table.do_at(now + 0.02, done.append, "fourth")
    assert len(table) == 4
    async with asyncio.timeout(5):
        await ended.wait()
    assert done == ["first", "second", "end", "third", "fourth", "end"]
    assert len(table) == 0


async def test_what_is_forgotten_never_comes() -> None:
    done: list[object] = []
    table = Timetable(asyncio.get_running_loop(), lambda: done.append("end"))
    table.do_at(table.now(), done.append, "never")
    table.stop()
    later = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, later.set_result, None)
    await later
    assert done == []
