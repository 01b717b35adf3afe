"""What a parent sees of the accounts below it beside their messages; nobody sees a stranger's or a sibling's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from heliograph.model import CUSTOMER_SCOPES, OptOut
from tests.ingress.house import House
from tests.ingress.test_accounts import MESSAGE, family, make
from tests.ingress.test_events import listen, stream
from tests.keys import revoke_key

ALL = (*CUSTOMER_SCOPES, "accounts")
TREE = {"demo", "demo.shop", "demo.shop.web"}


@pytest.fixture
async def parent(api: House) -> str:
    return str(await api.make("demo", ALL))


async def get(api: House, path: str, key: str) -> Any:
    answer = await api.call("GET", path, key=key)
    assert answer.status == 200, answer.body
    return answer.json


# --- events ---------------------------------------------------------------------------------------------


async def test_events_of_the_tree_say_whose_they_are(api: House, parent: str) -> None:
    ids = await family(api, parent)

    async def read(query: str, key: str = parent) -> list[tuple[str, str | None]]:
        page = await get(api, f"/v1/events{query}", key)
        return [(event["subject"], event["data"].get("account")) for event in page["events"]]

    assert set(await read("?account=tree")) == {(ids[name], name) for name in TREE}
    assert await read("?account=demo.shop.web") == [(ids["demo.shop.web"], "demo.shop.web")]
    assert await read("") == [(ids["demo"], None)]
    shop = await api.make("demo.shop")
    assert set(await read("?account=tree", shop)) == {(ids[n], n) for n in ("demo.shop", "demo.shop.web")}
    assert await read("?account=demo.shop", shop) == [(ids["demo.shop"], "demo.shop")]


async def test_a_page_of_the_trees_events_goes_on_where_it_ended(api: House, parent: str) -> None:
    ids = await family(api, parent)
    seen: list[str] = []
    cursor, more = "", True
    while more:
        page = await get(api, f"/v1/events?account=tree&limit=1{cursor}", parent)
        seen += [event["subject"] for event in page["events"]]
        cursor, more = f"&cursor={page['cursor']}", page["more"]
    assert seen == [ids[name] for name in ("demo", "demo.shop", "demo.shop.web")]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/audit", "/v1/webhooks", "/v1/opt-outs"])
async def test_a_strangers_a_siblings_and_a_parents_name_are_nobodys(api: House, parent: str, path: str) -> None:
    await make(api, parent, {"name": "shop"})
    await make(api, parent, {"name": "bar"})
    stranger, shop = await api.make("other", ALL), await api.make("demo.shop", ALL)
    asked = [(stranger, "demo"), (stranger, "demo.shop"), (shop, "demo"), (shop, "demo.bar"), (parent, "nobody")]
    answers = [(name, await api.call("GET", f"{path}?account={name}", key=key)) for key, name in asked]
    assert {(one.status, one.code, one.json["field"]) for _, one in answers} == {(422, "field_invalid", "account")}
    assert len({one.json["detail"].replace(f" {name} ", " … ") for name, one in answers}) == 1


async def test_a_live_stream_follows_the_tree_and_accounts_that_are_new_in_it(api: House, parent: str) -> None:
    listen(api)
    await make(api, parent, {"name": "shop"})
    shop = await api.make("demo.shop")
    async with stream(api, "?account=tree", Authorization=f"Bearer {parent}") as live:
        assert live.status == 200
        sent = [(await api.call("POST", "/v1/messages", MESSAGE, key=shop)).json["id"]]
        await api.call("POST", "/v1/messages", MESSAGE, key=api.stranger)
        await make(api, parent, {"name": "web", "parent": "demo.shop"})
        web = await api.make("demo.shop.web")
        sent += [(await api.call("POST", "/v1/messages", MESSAGE, key=web)).json["id"]]
        told = [json.loads((await asyncio.wait_for(live.event(), 20))["data"]) for _ in sent]
    assert [(one["subject"], one["data"]["account"]) for one in told] == list(
        zip(sent, ("demo.shop", "demo.shop.web"), strict=True)
    )


# --- the audit log --------------------------------------------------------------------------------------


async def test_a_parent_sees_what_was_changed_below_it_and_not_who_the_operator_is(api: House, parent: str) -> None:
    admin = await api.make("operator", ("admin",))
    stranger = await api.make("other", ALL)
    await family(api, parent)
    web = await api.make("demo.shop.web", ALL)
    await make(api, web, {"name": "deep"})
    await make(api, stranger, {"name": "shop"})
    limits = await api.call("PUT", "/v1/limits/account:demo.shop", {"segments_per_day": 9}, key=admin)
    assert limits.status == 200, limits.body

    async def read(query: str, key: str = parent) -> list[tuple[str, str, str, str]]:
        entries = (await get(api, f"/v1/audit{query}", key))["entries"]
        assert all(("address" in one) == (one["actor_kind"] == "key") for one in entries)
        return [(one["object_name"], one["account"], one["actor_kind"], one["actor"]) for one in entries]

    limited = ("account:demo.shop", "demo.shop", "operator", "operator")
    deep = ("demo.shop.web.deep", "demo.shop.web.deep", "key", web[:16])
    made = [(name, name, "key", parent[:16]) for name in ("demo.shop.web", "demo.shop")]
    assert await read("?account=tree") == [limited, deep, *made]
    assert await read("?account=tree&object_kind=account") == [deep, *made]
    assert await read("") == []
    assert await read("?account=demo.shop") == [limited, made[1]]
    assert await read(f"?account=tree&actor={web[:16]}") == [deep]
    shop = await api.make("demo.shop", ALL)
    assert await read("?account=tree", shop) == [
        limited,
        deep,
        ("demo.shop.web", "demo.shop.web", "operator", "operator"),
        ("demo.shop", "demo.shop", "operator", "operator"),
    ]
    for actor in (admin[:16], parent[:16], stranger[:16], "hg_live_nobodys0", "operator"):
        assert await read(f"?account=tree&actor={actor}", shop) == []
    assert len((await get(api, "/v1/audit", admin))["entries"]) == 5


async def test_who_did_something_is_known_when_its_key_is_revoked(api: House, parent: str) -> None:
    former = await api.make("demo", ALL)
    await make(api, former, {"name": "shop"})
    await revoke_key(api.store, former[:16], api.services.now_us())
    await api.services.keys.refresh()
    (entry,) = (await get(api, "/v1/audit?account=tree", parent))["entries"]
    assert entry["actor"] == former[:16]


async def test_the_audit_log_of_a_tree_in_pages_and_as_a_file(api: House, parent: str) -> None:
    await family(api, parent)
    first = await get(api, "/v1/audit?account=tree&limit=1", parent)
    await make(api, parent, {"name": "late"})
    second = await get(api, f"/v1/audit?account=tree&limit=5&cursor={first['next']}", parent)
    assert [one["object_name"] for page in (first, second) for one in page["entries"]] == ["demo.shop.web", "demo.shop"]
    for query in ("", "account=demo.shop&"):
        answer = await api.call("GET", f"/v1/audit?{query}cursor={first['next']}", key=parent)
        assert answer.code == "cursor_invalid"
    lines = (await api.call("GET", "/v1/audit?account=tree&format=ndjson", key=parent)).body.splitlines()
    assert [json.loads(line)["account"] for line in lines] == ["demo.late", "demo.shop.web", "demo.shop"]
    sender = await api.make("demo")
    assert (await api.call("GET", "/v1/audit?account=tree", key=sender)).code == "forbidden"


# --- webhooks -------------------------------------------------------------------------------------------


async def test_webhooks_below_are_listed_with_their_accounts_and_without_secrets(api: House, parent: str) -> None:
    await make(api, parent, {"name": "shop"})
    keys = {name: await api.make(name) for name in ("demo", "demo.shop", "other")}
    made = {}
    for name, key in keys.items():
        answer = await api.call("POST", "/v1/webhooks", {"url": f"https://{name}.example/"}, key=key)
        made[name] = answer.json["id"]

    async def listed(query: str, key: str = parent) -> list[tuple[str, str | None]]:
        found = (await get(api, f"/v1/webhooks{query}", key))["webhooks"]
        assert not any("secret" in one for one in found)
        return [(one["id"], one.get("account")) for one in found]

    assert await listed("?account=tree") == [(made["demo"], "demo"), (made["demo.shop"], "demo.shop")]
    assert await listed("?account=demo.shop") == [(made["demo.shop"], "demo.shop")]
    assert await listed("") == [(made["demo"], None)]
    assert await listed("?account=tree", keys["demo.shop"]) == [(made["demo.shop"], "demo.shop")]
    page = await get(api, "/v1/webhooks?account=tree&limit=1", parent)
    rest = await get(api, f"/v1/webhooks?account=tree&limit=1&cursor={page['next']}", parent)
    last = await get(api, f"/v1/webhooks?account=tree&limit=1&cursor={rest['next']}", parent)
    assert [one["id"] for one in page["webhooks"] + rest["webhooks"]] == [made["demo"], made["demo.shop"]]
    assert last == {"webhooks": [], "next": None}
    assert (await api.call("GET", f"/v1/webhooks?cursor={page['next']}", key=parent)).code == "cursor_invalid"
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        answer = await api.call(
            method, f"/v1/webhooks/{made['demo.shop']}{path}", {} if method == "PATCH" else b"", key=parent
        )
        assert answer.status == 404


# --- opt-outs -------------------------------------------------------------------------------------------


async def test_opt_outs_below_are_listed_with_their_accounts(api: House, parent: str) -> None:
    await make(api, parent, {"name": "shop"})
    numbers = {"demo": ["+491", "+493"], "demo.shop": ["+491", "+492"], "other": ["+491"]}
    keys = {name: await api.make(name) for name in numbers}
    ids = api.services.keys.accounts.named
    rows = [OptOut(account_id=ids[name], recipient=to, created_us=1) for name, all in numbers.items() for to in all]
    await api.store.add_opt_outs(rows)

    async def listed(query: str, key: str = parent) -> list[tuple[str | None, str]]:
        found = (await get(api, f"/v1/opt-outs{query}", key))["opt_outs"]
        return [(one.get("account"), one["recipient"]) for one in found]

    tree = [(name, to) for name in ("demo", "demo.shop") for to in numbers[name]]
    assert await listed("?account=tree") == sorted(tree, key=lambda one: (ids[one[0]], one[1]))
    assert await listed("?account=demo.shop") == [("demo.shop", "+491"), ("demo.shop", "+492")]
    assert await listed("") == [(None, "+491"), (None, "+493")]
    assert await listed("?account=tree", keys["demo.shop"]) == [("demo.shop", "+491"), ("demo.shop", "+492")]
    seen, cursor = [], ""
    while True:
        page = await get(api, f"/v1/opt-outs?account=tree&limit=3{cursor}", parent)
        seen += [(one["account"], one["recipient"]) for one in page["opt_outs"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == await listed("?account=tree")
    assert (await api.call("GET", "/v1/opt-outs?limit=501", key=parent)).json["field"] == "limit"
    answer = await api.call("GET", f"/v1/opt-outs?account=demo{cursor}", key=parent)
    assert answer.code == "cursor_invalid"
