"""People and SMPP customers: let in, changed, renewed and ended; passwords are shown once and never kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from heliograph.access.logins import PEOPLE, SMPP_CUSTOMERS, LoginKind, Logins
from heliograph.access.passwords import Passwords
from heliograph.contracts import AuditFilter
from heliograph.errors import RequestRejected
from heliograph.model import CUSTOMER_SCOPES
from tests.ingress.house import Answer, House

ADA = {"email": "Ada@Example.com", "role": "owner", "name": "Ada"}
ACME = {"system_id": "acme1", "addresses": ["203.0.113.0/24"], "binds": 3, "window": 50}
PASSWORD = "correct horse battery"
HOME = "203.0.113.9"


@pytest_asyncio.fixture
async def team(api: House) -> AsyncIterator[str]:
    yield await api.make("demo", (*CUSTOMER_SCOPES, "accounts"))
    api.services.passwords.close()


@pytest_asyncio.fixture
async def logins(api: House) -> AsyncIterator[Logins]:
    passwords = Passwords(memory_kib=64, passes=1)
    yield Logins(api.store, passwords, api.services.keys)
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
    found = await logins.check(PEOPLE, " ADA@example.com", password, HOME)
    assert found is not None
    assert found.settings == {"role": "owner"}
    assert await logins.check(PEOPLE, "ada@example.com", password + "x", HOME) is None
    assert await logins.check(PEOPLE, "eve@example.com", password, HOME) is None
    assert await logins.check(PEOPLE, "nonsense", password, HOME) is None
    assert await logins.check(PEOPLE, "ada@example.com", "x" * 2000, HOME) is None
    chosen = await ask(api, team, "POST", "people", {"email": "b@example.com", "role": "viewer", "password": PASSWORD})
    assert (chosen.status, "password" in chosen.json, "secret_shown" in chosen.json) == (201, False, False)
    assert await logins.check(PEOPLE, "b@example.com", PASSWORD, HOME) is not None
    assert "password" not in (await ask(api, team, "GET", "people/b@example.com")).json
    assert [one["email"] for one in (await ask(api, team, "GET", "people")).json["people"]] == [
        "ada@example.com", "b@example.com",
    ]  # fmt: skip


async def test_a_password_is_changed_renewed_and_ended(api: House, team: str, logins: Logins) -> None:
    await ask(api, team, "POST", "people", ADA)
    changed = await ask(api, team, "PATCH", "people/ada@example.com", {"password": PASSWORD})
    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    assert await logins.check(PEOPLE, "ada@example.com", PASSWORD, HOME) is not None
    renewed = await ask(api, team, "POST", "people/ada@example.com/password", headers={"If-Match": '"2"'})
    assert await logins.check(PEOPLE, "ada@example.com", PASSWORD, HOME) is None
    assert await logins.check(PEOPLE, "ada@example.com", renewed.json["password"], HOME) is not None
    late = await ask(api, team, "POST", "people/ada@example.com/password", headers={"If-Match": '"2"'})
    assert (late.status, late.code) == (412, "version_mismatch")
    await ask(api, team, "POST", "people", {"email": "b@example.com", "role": "owner"})
    assert (await ask(api, team, "DELETE", "people/ada@example.com")).status == 204
    assert await logins.check(PEOPLE, "ada@example.com", renewed.json["password"], HOME) is None
    assert (await ask(api, team, "GET", "people/ada@example.com")).status == 404
    again = await ask(api, team, "POST", "people", ADA)
    assert (again.status, again.json["version"]) == (201, 5)
    assert await logins.check(PEOPLE, "ada@example.com", again.json["password"], HOME) is not None


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
    found = await logins.check(SMPP_CUSTOMERS, "acme1", password, HOME)
    assert found is not None
    assert (found.settings, found.addresses) == ({"binds": 3, "window": 50}, ("203.0.113.0/24",))
    assert await logins.check(PEOPLE, "acme1", password, HOME) is None
    changed = await ask(api, admin, "PATCH", "smpp-customers/acme1", {"binds": 5, "addresses": []})
    assert (changed.json["binds"], changed.json["window"], changed.json["addresses"]) == (5, 50, [])
    renewed = await ask(api, admin, "POST", "smpp-customers/acme1/password")
    assert await logins.check(SMPP_CUSTOMERS, "acme1", password, HOME) is None
    assert await logins.check(SMPP_CUSTOMERS, "acme1", renewed.json["password"], HOME) is not None
    assert (await ask(api, admin, "DELETE", "smpp-customers/acme1")).status == 204
    assert (await ask(api, admin, "GET", "smpp-customers")).json == {"smpp_customers": []}


async def tried(logins: Logins, kind: LoginKind, name: str, password: str, peer: str) -> str:
    """How one attempt ends."""
    try:
        return "wrong" if await logins.check(kind, name, password, peer) is None else "in"
    except RequestRejected as refused:
        return refused.code


def as_many(kind: LoginKind, how: str) -> list[tuple[str, str]]:
    """(name, peer) of 40 attempts at one name or at names that nobody has, from one address or from many."""
    name = {PEOPLE: "ada@example.com", SMPP_CUSTOMERS: "acme1"}[kind]
    return [
        (f"x{n}{name[1:]}" if how == "names" else name, f"2001:db8:{n}::1" if how == "many" else HOME)
        for n in range(40)
    ]


@pytest.mark.parametrize("kind", [PEOPLE, SMPP_CUSTOMERS], ids=lambda kind: kind.kind)
@pytest.mark.parametrize("how", ["one", "many", "names"])
async def test_guesses_are_slowed_then_locked_without_a_look_at_them(
    api: House, admin: str, logins: Logins, monkeypatch: pytest.MonkeyPatch, kind: LoginKind, how: str
) -> None:
    body = {PEOPLE: ADA, SMPP_CUSTOMERS: {"system_id": "acme1"}}[kind]
    made = await ask(api, admin, "POST", kind.listed.removeprefix("/v1/"), body)
    name, password = made.json[kind.field], made.json["password"]
    found = [await tried(logins, kind, one, "guess", peer) for one, peer in as_many(kind, how)]
    assert found[:10] == ["wrong"] * 10
    assert set(found[11:]) == {"too_many_failures"}
    asked: list[str] = []
    monkeypatch.setattr(Passwords, "check", lambda *given: asked.append("a look"))
    again = [await tried(logins, kind, one, password, peer) for one, peer in as_many(kind, how)]
    assert (set(again), asked) == ({"too_many_failures"}, [])
    monkeypatch.undo()
    assert await tried(logins, kind, name, password, "198.51.100.7") == "in"  # nobody is locked out by others


async def test_who_guesses_side_by_side_learns_no_more(api: House, team: str, logins: Logins) -> None:
    password = (await ask(api, team, "POST", "people", ADA)).json["password"]
    guesses = ["guess"] * 25 + [password]
    found = await asyncio.gather(*(tried(logins, PEOPLE, "ada@example.com", guess, HOME) for guess in guesses))
    assert found.count("wrong") <= 11
    assert found[-1] == "too_many_failures"


async def test_a_password_is_good_at_its_addresses_alone(api: House, admin: str, logins: Logins) -> None:
    password = (await ask(api, admin, "POST", "smpp-customers", ACME)).json["password"]
    assert await tried(logins, SMPP_CUSTOMERS, "acme1", password, "198.51.100.7") == "address_not_allowed"
    await api.services.keys.refusals.write(at_once=True)
    [told] = await api.store.audit(AuditFilter(outcome="refused"))
    assert (told.actor, told.actor_kind, told.address) == ("acme1", "smpp", "198.51.100.7")
    assert (told.object_kind, told.object_name) == ("credential", "address_not_allowed")
    assert await tried(logins, SMPP_CUSTOMERS, "acme1", "guess", "198.51.100.7") == "wrong"
    assert await tried(logins, SMPP_CUSTOMERS, "acme1", password, HOME) == "in"


async def test_a_closed_account_lets_nobody_in(api: House, team: str, logins: Logins) -> None:
    await ask(api, team, "POST", "accounts", {"name": "shop"})
    made = await ask(api, team, "POST", "people", {"email": "c@example.com", "role": "viewer", "account": "demo.shop"})
    assert made.json["account"] == "demo.shop"
    assert await logins.check(PEOPLE, "c@example.com", made.json["password"], HOME) is not None
    await ask(api, team, "PATCH", "accounts/demo.shop", {"closed": True})
    assert await logins.check(PEOPLE, "c@example.com", made.json["password"], HOME) is None


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
    assert await logins.check(PEOPLE, "ada@example.com", first.json["password"], HOME) is not None


async def test_a_person_is_in_several_accounts_and_neither_learns_of_the_other(
    api: House, team: str, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = await api.make("other", (*CUSTOMER_SCOPES, "accounts"))
    one = await ask(api, team, "POST", "people", ADA)
    two = await ask(api, stranger, "POST", "people", ADA)
    assert (one.status, two.status) == (201, 201)
    accounts = [
        await logins.check(PEOPLE, "ada@example.com", made.json["password"], HOME, made.json["account"])
        for made in (one, two)
    ]
    assert [found is not None and found.account_id for found in accounts] == [1, 2]
    looks: list[str | None] = []
    check = Passwords.check
    with monkeypatch.context() as watched:
        watched.setattr(Passwords, "check", lambda self, given, kept: looks.append(kept) or check(self, given, kept))
        first, second = one.json["account"], two.json["account"]
        for password, account in [(one, None), (one, first), (two, None), (two, first), (one, second), (one, "none")]:
            given = password.json["password"]
            found = await logins.check(PEOPLE, "ada@example.com", given, HOME, account)
            assert (found is not None) == (password is one and account in (None, first))
    assert len(looks) == 6  # one for each attempt: its time does not tell in how many accounts a person is
    admin = await api.make("demo", (*CUSTOMER_SCOPES, "admin"))
    both = await ask(api, admin, "GET", "people/ada@example.com")
    assert (both.status, both.code) == (409, "conflict")
    assert (await ask(api, stranger, "DELETE", "people/ada@example.com")).code == "conflict"  # the last owner there
    assert await logins.check(PEOPLE, "ada@example.com", one.json["password"], HOME) is not None


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
