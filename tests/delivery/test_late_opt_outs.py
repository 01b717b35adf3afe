"""Opt-outs that come while messages wait in a lane's memory: nobody is written to who said stop before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from heliograph.contracts import SegmentSubmission
from heliograph.errors import StoreBusy
from heliograph.model import OptOut, State
from heliograph.store import open_store
from tests.delivery.support import House, MemoryCarrier, house

WINDOW = 4
RECIPIENTS = [f"+4915112345{number:03}" for number in range(60)]


def let_go(carrier: MemoryCarrier) -> None:
    """The carrier answers what it has, and everything from now on."""
    carrier.answer = carrier.take
    carrier.say([carrier.take(one) for one in list(carrier.open)])


async def waiting(here: House, carrier: MemoryCarrier) -> dict[str, str]:
    """Messages to everybody, as many on the wire as the window has, the others in memory: recipient → id."""
    carrier.answer = carrier.keep_open
    ids = {to: (await here.send(to=to)).message.id for to in RECIPIENTS}
    await here.until(lambda: len(carrier.written) == WINDOW)
    lane = here.pipeline.dispatch.lanes[1]
    assert lane.depth == len(RECIPIENTS)
    assert lane.in_flight > WINDOW  # some have their permit already
    return ids


def rows(here: House, recipients: Sequence[str]) -> list[OptOut]:
    return [OptOut(account_id=here.account.id, recipient=to, created_us=1) for to in recipients]


def told(written: Sequence[SegmentSubmission]) -> list[str]:
    return [one.live.message.recipient for one in written]


@pytest.mark.parametrize("by", ["this process", "another process"])
async def test_who_opts_out_while_messages_wait_in_memory_gets_none_of_them(tmp_path: Path, by: str) -> None:
    carrier = MemoryCarrier(1, window=WINDOW)
    async with house(tmp_path / "s.db", [carrier]) as here:
        ids = await waiting(here, carrier)
        out = RECIPIENTS[1::2]  # one of them is on the wire already, others have a permit
        if by == "this process":
            await here.store.add_opt_outs(rows(here, out))
        else:
            other = open_store(f"sqlite:///{tmp_path / 's.db'}", serve=False)
            await other.open()
            await other.add_opt_outs(rows(here, out))
            await other.close()
            await here.until(lambda: here.store.may_be_opted_out(here.account.id, out[-1]))
        let_go(carrier)
        on_the_wire = RECIPIENTS[:WINDOW]
        for to in RECIPIENTS:
            if to in out and to not in on_the_wire:
                assert (await here.ends(ids[to], State.REJECTED)).progress.error == "opted_out"
            else:
                await here.ends(ids[to], State.SENT)
        assert sorted(told(carrier.written)) == sorted({*RECIPIENTS[::2], *on_the_wire})
        lane = here.pipeline.dispatch.lanes[1]
        assert (lane.depth, lane.in_flight, lane.wire) == (0, 0, ())


async def test_who_opted_in_again_gets_what_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = MemoryCarrier(1, window=WINDOW)
    async with house(tmp_path / "s.db", [carrier]) as here:
        ids = await waiting(here, carrier)
        out = RECIPIENTS[WINDOW:]
        removed = asyncio.Event()
        read = here.store.opted_out

        async def once_removed(pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
            await removed.wait()
            return await read(pairs)

        monkeypatch.setattr(here.store, "opted_out", once_removed)
        await here.store.add_opt_outs(rows(here, out))
        await here.store.remove_opt_outs([(here.account.id, to) for to in out])
        removed.set()
        let_go(carrier)
        for to in RECIPIENTS:
            await here.ends(ids[to], State.SENT)
        assert sorted(told(carrier.written)) == RECIPIENTS


async def test_a_store_that_is_busy_lets_nobody_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.delivery.lane.lateoptouts._BUSY_S", 0.01)
    carrier = MemoryCarrier(1, window=WINDOW)
    async with house(tmp_path / "s.db", [carrier]) as here:
        ids = await waiting(here, carrier)
        asked = 0
        read = here.store.opted_out

        async def busy(pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
            nonlocal asked
            asked += 1
            if asked < 4:
                raise StoreBusy("locked")
            return await read(pairs)

        monkeypatch.setattr(here.store, "opted_out", busy)
        await here.store.add_opt_outs(rows(here, RECIPIENTS[WINDOW:]))
        let_go(carrier)
        for to in RECIPIENTS[WINDOW:]:
            await here.ends(ids[to], State.REJECTED)
        assert asked >= 4
        assert told(carrier.written) == RECIPIENTS[:WINDOW]


async def test_nothing_is_asked_as_long_as_nobody_opts_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = MemoryCarrier(1, window=WINDOW)
    async with house(tmp_path / "s.db", [carrier]) as here:
        ids = await waiting(here, carrier)

        def asked(account_id: int, recipient: str) -> bool:
            raise AssertionError("nobody opted out")

        monkeypatch.setattr(here.store, "may_be_opted_out", asked)
        let_go(carrier)
        for to in RECIPIENTS:
            await here.ends(ids[to], State.SENT)
