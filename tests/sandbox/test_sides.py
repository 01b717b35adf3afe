"""The two sides of an account, from outside: each has its own messages, keys, webhooks, counts and opt-outs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from heliograph.model import SCOPES, OptOut
from heliograph.simulator import VirtualCarrier
from tests.accounts import ensure_account
from tests.conformance.stores import KINDS, StoreKind
from tests.sandbox.stage import Stage, eventually, stage

MORE = """
[security]
master_key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
[[connectors]]
name = "main"
kind = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "esme"
password = "secret"
assign_recent_writer = true
[[routes]]
name = "sandbox"
connectors = ["main"]
[[numbers]]
number = "12345"
account = "shop"
"""
HANDSET, MAGIC = "+14155550123", "+9991000000"


@asynccontextmanager
async def both(folder: Path, kind: StoreKind) -> AsyncIterator[tuple[Stage, VirtualCarrier]]:
    """A server with a carrier that stands for a real one."""
    async with (
        kind.fresh(folder) as url,
        VirtualCarrier() as carrier,
        stage(folder, MORE.format(port=carrier.port), url=url) as s,
    ):
        await carrier.bound()
        yield s, carrier


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> StoreKind:
    found: StoreKind = request.param
    return found


class Hook:
    """A webhook's receiver: the events that it was told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    async def __aenter__(self) -> Hook:
        application = web.Application()
        application.router.add_post("/", self._called)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def _called(self, request: web.Request) -> web.Response:
        self.events.append(await request.json())
        return web.Response()

    def types(self) -> set[str]:
        return {event["type"] for event in self.events}


async def test_both_sides_live_beside_each_other(tmp_path: Path, kind: StoreKind) -> None:
    async with both(tmp_path, kind) as (s, carrier), Hook() as live_hook, Hook() as test_hook:
        live, test, other = await s.key(test=False), await s.key(), await s.key("other")
        for key, hook in ((live, live_hook), (test, test_hook)):
            assert (await s.ask(key, "POST", "/v1/webhooks", {"url": hook.url}))[0] == 201
        real = await s.send(live, HANDSET, client_ref="real")
        toy = await s.send(test, HANDSET, client_ref="toy")
        magic = await s.send(test, "+9994000000", client_ref="magic", text="long " * 60)
        assert "sandbox" not in real
        assert toy["sandbox"] is magic["sandbox"] is True
        for key, message in ((live, real), (test, toy), (test, magic)):
            found = await s.reaches(key, message["id"], "delivered")
            assert found.get("sandbox", False) is (key is test)
        assert [message.to for message in carrier.messages] == [HANDSET]

        async def replied() -> bool:
            return "message.received" in test_hook.types() and "message.delivered" in live_hook.types()

        await eventually(replied)
        assert all(event["data"]["sandbox"] is True for event in test_hook.events)
        assert {event["data"]["id"] for event in live_hook.events} == {real["id"]}
        await _each_sees_its_own(s, live, test, other, real, toy)


async def _each_sees_its_own(s: Stage, live: str, test: str, other: str, real: Any, toy: Any) -> None:
    for key, names in ((live, {"real"}), (test, {"toy", "magic", None}), (other, set())):
        listed = (await s.get(key, "/v1/messages"))["messages"]
        assert {message["client_ref"] for message in listed} == names
        events = (await s.get(key, "/v1/events"))["events"]
        assert {event["data"]["client_ref"] for event in events} == names
        assert len((await s.get(key, "/v1/webhooks"))["webhooks"]) == (0 if key is other else 1)
    for key, strange in ((live, toy), (test, real), (other, toy)):
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
            status, said = await s.ask(key, method, f"/v1/messages/{strange['id']}{path}")
            assert (status, said["code"]) == (404, "not_found")

    async def counted() -> bool:
        figures = [await s.get(key, "/v1/analytics?step=all&metric=accepted") for key in (live, test, other)]
        return [sum(row["accepted"] for row in one["rows"]) for one in figures] == [1, 2, 0]

    await eventually(counted)
    operator = await s.key("shop", test=False, scopes=SCOPES)
    everybodys = await s.get(operator, "/v1/analytics?step=all&accounts=all&metric=accepted")
    assert sum(row["accepted"] for row in everybodys["rows"]) == 1


async def test_an_opt_out_and_an_idempotency_key_are_of_one_side(tmp_path: Path, kind: StoreKind) -> None:
    async with both(tmp_path, kind) as (s, carrier):
        live, test = await s.key(test=False), await s.key()
        account = await ensure_account(s.server.store, "shop", 0)
        await s.server.store.add_opt_outs([OptOut(account_id=account.id, recipient=HANDSET, created_us=1)])
        body = {"to": HANDSET, "text": "Hello"}

        async def refused(key: str) -> bool:
            return (await s.ask(key, "POST", "/v1/messages", body))[0] == 422

        await eventually(lambda: refused(live))
        await s.reaches(test, (await s.send(test, HANDSET))["id"], "delivered")
        assert carrier.messages == []
        ids = []
        for key in (live, test, live, test):
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "the same"}
            batch = {"messages": [{"to": "+14155550199", "text": "Hello"}]}
            async with s.http.post(f"{s.server.url}/v1/messages/batch", json=batch, headers=headers) as answer:
                ids.append((await answer.json())["results"][0]["id"])
        assert ids[:2] == ids[2:]
        assert ids[0] != ids[1]


async def test_what_a_handset_answers_comes_to_the_side_that_wrote(tmp_path: Path, kind: StoreKind) -> None:
    async with both(tmp_path, kind) as (s, carrier):
        live, test, other = await s.key(test=False), await s.key(), await s.key("other")
        await s.reaches(live, (await s.send(live, HANDSET, **{"from": "777"}))["id"], "delivered")
        for key in (test, other):
            await s.reaches(key, (await s.send(key, HANDSET, **{"from": "777"}))["id"], "delivered")
            await s.reaches(key, (await s.send(key, "+9994010000", **{"from": "777"}))["id"], "delivered")
        carrier.reply(HANDSET, "777", "From a real handset")

        async def heard(key: str) -> list[str]:
            listed = (await s.get(key, "/v1/messages"))["messages"]
            return [message["text"] for message in listed if message["direction"] == "inbound"]

        for key, texts in ((live, ["From a real handset"]), (test, ["STOP"]), (other, ["STOP"])):
            assert await eventually(lambda key=key: heard(key)) == texts  # type: ignore[misc]


async def test_a_reload_and_a_restart_leave_sandboxes_alone(tmp_path: Path) -> None:
    [kind] = [one for one in KINDS if one.name == "sqlite"]
    async with both(tmp_path, kind) as (s, carrier):
        test = await s.key()
        before = await s.send(test, MAGIC)
        await s.server.reload(s.server.config)
        await s.reaches(test, before["id"], "delivered")
        world = s.server.sandboxes._open[-1]
        await s.reaches(test, (await s.send(test, MAGIC))["id"], "delivered")
        assert s.server.sandboxes._open[-1] is world
        dated = await s.send(test, MAGIC, send_at="2027-06-01T00:00:00Z")
        assert dated["state"] == "scheduled"
    async with stage(tmp_path, MORE.format(port=carrier.port)) as s:
        assert list(s.server.sandboxes._open) == [-1]
        await s.reaches(test, (await s.send(test, MAGIC))["id"], "delivered")
        assert (await s.get(test, f"/v1/messages/{dated['id']}"))["state"] == "scheduled"
        live = await s.key(test=False)
        status, said = await s.ask(live, "POST", "/v1/messages", {"to": MAGIC, "text": "x"})
        assert (status, said["code"]) == (422, "number_impossible")


async def test_a_test_key_does_what_customers_do_and_nothing_more(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        key = await s.key(scopes=SCOPES)
        message = await s.send(key, MAGIC)
        assert "route" not in message
        status, said = await s.ask(key, "GET", "/v1/analytics?accounts=all")
        assert (status, said["code"]) == (403, "forbidden")


async def test_one_makes_room_for_another_and_what_waits_keeps_its_place(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        sandboxes = s.server.sandboxes
        sandboxes._most_open = 2
        keys = [await s.key(f"shop{number}") for number in range(3)]
        for key in keys[:2]:
            await s.reaches(key, (await s.send(key, MAGIC))["id"], "delivered")
        status, said = await s.ask(keys[2], "POST", "/v1/messages", {"to": MAGIC, "text": "x"})
        assert (status, said["code"]) == (503, "sandboxes_busy")
        long_ago = asyncio.get_running_loop().time() - 3_600
        await s.send(keys[0], MAGIC, send_at="2027-06-01T00:00:00Z")
        for world in sandboxes._open.values():
            world._used = long_ago
        await s.reaches(keys[2], (await s.send(keys[2], MAGIC))["id"], "delivered")
        assert sorted(sandboxes._open) == [-3, -1]
