"""Connectors, routes and numbers over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliograph.contracts import AuditFilter
from tests.ingress.house import Answer, House

CONNECTOR = {
    "kind": "smpp",
    "settings": {"host": "smsc.example.com", "system_id": "esme", "password": "pa55word", "window": 20},
}


@pytest.fixture
async def operator(api: House) -> str:
    return str(await api.make("house", ("admin",)))


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


async def put(api: House, key: str, path: str, body: Any, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.call("PUT", f"/v1/{path}", body, key=key, headers=named)


async def test_a_connector_is_made_changed_and_deleted(api: House, operator: str) -> None:
    path = "/v1/connectors/one"
    made = await put(api, operator, "connectors/one", CONNECTOR)
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    [change] = made.json["changes"]
    assert (change["action"], change["kind"], change["name"], change["before"]) == ("create", "connector", "one", None)
    shown = await api.call("GET", path, key=operator)
    assert shown.headers["etag"] == '"1"'
    assert {**shown.json, "created_at": "", "changed_at": ""} == {
        "name": "one",
        "kind": "smpp",
        "settings": {**CONNECTOR["settings"], "password": {"set": True}},  # type: ignore[dict-item]
        "managed_by": "store",
        "bound": False,
        "created_at": "",
        "changed_at": "",
    }
    patched = await api.call("PATCH", path, {"settings": {"window": None, "port": 2776}}, key=operator)
    assert (patched.status, patched.headers["etag"]) == (200, '"2"')
    assert patched.json["changes"][0]["after"]["password"] == {"set": True}
    assert "window" not in (await api.call("GET", path, key=operator)).json["settings"]

    same = await api.call("PATCH", path, {"settings": {"port": 2776, "password": "pa55word"}}, key=operator)
    assert (same.status, same.headers["etag"], same.json["changes"]) == (200, '"2"', [])
    other = await api.call("PATCH", path, {"settings": {"password": "an0ther"}}, key=operator)
    assert other.json["changes"][0]["after"]["password"] == {"set": True, "changed": True}
    kept = await put(
        api, operator, "connectors/one", (await api.call("GET", path, key=operator)).json | {}, If_Match="*"
    )
    assert told(kept) == (422, "field_unknown")  # a view has more than a body

    gone = await api.call("DELETE", path, key=operator)
    assert (gone.status, gone.json["changes"][0]["action"]) == (200, "delete")
    assert told(await api.call("GET", path, key=operator)) == (404, "not_found")
    assert told(await api.call("DELETE", path, key=operator)) == (404, "not_found")


async def test_the_trail_has_each_change_and_no_secret(api: House, operator: str) -> None:
    await put(api, operator, "connectors/one", CONNECTOR)
    await api.call("PATCH", "/v1/connectors/one", {"settings": {"password": "an0ther"}}, key=operator)
    await put(api, operator, "routes/us", {"connectors": ["one"], "prefixes": ["1"], "accounts": ["new-one"]})
    entries = await api.store.audit(AuditFilter())
    done = [(one.action, one.object_kind, one.object_name, one.actor, one.address) for one in reversed(entries)]
    who = (operator[:16], "127.0.0.1")
    assert done == [
        ("create", "connector", "one", *who),
        ("change", "connector", "one", *who),
        ("create", "route", "us", *who),
        ("create", "account", "new-one", *who),
    ]
    kept = json.dumps([(one.before, one.after) for one in entries]) + str(await api.store.objects())
    assert "pa55word" not in kept
    assert "an0ther" not in kept
    assert "sealed:" not in json.dumps([(one.before, one.after) for one in entries])


async def test_a_dry_run_says_what_would_change_and_changes_nothing(api: House, operator: str) -> None:
    body = {"connectors": ["main"], "prefixes": ["49"], "accounts": ["new"]}
    dry = await put(api, operator, "routes/de?dry_run=true", body)
    assert (dry.status, dry.json["dry_run"]) == (200, True)
    assert [(one["action"], one["kind"], one["name"]) for one in dry.json["changes"]] == [
        ("create", "route", "de"), ("create", "account", "new"),
    ]  # fmt: skip
    assert "etag" not in dry.headers
    assert await api.store.objects() == []
    await put(api, operator, "routes/de", body)
    dry = await api.call("DELETE", "/v1/routes/de?dry_run=true", key=operator)
    assert (dry.status, dry.json["changes"][0]["after"]) == (200, None)
    refused = await api.call("PATCH", "/v1/routes/de?dry_run=true", {"connectors": ["nowhere"]}, key=operator)
    assert told(refused) == (422, "field_invalid")
    refused = await api.call("PATCH", "/v1/routes/de?dry_run=yes", {"connectors": ["main"]}, key=operator)
    assert told(refused) == (422, "field_invalid")
    assert (await api.call("GET", "/v1/routes/de", key=operator)).headers["etag"] == '"1"'


async def test_a_change_names_the_version_that_it_saw(api: House, operator: str) -> None:
    assert (await put(api, operator, "numbers/777", {"account": "demo"}, If_None_Match="*")).status == 201
    again = await put(api, operator, "numbers/777", {"account": "other"}, If_None_Match="*")
    assert told(again) == (412, "version_mismatch")
    path = "/v1/numbers/+777"
    changed = await api.call("PATCH", path, {"account": "other"}, key=operator, headers={"If-Match": '"1"'})
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    for method, body in (("PATCH", {"account": "demo"}), ("PUT", {"account": "demo"}), ("DELETE", b"")):
        stale = await api.call(method, path, body, key=operator, headers={"If-Match": '"1"'})
        assert told(stale) == (412, "version_mismatch"), method
    assert (await api.call("GET", "/v1/numbers/777", key=operator)).json["account"] == "other"


async def test_what_the_file_declares_is_shown_and_is_not_changed_here(api: House, operator: str) -> None:
    shown = await api.call("GET", "/v1/connectors/main", key=operator)
    assert (shown.json["managed_by"], shown.json["settings"]["password"]) == ("file", {"set": True})
    assert "etag" not in shown.headers
    for method, body in (("PUT", CONNECTOR), ("PATCH", {"settings": {"window": 5}}), ("DELETE", b"")):
        answer = await api.call(method, "/v1/connectors/main", body, key=operator)
        assert told(answer) == (409, "managed_by_file"), method
    assert await api.store.objects() == []


async def test_a_connector_that_something_leads_to_stays(api: House, operator: str) -> None:
    await put(api, operator, "connectors/one", CONNECTOR)
    await put(api, operator, "routes/us", {"connectors": ["one", "main"], "prefixes": ["1"]})
    refused = await api.call("DELETE", "/v1/connectors/one", key=operator)
    assert told(refused) == (409, "conflict")
    assert "routes.us" in refused.json["detail"]
    await put(api, operator, "routes/us", {"connectors": ["main"], "prefixes": ["1"]})
    assert (await api.call("DELETE", "/v1/connectors/one", key=operator)).status == 200


async def test_lists_have_pages(api: House, operator: str) -> None:
    for number in ("300", "100", "200"):
        await put(api, operator, f"numbers/{number}", {"account": "demo", "connectors": ["main"]})
    first = (await api.call("GET", "/v1/numbers?limit=2", key=operator)).json
    assert ([one["number"] for one in first["numbers"]], first["next"]) == (["100", "200"], "200")
    last = (await api.call("GET", "/v1/numbers?limit=2&after=200", key=operator)).json
    assert ([one["number"] for one in last["numbers"]], last["next"]) == (["300"], None)
    connectors = (await api.call("GET", "/v1/connectors", key=operator)).json
    assert [one["name"] for one in connectors["connectors"]] == ["main"]
    assert (await api.call("GET", "/v1/routes", key=operator)).json == {"routes": [], "next": None}
    assert told(await api.call("GET", "/v1/numbers?limit=501", key=operator)) == (422, "field_invalid")


async def test_the_scope_is_needed(api: House) -> None:
    for path in ("connectors", "connectors/main", "routes", "numbers"):
        assert told(await api.call("GET", f"/v1/{path}", key=api.operator)) == (403, "forbidden")
    for method in ("PUT", "PATCH", "DELETE"):
        answer = await api.call(method, "/v1/connectors/one", CONNECTOR, key=api.operator)
        assert told(answer) == (403, "forbidden")


def with_settings(**more: Any) -> dict[str, Any]:
    return {"kind": "smpp", "settings": {**CONNECTOR["settings"], **more}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("connectors/-x", CONNECTOR, "name"),
        ("connectors/a%20b", CONNECTOR, "name"),
        ("connectors/" + "x" * 65, CONNECTOR, "name"),
        ("connectors/one", {**CONNECTOR, "kind": "pigeon"}, "kind"),
        ("connectors/one", {"kind": "smpp", "settings": {}}, None),
        ("connectors/one", with_settings(port=0), "settings.port"),
        ("connectors/one", with_settings(hots="x"), "settings.hots"),
        ("connectors/one", with_settings(name="two"), "settings.name"),
        ("connectors/one", with_settings(host="a\0b"), "settings.host"),
        ("connectors/one", with_settings(host="a\r\nb"), "settings.host"),
        ("connectors/one", with_settings(tlvs={"0x1400": [1]}), "settings.tlvs"),
        ("connectors/one", with_settings(tlvs={"a": {"b": {"c": {"d": 1}}}}), "settings"),
        ("connectors/one", with_settings(password="env:HELIOGRAPH_KEY"), "settings.password"),
        ("connectors/one", with_settings(password="env:NOT_SET"), "settings.password"),
        ("connectors/one", with_settings(password="file:/etc/passwd"), "settings.password"),
        ("connectors/one", with_settings(password={"set": True}), "settings.password"),
        ("connectors/one", with_settings(password={"set": False}), "settings.password"),
        ("connectors/one", with_settings(password=5), "settings.password"),
        ("connectors/one", {"kind": "smpp", "setting": {}}, "setting"),
        ("routes/r", {"connectors": []}, "connectors"),
        ("routes/r", {"connectors": ["nowhere"]}, "connectors"),
        ("routes/r", {"connectors": ["main"], "prefixes": ["+49"]}, "prefixes"),
        ("routes/r", {"connectors": ["main"], "prefixes": []}, "prefixes"),
        ("routes/r", {"connectors": ["main"], "accounts": ["a\tb"]}, "accounts"),
        ("routes/r", {"connectors": ["main"], "accounts": ["a b"]}, None),
        ("numbers/777", {"account": "demo.new"}, None),
        ("numbers/12", {"account": "demo"}, "number"),
        ("numbers/Brand", {"account": "demo"}, "number"),
        ("numbers/12345", {"account": ""}, "account"),
        ("numbers/12345", {"account": "demo", "connectors": ["nowhere"]}, "connectors"),
        ("numbers/12345", {}, "account"),
    ],
)
async def test_bad_input_is_named_and_nothing_is_kept(
    api: House, operator: str, path: str, body: Any, field: str | None
) -> None:
    answer = await put(api, operator, path, body)
    assert answer.status == 422, answer.body
    if field is not None:
        assert answer.json["field"] == field, answer.json
    assert answer.code in ("field_invalid", "field_missing", "field_unknown")
    assert await api.store.objects() == []
