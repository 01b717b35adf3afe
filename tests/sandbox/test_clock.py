"""Time passes in one sandbox, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from heliograph.simulator import VirtualCarrier
from tests.conformance.stores import KINDS
from tests.sandbox.stage import Stage, eventually, stage
from tests.sandbox.test_sides import MORE

MAGIC, SILENT = "+9991000000", "+9992060000"
HOUR = 3_600


def ahead(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def seconds_until(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


async def advance(s: Stage, key: str, seconds: int) -> tuple[int, int, int]:
    status, said = await s.ask(key, "POST", "/v1/sandbox/clock", {"advance_s": seconds})
    assert status == 200, said
    assert said["advanced_s"] == seconds
    return said["due"], said["nearer"], said["ended"]


async def test_a_date_comes_when_its_time_has_passed(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        soon = await s.send(key, MAGIC, send_at=ahead(2 * HOUR))
        late = await s.send(key, MAGIC, send_at=ahead(5 * HOUR), text="long " * 60)
        assert await advance(s, key, HOUR) == (0, 2, 0)
        moved = await s.get(key, f"/v1/messages/{late['id']}")
        assert (moved["state"], moved["sandbox"]) == ("scheduled", True)
        assert 3.9 * HOUR < seconds_until(moved["send_at"]) <= 4 * HOUR
        assert 27.9 * HOUR < seconds_until(moved["expires_at"]) <= 28 * HOUR
        assert await advance(s, key, HOUR) == (1, 1, 0)
        await s.reaches(key, soon["id"], "delivered")
        assert await advance(s, key, 3 * HOUR) == (1, 0, 0)
        await s.reaches(key, late["id"], "delivered")
        events = (await s.get(key, f"/v1/messages/{soon['id']}/events"))["events"]
        types = [event["type"].removeprefix("message.") for event in events]
        assert types == ["scheduled", "scheduled", "scheduled", "queued", "sent", "delivered"]
        fresh = await s.send(key, MAGIC, send_at=ahead(HOUR))
        assert fresh["state"] == "scheduled"


async def test_a_window_does_not_hold_what_the_clock_has_brought(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
        window = {"days": [day], "hours": ["09:00-10:00"]}
        message = await s.send(key, "+4915112345678", deliver_within=window)
        assert message["state"] == "scheduled"
        assert await advance(s, key, 5 * 24 * HOUR) == (1, 0, 0)
        found = await s.reaches(key, message["id"], "delivered")
        assert "deliver_within" not in found["schedule"]


async def test_patience_and_validity_end(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        silent = await s.send(key, SILENT, validity_s=HOUR)
        await s.reaches(key, silent["id"], "sent")
        assert await advance(s, key, 24 * HOUR) == (0, 0, 0)
        assert await advance(s, key, 26 * HOUR) == (0, 0, 1)
        found = await s.get(key, f"/v1/messages/{silent['id']}")
        assert (found["state"], found["error"]) == ("unknown", "receipt_missing")
        world = s.server.sandboxes._open[-1]
        await world.carrier.down()

        async def lost() -> bool:
            return not world.connector.bound

        await eventually(lost)
        waiting = await s.send(key, MAGIC, validity_s=HOUR)
        assert await advance(s, key, HOUR - 60) == (0, 0, 0)
        assert await advance(s, key, HOUR) == (0, 0, 1)
        found = await s.get(key, f"/v1/messages/{waiting['id']}")
        assert (found["state"], found["error"]) == ("expired", "expired")


async def test_a_further_try_need_not_be_waited_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key()
        await s.reaches(key, (await s.send(key, MAGIC))["id"], "delivered")
        world = s.server.sandboxes._open[-1]
        ranges = world.carrier.settings.ranges
        world.carrier.change(ranges=(type(ranges[0])(outcome="system_error"), *ranges))
        message = await s.send(key, MAGIC)

        async def tried() -> bool:
            return len((await s.get(key, f"/v1/messages/{message['id']}"))["attempts"]) == 1

        await eventually(tried)
        world.carrier.change(ranges=ranges)
        assert await advance(s, key, 60) == (0, 0, 0)

        async def delivered() -> Any:
            found = await s.get(key, f"/v1/messages/{message['id']}")
            return found if found["state"] == "delivered" else None

        found = await eventually(delivered, 20)  # by itself the next try would come after 30 s
        assert [one["error"] for one in found["attempts"]] == ["carrier_error", None]


async def test_nobody_elses_time_passes(tmp_path: Path) -> None:
    async with VirtualCarrier() as carrier, stage(tmp_path, MORE.format(port=carrier.port)) as s:
        mine, live, other = await s.key(), await s.key(test=False), await s.key("other")
        dated: dict[str, Any] = {
            key: await s.send(key, "+14155550123", send_at=ahead(HOUR)) for key in (mine, live, other)
        }
        before = {key: await s.get(key, f"/v1/messages/{one['id']}") for key, one in dated.items()}
        assert await advance(s, mine, 30 * 24 * HOUR) == (1, 0, 0)
        await s.reaches(mine, dated[mine]["id"], "delivered")
        for key in (live, other):
            assert await s.get(key, f"/v1/messages/{dated[key]['id']}") == before[key]
        assert carrier.messages == []


async def test_many_dates_come_nearer_on_postgres(tmp_path: Path) -> None:
    [kind] = [one for one in KINDS if one.name == "postgres"]
    async with (
        VirtualCarrier() as carrier,
        kind.fresh(tmp_path) as url,
        stage(tmp_path, MORE.format(port=carrier.port), url=url) as s,
    ):
        key = await s.key()
        items = [{"to": MAGIC, "text": "x", "send_at": ahead(HOUR + at)} for at in range(600)]
        assert (await s.ask(key, "POST", "/v1/messages/batch", {"messages": items}))[0] == 202
        assert await advance(s, key, HOUR - 60) == (0, 600, 0)
        due, nearer, _ = await advance(s, key, 120)
        assert due + nearer == 600
        assert due >= 60
        await s.server.sandboxes._open[-1].carrier.received(due, 30)
