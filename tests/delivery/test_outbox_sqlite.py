"""The outbox on the embedded store, telling a real sink over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from heliograph.contracts import Acceptance, Answer, Changes, NewMessage, Update
from heliograph.delivery.outbox import Outbox
from heliograph.delivery.standard_webhooks import StandardWebhooks, new_secret
from heliograph.model import AT_ONCE, Content, Endpoint, Fact, IdSource, Live, Message, Progress, State
from heliograph.outbound import DirectHttp
from heliograph.store.sqlite import SqliteStore
from tests.accounts import ensure_account
from tests.delivery.outbox_stage import HandClock, ScriptedHttp

SECRET = new_secret()


class Place:
    """A store, an outbox on it, and messages that come to their end."""

    def __init__(self, path: Path, http: Any) -> None:
        self.path = path
        self.http = http
        self.clock = HandClock()
        self.ids = IdSource()
        self.account = 0

    async def open(self) -> None:
        self.store = SqliteStore(str(self.path), serve=True)
        await self.store.open()
        self.account = (await ensure_account(self.store, "shop", self.clock.now_us())).id
        self.outbox = Outbox(self.store, self.http, StandardWebhooks(), clock=self.clock, chance=lambda: 0.0)
        self.store.on_facts = self.outbox.told
        self.outbox.set_endpoints(await self.store.endpoints())

    async def close(self) -> None:
        await self.outbox.close()
        await self.store.close()

    async def add(self, *endpoints: Endpoint) -> None:
        await self.store.commit(Changes(acceptances=[Acceptance(messages=(), endpoints=endpoints)]))
        self.outbox.set_endpoints(await self.store.endpoints())
        await self.settle()

    def endpoint(self, name: str, url: str, **changes: Any) -> Endpoint:
        plain = Endpoint(id=name, account_id=self.account, kind="webhook", url=url, events=(), secret=SECRET)
        return msgspec.structs.replace(plain, created_us=self.clock.now_us(), **changes)

    async def deliver(self, count: int) -> list[str]:
        """So many messages are accepted, and delivered in a second commit."""
        now_us = self.clock.now_us()
        messages = [
            Message(
                id=message_id,
                account_id=self.account,
                sender="Shop",
                recipient="+4915112345678",
                accepted_us=now_us,
                expires_us=now_us + 3_600_000_000,
                tags='["a"]',
            )
            for message_id in self.ids.take(count, now_us)
        ]
        queued = Progress(connector_id=1, due_us=AT_ONCE)
        content = Content(octets=b"hello")
        accepted = Acceptance([NewMessage(message, queued, content) for message in messages])
        await self.store.commit(Changes(acceptances=[accepted]))
        ended = Progress(
            state=State.DELIVERED,
            version=2,
            connector_id=1,
            sent_us=now_us,
            ended_us=now_us,
            ended_seq=2,
            last_seq=2,
            segments_delivered=1,
        )
        await self.store.commit(
            Changes(
                updates=[Update(message.id, self.account, 1, ended) for message in messages],
                facts=[_fact(message, now_us) for message in messages],
                lives=[Live(message, ended) for message in messages],
            )
        )
        return [f"{message.id}-2" for message in messages]

    async def settle(self) -> None:
        while tasks := set(self.outbox._desk.tasks):
            await asyncio.wait_for(asyncio.wait(tasks), 5)

    async def tick(self, after_s: float = 0.0) -> None:
        self.clock.pass_s(after_s)
        for _ in range(2):
            await self.outbox.tick()
            await self.settle()


def _fact(message: Message, at_us: int) -> Fact:
    account_id, sender = message.account_id, message.sender
    return Fact(message.id, account_id, 2, State.DELIVERED, at_us, 0, 1, 0, 1, None, None, sender, False, 1)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Callable[[Any], Any]]:
    opened: list[Place] = []

    async def open_one(http: Any) -> Place:
        made = Place(tmp_path / "heliograph.db", http)
        await made.open()
        opened.append(made)
        return made

    yield open_one
    for made in opened:
        await made.close()


async def test_events_reach_a_sink_signed_and_the_position_is_kept(place: Callable[[Any], Any]) -> None:
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(Webhook(SECRET).verify(await request.read(), dict(request.headers)))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    http = DirectHttp(allow_private_addresses=True)
    stage = await place(http)
    stage.clock.wall_us = _now_us()
    await stage.add(stage.endpoint("single", url), stage.endpoint("batch", url, batch=100))
    events = await stage.deliver(20)
    await stage.tick()
    single = [told for told in seen if isinstance(told, dict)]
    batches = [told for told in seen if isinstance(told, list)]
    assert sorted(told["id"] for told in single) == events
    assert [told["id"] for batch in batches for told in batch] == events
    assert single[0]["data"]["tags"] == ["a"]
    ends = {endpoint.id: endpoint.position for endpoint in await stage.store.endpoints()}
    assert ends["single"] == ends["batch"] > 0
    await http.close()
    await runner.cleanup()


async def test_after_a_restart_the_same_bodies_come_from_the_rows(place: Callable[[Any], Any]) -> None:
    http = ScriptedHttp()
    stage = await place(http)
    await stage.add(stage.endpoint("hook", "https://hook.example.org/"))
    await stage.deliver(3)
    await stage.settle()
    first = {post.headers["webhook-id"]: post.body for post in http.posts}
    stage.outbox._desk.lines["hook"].dirty = False
    stage.outbox._desk.lines["hook"].saved = 1 << 40  # the crash comes before the position is kept
    await stage.close()
    http.posts.clear()
    await stage.open()
    await stage.settle()
    assert {post.headers["webhook-id"]: post.body for post in http.posts} == first
    assert len(first) == 3


async def test_second_tries_survive_a_restart_with_their_bodies(place: Callable[[Any], Any]) -> None:
    http = ScriptedHttp()
    http.answer = lambda _: Answer(500)
    stage = await place(http)
    await stage.add(
        stage.endpoint("one", "https://one.example.org/"), stage.endpoint("two", "https://two.example.org/", batch=10)
    )
    events = await stage.deliver(3)
    await stage.tick()
    await stage.close()
    before = {(post.url, post.headers["webhook-id"]): post.body for post in http.posts}
    http.posts.clear()
    http.answer = lambda _: Answer(200)
    await stage.open()
    await stage.tick()
    assert http.posts == []
    await stage.tick(5)
    assert {(post.url, post.headers["webhook-id"]): post.body for post in http.posts} == before
    assert sorted(http.ids("https://one.example.org/")) == events
    assert [json.loads(body)[0]["id"] for (url, _), body in before.items() if "two" in url] == [events[0]]
    for name in ("one", "two"):
        assert await stage.store.due_deliveries(name, 1 << 62, 10) == []


def _now_us() -> int:
    return time.time_ns() // 1000
