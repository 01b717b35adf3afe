"""People and SMPP customers: let in, changed, renewed and ended; passwords are shown once and never kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from heliograph.access.logins import PEOPLE, SMPP_CUSTOMERS, Logins
from heliograph.access.passwords import Passwords
from heliograph.contracts import AuditFilter
from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House

ADA = {"email": "Ada@Example.com", "role": "owner", "name": "Ada"}
ACME = {"system_id": "acme1", "addresses": ["203.0.113.0/24"], "binds": 3, "window": 50}
PASSWORD = "correct horse battery"


@pytest_asyncio.fixture
async def team(api: House) -> AsyncIterator[str]:
    yield await api.make("demo", (*CUSTOMER_SCOPES, "accounts"))
    api.services.passwords.close()


@pytest_asyncio.fixture
async def logins(api: House) -> AsyncIterator[Logins]:
    passwords = Passwords(memory_kib=64, passes=1)
    yield Logins(api.store, passwords, api.services.now_us)
    passwords.close()


@pytest_asyncio.fixture
async def admin(api: House) -> AsyncIterator[str]:
    yield await api.make("demo", (*CUSTOMER_SCOPES, "admin"))


async def ask(api: House, team: str, method: str, path: str, body: Any = b"", **more: Any) -> Answer:
    return await api.call(method, f"/v1/{path}", body, key=team, **more)


async def test_a_person_gets_in_with_what_was_chosen_or_made(api: House, team: str, logins: Logins) -> None:
    made = await ask(api, team, "POST", "people", ADA)
    assert made.status == 201, made.body
    assert {name: made.json[name] for name in ("email", "role", "name", "account")} == {
        "email": "ada@example.com", "role": "owner", "name": "Ada", "account": "demo",
    }  # fmt: skip
    assert made.headers["cache-control"] == "no-store"
    password = made.json["password"]
    assert len(password) == 20
    found = await logins.check(PEOPLE, " ADA@example.com", password)
    assert found is not None
    assert found.settings == {"role": "owner"}
    assert await logins.check(PEOPLE, "ada@example.com", password + "x") is None
    assert await logins.check(PEOPLE, "eve@example.com", password) is None
    assert await logins.check(PEOPLE, "nonsense", password) is None
    assert await logins.check(PEOPLE, "ada@example.com", "x" * 2000) is None
    chosen = await ask(api, team, "POST", "people", {"email": "b@example.com", "role": "viewer", "password": PASSWORD})
    assert (chosen.status, "password" in chosen.json, "secret_shown" in chosen.json) == (201, False, False)
    assert await logins.check(PEOPLE, "b@example.com", PASSWORD) is not None
    assert "password" not in (await ask(api, team, "GET", "people/b@example.com")).json
    assert [one["email"] for one in (await ask(api, team, "GET", "people")).json["people"]] == [
        "ada@example.com", "b@example.com",
    ]  # fmt: skip


async def test_a_password_is_changed_renewed_and_ended(api: House, team: str, logins: Logins) -> None:
    await ask(api, team, "POST", "people", ADA)
    changed = await ask(api, team, "PATCH", "people/ada@example.com", {"password": PASSWORD})
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    assert await logins.check(PEOPLE, "ada@example.com", PASSWORD) is not None
    renewed = await ask(api, team, "POST", "people/ada@example.com/password", headers={"If-Match": '"2"'})
    assert await logins.check(PEOPLE, "ada@example.com", PASSWORD) is None
    assert await logins.check(PEOPLE, "ada@example.com", renewed.json["password"]) is not None
    late = await ask(api, team, "POST", "people/ada@example.com/password", headers={"If-Match": '"2"'})
    assert (late.status, late.code) == (412, "version_mismatch")
    await ask(api, team, "POST", "people", {"email": "b@example.com", "role": "owner"})
    assert (await ask(api, team, "DELETE", "people/ada@example.com")).status == 204
    assert await logins.check(PEOPLE, "ada@example.com", renewed.json["password"]) is None
    assert (await ask(api, team, "GET", "people/ada@example.com")).status == 404
    again = await ask(api, team, "POST", "people", ADA)
    assert (again.status, again.json["version"]) == (201, 5)
    assert await logins.check(PEOPLE, "ada@example.com", again.json["password"]) is not None


async def test_the_last_owner_stays(api: House, team: str) -> None:
    await ask(api, team, "POST", "people", ADA)
    for method, body in (("DELETE", b""), ("PATCH", {"role": "viewer"})):
        kept = await ask(api, team, method, "people/ada@example.com", body)
        assert (kept.status, kept.code) == (409, "conflict")
    await ask(api, team, "POST", "people", {"email": "b@example.com", "role": "owner"})
    assert (await ask(api, team, "PATCH", "people/ada@example.com", {"role": "viewer"})).status == 200


async def test_an_smpp_customer_is_let_in(api: House, admin: str, logins: Logins) -> None:
    made = await ask(api, admin, "POST", "smpp-customers", ACME)
    assert made.status == 201, made.body
    password = made.json["password"]
    assert len(password) == 8
    assert {name: made.json[name] for name in ACME} == ACME
    found = await logins.check(SMPP_CUSTOMERS, "acme1", password)
    assert found is not None
    assert (found.settings, found.addresses) == ({"binds": 3, "window": 50}, ("203.0.113.0/24",))
    assert await logins.check(PEOPLE, "acme1", password) is None
    changed = await ask(api, admin, "PATCH", "smpp-customers/acme1", {"binds": 5, "addresses": []})
    assert (changed.json["binds"], changed.json["window"], changed.json["addresses"]) == (5, 50, [])
    renewed = await ask(api, admin, "POST", "smpp-customers/acme1/password")
    assert await logins.check(SMPP_CUSTOMERS, "acme1", password) is None
    assert await logins.check(SMPP_CUSTOMERS, "acme1", renewed.json["password"]) is not None
    assert (await ask(api, admin, "DELETE", "smpp-customers/acme1")).status == 204
    assert (await ask(api, admin, "GET", "smpp-customers")).json == {"smpp_customers": []}


async def test_a_closed_account_lets_nobody_in(api: House, team: str, logins: Logins) -> None:
    await ask(api, team, "POST", "accounts", {"name": "shop"})
    made = await ask(api, team, "POST", "people", {"email": "c@example.com", "role": "viewer", "account": "demo.shop"})
    assert made.json["account"] == "demo.shop"
    assert await logins.check(PEOPLE, "c@example.com", made.json["password"]) is not None
    await ask(api, team, "PATCH", "accounts/demo.shop", {"closed": True})
    assert await logins.check(PEOPLE, "c@example.com", made.json["password"]) is None


async def test_the_same_request_makes_one_and_shows_its_password_once(api: House, admin: str) -> None:
    for path, body in (("people", ADA), ("smpp-customers", ACME)):
        first = await ask(api, admin, "POST", path, body, headers={"Idempotency-Key": path})
        again = await ask(api, admin, "POST", path, body, headers={"Idempotency-Key": path})
        assert (first.status, again.status) == (201, 201)
        assert "password" not in again.json
        assert again.json["secret_shown"] is False
        assert again.headers["idempotent-replayed"] == "true"
        other = await ask(api, admin, "POST", path, body | {"name": "other"}, headers={"Idempotency-Key": path})
        assert other.code == "idempotency_mismatch"
        taken = await ask(api, admin, "POST", path, body)
        assert (taken.status, taken.code) == (409, "conflict")


async def test_a_renewed_password_is_shown_once(api: House, team: str, logins: Logins) -> None:
    await ask(api, team, "POST", "people", ADA)
    key = {"Idempotency-Key": "renew"}
    first = await ask(api, team, "POST", "people/ada@example.com/password", headers=key)
    again = await ask(api, team, "POST", "people/ada@example.com/password", headers=key)
    assert (again.status, again.json["secret_shown"], "password" in again.json) == (200, False, False)
    assert await logins.check(PEOPLE, "ada@example.com", first.json["password"]) is not None


async def test_a_person_is_in_several_accounts_and_neither_learns_of_the_other(
    api: House, team: str, logins: Logins
) -> None:
    stranger = await api.make("other", (*CUSTOMER_SCOPES, "accounts"))
    one = await ask(api, team, "POST", "people", ADA)
    two = await ask(api, stranger, "POST", "people", ADA)
    assert (one.status, two.status) == (201, 201)
    accounts = [await logins.check(PEOPLE, "ada@example.com", made.json["password"]) for made in (one, two)]
    assert [found is not None and found.account_id for found in accounts] == [1, 2]
    admin = await api.make("demo", (*CUSTOMER_SCOPES, "admin"))
    both = await ask(api, admin, "GET", "people/ada@example.com")
    assert (both.status, both.code) == (409, "conflict")
    assert (await ask(api, stranger, "DELETE", "people/ada@example.com")).code == "conflict"  # the last owner there
    assert await logins.check(PEOPLE, "ada@example.com", one.json["password"]) is not None


async def test_strangers_are_not_there_and_nobody_gives_more_than_they_have(api: House, team: str) -> None:
    await ask(api, team, "POST", "people", ADA)
    stranger = await api.make("other", (*CUSTOMER_SCOPES, "accounts"))
    for method, path, body in (
        ("GET", "people/{}", b""),
        ("PATCH", "people/{}", {"role": "viewer"}),
        ("POST", "people/{}/password", b""),
        ("DELETE", "people/{}", b""),
    ):
        theirs = await ask(api, stranger, method, path.format("ada@example.com"), body)
        nobodys = await ask(api, stranger, method, path.format("nobody@example.com"), body)
        assert (theirs.status, theirs.body) == (404, nobodys.body)
    assert (await ask(api, stranger, "GET", "people")).json == {"people": []}
    elsewhere = await ask(api, stranger, "POST", "people", ADA | {"email": "x@example.com", "account": "demo"})
    assert (elsewhere.status, elsewhere.code) == (404, "not_found")
    less = await api.make("demo", ("messages:read", "accounts"))
    for method, path, body in (
        ("POST", "people", ADA | {"email": "x@example.com"}),
        ("DELETE", "people/ada@example.com", b""),
    ):
        refused = await ask(api, less, method, path, body)
        assert (refused.status, refused.code) == (403, "forbidden")
    assert (await ask(api, api.key, "GET", "people")).code == "forbidden"
    assert (await ask(api, team, "GET", "smpp-customers")).code == "forbidden"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("people", ADA | {"email": "ada"}, "email"),
        ("people", ADA | {"role": "king"}, "role"),
        ("people", ADA | {"password": "short"}, "password"),
        ("people", ADA | {"name": "a\nb"}, "name"),
        ("people", {"email": "a@example.com"}, "role"),
        ("smpp-customers", ACME | {"system_id": "a b"}, "system_id"),
        ("smpp-customers", ACME | {"system_id": "x" * 16}, "system_id"),
        ("smpp-customers", ACME | {"system_id": "é"}, "system_id"),
        ("smpp-customers", ACME | {"binds": 0}, "binds"),
        ("smpp-customers", ACME | {"window": 10_000}, "window"),
        ("smpp-customers", ACME | {"addresses": ["300.1.1.1"]}, "addresses"),
        ("smpp-customers", ACME | {"password": "x"}, "password"),
    ],
)
async def test_what_is_none_is_refused(api: House, admin: str, path: str, body: dict[str, Any], field: str) -> None:
    answer = await ask(api, admin, "POST", path, body)
    assert answer.status == 422
    assert answer.json["field"] == field


async def test_the_trail_has_no_secret(api: House, admin: str) -> None:
    made = await ask(api, admin, "POST", "people", ADA)
    await ask(api, admin, "POST", "people/ada@example.com/password")
    await ask(api, admin, "POST", "smpp-customers", ACME)
    trail = await api.store.audit(AuditFilter())
    assert [(one.action, one.object_kind) for one in reversed(trail)][-3:] == [
        ("create", "person"), ("rotate", "person"), ("create", "smpp"),
    ]  # fmt: skip
    words = repr(trail)
    assert made.json["password"] not in words
    assert "argon2" not in words
