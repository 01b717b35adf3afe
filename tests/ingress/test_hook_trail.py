"""Whoever changes a webhook is in the audit log: from where, what was there, what is; never a secret."""

from __future__ import annotations

import json
from typing import Any

from heliograph.contracts import AuditFilter
from heliograph.model import AuditEntry
from tests.accounts import ensure_account
from tests.ingress.house import House

URL = "https://example.com/sms?token=s3cret-in-the-query"


async def trail(api: House) -> list[AuditEntry]:
    """Oldest first."""
    return (await api.store.audit(AuditFilter()))[::-1]


async def made(api: House, **fields: Any) -> tuple[str, str]:
    """(id, secret) of a new webhook."""
    answer = (await api.call("POST", "/v1/webhooks", {"url": URL, **fields}, client="192.0.2.7")).json
    return answer["id"], answer["secret"]


async def test_every_change_of_a_webhook_is_told_without_a_secret(api: House) -> None:
    name, secret = await made(api, events=["message.delivered"])
    path = f"/v1/webhooks/{name}"
    assert (await api.call("PATCH", path, {"paused": True, "url": URL + "2"})).status == 200
    again = (await api.call("POST", f"{path}/secret", {"old_valid_s": 60})).json["secret"]
    assert (await api.call("POST", f"{path}/replay", {"failed": True})).status == 202
    assert (await api.call("DELETE", path)).status == 204
    entries = await trail(api)
    assert [one.action for one in entries] == ["create", "change", "rotate", "replay", "delete"]
    assert {(one.actor_kind, one.actor, one.object_kind, one.object_name) for one in entries} == {
        ("key", api.key[:16], "webhook", name)
    }
    assert (entries[0].address, entries[0].before) == ("192.0.2.7", None)
    shown = {
        "url": "https://example.com/sms?…",
        "events": ["message.delivered"],
        "tags": [],
        "batch": 1,
        "paused": False,
    }
    assert json.loads(entries[0].after or "") == json.loads(entries[1].before or "") == shown
    paused = {**shown, "paused": True}
    assert json.loads(entries[1].after or "") == {**paused, "whole_url": "changed"}
    rotated = json.loads(entries[2].after or "")
    assert rotated.pop("old_secret_until").endswith("Z")
    assert rotated == {**paused, "secret": "changed"}
    assert json.loads(entries[3].after or "") == {"asked": "failed", "replayed": 0}
    assert (json.loads(entries[4].before or ""), entries[4].after) == (paused, None)
    written = "".join(f"{one.before}{one.after}" for one in entries)
    assert not any(hidden in written for hidden in (secret, again, "s3cret"))


async def test_the_secret_of_callbacks_too(api: House) -> None:
    assert (await api.call("POST", "/v1/webhooks/callbacks/secret")).status == 200
    [entry] = await trail(api)
    assert (entry.action, entry.object_kind) == ("rotate", "callbacks")


async def test_what_changes_nothing_is_not_told(api: House) -> None:
    once = {"Idempotency-Key": "k"}
    first = (await api.call("POST", "/v1/webhooks", {"url": URL}, headers=once)).json
    await api.call("POST", "/v1/webhooks", {"url": URL}, headers=once)
    path = f"/v1/webhooks/{first['id']}"
    await api.call("PATCH", path, {"batch": 1})
    for _ in range(2):
        await api.call("POST", f"{path}/secret", headers={"Idempotency-Key": "s"})
        await api.call("POST", f"{path}/replay", {"failed": True}, headers={"Idempotency-Key": "r"})
    await api.call("DELETE", path, key=api.stranger)
    assert [one.action for one in await trail(api)] == ["create", "rotate", "replay"]


async def test_a_sandbox_is_its_account(api: House) -> None:
    test_key = await api.make("demo", test=True)
    assert (await api.call("POST", "/v1/webhooks", {"url": URL}, key=test_key)).status == 201
    [entry] = await trail(api)
    assert entry.actor == test_key[:16]
    assert entry.account_id == (await ensure_account(api.store, "demo", 1)).id
