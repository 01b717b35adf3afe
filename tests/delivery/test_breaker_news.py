"""Who is told that a webhook fails, and that it takes something again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heliograph.contracts import Acceptance, Answer, Changes
from heliograph.delivery.breaker_news import BreakerNews
from heliograph.delivery.notices import Notices
from heliograph.delivery.outbox import Outbox
from heliograph.delivery.standard_webhooks import StandardWebhooks
from heliograph.errors import StoreBusy
from heliograph.model import Account, Endpoint
from heliograph.store.sqlite import SqliteStore
from tests.accounts import ensure_account
from tests.delivery.outbox_stage import SECRET, HandClock, ScriptedHttp, Stage

FAILING, RECOVERED = "webhook.failing", "webhook.recovered"


class Told:
    """Three accounts with webhooks in a real store; the outbox that tells them, and their news."""

    def __init__(self, store: SqliteStore, clock: HandClock, http: ScriptedHttp) -> None:
        self.store, self.clock, self.http = store, clock, http
        self.accounts: dict[int, Account] = {}
        self.ids: dict[str, int] = {}
        self.operator: str | None = None

    async def open(self) -> None:
        for name in ("shop", "operations", "stranger"):
            account = await ensure_account(self.store, name, self.clock.now_us())
            self.accounts[account.id], self.ids[name] = account, account.id
        notices = Notices(self.store, self.clock, lambda endpoint_id: self.outbox.look(endpoint_id))
        news = BreakerNews(
            notices,
            self.clock,
            lambda: self.accounts,
            lambda account_id: self.outbox.endpoints_of(account_id),
            lambda: self.operator,
        )
        self.outbox = Outbox(
            self.store, self.http, StandardWebhooks(), clock=self.clock, chance=lambda: 0.0, news=news.tell
        )
        self.news = news

    async def add(self, name: str, account: str, *events: str, **more: Any) -> Endpoint:
        made = Endpoint(
            id=name,
            account_id=self.ids[account],
            kind="webhook",
            url=f"https://{name}.example.org/secret-path",
            events=events,
            secret=SECRET,
            created_us=self.clock.now_us(),
            **more,
        )
        await self.store.commit(Changes(acceptances=[Acceptance(messages=(), endpoints=[made])]))
        self.outbox.set_endpoints(await self.store.endpoints())
        return made

    async def notes(self, name: str) -> list[dict[str, Any]]:
        """What an endpoint is owed of news, oldest first."""
        owed = await self.store.due_deliveries(name, 1 << 60, 100)
        return sorted((json.loads(one.body or b"{}") for one in owed), key=lambda one: str(one["time"]))


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    store = SqliteStore(str(tmp_path / "one.db"), serve=True)
    await store.open()
    place = Told(store, HandClock(), ScriptedHttp())
    await place.open()
    yield place
    await place.outbox.close()
    await store.close()


async def test_other_webhooks_of_the_account_and_the_operators_are_told_and_no_strangers(told: Told) -> None:
    told.operator = "operations"
    bad = await told.add("bad", "shop")
    for name, account, events in (
        ("all", "shop", ()),
        ("choosy", "shop", ("message.delivered",)),
        ("ops", "operations", (FAILING,)),
        ("other", "stranger", ()),
    ):
        await told.add(name, account, *events)
    await told.add("resting", "shop", paused_us=1)
    since = told.clock.now_us()
    health = told.outbox.health("bad")
    failing = msgspec.structs.replace(health, state="open", failures=8, last_error="timeout", failing_since_us=since)
    await told.news.tell(bad, FAILING, failing)
    await told.news.tell(bad, FAILING, failing)  # another server sees the same
    told.clock.pass_s(1)
    await told.news.tell(bad, RECOVERED, failing)
    assert [one["type"] for one in await told.notes("all")] == [FAILING, RECOVERED]
    (note,) = await told.notes("ops")
    assert (note["type"], note["subject"], note["source"]) == (FAILING, "bad", "/v1/webhooks")
    assert note["data"] == {
        "account": "shop",
        "host": "bad.example.org",
        "failures": 8,
        "last_error": "timeout",
        "failing_since": "2026-03-01T12:00:00.000000Z",
    }
    for silent in ("bad", "choosy", "other", "resting"):
        assert await told.notes(silent) == []


@pytest.mark.parametrize("operator", [None, "nobody", "stranger"])
async def test_without_others_nothing_is_written(told: Told, operator: str | None) -> None:
    told.operator = operator
    bad = await told.add("bad", "shop")
    await told.add("ops", "operations")
    await told.news.tell(bad, FAILING, told.outbox.health("bad"))
    assert await told.notes("bad") == await told.notes("ops") == []


async def test_a_store_that_is_busy_is_asked_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = await told.add("bad", "shop")
    await told.add("all", "shop")
    commit, refusals = told.store.commit, [1, 2]

    async def busy(changes: Changes) -> Any:
        if refusals:
            refusals.pop()
            raise StoreBusy("locked")
        return await commit(changes)

    monkeypatch.setattr(told.store, "commit", busy)
    monkeypatch.setattr("heliograph.delivery.breaker_news._AGAIN_S", 0.0)
    await told.news.tell(bad, FAILING, told.outbox.health("bad"))
    assert [one["subject"] for one in await told.notes("all")] == ["bad"]


async def test_the_breaker_says_it_once_when_it_opens_and_once_when_it_closes() -> None:
    stage = Stage()
    said: list[tuple[str, str, str, int, str | None, int]] = []

    async def news(endpoint: Endpoint, kind: str, health: Any) -> None:
        said.append((endpoint.id, kind, health.state, health.failures, health.last_error, health.failing_since_us))

    stage.outbox = stage.new_outbox(news=news)
    since = stage.clock.now_us()
    await stage.open(stage.endpoint())
    stage.http.answer = lambda _: Answer(503)
    while stage.outbox.health("hook").state == "closed":
        stage.deliver()
        await stage.settle()
    stage.clock.pass_s(1.0)
    await stage.tick()
    stage.http.answer = lambda _: Answer(200)
    await stage.tick(3600.0)
    assert [one[:3] for one in said] == [("hook", FAILING, "open"), ("hook", RECOVERED, "closed")]
    assert said[0][3:] == (8, "status_503", since)
    assert said[1][3] >= 8
    assert said[1][5] == since
