"""Refusals of rights are in the audit log: who, from where, what they asked for, and never too many."""

from __future__ import annotations

import json
from typing import Any

from tests.ingress.house import House


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
    assert (first["address"], first["action"], first["object_name"]) == ("192.0.2.1", "refuse", "admin")
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
