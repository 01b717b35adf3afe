"""PostgreSQL in trouble under a running house: the caller is told when to come back, and it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.acceptance.test_bad_input_store import ready, refused
from tests.dialogues.stage import Stage, eventually, stage
from tests.store.postgres.server import Server

OURS = "FROM pg_stat_activity WHERE application_name = 'heliograph'"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of our own: others must not meet what is done to it."""
    one = Server()
    yield one
    one.destroy()


@contextlib.asynccontextmanager
async def house(tmp_path: Path, server: Server) -> AsyncIterator[Stage]:
    async with stage(tmp_path, store=await server.fresh()) as s:
        yield s


async def by_hand(server: Server, *statements: str) -> None:
    """What the database's operator types."""
    connection = await asyncpg.connect(server.url, server_settings={"default_transaction_read_only": "off"})
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def until_ready(s: Stage) -> None:
    """Until the house says that it can be used; nobody asks it to write meanwhile."""
    await eventually(lambda: ready(s))


async def waiting(s: Stage, count: int) -> list[str]:
    """Messages that are accepted while the carrier is away."""
    await s.carrier.down()
    return [(await s.send(to=f"+1415555{100 + at:04}", text=f"early {at}"))["id"] for at in range(count)]


async def all_arrived(s: Stage, ids: list[str]) -> None:
    """Every one is delivered, and no text came twice."""
    for message_id in ids:
        await s.until(message_id, "delivered")
    assert max(Counter(message.text for message in s.carrier.messages).values()) == 1


async def test_a_server_that_goes_and_comes_back_is_waited_for(tmp_path: Path, server: Server) -> None:
    async with house(tmp_path, server) as s:
        early = await waiting(s, 5)
        await asyncio.to_thread(server.stop)
        try:
            for path, body in (("", None), ("/batch", {"messages": [{"to": "+14155550123", "text": "late"}] * 3})):
                assert 1 <= await refused(s, body, f"/v1/messages{path}") <= 60
            assert not await ready(s)
            await s.carrier.up()
        finally:
            await asyncio.to_thread(server.start)
        await until_ready(s)
        await all_arrived(s, [*early, (await s.send(text="after"))["id"]])
        assert s.carrier.handsets.count == 6  # and nothing of what was refused


async def test_a_database_that_may_only_be_read_is_written_again_when_it_can_be(tmp_path: Path, server: Server) -> None:
    async with house(tmp_path, server) as s:
        kept = (await s.send(text="before"))["id"]
        await s.until(kept, "delivered")
        await by_hand(server, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")

        async def refuses() -> bool:  # each backend reads its settings anew when it likes
            with contextlib.suppress(AssertionError):
                return await refused(s) >= 1
            return False

        try:
            await eventually(refuses)
            assert not await ready(s)
            assert (await s.show(kept))["state"] == "delivered"  # who only reads is not concerned
        finally:
            await by_hand(server, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
        await until_ready(s)
        await s.until((await s.send(text="after"))["id"], "delivered")


async def test_backends_that_are_killed_lose_nothing_and_repeat_nothing(tmp_path: Path, server: Server) -> None:
    async with house(tmp_path, server) as s:
        accepted: dict[str, str] = {}

        async def customer(number: int) -> None:
            for at in range(30):
                text = f"{number}/{at}"
                async with s.http.post(
                    f"{s.server.url}/v1/messages",
                    json={"to": f"+1415555{100 + number:04}", "text": text},
                    headers={"Authorization": f"Bearer {s.key}"},
                ) as answer:
                    said = await answer.json(content_type=None)
                    assert answer.status in (202, 503), said
                    if answer.status == 202:
                        accepted[said["id"]] = text
                    else:
                        assert int(answer.headers["Retry-After"]) >= 1
                        await asyncio.sleep(0.05)

        killed = 0

        async def killer() -> None:
            nonlocal killed
            while True:
                await asyncio.sleep(0.05)
                connection = await asyncpg.connect(server.url)
                killed += len(await connection.fetch(f"SELECT pg_terminate_backend(pid) {OURS}"))
                await connection.close()

        killing = asyncio.create_task(killer())
        await asyncio.gather(*(customer(number) for number in range(4)))
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
        await until_ready(s)
        assert killed > 4
        assert accepted
        for message_id in accepted:
            shown = await s.until(message_id, "delivered")
            assert shown["possible_duplicate"] is False
        texts = Counter(message.text for message in s.carrier.messages)
        assert texts == Counter(accepted.values())  # of what was refused, nothing
