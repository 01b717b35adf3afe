"""Refusals of rights are in the audit log: who, from where, what they asked for, and never too many."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ingress.house import House

OWNER = {"email": "ada@example.com", "role": "owner"}


async def refusals(api: House) -> list[dict[str, Any]]:
    """What the log tells, oldest first."""
    await api.services.keys.refusals.write(at_once=True)
    admin = await api.make("operator", ("admin",))
    answer = await api.call("GET", "/v1/audit?outcome=refused", key=admin)
    found: list[dict[str, Any]] = json.loads(answer.body)["entries"]
    return found[::-1]


async def test_a_key_without_the_scope(api: House) -> None:
    for _ in range(1_000):
        assert (await api.call("GET", "/v1/audit", client="192.0.2.1")).code == "forbidden"
    poor = await api.make("demo", ("messages:read",))
    sent = {"to": "+4915112345678", "from": "12345", "text": "hello"}
    assert (await api.lean("/v1/messages", sent, headers={"Authorization": f"Bearer {poor}"})).code == "forbidden"
    first, second = await refusals(api)
    assert (first["actor"], first["actor_kind"], first["account"]) == (api.key[:16], "key", "demo")
    assert (first["address"], first["action"], first["object_name"]) == ("192.0.2.1", "refuse", "accounts")
    assert first["after"] == {"request": "GET /v1/audit", "count": 1_000}
    assert (second["actor"], second["object_name"]) == (poor[:16], "messages:send")
    assert second["after"] == {"request": "POST /v1/messages", "count": 1}
    assert api.key not in json.dumps([first, second])


async def test_a_key_in_a_browser_or_at_another_address(api: House) -> None:
    bound = await api.make("demo", addresses=("192.0.2.0/24",))
    await api.call("GET", "/v1/messages", key=bound, client="198.51.100.1")
    await api.call("GET", "/v1/messages", headers={"Origin": "https://shop.example"})
    told = [(one["actor"], one["object_kind"], one["object_name"], one["after"]) for one in await refusals(api)]
    assert told == [
        (bound[:16], "key", "address_not_allowed", {"count": 1}),
        (api.key[:16], "key", "browser_origin", {"count": 1}),
    ]


@pytest.mark.parametrize(
    ("scopes", "method", "path", "body", "operation", "field"),
    [
        (("keys",), "POST", "/v1/keys", {"scopes": ["admin"]}, "POST /v1/keys", "scopes"),
        (("accounts",), "PATCH", "/v1/accounts/demo", {"closed": True}, "PATCH /v1/accounts/{name}", None),
        (("accounts",), "PUT", "/v1/limits/account:demo", {}, "PUT /v1/limits/{subject}", None),
        (("accounts",), "POST", "/v1/people", OWNER, "POST /v1/people", "role"),
        (("messages:read",), "GET", "/v1/messages?connector=main", b"", "GET /v1/messages", None),
        (("messages:read",), "GET", "/v1/analytics?group_by=connector", b"", "GET /v1/analytics", "group_by"),
        (("messages:send",), "POST", "/v1/sandbox/replies", {}, "POST /v1/sandbox/replies", None),
    ],
)
async def test_what_a_known_caller_may_not_is_told_wherever_it_turns_out(
    api: House, scopes: tuple[str, ...], method: str, path: str, body: Any, operation: str, field: str | None
) -> None:
    key = await api.make("demo", scopes)
    answer = await api.call(method, path, body, key=key, client="192.0.2.9")
    assert answer.status == 403, answer.body
    [told] = await refusals(api)
    assert (told["actor"], told["address"], told["account"]) == (key[:16], "192.0.2.9", "demo")
    assert (told["action"], told["object_kind"], told["object_name"]) == ("refuse", "operation", operation)
    detail = {"code": answer.code, "request": f"{method} {path.partition('?')[0]}", "count": 1}
    assert told["after"] == detail | ({} if field is None else {"field": field})


async def test_a_token_with_more_than_its_key_may(api: House) -> None:
    form = {"grant_type": "client_credentials", "client_id": api.key[:16], "client_secret": api.key}
    for scope in ("admin", "no such scope"):
        body = urlencode({**form, "scope": scope}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await api.call("POST", "/oauth/token", body, key=None, headers=headers)).status == 400
    [told] = await refusals(api)
    assert (told["actor"], told["object_kind"], told["object_name"]) == (api.key[:16], "scope", "admin")


async def test_a_sandbox_is_its_account(api: House) -> None:
    key = await api.make("demo", ("messages:read",), test=True)
    assert (await api.call("GET", "/v1/webhooks", key=key)).code == "forbidden"
    [told] = await refusals(api)
    assert (told["actor"], told["account"]) == (key[:16], "demo")


async def test_nobodys_request_is_nobodys_refusal(api: House) -> None:
    """Unknown keys are the guard's, and what is not there is no right that somebody lacks."""
    assert (await api.call("GET", "/v1/messages", key=None)).status == 401
    assert (await api.call("GET", "/v1/webhooks/we_none")).status == 404
    assert await refusals(api) == []
