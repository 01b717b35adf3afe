"""Limits over HTTP: what is over them is refused in words, once, and the rest is told how much is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from heliograph.access.accounts import Accounts
from heliograph.contracts import AuditFilter
from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House

SEND = {"to": "+14155550123", "from": "12345", "text": "x"}
TWO_SEGMENTS = SEND | {"text": "x" * 200}


@pytest_asyncio.fixture
async def admin(api: House) -> AsyncIterator[str]:
    yield await api.make("operator", (*CUSTOMER_SCOPES, "admin"))


async def limit(api: House, admin: str, name: str = "account:demo", **limits: Any) -> Answer:
    answer = await api.call("PUT", f"/v1/limits/{name}", limits, key=admin)
    assert answer.status == 200, answer.body
    return answer


async def send(api: House, body: dict[str, Any] | None = None, **more: Any) -> Answer:
    return await api.call("POST", "/v1/messages", body or SEND, **more)


async def tend(api: House) -> None:
    assert api.services.limiter is not None
    await api.services.limiter.tend()


async def used(api: House, admin: str, name: str = "account:demo") -> dict[str, Any]:
    found: dict[str, Any] = (await api.call("GET", f"/v1/limits/{name}", key=admin)).json["used"]
    return found


async def test_without_limits_nothing_is_said_of_them(api: House) -> None:
    answer = await send(api)
    assert answer.status == 202
    assert not {"ratelimit", "ratelimit-policy"} & answer.headers.keys()


async def test_a_quota_of_segments_is_used_up_and_refuses_the_rest(api: House, admin: str) -> None:
    await limit(api, admin, segments_per_day=3)
    first = await send(api, TWO_SEGMENTS)
    assert (first.status, first.headers["ratelimit-policy"]) == (202, '"segments-per-day";q=3;w=86400')
    assert first.headers["ratelimit"].startswith('"segments-per-day";r=1;t=')
    over = await send(api, TWO_SEGMENTS)
    assert (over.status, over.code) == (429, "quota_exhausted")
    assert 1 <= int(over.headers["retry-after"]) <= 86_400
    assert "2 of 3 segments" in over.json["detail"]
    assert (await send(api)).status == 202
    assert (await send(api)).code == "quota_exhausted"
    assert await used(api, admin) == {"segments_per_day": 3}
    assert (await send(api, key=api.stranger)).status == 202


async def test_a_batch_is_taken_whole_or_not_at_all(api: House, admin: str) -> None:
    await limit(api, admin, segments_per_month=4)
    batch = {"messages": [SEND] * 3}
    assert (await api.call("POST", "/v1/messages/batch", batch)).status == 202
    over = await api.call("POST", "/v1/messages/batch", batch)
    assert (over.status, over.code) == (429, "quota_exhausted")
    assert "ratelimit" in over.headers
    assert len((await api.call("GET", "/v1/messages")).json["messages"]) == 3
    large = {"to": ["+14155550123"] * 600, "from": "12345", "text": "x"}
    assert (await api.call("POST", "/v1/messages/batch", large)).code == "quota_exhausted"
    assert (await send(api)).status == 202


async def test_what_is_refused_for_other_reasons_uses_nothing(api: House, admin: str) -> None:
    await limit(api, admin, segments_per_day=10)
    batch = {"messages": [SEND, SEND | {"to": "nobody"}]}
    assert (await api.call("POST", "/v1/messages/batch", batch)).status == 202
    assert (await send(api, SEND | {"to": "+1"})).status == 422
    assert await used(api, admin) == {"segments_per_day": 1}


async def test_the_same_request_again_uses_once_and_is_answered_when_nothing_is_left(api: House, admin: str) -> None:
    await limit(api, admin, segments_per_day=2)
    key = {"Idempotency-Key": "a"}
    first = await send(api, TWO_SEGMENTS, headers=key)
    again = await send(api, TWO_SEGMENTS, headers=key)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert (await send(api, headers={"Idempotency-Key": "b"})).code == "quota_exhausted"
    assert await used(api, admin) == {"segments_per_day": 2}


async def test_a_rate_of_requests_counts_each_once(api: House, admin: str) -> None:
    await limit(api, admin, requests_per_second=3)
    answers = [await api.call("GET", "/v1/messages") for _ in range(3)]
    lefts = [int(one.headers["ratelimit"].split("r=")[1].split(";")[0]) for one in answers]
    assert [one.status for one in answers] == [200] * 3
    assert lefts[0] == 2
    over = [await send(api) for _ in range(20)]
    refused = [one for one in over if one.status == 429]
    assert refused
    assert {(one.code, one.headers["retry-after"]) for one in refused} == {("rate_limited", "1")}


async def test_requests_of_a_day_are_kept(api: House, admin: str) -> None:
    await limit(api, admin, requests_per_day=5)
    for _ in range(2):
        await api.call("GET", "/v1/messages")
    await send(api)
    await tend(api)
    [row] = await api.store.usage(0)
    assert (row.requests, row.segments) == (3, 1)
    for _ in range(2):
        assert (await api.call("GET", "/v1/messages")).status == 200
    over = await api.call("GET", "/v1/messages")
    assert (over.status, over.code) == (429, "quota_exhausted")


async def test_spends_go_by_prices(api: House, admin: str) -> None:
    await limit(api, admin, spend_per_month="0.20", price="0.05", prices={"+49": "0.075", "+4915": "0.08"})
    await send(api)
    assert await used(api, admin) == {"spend_per_month": "0.050000"}
    await send(api, SEND | {"to": "+4915112345678"})
    assert await used(api, admin) == {"spend_per_month": "0.130000"}
    over = await send(api, SEND | {"to": "+493012345678"})
    assert (over.status, over.code) == (429, "quota_exhausted")
    assert "0.13 of 0.20" in over.json["detail"]
    assert (await send(api)).status == 202


async def test_a_child_uses_its_parents_and_a_key_its_own(api: House, admin: str) -> None:
    parent = await api.make("demo", (*CUSTOMER_SCOPES, "accounts"))
    assert (await api.call("POST", "/v1/accounts", {"name": "shop"}, key=parent)).status == 201
    child = await api.make("demo.shop")
    prefix = (await api.store.keys())[-1].prefix
    await limit(api, admin, segments_per_day=3)
    await limit(api, admin, f"key:{prefix}", segments_per_day=1)
    first = await send(api, key=child)
    assert (first.status, first.headers["ratelimit-policy"]) == (202, '"segments-per-day";q=1;w=86400')
    over = await send(api, key=child)
    assert f"key {prefix}" in over.json["detail"]
    assert await used(api, admin) == {"segments_per_day": 1}
    assert [(await send(api)).status for _ in range(3)] == [202, 202, 429]


async def test_the_sandbox_uses_nothing(api: House, admin: str) -> None:
    await limit(api, admin, requests_per_day=0, segments_per_day=0)
    test = await api.make("demo", test=True)
    assert (await api.call("GET", "/v1/messages", key=test)).status == 200
    assert "ratelimit" not in (await send(api, key=test)).headers
    assert (await api.call("GET", "/v1/messages")).code == "quota_exhausted"


async def test_steps_are_told_once_even_after_another_life(api: House, admin: str) -> None:
    hook = (await api.call("POST", "/v1/webhooks", {"url": "http://127.0.0.1:9", "events": ["limit.reached"]})).json
    await api.call("POST", "/v1/webhooks", {"url": "http://127.0.0.1:9", "events": ["message.delivered"]})
    await limit(api, admin, segments_per_day=10)
    for _ in range(8):
        await send(api)
    await tend(api)
    await tend(api)
    told = await api.store.due_deliveries(hook["id"], 1 << 60, 10)
    bodies = [one.body or b"" for one in told]
    assert len(bodies) == 2
    assert all(b'"type":"limit.reached"' in one for one in bodies)
    assert sorted(b'"percent":80' in one for one in bodies) == [False, True]
    limiter = api.services.limiter
    assert limiter is not None
    await limiter.load(Accounts())  # everything is forgotten
    await limiter.load(Accounts(await api.store.accounts()))
    assert await used(api, admin) == {"segments_per_day": 8}
    await tend(api)
    assert len(await api.store.due_deliveries(hook["id"], 1 << 60, 10)) == 2


async def test_many_at_once_pass_no_quota(api: House, admin: str) -> None:
    await limit(api, admin, segments_per_day=20)
    answers = await asyncio.gather(*(send(api) for _ in range(50)))
    assert sorted(one.status for one in answers) == [202] * 20 + [429] * 30


# --- managed --------------------------------------------------------------------------------------
async def test_limits_have_versions_and_a_trail(api: House, admin: str) -> None:
    made = await limit(api, admin, segments_per_day=5)
    assert made.headers["etag"] == '"1"'
    path, change = "/v1/limits/account:demo", {"segments_per_day": 6}
    assert (await api.call("PUT", path, change, key=admin, headers={"If-Match": '"1"'})).headers["etag"] == '"2"'
    late = await api.call("PUT", path, change, key=admin, headers={"If-Match": '"1"'})
    assert (late.status, late.code) == (412, "version_mismatch")
    new = await api.call("PUT", path, change, key=admin, headers={"If-None-Match": "*"})
    assert (new.status, new.code) == (412, "version_mismatch")
    dry = await api.call("PUT", f"{path}?dry_run=true", {"segments_per_day": 7}, key=admin)
    assert (dry.json["before"], dry.json["after"]) == ({"segments_per_day": 6}, {"segments_per_day": 7})
    assert (await api.call("DELETE", f"{path}?dry_run=true", key=admin)).json["after"] is None
    listed = (await api.call("GET", "/v1/limits", key=admin)).json["limits"]
    assert [(one["name"], one["limits"], one["version"]) for one in listed] == [("account:demo", change, 2)]
    assert (await api.call("DELETE", path, key=admin, headers={"If-Match": '"1"'})).status == 412
    assert (await api.call("DELETE", path, key=admin)).status == 204
    assert (await api.call("GET", path, key=admin)).status == 404
    assert "ratelimit" not in (await send(api)).headers
    trail = await api.store.audit(AuditFilter(object_kind="limit"))
    assert [one.action for one in reversed(trail)] == ["create", "change", "delete"]
    assert all(one.object_name == "account:demo" and one.actor_kind == "key" for one in trail)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "field_missing", "requests_per_second"),
        ({"price": "1"}, "field_missing", "requests_per_second"),
        ({"spend_per_day": "5"}, "field_missing", "price"),
        ({"segments_per_day": -1}, "field_invalid", "segments_per_day"),
        ({"segments_per_day": 10**13}, "field_invalid", "segments_per_day"),
        ({"requests_per_second": 0}, "field_invalid", "requests_per_second"),
        ({"requests_per_second": "many"}, "field_invalid", "requests_per_second"),
        ({"spend_per_day": "NaN", "price": "1"}, "field_invalid", "spend_per_day"),
        ({"spend_per_day": "1e400", "price": "1"}, "field_invalid", "spend_per_day"),
        ({"spend_per_day": "5", "price": "-1"}, "field_invalid", "price"),
        ({"spend_per_day": "5", "price": "1", "prices": {"49": "1"}}, "field_invalid", "prices"),
        ({"segments_per_hour": 1}, "field_unknown", "segments_per_hour"),
    ],
)
async def test_limits_that_are_none_are_refused(
    api: House, admin: str, body: dict[str, Any], code: str, field: str
) -> None:
    answer = await api.call("PUT", "/v1/limits/account:demo", body, key=admin)
    assert (answer.status, answer.code) == (422, code)
    assert answer.json["field"].startswith(field.partition("[")[0])


@pytest.mark.parametrize(
    ("name", "status"),
    [("account:nobody", 404), ("key:hg_live_00000000", 404), ("route:x", 422), ("account:", 422), ("demo", 422)],
)
async def test_only_what_is_there_is_limited(api: House, admin: str, name: str, status: int) -> None:
    answer = await api.call("PUT", f"/v1/limits/{name}", {"segments_per_day": 1}, key=admin)
    assert answer.status == status


async def test_a_customer_limits_those_below_and_sees_its_own(api: House, admin: str) -> None:
    parent = await api.make("demo", (*CUSTOMER_SCOPES, "accounts"))
    await api.call("POST", "/v1/accounts", {"name": "shop"}, key=parent)
    await limit(api, admin, segments_per_day=5)
    await limit(api, admin, "account:other", segments_per_day=5)
    await limit(api, parent, "account:demo.shop", segments_per_day=2)
    listed = (await api.call("GET", "/v1/limits", key=parent)).json["limits"]
    assert [one["name"] for one in listed] == ["account:demo", "account:demo.shop"]
    for method, body in (("PUT", {"segments_per_day": 9}), ("DELETE", b"")):
        own = await api.call(method, "/v1/limits/account:demo", body, key=parent)
        assert (own.status, own.code) == (403, "forbidden")
        strange = await api.call(method, "/v1/limits/account:other", body, key=parent)
        nobodys = await api.call(method, "/v1/limits/account:nobody", body, key=parent)
        assert strange.status == nobodys.status == 404
        assert strange.body == nobodys.body
    assert (await api.call("GET", "/v1/limits")).code == "forbidden"
