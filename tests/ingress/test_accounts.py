"""Accounts over HTTP: made below others, changed with a version, closed; strangers' are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from heliograph.access import KeyRing
from heliograph.contracts import AuditFilter
from heliograph.ingress.rest import build
from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House, call

MESSAGE = {"to": "+4915112345678", "from": "INFO", "text": "hello"}
ALL = (*CUSTOMER_SCOPES, "accounts")


async def make(api: House, key: str, body: dict[str, Any], status: int = 201, **more: Any) -> Answer:
    answer = await api.call("POST", "/v1/accounts", body, key=key, **more)
    assert answer.status == status, answer.body
    return answer


@pytest.fixture
async def admin(api: House) -> str:
    return str(await api.make("operator", ("admin",)))


@pytest.fixture
async def parent(api: House) -> str:
    return str(await api.make("demo", ALL))


async def test_a_customer_makes_accounts_below_its_own(api: House, parent: str) -> None:
    answer = await make(api, parent, {"name": "shop", "settings": {"default_region": "DE"}})
    made = answer.json
    assert (made["name"], made["parent"], made["managed_by"], made["version"]) == ("demo.shop", "demo", "api", 1)
    assert made["settings"] == {"default_region": "DE"}
    assert made["effective"]["recipients"] == "valid"
    assert made["closed_at"] is None
    assert answer.headers["etag"] == '"1"'
    below = (await make(api, parent, {"name": "web", "parent": "demo.shop"})).json
    assert (below["name"], below["settings"], below["effective"]["default_region"]) == ("demo.shop.web", {}, "DE")
    listed = (await api.call("GET", "/v1/accounts", key=parent)).json
    assert [one["name"] for one in listed["accounts"]] == ["demo", "demo.shop", "demo.shop.web"]
    assert listed["next"] is None
    shown = await api.call("GET", "/v1/accounts/demo.shop", key=parent)
    assert shown.json == made
    assert shown.headers["etag"] == '"1"'


async def test_what_a_parent_says_holds_below_it_and_the_nearest_word_wins(api: House, parent: str, admin: str) -> None:
    await make(api, parent, {"name": "shop", "settings": {"quiet_hours": "22:00-06:00"}})
    await make(
        api, parent, {"name": "web", "parent": "demo.shop", "settings": {"quiet_hours": "", "recipients": "possible"}}
    )

    async def effective(name: str) -> tuple[str, str, str]:
        found = (await api.call("GET", f"/v1/accounts/{name}", key=parent)).json["effective"]
        return found["quiet_hours"], found["recipients"], found["time_zone"]

    body = {"settings": {"time_zone": "Europe/Berlin", "quiet_hours": "21:00-08:00"}}
    answer = await api.call("PATCH", "/v1/accounts/demo", body, key=admin)
    assert answer.status == 200, answer.body
    assert await effective("demo.shop") == ("22:00-06:00", "valid", "Europe/Berlin")
    assert await effective("demo.shop.web") == (None, "possible", "Europe/Berlin")
    body = {"settings": {"quiet_hours": None, "recipients": None}}
    assert (await api.call("PATCH", "/v1/accounts/demo.shop.web", body, key=parent)).json["settings"] == {}
    assert await effective("demo.shop.web") == ("22:00-06:00", "valid", "Europe/Berlin")


async def test_settings_from_above_hold_for_what_is_sent(api: House, parent: str, admin: str) -> None:
    await make(api, parent, {"name": "shop"})
    child = await api.make("demo.shop")
    national = {**MESSAGE, "to": "0151 12345678"}
    assert (await api.call("POST", "/v1/messages", national, key=child)).status == 422
    body = {"settings": {"default_region": "DE"}}
    assert (await api.call("PATCH", "/v1/accounts/demo", body, key=admin)).status == 200
    sent = await api.call("POST", "/v1/messages", national, key=child)
    assert (sent.status, sent.json.get("to")) == (202, "+4915112345678"), sent.body


async def test_a_change_goes_by_the_version_that_was_read(api: House, parent: str) -> None:
    await make(api, parent, {"name": "shop"})
    change = {"settings": {"smart_encoding": False}}
    first = await api.call("PATCH", "/v1/accounts/demo.shop", change, key=parent, headers={"If-Match": '"1"'})
    assert (first.status, first.headers["etag"]) == (200, '"2"')
    late = await api.call(
        "PATCH",
        "/v1/accounts/demo.shop",
        {"settings": {"smart_encoding": True}},
        key=parent,
        headers={"If-Match": '"1"'},
    )
    assert (late.status, late.code) == (412, "version_mismatch")
    same = await api.call("PATCH", "/v1/accounts/demo.shop", change, key=parent)
    assert (same.status, same.headers["etag"]) == (200, '"2"')
    for bad in ("x", '"x"', '"-1"', '"99999999999"', '""', 'W/"1"', '"0"'):
        answer = await api.call("PATCH", "/v1/accounts/demo.shop", change, key=parent, headers={"If-Match": bad})
        assert (answer.status, answer.json["field"]) == (422, "If-Match"), bad


async def test_a_dry_run_says_what_would_change_and_changes_nothing(api: House, parent: str) -> None:
    body = {"name": "shop", "settings": {"default_region": "DE"}}
    answer = await api.call("POST", "/v1/accounts?dry_run=true", body, key=parent, headers={"Idempotency-Key": "dry"})
    after = {"settings": {"default_region": "DE"}, "closed": False}
    would = {"dry_run": True, "action": "create", "name": "demo.shop", "before": None, "after": after}
    assert (answer.status, answer.json) == (200, would)
    assert (await api.call("GET", "/v1/accounts/demo.shop", key=parent)).status == 404
    await make(api, parent, body, headers={"Idempotency-Key": "dry"})
    answer = await api.call("PATCH", "/v1/accounts/demo.shop?dry_run=true", {"closed": True}, key=parent)
    assert answer.json["before"] == after
    assert answer.json["after"] == {**after, "closed": True}
    assert (await api.call("GET", "/v1/accounts/demo.shop", key=parent)).headers["etag"] == '"1"'
    refused = await api.call("POST", "/v1/accounts?dry_run=true", body, key=parent)
    assert (refused.status, refused.code) == (409, "conflict")
    for query in ("dry_run=yes", "dry_run=", "dry=true"):
        assert (await api.call("POST", f"/v1/accounts?{query}", {"name": "x"}, key=parent)).status == 422
    assert len(await api.store.audit(AuditFilter(object_kind="account"))) == 1


async def test_a_closed_account_is_refused_and_its_messages_stay_readable_from_above(api: House, parent: str) -> None:
    await make(api, parent, {"name": "shop"})
    await make(api, parent, {"name": "web", "parent": "demo.shop"})
    child, grandchild = await api.make("demo.shop"), await api.make("demo.shop.web")
    sent = (await api.call("POST", "/v1/messages", MESSAGE, key=child)).json["id"]
    closed = await api.call("PATCH", "/v1/accounts/demo.shop", {"closed": True}, key=parent)
    assert closed.json["closed_at"] is not None
    for key in (child, grandchild):
        answer = await api.call("POST", "/v1/messages", MESSAGE, key=key)
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert (await api.call("GET", f"/v1/messages/{sent}", key=parent)).json["account"] == "demo.shop"
    refused = await api.call("POST", "/v1/accounts", {"name": "new", "parent": "demo.shop"}, key=parent)
    assert (refused.status, refused.code) == (409, "conflict")
    assert (await api.call("PATCH", "/v1/accounts/demo.shop", {"closed": False}, key=parent)).json["closed_at"] is None
    assert (await api.call("POST", "/v1/messages", MESSAGE, key=child)).status == 202


async def test_strangers_accounts_are_none(api: House, parent: str, admin: str) -> None:
    await make(api, parent, {"name": "shop"})
    stranger = await api.make("other", ALL)
    child = await api.make("demo.shop", ALL)
    for key, name in (
        (stranger, "demo"),
        (stranger, "demo.shop"),
        (child, "demo"),
        (stranger, "nobody"),
        (parent, "other"),
    ):
        shown = await api.call("GET", f"/v1/accounts/{name}", key=key)
        changed = await api.call("PATCH", f"/v1/accounts/{name}", {"closed": True}, key=key)
        made = await api.call("POST", "/v1/accounts", {"name": "x", "parent": name}, key=key)
        assert {(one.status, one.code) for one in (shown, changed, made)} == {(404, "not_found")}
        assert {one.json["detail"] for one in (shown, changed, made)} == {
            "There is no such account: GET /v1/accounts lists yours."
        }
    names = [one["name"] for one in (await api.call("GET", "/v1/accounts", key=admin)).json["accounts"]]
    assert names == ["demo", "demo.shop", "operator", "other"]
    assert [one["name"] for one in (await api.call("GET", "/v1/accounts", key=stranger)).json["accounts"]] == ["other"]


async def test_nobody_changes_its_own_account_or_needs_less_than_the_scope(api: House, parent: str) -> None:
    own = await api.call("PATCH", "/v1/accounts/demo", {"settings": {"recipients": "possible"}}, key=parent)
    assert (own.status, own.code) == (403, "forbidden")
    for method, path in (("GET", "/v1/accounts"), ("POST", "/v1/accounts"), ("GET", "/v1/accounts/demo")):
        assert (await api.call(method, path, {"name": "x"} if method == "POST" else b"")).code == "forbidden"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a.b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "é"}, "name"),
        ({"name": "a\u0000"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": 7}, "name"),
        ({}, "name"),
        ({"name": "a", "settings": {"recipients": "all"}}, "settings.recipients"),
        ({"name": "a", "settings": {"default_region": "Germany"}}, "settings.default_region"),
        ({"name": "a", "settings": {"quiet_hours": "at night"}}, "settings.quiet_hours"),
        ({"name": "a", "settings": {"quiet_hours": "08:00-08:00"}}, "settings.quiet_hours"),
        ({"name": "a", "settings": {"quiet_types": ["fax"]}}, "settings.quiet_types[0]"),
        ({"name": "a", "settings": {"time_zone": "Mars/Base"}}, "settings.time_zone"),
        ({"name": "a", "settings": {"smart_encoding": "yes"}}, "settings.smart_encoding"),
        ({"name": "a", "settings": {"colour": "red"}}, "settings.colour"),
        ({"name": "a", "id": 1}, "id"),
    ],
)
async def test_what_is_no_account_is_refused_with_its_field(
    api: House, parent: str, body: dict[str, Any], field: str
) -> None:
    answer = await api.call("POST", "/v1/accounts", body, key=parent)
    assert (answer.status, answer.json.get("field")) == (422, field), answer.body
    assert len((await api.call("GET", "/v1/accounts", key=parent)).json["accounts"]) == 1


async def test_levels_and_names_are_bounded(api: House, parent: str) -> None:
    above = "demo"
    for level in range(4):
        above = (await make(api, parent, {"name": f"l{level}", "parent": above})).json["name"]
    too_deep = await api.call("POST", "/v1/accounts", {"name": "x", "parent": above}, key=parent)
    assert (too_deep.status, too_deep.code) == (409, "conflict")
    twice = await api.call("POST", "/v1/accounts", {"name": "l0"}, key=parent)
    assert (twice.status, twice.code, twice.json["field"]) == (409, "conflict", "name")


async def test_the_same_request_twice_makes_one_account(api: House, parent: str) -> None:
    more = {"headers": {"Idempotency-Key": "once"}}
    first = await make(api, parent, {"name": "shop"}, **more)
    again = await make(api, parent, {"name": "shop"}, **more)
    assert first.json == again.json
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.call("POST", "/v1/accounts", {"name": "bar"}, key=parent, **more)
    assert (other.status, other.code) == (409, "idempotency_mismatch")


async def test_a_request_is_replayed_by_another_server_that_has_not_heard_of_it(api: House, parent: str) -> None:
    other = KeyRing(api.store, api.services.now_us)
    await other.refresh()
    first = await make(api, parent, {"name": "shop"}, headers={"Idempotency-Key": "once"})
    headers = {"Authorization": f"Bearer {parent}", "Idempotency-Key": "once"}
    app = build(replace(api.services, keys=other))
    again = await call(app, "POST", "/v1/accounts", {"name": "shop"}, headers=headers)
    assert (again.status, again.json, again.headers["idempotent-replayed"]) == (201, first.json, "true")


async def test_what_the_file_declares_is_read_only(api: House, admin: str) -> None:
    app = build(replace(api.services, declared_accounts=lambda: ("demo",)))
    bearer = {"Authorization": f"Bearer {admin}"}
    answer = await call(app, "PATCH", "/v1/accounts/demo", {"closed": True}, headers=bearer)
    assert (answer.status, answer.code) == (409, "managed_by_file")
    assert (await call(app, "GET", "/v1/accounts/demo", headers=bearer)).json["managed_by"] == "file"


async def test_every_change_is_in_the_trail(api: House, parent: str) -> None:
    await make(api, parent, {"name": "shop", "settings": {"default_region": "DE"}})
    await api.call("PATCH", "/v1/accounts/demo.shop", {"closed": True}, key=parent)
    closing, making = await api.store.audit(AuditFilter(object_kind="account"))
    assert (making.action, making.object_name, making.before) == ("create", "demo.shop", None)
    owner = api.services.keys.accounts.named["demo.shop"]
    assert (making.account_id, closing.account_id) == (owner, owner)
    assert (making.actor_kind, making.actor, making.address) == ("key", parent[:16], "127.0.0.1")
    assert making.after == '{"settings":{"default_region":"DE"},"closed":false}'
    assert (closing.action, closing.before) == ("close", making.after)
    assert closing.after == '{"settings":{"default_region":"DE"},"closed":true}'


async def test_pages_go_on_by_name(api: House, parent: str) -> None:
    for name in ("c", "a", "b"):
        await make(api, parent, {"name": name})
    first = (await api.call("GET", "/v1/accounts?limit=2", key=parent)).json
    assert [one["name"] for one in first["accounts"]] == ["demo", "demo.a"]
    rest = (await api.call("GET", f"/v1/accounts?limit=2&after={first['next']}", key=parent)).json
    assert ([one["name"] for one in rest["accounts"]], rest["next"]) == (["demo.b", "demo.c"], None)
    direct = (await api.call("GET", "/v1/accounts?parent=demo.a", key=parent)).json
    assert direct == {"accounts": [], "next": None}
    for query, field in (("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("moon=1", "moon")):
        answer = await api.call("GET", f"/v1/accounts?{query}", key=parent)
        assert (answer.status, answer.json["field"]) == (422, field)


# --- traffic ------------------------------------------------------------------------------------------


async def family(api: House, parent: str) -> dict[str, str]:
    """demo, demo.shop and demo.shop.web with a message each, and a stranger with one: account → message id."""
    await make(api, parent, {"name": "shop"})
    await make(api, parent, {"name": "web", "parent": "demo.shop"})
    ids = {}
    for name in ("demo", "demo.shop", "demo.shop.web", "other"):
        sent = await api.call("POST", "/v1/messages", {**MESSAGE, "tags": [name]}, key=await api.make(name))
        ids[name] = sent.json["id"]
    return ids


async def test_a_parent_lists_its_childrens_messages_and_nobody_elses(api: House, parent: str) -> None:
    ids = await family(api, parent)

    async def listed(query: str, key: str = parent) -> list[tuple[str, str | None]]:
        answer = await api.call("GET", f"/v1/messages?{query}", key=key)
        assert answer.status == 200, answer.body
        return [(one["id"], one.get("account")) for one in answer.json["messages"]]

    tree = ["demo.shop.web", "demo.shop", "demo"]
    assert await listed("") == [(ids["demo"], None)]
    assert await listed("account=tree") == [(ids[name], name) for name in tree]
    assert await listed("account=demo.shop") == [(ids["demo.shop"], "demo.shop")]
    assert await listed("account=tree&tag=demo.shop.web") == [(ids["demo.shop.web"], "demo.shop.web")]
    child = await api.make("demo.shop")
    assert await listed("account=tree", child) == [(ids[name], name) for name in tree[:2]]
    for name in ("other", "nobody", "demo"):
        answer = await api.call("GET", f"/v1/messages?account={name}", key=child)
        assert (answer.status, answer.code, answer.json["field"]) == (422, "field_invalid", "account")
    page = (await api.call("GET", "/v1/messages?account=tree&limit=2", key=parent)).json
    rest = await api.call("GET", f"/v1/messages?account=tree&limit=2&cursor={page['next']}", key=parent)
    assert [one["id"] for one in page["messages"] + rest.json["messages"]] == [ids[name] for name in tree]
    elsewhere = await api.call("GET", f"/v1/messages?limit=2&cursor={page['next']}", key=parent)
    assert elsewhere.code == "cursor_invalid"


async def test_a_parent_shows_a_message_of_a_child_and_a_child_none_of_its_parents(api: House, parent: str) -> None:
    ids = await family(api, parent)
    child = await api.make("demo.shop")
    for path in ("", "/events"):
        for key, name, status in (
            (parent, "demo", 200), (parent, "demo.shop.web", 200), (parent, "other", 404),
            (child, "demo.shop.web", 200), (child, "demo", 404), (child, "other", 404),
            (api.stranger, "demo.shop", 404),
        ):  # fmt: skip
            answer = await api.call("GET", f"/v1/messages/{ids[name]}{path}", key=key)
            assert answer.status == status, (path, name)
    assert "account" not in (await api.call("GET", f"/v1/messages/{ids['demo']}", key=parent)).json
    shown = (await api.call("GET", f"/v1/messages/{ids['demo.shop.web']}", key=parent)).json
    assert (shown["account"], shown["tags"]) == ("demo.shop.web", ["demo.shop.web"])
    cancel = await api.call("POST", f"/v1/messages/{ids['demo.shop']}/cancel", key=parent)
    assert cancel.status == 404


async def test_a_parent_exports_its_tree(api: House, parent: str) -> None:
    ids = await family(api, parent)
    answer = await api.call("GET", "/v1/messages/export?account=tree", key=parent)
    lines = answer.body.decode().splitlines()
    assert lines[0].endswith(",account")
    assert [line.split(",")[0] for line in lines[1:]] == [ids[name] for name in ("demo.shop.web", "demo.shop", "demo")]
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["demo.shop.web", "demo.shop", "demo"]
    own = (await api.call("GET", "/v1/messages/export", key=parent)).body.decode().splitlines()
    assert len(own) == 2
    assert not own[0].endswith(",account")
