"""A page starts the message of its publishable token, once, and can do nothing else."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from heliograph.access.guard import Guard
from heliograph.contracts import Administration, AuditFilter
from heliograph.ingress.rest.api import OPERATIONS
from heliograph.model import ConfigObject, OptOut
from tests.accounts import ensure_account
from tests.ingress.house import House
from tests.ingress.tokens import BODY, MESSAGE, PATH, SHOP, made, messages, start, told


async def test_a_page_starts_the_message_that_its_server_prepared(api: House) -> None:
    answer = await api.call("POST", PATH, BODY)
    token = answer.json
    assert (answer.headers["etag"], answer.headers["cache-control"]) == ('"1"', "no-store")
    assert token["token"].startswith(token["id"])
    assert len(token["token"]) - len(token["id"]) == 64
    assert token["id"].startswith("hg_pub_live_")
    assert (token["state"], token["test"], token["origins"]) == ("open", False, [SHOP])
    assert (token["message"], token["made_by"]) == (MESSAGE, api.key[:16])
    assert await messages(api) == []
    first = await start(api, token["token"])
    assert (first.status, first.body) == (202, b'{"status":"accepted"}')
    [message] = await messages(api)
    assert (message["to"], message["from"], message["text"]) == tuple(MESSAGE.values())
    again = await start(api, token["token"], body=b" {} ")
    assert (again.status, again.body, again.headers) == (first.status, first.body, first.headers)
    assert len(await messages(api)) == 1
    shown = (await api.call("GET", f"{PATH}/{token['id']}")).json
    assert (shown["state"], shown["message_id"]) == ("started", message["id"])
    assert "token" not in shown


async def test_a_token_does_nothing_else(api: House, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await made(api))["token"]
    failed: list[str] = []
    monkeypatch.setattr(api.services.keys.guard, "failed", lambda peer, name: failed.append(name))
    for operation in OPERATIONS:
        if operation.path != "/v1/start":
            path = operation.path.replace("{", "").replace("}", "")
            answer = await api.call(operation.method, path, key=token, headers={"Origin": SHOP})
            nobodys = await api.call(operation.method, path, key=token[:-1] + "g", headers={"Origin": SHOP})
            assert told(answer) == (401, "unauthorized")
            assert (answer.status, answer.body, answer.headers) == (nobodys.status, nobodys.body, nobodys.headers)
            assert "access-control-allow-origin" not in answer.headers
    assert failed == [token[:16]] * 2 * (len(OPERATIONS) - 1)
    assert (await start(api, token)).status == 202


async def test_whatever_is_no_good_token_is_answered_alike(api: House) -> None:
    gone, over, good = [await made(api) for _ in range(3)]
    assert (await api.call("DELETE", f"{PATH}/{gone['id']}")).status == 204
    row = next(one for one in await api.store.credentials("publishable") if one.prefix == over["id"])
    await api.store.administer(Administration(at_us=1, credentials=[(replace(row, expires_us=1), 1)]))
    answers = [
        await start(api, text)
        for text in (gone["token"], over["token"], good["token"][:-1] + "x", good["id"], "hg_pub_", "x", None, api.key)
    ]
    assert told(answers[-1]) == (403, "browser_origin")
    assert {(one.status, one.body, tuple(one.headers.items())) for one in answers[:-1]} == {
        (401, answers[0].body, tuple(answers[0].headers.items()))
    }
    assert answers[0].code == "unauthorized"
    assert told(await start(api, api.key, None)) == (401, "unauthorized")
    basic = await api.call("POST", "/v1/start", key=None, headers={"Authorization": "Basic eDp5", "Origin": SHOP})
    assert told(basic) == (401, "unauthorized")
    assert await messages(api) == []
    states = [one["state"] for one in (await api.call("GET", PATH)).json["tokens"]]
    assert sorted(states) == ["expired", "open", "revoked"]


async def test_guessing_is_slowed_down_and_an_old_page_is_no_guess(api: House) -> None:
    moment_us = api.services.now_us()
    api.services.keys.guard = Guard(lambda: moment_us)  # no wait ends meanwhile
    token = await made(api)
    await api.call("DELETE", f"{PATH}/{token['id']}")
    old = [(await start(api, token["token"], client="192.0.2.1")).status for _ in range(20)]
    assert old == [401] * 20
    wrong = token["token"][:-1] + ("0" if token["token"][-1] != "0" else "1")
    guesses = [await start(api, wrong, client="192.0.2.2") for _ in range(12)]
    assert [one.status for one in guesses] == [401] * 10 + [429] * 2
    assert guesses[-1].code == "too_many_failures"
    assert guesses[-1].headers["access-control-allow-origin"] == SHOP
    other = await made(api)
    assert (await start(api, other["token"], client="192.0.2.2")).status == 429
    assert (await start(api, other["token"], client="192.0.2.3")).status == 202


@pytest.mark.parametrize(
    ("origin", "readable"),
    [
        ("https://other.example", True),
        ("http://shop.example", True),
        ("https://shop.example:8443", True),
        ("https://sub.shop.example", True),
        ("HTTPS://SHOP.EXAMPLE", False),
        ("null", False),
        (None, False),
        ("https://" + "a" * 300, False),
        ("https://x y", False),
    ],
)
async def test_a_page_of_another_origin_starts_nothing(api: House, origin: str | None, readable: bool) -> None:
    token = await made(api)
    answer = await start(api, token["token"], origin)
    assert told(answer) == (403, "origin_not_allowed")
    assert answer.headers["vary"] == "origin"
    assert answer.headers.get("access-control-allow-origin") == (origin if readable else None)
    assert (await start(api, token["token"])).status == 202
    await api.services.keys.refusals.write(at_once=True)
    [entry] = await api.store.audit(AuditFilter(object_kind="origin"))
    assert (entry.actor, entry.actor_kind, entry.outcome) == (token["id"], "publishable", "refused")


async def test_each_of_its_origins_may_start_it(api: House) -> None:
    origins = [SHOP, "http://localhost:3000", SHOP]
    token = await made(api, BODY | {"origins": origins})
    assert token["origins"] == origins[:2]
    for origin in origins:
        answer = await start(api, token["token"], origin)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, origin)
    assert len(await messages(api)) == 1


async def test_a_preflight_is_answered_here_alone(api: House) -> None:
    asked = {
        "Origin": "https://any.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = await api.call("OPTIONS", "/v1/start", key=None, headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    assert {name: value for name, value in answer.headers.items() if name != "content-length"} == {
        "access-control-allow-origin": "https://any.example",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-expose-headers": "retry-after",
        "access-control-max-age": "7200",
        "vary": "origin, access-control-request-method, access-control-request-headers",
    }
    for operation in OPERATIONS:
        if operation.path != "/v1/start":
            path = operation.path.replace("{", "").replace("}", "")
            elsewhere = await api.call("OPTIONS", path, key=None, headers=asked)
            assert told(elsewhere) == (405, "method_not_allowed")
            assert not [name for name in elsewhere.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"to": "+1"}', (422, "field_unknown")),
        (b"[]", (422, "field_invalid")),
        (b"{", (400, "json_invalid")),
        (b" " * 300, (413, "body_too_large")),
    ],
)
async def test_a_page_has_nothing_to_say(api: House, body: bytes, expected: tuple[int, str]) -> None:
    token = await made(api)
    answer = await start(api, token["token"], body=body)
    assert told(answer) == expected
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert await messages(api) == []


async def test_who_opted_out_is_refused_when_it_is_made_and_when_it_is_started(api: House) -> None:
    token = await made(api)
    owner = (await ensure_account(api.store, "demo", 0)).id
    await api.store.add_opt_outs([OptOut(account_id=owner, recipient=MESSAGE["to"], created_us=1)])
    refused = await api.call("POST", PATH, BODY)
    assert (refused.code, refused.json["field"]) == ("recipient_opted_out", "message.to")
    for _ in range(2):
        answer = await start(api, token["token"])
        assert told(answer) == (409, "start_refused")
        assert "+49" not in answer.body.decode()
        assert answer.headers["access-control-allow-origin"] == SHOP
    shown = (await api.call("GET", f"{PATH}/{token['id']}")).json
    assert (shown["state"], shown["refusal"]) == ("refused", "recipient_opted_out")
    await api.store.remove_opt_outs([(owner, MESSAGE["to"])])
    assert told(await start(api, token["token"])) == (409, "start_refused")
    assert await messages(api) == []


async def test_starts_count_on_the_limits_of_key_and_account(api: House) -> None:
    key = await api.make("demo")
    tokens = [(await made(api, key=key))["token"] for _ in range(2)]
    limit = ConfigObject(kind="limit", name=f"key:{key[:16]}", document='{"segments_per_day": 1}', account_id=1)
    await api.store.administer(Administration(at_us=1, objects=[(limit, 0)]))
    await api.services.keys.refresh()
    assert (await start(api, tokens[0])).status == 202
    refused = await start(api, tokens[1])
    assert told(refused) == (429, "quota_exhausted")
    assert key[:16] not in refused.body.decode()
    assert "segments" not in refused.json["detail"]
    assert "ratelimit" not in refused.headers
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["access-control-expose-headers"] == "retry-after"
    assert (await start(api, tokens[0])).status == 202
    assert len(await messages(api)) == 1


async def test_twenty_starts_at_once_are_one_message(api: House) -> None:
    token = (await made(api))["token"]
    answers = await asyncio.gather(*(start(api, token) for _ in range(20)))
    assert {(one.status, one.body) for one in answers} == {(202, b'{"status":"accepted"}')}
    assert len(await messages(api)) == 1
