"""Keys and the trail of their changes over HTTP: what customers and operators may, and what nobody may."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House

KEEPER = (*CUSTOMER_SCOPES, "keys")


async def made(api: House, key: str, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer = await api.call("POST", "/v1/keys", body or {}, key=key, **more)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


async def test_a_customer_keeps_the_keys_of_its_account(api: House) -> None:
    keeper = await api.make("demo", KEEPER)
    answer = await api.call("POST", "/v1/keys", {"name": "till", "scopes": ["messages:send"]}, key=keeper)
    key = json.loads(answer.body)
    assert (answer.status, answer.headers["etag"], answer.headers["cache-control"]) == (201, '"1"', "no-store")
    assert key["key"].startswith(key["id"])
    assert (key["name"], key["account"], key["scopes"], key["test"]) == ("till", "demo", ["messages:send"], False)
    await api.services.keys.refresh()
    sent = {"to": "+4915112345678", "from": "12345", "text": "hello"}
    assert (await api.call("POST", "/v1/messages", sent, key=key["key"])).status == 202
    shown = await api.call("GET", f"/v1/keys/{key['id']}", key=keeper)
    assert "key" not in json.loads(shown.body)
    listed = json.loads((await api.call("GET", "/v1/keys", key=keeper)).body)["keys"]
    assert key["id"] in [one["id"] for one in listed]
    assert {one["account"] for one in listed} == {"demo"}
    assert (await api.call("DELETE", f"/v1/keys/{key['id']}", key=keeper)).status == 204
    assert (await api.call("DELETE", f"/v1/keys/{key['id']}", key=keeper)).status == 204
    await api.services.keys.refresh()
    assert told(await api.call("POST", "/v1/messages", sent, key=key["key"])) == (401, "unauthorized")


async def test_the_scope_is_needed_and_a_stranger_is_not_there(api: House) -> None:
    keeper, other = await api.make("demo", KEEPER), await api.make("other", KEEPER)
    key = await made(api, keeper)
    assert told(await api.call("GET", "/v1/keys")) == (403, "forbidden")
    nobodys = "/v1/keys/hg_live_00000000"
    for method, tail, body in (
        ("GET", "", b""),
        ("PATCH", "", {"name": "x"}),
        ("POST", "/rotate", {}),
        ("DELETE", "", b""),
    ):
        there = await api.call(method, f"/v1/keys/{key['id']}{tail}", body, key=other)
        assert (there.status, there.body) == (404, (await api.call(method, nobodys + tail, body, key=other)).body)
    assert told(await api.call("POST", "/v1/keys", {"account": "demo"}, key=other)) == (404, "not_found")
    assert told(await api.call("GET", "/v1/keys?account=demo", key=other)) == (404, "not_found")


async def test_nobody_hands_on_more_than_they_have(api: House) -> None:
    strong = await api.make("demo", (*KEEPER, "admin"))
    keeper = await api.make("demo", ("keys", "messages:read"), addresses=("127.0.0.0/8",), expires_us=1 << 60)
    assert told(await api.call("POST", "/v1/keys", {"scopes": ["admin"]}, key=keeper)) == (403, "forbidden")
    key = await made(api, keeper, {"scopes": ["messages:read"]})
    assert key["addresses"] == ["127.0.0.0/8"]
    assert key["expires_at"]
    outside = {"scopes": ["messages:read"], "addresses": ["192.0.2.0/24"]}
    assert told(await api.call("POST", "/v1/keys", outside, key=keeper)) == (422, "field_invalid")
    for method, tail, body in (("PATCH", "", {"name": "x"}), ("POST", "/rotate", {}), ("DELETE", "", b"")):
        answer = await api.call(method, f"/v1/keys/{strong[:16]}{tail}", body, key=keeper)
        assert told(answer) == (403, "forbidden")
    patched = await api.call("PATCH", f"/v1/keys/{key['id']}", {"scopes": ["messages:send"]}, key=keeper)
    assert told(patched) == (403, "forbidden")
    freed = await api.call("PATCH", f"/v1/keys/{key['id']}", {"addresses": [], "expires_at": None}, key=keeper)
    assert json.loads(freed.body)["addresses"] == ["127.0.0.0/8"]
    assert json.loads(freed.body)["expires_at"]


async def test_an_operator_keeps_everybodys(api: House) -> None:
    operator = await api.make("house", ("admin",))
    key = await made(api, operator, {"account": "other", "scopes": ["messages:read", "routes:read"]})
    assert (key["account"], key["scopes"]) == ("other", ["messages:read", "routes:read"])
    assert (await made(api, operator, {"test": True, "account": "other"}))["key"].startswith("hg_test_")
    refused = await api.call("POST", "/v1/keys", {"test": True, "scopes": ["admin"]}, key=operator)
    assert told(refused) == (422, "field_invalid")
    listed = json.loads((await api.call("GET", "/v1/keys?account=other", key=operator)).body)["keys"]
    assert {one["account"] for one in listed} == {"other"}
    assert told(await api.call("GET", "/v1/keys?account=nobody", key=operator)) == (404, "not_found")


async def test_a_key_is_made_once_and_its_text_shown_once(api: House) -> None:
    keeper = await api.make("demo", KEEPER)
    once = {"headers": {"Idempotency-Key": "k1"}}
    first = await made(api, keeper, {"name": "a"}, **once)
    again = await api.call("POST", "/v1/keys", {"name": "a"}, key=keeper, **once)
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")
    assert json.loads(again.body) | {"key": first["key"]} == first | {"secret_shown": False}
    assert told(await api.call("POST", "/v1/keys", {"name": "b"}, key=keeper, **once)) == (409, "idempotency_mismatch")
    rotated = await api.call("POST", f"/v1/keys/{first['id']}/rotate", key=keeper, headers={"Idempotency-Key": "k2"})
    same = await api.call("POST", f"/v1/keys/{first['id']}/rotate", key=keeper, headers={"Idempotency-Key": "k2"})
    assert json.loads(same.body)["id"] == json.loads(rotated.body)["id"] != first["id"]
    keys = [one for one in await api.store.keys() if one.name == "a"]
    assert len(keys) == 2
    assert keys[0].expires_us is not None


async def test_a_change_names_the_version_that_it_saw(api: House) -> None:
    keeper = await api.make("demo", KEEPER)
    path = f"/v1/keys/{(await made(api, keeper))['id']}"
    changed = await api.call("PATCH", path, {"name": "x"}, key=keeper, headers={"If-Match": '"1"'})
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    stale = await api.call("PATCH", path, {"name": "y"}, key=keeper, headers={"If-Match": '"1"'})
    assert told(stale) == (412, "version_mismatch")
    assert told(await api.call("DELETE", path, key=keeper, headers={"If-Match": "W/1"})) == (422, "field_invalid")
    assert told(await api.call("DELETE", path, key=keeper, headers={"If-Match": '"1"'})) == (412, "version_mismatch")
    assert json.loads((await api.call("GET", path, key=keeper)).body)["name"] == "x"
    assert (await api.call("DELETE", path, key=keeper, headers={"If-Match": '"2"'})).status == 204
    assert told(await api.call("PATCH", path, {"name": "z"}, key=keeper)) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["fly"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"addresses": ["10.0.0.1/8"]}, "addresses"),
        ({"expires_in_s": 5}, "expires_in_s"),
        ({"scope": ["keys"]}, "scope"),
    ],
)
async def test_bad_wishes_are_named(api: House, body: dict[str, Any], field: str) -> None:
    keeper = await api.make("demo", KEEPER)
    answer = await api.call("POST", "/v1/keys", body, key=keeper)
    assert answer.status == 422
    assert json.loads(answer.body)["field"] == field


async def test_an_account_has_a_bounded_number_of_keys(api: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.access.keykeeping.MOST_KEYS", 5)
    keeper = await api.make("demo", KEEPER)
    answers = [await api.call("POST", "/v1/keys", {}, key=keeper) for _ in range(4)]
    assert told(answers[-1]) == (409, "conflict")


# --- the trail ----------------------------------------------------------------------------------


async def trail(api: House, key: str, query: str = "") -> list[dict[str, Any]]:
    answer = await api.call("GET", f"/v1/audit{query}", key=key)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = json.loads(answer.body)["entries"]
    return found


async def test_every_change_is_in_the_trail_without_a_secret(api: House) -> None:
    operator, keeper = await api.make("house", ("admin",)), await api.make("demo", KEEPER)
    key = await made(api, keeper, {"name": "=1+1"})
    await api.call("PATCH", f"/v1/keys/{key['id']}", {"name": "b"}, key=keeper)
    rotated = await api.call("POST", f"/v1/keys/{key['id']}/rotate", {"overlap_s": 0}, key=keeper)
    await api.call("DELETE", f"/v1/keys/{json.loads(rotated.body)['id']}", key=keeper)
    entries = await trail(api, operator)
    assert [one["action"] for one in entries] == ["revoke", "rotate", "change", "create"]
    assert {(one["actor"], one["account"], one["address"]) for one in entries} == {(keeper[:16], "demo", "127.0.0.1")}
    assert (entries[2]["before"]["name"], entries[2]["after"]["name"]) == ("=1+1", "b")
    whole = (await api.call("GET", "/v1/audit?format=ndjson", key=operator)).body
    assert [json.loads(line) for line in whole.splitlines()] == entries
    assert key["key"].encode() not in whole
    rows = list(csv.reader(io.StringIO((await api.call("GET", "/v1/audit?format=csv", key=operator)).body.decode())))
    assert len(rows) == 5
    assert rows[0][:3] == ["id", "at", "account"]
    assert told(await api.call("GET", "/v1/audit", key=keeper)) == (403, "forbidden")


async def test_the_trail_is_read_in_pages_and_by_what_it_names(api: House) -> None:
    operator, keeper = await api.make("house", ("admin",)), await api.make("demo", KEEPER)
    ids = [(await made(api, keeper))["id"] for _ in range(5)]
    seen, query = [], ""
    while True:
        page = json.loads((await api.call("GET", f"/v1/audit?limit=2{query}", key=operator)).body)
        seen += [one["object_name"] for one in page["entries"]]
        await made(api, operator)  # what is new comes before the first page
        if page["next"] is None:
            break
        query = f"&cursor={page['next']}"
    assert seen == ids[::-1]
    assert len(await trail(api, operator, f"?actor={keeper[:16]}")) == 5
    assert len(await trail(api, operator, f"?object_name={ids[0]}&object_kind=key&action=create&outcome=done")) == 1
    assert await trail(api, operator, "?account=other") == []
    assert await trail(api, operator, "?to=2020-01-01") == []
    assert told(await api.call("GET", "/v1/audit?account=nobody", key=operator)) == (404, "not_found")
    for bad in ("limit=0", "limit=x", "outcome=maybe", "format=pdf", "format=csv&limit=3", "from=now", "who=me"):
        assert (await api.call("GET", f"/v1/audit?{bad}", key=operator)).status == 422
    assert told(await api.call("GET", "/v1/audit?cursor=AAAA", key=operator)) == (400, "cursor_invalid")
