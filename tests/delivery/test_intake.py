"""Intake: who is waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from heliograph.contracts import Changes, Told
from heliograph.delivery.submission import Received, Submission
from tests.delivery.support import MemoryCarrier, house


async def test_closing_waits_for_those_who_are_not_answered_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "s.db", [MemoryCarrier(1)]) as here:
        intake, keep = here.pipeline.intake, here.store.keep
        held: list[tuple[Changes, Told]] = []
        monkeypatch.setattr(here.store, "keep", lambda changes, told: held.append((changes, told)))
        answers: list[Received | BaseException] = []
        asked = Submission(account=here.account, to="+4915112345678", text="hello", sender="12345")
        intake.offer([asked], answers.append)
        await here.until(lambda: held)
        draining = asyncio.ensure_future(intake.drain(30))
        await asyncio.wait([draining], timeout=0.05)
        assert not draining.done()
        monkeypatch.undo()
        keep(*held[0])
        await draining
        assert [type(one) for one in answers] == [Received]
        await intake.drain(0)
