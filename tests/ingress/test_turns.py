"""Large batches take turns: few at work, the rest in order, accounts in rotation, nobody for ever."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from heliograph.errors import StoreBusy
from heliograph.ingress.rest.turns import Turns

LARGE = 20_000


class Job:
    """Requests of accounts; each works until it is told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.working: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, account_id: int, name: str, octets: int = LARGE) -> None:
        self._ends[name] = asyncio.Event()

        async def run() -> None:
            async with self.turns.of(account_id, octets):
                self.working.append(name)
                try:
                    await self._ends[name].wait()
                finally:
                    self.working.remove(name)

        self.tasks[name] = asyncio.create_task(run())
        await self._settle()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)


async def test_an_account_has_four_at_work_and_the_others_in_order() -> None:
    job = Job(Turns())
    for name in "abcdef":
        await job.begin(1, name)
    assert job.working == ["a", "b", "c", "d"]
    await job.end("c")
    assert job.working == ["a", "b", "d", "e"]
    await job.end("a")
    assert job.working == ["b", "d", "e", "f"]


async def test_small_bodies_take_no_turn() -> None:
    job = Job(Turns())
    for name in "abcdef":
        await job.begin(1, name, octets=500)
    assert len(job.working) == 6


async def test_accounts_come_in_rotation() -> None:
    job = Job(Turns())
    for at in range(6):
        await job.begin(1, f"a{at}")
    for at in range(6):
        await job.begin(2, f"b{at}")
    for at in range(2):
        await job.begin(3, f"c{at}")
    assert job.working == ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]  # eight in all
    for name in ("b0", "b1", "a0", "a1"):
        await job.end(name)
    assert set(job.working) == {"a2", "a3", "b2", "b3", "b4", "c0", "a4", "b5"}


async def test_who_gives_up_while_waiting_or_working_holds_up_nobody() -> None:
    job = Job(Turns())
    for name in "abcdef":
        await job.begin(1, name)
    await job.cancel("e")
    await job.cancel("a")
    assert job.working == ["b", "c", "d", "f"]


async def test_who_waits_too_long_is_told_to_come_back() -> None:
    turns = Turns(patience_s=0.01)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(turns.of(1, LARGE))
        with pytest.raises(StoreBusy, match="took too long"):
            async with turns.of(1, LARGE):
                pass
    async with turns.of(1, LARGE):  # and it was forgotten
        pass


async def test_what_waits_is_bounded() -> None:
    job = Job(Turns(waiting_octets=50_000))
    for name in "abcdefg":
        await job.begin(1, name)
    assert len(job.working) == 4
    assert isinstance(job.tasks["g"].exception(), StoreBusy)
    assert not job.tasks["e"].done()
    assert not job.tasks["f"].done()
