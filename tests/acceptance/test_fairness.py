"""A bulk job in a narrow lane is overtaken: nobody waits for somebody else. Told by the carrier's log, by no clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.dialogues.stage import NUMBER, Stage, eventually, stage

BULK = 2_000
PACE = 500
"""Segments per second of the lane: the bulk job alone takes four seconds."""
MOST_BETWEEN = PACE // 10
"""Segments of others that may go between an answer and its message's submit: a tenth of a second's worth."""
URGENT = {"transactional": "+14155550001", "otp": "+14155550002"}


async def post(s: Stage, key: str, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    async with s.http.post(f"{s.server.url}/v1/messages{path}", json=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        return await answer.json()


@pytest.mark.parametrize("after", [20, 600])
async def test_a_bulk_job_is_overtaken_by_what_is_urgent(tmp_path: Path, after: int) -> None:
    async with stage(tmp_path, settings=f"segments_per_second = {PACE}") as s:
        bulk = await s.make_key("bulk")
        to = [f"+1415555{at:04}" for at in range(1_000, 1_000 + BULK)]
        job = {"to": to, "from": NUMBER, "text": "news", "type": "promotional"}
        assert len((await post(s, bulk, "/batch", job))["results"]) == BULK
        submits = s.carrier.log.counts

        async def under_way() -> bool:
            return submits["submit"] >= after

        await eventually(under_way)
        answered: dict[str, int] = {}
        for kind, recipient in URGENT.items():
            accepted = await post(s, s.key, "", {"to": recipient, "text": kind, "type": kind})
            answered[recipient] = submits["submit"]
            await s.until(accepted["id"], "delivered")
        last = submits["submit"]

        async def goes_on() -> bool:
            return submits["submit"] > last + 10

        await eventually(goes_on)  # and nobody starves
        order = [fact.to for fact in s.carrier.log.of("submit")]
        assert len(order) < BULK  # the job is still waiting
        for recipient, count in answered.items():
            assert order.index(recipient) - count <= MOST_BETWEEN, (recipient, count, order.index(recipient))
        assert set(order) - set(to) == set(URGENT.values())
