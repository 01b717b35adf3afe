"""Everything beside messages: inspection, webhooks, health, metrics, and the document of it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heliograph.ingress.rest.problems import PROBLEMS
from tests.accounts import ensure_account
from tests.ingress.house import House, house

ONCE = {"Idempotency-Key": "k1"}


async def test_a_text_is_inspected(api: House) -> None:
    seen = (await api.call("POST", "/v1/inspect", {"text": "a→b"})).json
    assert (seen["encoding"], seen["unit"], seen["length"]) == ("ucs2", "utf16_units", 3)
    assert [one["code_point"] for one in seen["forced_unicode"]] == ["U+2192"]
    forced = await api.call("POST", "/v1/inspect", {"text": "→", "encoding": "gsm7"})
    assert (forced.status, forced.code, forced.json["field"]) == (422, "encoding_impossible", "text")
    wrong = await api.call("POST", "/v1/inspect", {"text": "x", "encoding": "utf8"})
    assert (wrong.status, wrong.code, wrong.json["field"]) == (422, "field_invalid", "encoding")
    again = [await api.call("POST", "/v1/inspect", {"text": "x"}, headers=ONCE) for _ in range(2)]
    assert again[0].body == again[1].body
    assert again[1].headers["idempotent-replayed"] == "true"


async def test_a_webhook_is_made_listed_and_deleted(api: House) -> None:
    body = {"url": "https://example.com/hook?a=1", "events": ["message.delivered"], "batch": 100}
    made = await api.call("POST", "/v1/webhooks", body)
    assert made.status == 201
    assert made.json["secret"].startswith("whsec_")
    listed = (await api.call("GET", "/v1/webhooks")).json["webhooks"]
    health = {"state": "closed", "failures": 0, "last_error": None, "failing_since": None}
    assert listed == [{key: value for key, value in made.json.items() if key != "secret"} | {"health": health}]
    assert (listed[0]["events"], listed[0]["batch"]) == (["message.delivered"], 100)
    path = f"/v1/webhooks/{made.json['id']}"
    theirs = await api.call("DELETE", path, key=api.stranger)
    nobodys = await api.call("DELETE", "/v1/webhooks/we_0", key=api.stranger)
    assert (theirs.status, theirs.code) == (404, "not_found")
    assert theirs.body == nobodys.body
    gone = await api.call("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    assert (await api.call("DELETE", path)).status == 404
    assert (await api.call("GET", "/v1/webhooks")).json["webhooks"] == []


async def test_a_secret_is_shown_the_first_time_only(api: House) -> None:
    body = {"url": "https://example.com/hook"}
    first = await api.call("POST", "/v1/webhooks", body, headers=ONCE)
    again = await api.call("POST", "/v1/webhooks", body, headers=ONCE)
    assert again.status == 201
    assert again.headers["idempotent-replayed"] == "true"
    assert "secret" not in again.json
    assert again.json["secret_shown"] is False
    assert again.json["id"] == first.json["id"]
    assert len((await api.call("GET", "/v1/webhooks")).json["webhooks"]) == 1


async def test_the_secret_of_callbacks_is_shown_to_its_account_alone(api: House) -> None:
    path = "/v1/webhooks/callbacks"
    mine = await api.call("GET", path)
    assert (mine.status, mine.headers["cache-control"]) == (200, "no-store")
    assert mine.json["secret"].startswith("whsec_")
    assert (await api.call("GET", path, key=api.operator)).json == mine.json
    theirs = await api.call("GET", path, key=api.stranger)
    assert theirs.json["secret"] != mine.json["secret"]
    assert (await api.call("GET", "/v1/webhooks")).json["webhooks"] == []
    [endpoint] = await api.store.endpoints((await ensure_account(api.store, "demo", 0)).id)
    assert mine.json == {"secret": endpoint.secret}


async def test_callbacks_are_no_webhook_that_could_be_deleted(api: House) -> None:
    mine = await api.call("GET", "/v1/webhooks/callbacks")
    [endpoint] = await api.store.endpoints((await ensure_account(api.store, "demo", 0)).id)
    for webhook_id in ("callbacks", endpoint.id):
        refused = await api.call("DELETE", f"/v1/webhooks/{webhook_id}")
        assert (refused.status, refused.code) == (404, "not_found")
    assert (await api.call("GET", "/v1/webhooks/callbacks")).json == mine.json


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "field_missing", "url"),
        ({"url": "ftp://example.com"}, "field_invalid", "url"),
        ({"url": "https://exa mple.com"}, "field_invalid", "url"),
        ({"url": "https://example.com:99999/"}, "field_invalid", "url"),
        ({"url": "https://" + "a" * 3_000}, "field_invalid", "url"),
        ({"url": "https://example.com", "events": ["delivered"]}, "field_invalid", "events"),
        ({"url": "https://example.com", "batch": 101}, "field_invalid", "batch"),
        ({"url": "https://example.com", "event": []}, "field_unknown", "event"),
    ],
)
async def test_bad_webhooks_are_refused(api: House, body: dict[str, Any], code: str, field: str) -> None:
    answer = await api.call("POST", "/v1/webhooks", body)
    assert (answer.status, answer.code, answer.json["field"]) == (422, code, field)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.1.2.3:8080/sms",
        "https://[::1]/",
        "https://[::ffff:192.168.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest/meta-data",
        "https://example.com:25/",
    ],
)
async def test_a_webhook_that_could_never_be_called_is_refused_at_once(tmp_path: Path, url: str) -> None:
    async with house(tmp_path, allow_private_addresses=False) as api:
        answer = await api.call("POST", "/v1/webhooks", {"url": url})
        assert (answer.status, answer.code, answer.json["field"]) == (422, "field_invalid", "url")
        assert answer.json["detail"].startswith("Give a url that can be called: ")
        assert (await api.call("GET", "/v1/webhooks")).json["webhooks"] == []


async def test_a_public_address_or_a_name_is_taken(tmp_path: Path) -> None:
    async with house(tmp_path, allow_private_addresses=False) as api:
        for url in ("https://8.8.8.8/", "https://[2606:4700::1111]/", "https://host1/", "https://example.com:8443/x"):
            assert (await api.call("POST", "/v1/webhooks", {"url": url})).status == 201


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/", "https://[::1]/", "https://example.com:25/"])
async def test_the_operator_can_allow_private_addresses(api: House, url: str) -> None:
    assert (await api.call("POST", "/v1/webhooks", {"url": url})).status == 201


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/messages", "messages:read"),
        ("GET", "/v1/messages/mx", "messages:read"),
        ("GET", "/v1/messages/mx/events", "messages:read"),
        ("POST", "/v1/inspect", "inspect"),
        ("POST", "/v1/webhooks", "webhooks"),
        ("GET", "/v1/webhooks", "webhooks"),
        ("GET", "/v1/webhooks/callbacks", "webhooks"),
        ("DELETE", "/v1/webhooks/we_1", "webhooks"),
    ],
)
async def test_every_endpoint_asks_for_a_key_and_its_scope(api: House, method: str, path: str, scope: str) -> None:
    nobody = await api.call(method, path, key=None)
    assert (nobody.status, nobody.code) == (401, "unauthorized")
    assert nobody.headers["www-authenticate"] == 'Bearer realm="heliograph", Basic realm="heliograph"'
    without = await api.make("demo", ("messages:send",))
    refused = await api.call(method, path, key=without)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert scope in refused.json["detail"]


async def test_large_bodies_are_refused_everywhere(api: House) -> None:
    for path in ("/v1/inspect", "/v1/webhooks"):
        answer = await api.call("POST", path, b"x" * 70_000, chunks=3)
        assert (answer.status, answer.code) == (413, "body_too_large")


async def test_unknown_paths_and_methods_are_problems(api: House) -> None:
    answer = await api.call("GET", "/v2/messages")
    assert (answer.status, answer.code) == (404, "not_found")
    answer = await api.call("DELETE", "/v1/inspect")
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_health_needs_no_key(api: House) -> None:
    assert (await api.call("GET", "/healthz", key=None)).json == {"status": "alive"}
    assert (await api.call("GET", "/readyz", key=None)).json == {"status": "ready"}


async def test_metrics_need_a_key_except_on_this_machine(api: House) -> None:
    here = await api.call("GET", "/metrics", key=None)
    assert here.status == 200
    assert here.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"heliograph_accepted_messages_total" in here.body
    assert (await api.call("GET", "/metrics", key=None, client="::1")).status == 200
    assert (await api.call("GET", "/metrics", key=None, client="192.0.2.1")).status == 401
    assert (await api.call("GET", "/metrics", key=None, headers={"X-Forwarded-For": "127.0.0.1"})).status == 401
    assert (await api.call("GET", "/metrics", client="192.0.2.1")).status == 403
    assert (await api.call("GET", "/metrics", key=api.operator, client="192.0.2.1")).status == 200


async def test_the_document_describes_every_endpoint(api: House) -> None:
    document = (await api.call("GET", "/openapi.json", key=None)).json
    assert document["openapi"].startswith("3.1")
    assert {path: sorted(methods) for path, methods in document["paths"].items()} == {
        "/v1/messages": ["get", "post"],
        "/v1/messages/batch": ["post"],
        "/v1/messages/export": ["get"],
        "/v1/messages/due": ["get"],
        "/v1/analytics": ["get"],
        "/v1/messages/{id}": ["get"],
        "/v1/messages/{id}/cancel": ["post"],
        "/v1/messages/{id}/reschedule": ["post"],
        "/v1/messages/{id}/events": ["get"],
        "/v1/inspect": ["post"],
        "/v1/keys": ["get", "post"],
        "/v1/keys/{id}": ["delete", "get", "patch"],
        "/v1/keys/{id}/rotate": ["post"],
        "/v1/publishable-tokens": ["get", "post"],
        "/v1/publishable-tokens/{id}": ["delete", "get"],
        "/v1/start": ["post"],
        "/v1/limits": ["get"],
        "/v1/people": ["get", "post"],
        "/v1/people/{email}": ["delete", "get", "patch"],
        "/v1/people/{email}/password": ["post"],
        "/v1/smpp-customers": ["get", "post"],
        "/v1/smpp-customers/{system_id}": ["delete", "get", "patch"],
        "/v1/smpp-customers/{system_id}/password": ["post"],
        "/v1/limits/{subject}": ["delete", "get", "put"],
        "/v1/audit": ["get"],
        "/v1/accounts": ["get", "post"],
        "/v1/accounts/{name}": ["get", "patch"],
        "/v1/connectors": ["get"],
        "/v1/connectors/{name}": ["delete", "get", "patch", "put"],
        "/v1/routes": ["get"],
        "/v1/routes/{name}": ["delete", "get", "patch", "put"],
        "/v1/numbers": ["get"],
        "/v1/numbers/{number}": ["delete", "get", "patch", "put"],
        "/v1/webhooks": ["get", "post"],
        "/v1/webhooks/callbacks": ["get"],
        "/v1/webhooks/{id}": ["delete", "get", "patch"],
        "/v1/webhooks/{id}/secret": ["post"],
        "/v1/webhooks/{id}/test": ["post"],
        "/v1/webhooks/{id}/replay": ["post"],
        "/v1/webhooks/{id}/deliveries": ["get"],
        "/v1/events": ["get"],
        "/v1/opt-outs": ["get"],
        "/v1/sandbox/messages": ["get"],
        "/v1/sandbox/replies": ["post"],
        "/v1/sandbox/clock": ["post"],
    }
    schemas = document["components"]["schemas"]
    references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert references <= schemas.keys()
    assert schemas["SendBody"]["required"] == ["to"]
    assert set(PROBLEMS) <= set(schemas["Problem"]["properties"]["code"]["enum"])
    assert (await api.call("GET", "/docs", key=None)).status == 200
