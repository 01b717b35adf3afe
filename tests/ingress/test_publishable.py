"""Publishable tokens over HTTP: a server makes one, a page starts its message once, and it is good for nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from heliograph.access import publishable
from heliograph.contracts import Administration, AuditFilter
from heliograph.ingress.rest.api import OPERATIONS
from heliograph.model import ConfigObject, OptOut
from tests.ingress.house import Answer, House

SHOP = "https://shop.example"
MESSAGE = {"to": "+4915123456789", "from": "12345", "text": "Your code is 4711"}
BODY: dict[str, Any] = {"message": MESSAGE, "origins": [SHOP]}
PATH = "/v1/publishable-tokens"


async def made(api: House, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer = await api.call("POST", PATH, body or BODY, **more)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


async def start(api: House, token: str | None, origin: str | None = SHOP, body: bytes = b"", **more: Any) -> Answer:
    headers = {} if origin is None else {"Origin": origin}
    return await api.call("POST", "/v1/start", body, key=token, headers=headers, **more)


async def messages(api: House, key: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.call("GET", "/v1/messages", key=key)).json["messages"]
    return found


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


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


async def test_what_is_kept_holds_neither_number_nor_text_nor_token(api: House) -> None:
    token = await made(api)
    [row] = await api.store.credentials("publishable")
    kept = repr(row)
    assert not [word for word in (*MESSAGE.values(), token["token"], token["token"][32:]) if word in kept]
    assert await api.services.store.keys()
    moved = replace(row, id=0, prefix=row.prefix[:-1] + "x", hash=b"x" * 32)
    await api.store.administer(Administration(at_us=1, credentials=[(moved, 0)]))
    listed = (await api.call("GET", PATH)).json["tokens"]
    assert ["message" in one for one in listed] == [False, True]  # bound to its row: moved, it opens nowhere


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


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"message": {}}, "field_missing", "message.to"),
        ({"message": {**MESSAGE, "to": "+491"}}, "number_impossible", "message.to"),
        ({"message": {**MESSAGE, "to": "x"}}, "number_malformed", "message.to"),
        ({"message": {**MESSAGE, "from": "way too long a sender"}}, "sender_invalid", "message.from"),
        ({"message": {"to": MESSAGE["to"], "text": "x"}}, "sender_required", "message.from"),
        ({"message": {"to": MESSAGE["to"], "from": "12345"}}, "field_missing", "message.text"),
        ({"message": {**MESSAGE, "text": "→", "encoding": "gsm7"}}, "encoding_impossible", "message.text"),
        ({"message": {**MESSAGE, "text": "x" * 400, "max_segments": 1}}, "too_many_segments", "message.text"),
        ({"message": {**MESSAGE, "text": "x" * 9_000}}, "field_invalid", "message"),
        ({"message": {**MESSAGE, "send_at": "2027-03-01T09:00:00Z"}}, "field_unknown", "message.send_at"),
        ({"message": {**MESSAGE, "time_zone": "Europe/Berlin"}}, "field_missing", "message.deliver_within"),
        ({"message": {**MESSAGE, "type": "spam"}}, "field_invalid", "message.type"),
        ({"message": {**MESSAGE, "callback": {"url": "ftp://x"}}}, "field_invalid", "message.callback.url"),
        ({"origins": []}, "field_invalid", "origins"),
        ({"origins": [SHOP] * 11}, "field_invalid", "origins"),
        ({"origins": [SHOP, "https://shop.example/"]}, "field_invalid", "origins[1]"),
        ({"origins": ["http://shop.example"]}, "field_invalid", "origins[0]"),
        ({"origins": ["*"]}, "field_invalid", "origins[0]"),
        ({"origins": [1]}, "field_invalid", "origins[0]"),
        ({"origins": ["https://" + "a" * 300]}, "field_invalid", "origins[0]"),
        ({"expires_in": 59}, "field_invalid", "expires_in"),
        ({"expires_in": 86_401}, "field_invalid", "expires_in"),
        ({"expires_in": "600"}, "field_invalid", "expires_in"),
        ({"to": "+1"}, "field_unknown", "to"),
    ],
)
async def test_the_server_hears_of_faults_and_the_page_never(
    api: House, change: dict[str, Any], code: str, field: str
) -> None:
    answer = await api.call("POST", PATH, BODY | change)
    assert (answer.code, answer.json["field"]) == (code, field)
    assert answer.status == 422
    assert (await api.call("GET", PATH)).json["tokens"] == []


async def test_who_opted_out_is_refused_when_it_is_made_and_when_it_is_started(api: House) -> None:
    token = await made(api)
    owner = (await api.store.ensure_account("demo", 0)).id
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


async def test_a_token_ends_with_its_key(api: House) -> None:
    keys = {name: await api.make("demo") for name in ("revoked", "weakened", "expired", "closed")}
    tokens = {name: (await made(api, key=key))["token"] for name, key in keys.items()}
    rows = {one.prefix: one for one in await api.store.keys()}

    async def change(name: str, **fields: Any) -> None:
        row = rows[keys[name][:16]]
        await api.store.administer(Administration(at_us=1, credentials=[(replace(row, **fields), row.version)]))
        await api.services.keys.refresh()

    await change("revoked", revoked_us=1)
    await change("weakened", scopes=("messages:read",))
    await change("expired", expires_us=1)
    for name in ("revoked", "weakened", "expired"):
        assert told(await start(api, tokens[name])) == (401, "unauthorized")
    account = await api.store.ensure_account("demo", 0)
    closed = Administration(at_us=1, accounts=[(replace(account, closed_us=1), None)])
    await api.store.administer(closed)
    await api.services.keys.refresh()
    assert told(await start(api, tokens["closed"])) == (401, "unauthorized")
    opened = Administration(at_us=1, accounts=[(replace(account, closed_us=None), None)])
    await api.store.administer(opened)
    await api.services.keys.refresh()
    assert (await start(api, tokens["closed"])).status == 202


async def test_a_key_that_another_process_made_counts_at_once(api: House) -> None:
    token = await made(api)
    beside = House(**{**vars(api), "app": api.app})
    keys = api.services.keys
    keys._by_prefix.clear()
    keys.version = -1
    assert (await start(beside, token["token"])).status == 202


async def test_the_sides_do_not_cross(api: House) -> None:
    api.services.intake.on_sandbox = api.services.sandboxes.ensure
    test_key = await api.make("demo", test=True)
    sandboxed = BODY | {"message": {**MESSAGE, "to": "+9991000000"}}
    token, live = await made(api, sandboxed, key=test_key), await made(api)
    assert token["id"].startswith("hg_pub_test_")
    assert token["test"] is True
    for key, mine, theirs in ((test_key, token, live), (api.key, live, token)):
        listed = (await api.call("GET", PATH, key=key)).json["tokens"]
        assert [one["id"] for one in listed] == [mine["id"]]
        for method in ("GET", "DELETE"):
            assert told(await api.call(method, f"{PATH}/{theirs['id']}", key=key)) == (404, "not_found")
    assert (await start(api, token["token"])).status == 202
    assert await messages(api) == []
    assert len(await messages(api, test_key)) == 1
    row = next(one for one in await api.store.credentials("publishable") if one.prefix == live["id"])
    forged = replace(row, settings={**row.settings, "made_by": test_key[:16]})
    await api.store.administer(Administration(at_us=1, credentials=[(forged, 1)]))
    assert told(await start(api, live["token"])) == (401, "unauthorized")


async def test_an_account_sees_and_revokes_its_own_alone(api: House) -> None:
    token = await made(api)
    for method in ("GET", "DELETE"):
        theirs = await api.call(method, f"{PATH}/{token['id']}", key=api.stranger)
        nobodys = await api.call(method, f"{PATH}/{token['id'][:-1]}x", key=api.stranger)
        assert (theirs.status, theirs.body) == (404, nobodys.body)
    assert (await api.call("GET", PATH, key=api.stranger)).json["tokens"] == []
    reader, sender = await api.make("demo", ("messages:read",)), await api.make("demo", ("messages:send",))
    assert told(await api.call("POST", PATH, BODY, key=reader)) == (403, "forbidden")
    assert told(await api.call("DELETE", f"{PATH}/{token['id']}", key=reader)) == (403, "forbidden")
    assert told(await api.call("GET", PATH, key=sender)) == (403, "forbidden")
    stale = await api.call("DELETE", f"{PATH}/{token['id']}", key=sender, headers={"If-Match": '"7"'})
    assert told(stale) == (412, "version_mismatch")
    for _ in range(2):
        assert (await api.call("DELETE", f"{PATH}/{token['id']}", key=sender)).status == 204
    assert "revoked_at" in (await api.call("GET", f"{PATH}/{token['id']}")).json
    [entry] = await api.store.audit(AuditFilter(object_kind="publishable_token"))
    assert (entry.action, entry.object_name, entry.actor) == ("revoke", token["id"], sender[:16])
    assert MESSAGE["to"] not in repr(entry)


async def test_the_list_has_pages(api: House) -> None:
    ids = [(await made(api))["id"] for _ in range(5)]
    seen: list[str] = []
    path = f"{PATH}?limit=2"
    while True:
        page = (await api.call("GET", path)).json
        seen += [one["id"] for one in page["tokens"]]
        if page["next"] is None:
            break
        assert told(await api.call("GET", f"{PATH}?cursor={page['next']}", key=api.stranger)) == (400, "cursor_invalid")
        path = f"{PATH}?limit=2&cursor={page['next']}"
    assert sorted(seen, reverse=True) == seen
    assert sorted(seen) == sorted(ids)
    assert told(await api.call("GET", f"{PATH}?limit=201")) == (422, "field_invalid")


async def test_a_token_is_made_once_for_an_idempotency_key_and_shown_once(api: House) -> None:
    once = {"Idempotency-Key": "visit 1"}
    first = await made(api, headers=once)
    again = await api.call("POST", PATH, BODY, headers=once)
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json == {**{k: v for k, v in first.items() if k != "token"}, "secret_shown": False}
    other = await api.call("POST", PATH, BODY | {"expires_in": 60}, headers=once)
    assert told(other) == (409, "idempotency_mismatch")
    await made(api, headers={"Idempotency-Key": "visit 2"})
    assert len((await api.call("GET", PATH)).json["tokens"]) == 2


async def test_an_account_has_so_many_open_ones(api: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishable, "MOST_OPEN", 2)
    first, _ = await made(api), await made(api)
    assert told(await api.call("POST", PATH, BODY)) == (409, "conflict")
    await made(api, key=api.stranger)
    await api.call("DELETE", f"{PATH}/{first['id']}")
    await made(api)


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
