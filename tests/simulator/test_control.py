"""The control API: looking, doing, and every problem."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from heliograph.simulator import CarrierSettings, RunningWorld, World
from heliograph.simulator.control import PROBLEMS, Control
from tests.simulator.support import client, submit

WORLD = World(about="two of them", carriers=(CarrierSettings(name="a"), CarrierSettings(name="b")))


class Caller:
    """Calls the API, and says what came of it."""

    def __init__(self, url: str, http: aiohttp.ClientSession, world: RunningWorld) -> None:
        self.url, self.http, self.world = url, http, world

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        if body is not None:
            more["json"] = body
        async with self.http.request(method, self.url + path, **more) as answer:
            said = await answer.json(content_type=None)
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
                assert PROBLEMS[said["code"]] == (answer.status, said["title"])
                assert said["status"] == answer.status
            return answer.status, said


@asynccontextmanager
async def control() -> AsyncIterator[Caller]:
    async with RunningWorld(WORLD) as world, Control(world) as api, aiohttp.ClientSession() as http:
        yield Caller(api.url, http, world)


async def test_the_world_is_shown_without_passwords() -> None:
    async with control() as ask, client(ask.world.carriers["a"]) as (link, ear):
        link.submit([(submit(), None)])
        await ear.hears("receipt", 1)
        await ask.world.carriers["a"].settled()
        status, shown = await ask("GET", "/v1/world")
        assert (status, shown["about"]) == (200, "two of them")
        first, second = shown["carriers"]
        assert (first["name"], first["binds"], first["messages"], first["unfinished"]) == ("a", 1, 1, 0)
        assert (second["up"], second["binds"]) == (True, 0)
        assert "password" not in first["settings"]
        assert first["settings"]["receipts"]["final_states"] == {"DELIVRD": 1.0}


async def test_settings_change() -> None:
    async with control() as ask:
        body = {"latency_ms": 7, "receipts": {"delay_ms": 3}, "ranges": [{"outcome": "expired", "suffix": "9"}]}
        status, shown = await ask("PATCH", "/v1/carriers/a", body)
        assert status == 200
        assert shown["settings"]["latency_ms"] == 7
        assert ask.world.carriers["a"].settings.ranges[0].outcome == "expired"
        assert ask.world.carriers["b"].settings.latency_ms == 0


async def test_a_carrier_misbehaves_and_behaves_again() -> None:
    async with control() as ask:
        status, shown = await ask("PUT", "/v1/carriers/a/misbehaviour", {"kind": "garbage", "share": 0.5})
        assert (status, shown["misbehaviour"]) == (200, {"kind": "garbage", "share": 0.5})
        _, shown = await ask("DELETE", "/v1/carriers/a/misbehaviour")
        assert shown["misbehaviour"] is None
        _, known = await ask("GET", "/v1/misbehaviours")
        assert len(known["misbehaviours"]) >= 60


async def test_handsets_write_and_show_what_they_got() -> None:
    async with control() as ask, client(ask.world.carriers["a"]) as (link, ear):
        path = "/v1/carriers/a/handsets/%2B491701234567/messages"
        assert (await ask("POST", path, {"to": "12345", "text": "hello"}))[0] == 202
        [reply] = await ear.hears("mo", 1)
        assert (reply.source_addr, reply.destination_addr, reply.short_message) == ("491701234567", "12345", b"hello")
        link.submit([(submit("+491701234567", b"one"), None), (submit("+491711234567", b"two"), None)])
        await ask.world.carriers["a"].received(2)
        _, every = await ask("GET", "/v1/carriers/a/messages")
        assert [one["text"] for one in every["messages"]] == ["one", "two"]
        _, some = await ask("GET", "/v1/carriers/a/messages?number=%2B491701234567&limit=1")
        assert [one["text"] for one in some["messages"]] == ["one"]


async def test_links_are_cut_and_carriers_go_and_come() -> None:
    async with control() as ask, client(ask.world.carriers["a"]) as (_, ear):
        await ask("POST", "/v1/carriers/a/cut")
        await ear.until(lambda: ear.binds == 2)
        _, shown = await ask("POST", "/v1/carriers/a/down")
        assert (shown["up"], shown["binds"]) == (False, 0)
        _, shown = await ask("POST", "/v1/carriers/a/up")
        assert shown["up"]
        await ear.until(lambda: ear.binds == 3)


JSON = {"Content-Type": "application/json"}
HANDSET = "/v1/carriers/a/handsets/123/messages"


@pytest.mark.parametrize(
    ("method", "path", "more", "code", "words"),
    [
        ("GET", "/", {}, "not_found", "/v1/world"),
        ("GET", "/v1/carriers/c", {}, "not_found", "known are a, b"),
        ("POST", "/v1/carriers/a/explode", {}, "not_found", "/v1/world"),
        ("POST", "/v1/world", {}, "method_not_allowed", "use GET"),
        ("GET", "/v1/world", {"headers": {"Host": "example.com"}}, "wrong_host", "localhost"),
        ("PATCH", "/v1/carriers/a", {"data": "{}"}, "not_json", "text/plain"),
        ("PATCH", "/v1/carriers/a", {"data": "{", "headers": JSON}, "bad_json", "truncated"),
        ("PATCH", "/v1/carriers/a", {"data": "[]", "headers": JSON}, "bad_json", "object"),
        ("PATCH", "/v1/carriers/a", {"data": b"x" * 100_000, "headers": JSON}, "too_large", "65,536"),
        ("PATCH", "/v1/carriers/a", {"json": {"latency": 1}}, "bad_value", 'did you mean "latency_ms"'),
        ("PATCH", "/v1/carriers/a", {"json": {"latency_ms": "soon"}}, "bad_value", "must be a number"),
        ("PATCH", "/v1/carriers/a", {"json": {"ranges": [{"outcome": "x"}]}}, "bad_value", "no outcome"),
        ("PATCH", "/v1/carriers/a", {"json": {"rules": 1}}, "bad_value", "list of tables"),
        ("PATCH", "/v1/carriers/a", {"json": {"receipts": {"final_states": {}}}}, "bad_value", "no weight"),
        ("PATCH", "/v1/carriers/a", {"json": {"port": 1}}, "fixed", "port"),
        ("PUT", "/v1/carriers/a/misbehaviour", {"json": {"kind": "garbag"}}, "bad_value", 'did you mean "garbage"'),
        ("PUT", "/v1/carriers/a/misbehaviour", {"json": {}}, "bad_value", "kind is missing"),
        ("PUT", "/v1/carriers/a/misbehaviour", {"json": {"kind": "garbage", "share": 2}}, "bad_value", "0 to 1"),
        ("PUT", "/v1/carriers/a/misbehaviour", {"json": {"sort": "garbage"}}, "bad_value", "known are kind"),
        ("POST", HANDSET, {"json": {"to": "1", "text": ""}}, "bad_value", "text must be"),
        ("POST", HANDSET, {"json": {"to": 7, "text": "x"}}, "bad_value", "to must be"),
        ("POST", HANDSET, {"json": {"to": "1", "text": "\ud800"}}, "bad_json", ""),
        ("GET", "/v1/carriers/a/messages?limit=0", {}, "bad_value", "1 to 1,000"),
        ("GET", "/v1/carriers/a/messages?limit=x", {}, "bad_value", "1 to 1,000"),
    ],
)
async def test_what_is_wrong_is_a_problem(method: str, path: str, more: dict[str, Any], code: str, words: str) -> None:
    async with control() as ask:
        _, said = await ask(method, path, **more)
        assert said["code"] == code
        assert words in said["detail"]
        assert (await ask("GET", "/v1/world"))[0] == 200
