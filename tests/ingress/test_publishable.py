"""Publishable tokens as their server sees them: made, kept, listed, revoked, and good for as long as their key."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from heliograph.access import Principal, publishable
from heliograph.access.publishable import PublishableKeeper
from heliograph.contracts import Administration, AuditFilter
from tests.accounts import ensure_account
from tests.ingress.house import House
from tests.ingress.tokens import BODY, MESSAGE, PATH, SHOP, made, messages, start, told


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
    account = await ensure_account(api.store, "demo", 0)
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


async def test_what_an_access_token_made_ends_with_it(api: House) -> None:
    """Of an issuer outside, of whose callers we have no key."""
    owner = api.services.keys.accounts.named["demo"]
    account = api.services.keys.accounts.known[owner]
    keeper = PublishableKeeper(api.store, api.services.sealer, api.services.now_us)
    message = b'{"to":"+4915123456789","from":"12345","text":"x"}'
    now_us = api.services.now_us()
    for ends_us, status in ((now_us + 3_600_000_000, 202), (now_us, 401)):
        caller = Principal(account, frozenset(), "https://issuer.example ada", ends_us, kind="token")
        token, text = await keeper.create(caller, message, [SHOP], 86_400_000_000)
        assert token.expires_us == ends_us
        assert (await start(api, text)).status == status
    closed = Administration(at_us=1, accounts=[(replace(account, closed_us=1), None)])
    token, text = await keeper.create(replace(caller, expires_us=None), message, [SHOP], 60_000_000)
    await api.store.administer(closed)
    await api.services.keys.refresh()
    assert (await start(api, text)).status == 401
