"""A store in trouble under a running house: the caller is told when to come back, and it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from heliograph.simulator import CarrierSettings, ReceiptSettings, VirtualCarrier
from heliograph.store.sqlite import SqliteStore
from tests.dialogues.stage import HANDSET, NUMBER, Stage, eventually, stage

HOLDER = """
import sys, apsw
db = apsw.Connection(sys.argv[1])
db.set_busy_timeout(5000)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
db.execute("ROLLBACK")
"""


@contextlib.asynccontextmanager
async def locked(s: Stage) -> AsyncIterator[None]:
    """Another process holds the database and writes nothing. The house gives up each try sooner than usual."""
    await pragma(s, "busy_timeout = 200")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDER,
        str(s.folder / "house.db"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"locked\n"
        yield
    finally:
        process.stdin.close()
        await process.wait()


async def pragma(s: Stage, text: str) -> Any:
    """Changes a setting of the connection that the house writes with."""
    store = s.server.store
    assert isinstance(store, SqliteStore)
    return await store._writer.run(lambda db: db.execute(f"PRAGMA {text}").get)


@contextlib.asynccontextmanager
async def full(s: Stage) -> AsyncIterator[None]:
    """The database may not grow by a page."""
    pages = await pragma(s, "page_count")
    await pragma(s, f"max_page_count = {pages}")
    yield
    await pragma(s, "max_page_count = 1000000")


async def refused(s: Stage, body: Any = None, path: str = "/v1/messages", **headers: str) -> int:
    """Posts a message that must be refused for now; gives the seconds after which to come back."""
    async with s.http.post(
        s.server.url + path,
        json=body or {"to": HANDSET, "text": "hello"},
        headers={"Authorization": f"Bearer {s.key}", **headers},
    ) as answer:
        problem = await answer.json(content_type=None)
        assert (answer.status, problem.get("code")) == (503, "overloaded"), problem
        return int(answer.headers["Retry-After"])


async def test_while_another_process_holds_the_database_callers_are_told_to_come_back(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        before = await s.send(text="before")
        await s.until(before["id"], "delivered")
        async with locked(s):
            body = {"messages": [{"to": HANDSET, "text": "in a batch"}] * 3}
            webhook = {"url": "http://127.0.0.1:1/hook"}
            waits = await asyncio.gather(
                *(refused(s) for _ in range(5)),
                refused(s, body, "/v1/messages/batch"),
                refused(s, webhook, "/v1/webhooks"),
                refused(s, None, **{"Idempotency-Key": "once"}),
            )
            assert all(1 <= wait_s <= 60 for wait_s in waits)
            assert (await s.show(before["id"]))["state"] == "delivered"  # who only reads is not concerned
            assert len((await s.ask("GET", "/v1/messages"))["messages"]) == 1

        # Nothing of what was refused is there, and the same requests succeed now.
        kept = await s.ask("POST", "/v1/messages", {"to": HANDSET, "text": "hello"}, Idempotency_Key="once")
        await s.until(kept["id"], "delivered")
        assert [message.text for message in s.carrier.messages] == ["before", "hello"]
        assert (await s.ask("GET", "/v1/webhooks"))["webhooks"] == []


async def ready(s: Stage) -> bool:
    async with s.http.get(s.server.url + "/readyz") as answer:
        assert answer.status == 200 or (answer.status == 503 and answer.headers["Retry-After"] == "1")
        return answer.status == 200


async def test_a_house_that_cannot_write_is_not_ready_and_finds_out_by_itself_when_it_can_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        assert await ready(s)
        async with locked(s):
            await refused(s)
            assert not await ready(s)  # though everything can be read

        async def ready_again() -> bool:
            return await ready(s)

        await eventually(ready_again)  # nobody wrote anything
        await s.until((await s.send(text="after"))["id"], "delivered")


async def test_receipts_and_replies_that_cannot_be_kept_are_taken_later(tmp_path: Path) -> None:
    carrier = VirtualCarrier(CarrierSettings(receipts=ReceiptSettings(send=False), redeliver_ms=100))
    async with stage(tmp_path, carrier) as s, s.webhook("message.received", "message.delivered") as webhook:
        accepted = await s.send()
        await s.until(accepted["id"], "sent")
        (taken,) = carrier.log.of("response")
        async with locked(s):
            carrier.reply(HANDSET, NUMBER, "yes")
            carrier.receipt(taken.id, "DELIVRD", to=HANDSET, sender=NUMBER)

            async def refused_for_now() -> bool:
                return any(fact.status != 0 for fact in carrier.log.of("mo_response"))

            async def held() -> bool:
                return carrier.log.counts["receipt"] > 0

            await eventually(refused_for_now)
            await eventually(held)
            kept = [fact for fact in carrier.log.of("receipt_response", "mo_response") if fact.status == 0]
            assert kept == []
        await s.until(accepted["id"], "delivered")
        await webhook.wait_for(lambda event: event["type"] == "message.received")
        await carrier.settled()
        assert sorted(event["type"] for event in webhook.events) == ["message.delivered", "message.received"]


async def test_what_was_accepted_before_the_disk_was_full_arrives_once_it_is_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.carrier.down()
        early = [await s.send(text=f"early {at}") for at in range(5)]
        async with full(s):
            late = 0
            with contextlib.suppress(AssertionError):
                for _ in range(10):  # until the last page is full
                    await s.send(text="late", metadata={"filling": "x" * 3_900})
                    late += 1
            assert await refused(s, {"to": HANDSET, "text": "x" * 2_000, "metadata": {"filling": "x" * 3_900}}) >= 1
            await s.carrier.up()
        for message in early:
            await s.until(message["id"], "delivered")
        await s.until((await s.send(text="after"))["id"], "delivered")
        texts = [message.text for message in s.carrier.messages]
        assert texts.count("late") == late
        assert len(texts) == len(set(texts)) + max(0, late - 1)


@pytest.mark.parametrize("rounds", [3])
async def test_a_database_that_may_only_be_read_is_written_again_when_it_can_be(tmp_path: Path, rounds: int) -> None:
    async with stage(tmp_path) as s:
        for at in range(rounds):
            await pragma(s, "query_only = 1")
            assert await refused(s) >= 1
            await s.until((await s.send(text=f"round {at}"))["id"], "delivered")
        assert s.carrier.handsets.count == rounds
