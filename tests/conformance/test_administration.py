"""Configuration is written with its version and its trail, all of it or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from heliograph.contracts import NEW_ACCOUNT, Acceptance, Administration, AuditFilter, Changes, Claim, Store
from heliograph.errors import StoreError, VersionConflict
from heliograph.model import Account, AuditEntry, ConfigObject, Credential
from heliograph.store import open_store
from tests.conformance.values import NOW, Make

ROUTE = ConfigObject(kind="route", name="default", document='{"prefixes": [""]}')


def entry(action: str, name: str = "default", **fields: object) -> AuditEntry:
    values = {"at_us": NOW, "actor": "hg_live_a", "action": action, "object_kind": "route", "object_name": name}
    return AuditEntry(**{**values, **fields})  # type: ignore[arg-type]


def written(*audit: AuditEntry, **fields: object) -> Administration:
    return Administration(at_us=NOW, audit=list(audit), **fields)  # type: ignore[arg-type]


async def test_an_object_counts_its_versions_and_ends(store: Store) -> None:
    before = await store.config_version()
    [first] = (await store.administer(written(entry("create"), objects=[(ROUTE, 0)]))).objects
    assert first == replace(ROUTE, version=1, created_us=NOW, changed_us=NOW)
    assert await store.config_version() > before
    again = Administration(at_us=NOW + 5, objects=[(replace(ROUTE, document="{}"), 1)])
    [second] = (await store.administer(again)).objects
    assert second == replace(ROUTE, document="{}", version=2, created_us=NOW, changed_us=NOW + 5)
    other = ConfigObject(kind="number", name="12345", document="[]", account_id=7)
    await store.administer(written(objects=[(other, None)]))
    assert [one.name for one in await store.objects()] == ["12345", "default"]
    assert await store.objects("route") == [second]
    await store.administer(written(deleted=[("route", "default", 2)]))
    assert await store.objects("route") == []
    assert [one.action for one in await store.audit(AuditFilter())] == ["create"]


@pytest.mark.parametrize("expected", [0, 2])
async def test_another_version_than_expected_writes_nothing(store: Store, expected: int) -> None:
    await store.administer(written(objects=[(ROUTE, 0)]))
    before = await store.config_version()
    change = written(
        entry("change"),
        accounts=[(Account(id=0, name="new", created_us=NOW), 0)],
        objects=[(replace(ROUTE, document="{}"), expected)],
    )
    with pytest.raises(VersionConflict) as raised:
        await store.administer(change)
    assert (raised.value.kind, raised.value.name, raised.value.version) == ("route", "default", 1)
    assert await store.accounts() == []
    assert await store.audit(AuditFilter()) == []
    assert [one.document for one in await store.objects()] == [ROUTE.document]
    assert await store.config_version() == before


async def test_what_is_not_there_is_not_changed(store: Store) -> None:
    for change in (
        Administration(at_us=NOW, deleted=[("route", "default", None)]),
        Administration(at_us=NOW, objects=[(ROUTE, 1)]),
        Administration(at_us=NOW, accounts=[(Account(id=9, name="nine"), None)]),
        Administration(at_us=NOW, credentials=[(person("x@example.org", id=4), None)]),
    ):
        with pytest.raises(VersionConflict) as raised:
            await store.administer(change)
        assert raised.value.version == 0


def person(email: str, **fields: object) -> Credential:
    values = {"id": 0, "account_id": 1, "prefix": email, "hash": email.encode(), "scopes": (), "created_us": NOW}
    return Credential(**{**values, "kind": "person", "settings": {"role": "owner"}, **fields})  # type: ignore[arg-type]


async def test_accounts_and_credentials(store: Store) -> None:
    top = Account(id=0, name="top", created_us=NOW, settings={"time_zone": "Europe/Berlin"})
    [parent] = (await store.administer(written(accounts=[(top, 0)]))).accounts
    below = Account(id=0, name="below", created_us=NOW, parent_id=parent.id)
    done = await store.administer(written(accounts=[(below, 0)], credentials=[(person("a@example.org"), 0)]))
    [child], [who] = done.accounts, done.credentials
    assert await store.accounts() == [parent, child]
    assert (child.parent_id, child.version, parent.settings) == (parent.id, 1, {"time_zone": "Europe/Berlin"})
    with pytest.raises(VersionConflict):
        await store.administer(written(accounts=[(below, 0)]))
    with pytest.raises(VersionConflict):
        await store.administer(written(credentials=[(person("a@example.org"), 0)]))
    closed = replace(child, closed_us=NOW, smart_encoding=False)
    [kept] = (await store.administer(written(accounts=[(closed, 1)]))).accounts
    assert kept == replace(closed, version=2)
    changed = replace(who, settings={"role": "viewer"}, revoked_us=NOW, hash=b"other", addresses=("::/0",))
    [now] = (await store.administer(written(credentials=[(changed, 1)]))).credentials
    assert await store.credentials("person") == [now] == [replace(changed, version=2)]
    assert await store.keys() == []


async def test_accounts_of_one_change_stand_below_each_other(store: Store) -> None:
    """As parents, and as accounts of objects and entries, before they have ids."""
    there, top, below, deep = (Account(id=0, name=name, created_us=NOW) for name in ("there", "a", "a.b", "a.b.c"))
    [kept] = (await store.administer(written(accounts=[(there, 0)]))).accounts
    limit = ConfigObject(kind="limit", name="account:a.b", document="{}", account_id=NEW_ACCOUNT + 2)
    told = AuditEntry(at_us=NOW, actor="ada", action="create", object_kind="limit", object_name="account:a.b")
    change = written(
        accounts=[
            (replace(kept, smart_encoding=False), 1),
            (top, 0),
            (replace(below, parent_id=NEW_ACCOUNT + 1), 0),
            (replace(deep, parent_id=NEW_ACCOUNT + 2), 0),
        ],
        objects=[(limit, 0)],
    )
    change.audit = [replace(told, account_id=NEW_ACCOUNT + 2)]
    done = await store.administer(change)
    _, one, two, three = done.accounts
    assert [one.parent_id, two.parent_id, three.parent_id] == [None, one.id, two.id]
    assert await store.accounts() == list(done.accounts)
    assert [kept.account_id for kept in await store.objects("limit")] == [two.id]
    [entry] = await store.audit(AuditFilter(object_kind="limit"))
    assert entry.account_id == two.id


async def test_logins_are_found_by_name(store: Store) -> None:
    people = [person(f"{n}:{name}@x.org", hash=f"{n}{name}".encode()) for n in (1, 2) for name in ("ada", "eve")]
    others = [person(one, kind="smpp", hash=one.encode()) for one in ("acme", "1:acme", "ada@x.org")]
    await store.administer(written(credentials=[(one, 0) for one in (*people, *others)]))
    found = {
        (kind, name): [one.prefix for one in await store.logins(kind, name)]
        for kind in ("person", "smpp", "key")
        for name in ("ada@x.org", "acme", "1:acme", "")
    }
    assert {asked: names for asked, names in found.items() if names} == {
        ("person", "ada@x.org"): ["1:ada@x.org", "2:ada@x.org"],
        ("smpp", "acme"): ["acme"],
        ("smpp", "1:acme"): ["1:acme"],
        ("smpp", "ada@x.org"): ["ada@x.org"],
    }


async def test_a_claim_is_taken_with_the_change_or_not_at_all(store: Store) -> None:
    claim = Claim(
        account_id=1, scope="http", key="k", body_hash=b"1" * 32, created_us=NOW, expires_us=NOW + 9, made="{}"
    )
    with pytest.raises(VersionConflict):
        await store.administer(written(claim=claim, deleted=[("route", "default", None)]))
    assert (await store.administer(written(claim=claim, objects=[(ROUTE, 0)]))).taken is None
    again = await store.administer(written(claim=replace(claim, made='"x"'), objects=[(replace(ROUTE, name="b"), 0)]))
    assert again.taken == claim
    assert [one.name for one in await store.objects()] == ["default"]


async def test_of_two_writers_one_wins(store: Store, url: str) -> None:
    beside = open_store(url, serve=False)
    await beside.open()
    try:
        for version in range(5):
            changes = [
                Administration(at_us=NOW, objects=[(replace(ROUTE, document=f'"{n}"'), version)]) for n in (1, 2)
            ]
            both = zip((store, beside), changes, strict=True)
            done = await asyncio.gather(*(one.administer(change) for one, change in both), return_exceptions=True)
            assert sum(isinstance(one, VersionConflict) for one in done) == 1, done
        assert [one.version for one in await store.objects()] == [5]
    finally:
        await beside.close()


async def test_the_trail_is_read_newest_first_by_what_it_names(store: Store) -> None:
    entries = [
        entry("create", "a", account_id=1),
        entry("change", "a", account_id=2, actor="b", at_us=NOW + 5, before="{}", after="[1]", address="192.0.2.1"),
        entry("delete", "b", account_id=1, outcome="refused", actor_kind="key"),
    ]
    await store.administer(written(*entries))
    every = await store.audit(AuditFilter())
    assert [replace(one, id=0) for one in every] == entries[::-1]
    assert [one.id for one in every] == sorted((one.id for one in every), reverse=True)

    async def names(**asked: object) -> list[str]:
        return [one.action for one in await store.audit(AuditFilter(**asked))]  # type: ignore[arg-type]

    assert await names(accounts=(1,)) == ["delete", "create"]
    assert await names(accounts=()) == []
    assert await names(actor="b") == ["change"]
    assert await names(action="create") == ["create"]
    assert await names(object_kind="number") == []
    assert await names(object_name="b") == ["delete"]
    assert await names(outcome="refused") == ["delete"]
    assert await names(from_us=NOW + 5) == ["change"]
    assert await names(before_us=NOW + 5) == ["delete", "create"]
    assert await names(limit=1) == ["delete"]
    assert await names(before_id=every[0].id) == ["change", "create"]
    assert await store.purge_audit(NOW + 5, 1) == 1
    assert await names() == ["delete", "change"]


async def test_entries_stand_and_fall_with_what_they_tell_of(store: Store, make: Make) -> None:
    told = entry("create", "e1", object_kind="webhook", account_id=1)
    for name in ("e1", "e2"):  # the second finds its claim taken
        wanted = Acceptance([], claim=make.claim("hook"), endpoints=[make.endpoint(name)], audit=[told])
        await store.commit(Changes(acceptances=[wanted]))
    assert [replace(one, id=0) for one in await store.audit(AuditFilter())] == [told]
    assert [one.id for one in await store.endpoints()] == ["e1"]
    gone = Acceptance([], deleted_endpoints=[(1, "e1", NOW)], audit=[entry("delete", "e1"), entry("delete", "e2")])
    await store.commit(Changes(acceptances=[gone]))
    assert [one.action for one in await store.audit(AuditFilter())] == ["delete", "delete", "create"]
    unspeakable: Any = None
    with pytest.raises(StoreError):
        await store.commit(
            Changes(acceptances=[Acceptance([], endpoints=[make.endpoint("e3")], audit=[entry(unspeakable)])])
        )
    assert await store.endpoints() == []  # what cannot be told is not done


async def test_entries_of_several_accounts_are_one_list_newest_first(store: Store) -> None:
    owners = [1, 2, 9, 1, 3, 9, 2, 1]
    entries = [entry_of(n, account_id=owner) for n, owner in enumerate(owners)]
    await store.administer(written(*entries))

    async def names(**asked: object) -> list[str]:
        return [one.object_name for one in await store.audit(AuditFilter(**asked))]  # type: ignore[arg-type]

    mine = [str(n) for n, owner in reversed(list(enumerate(owners))) if owner != 9]
    assert await names(accounts=(1, 2, 3)) == mine
    assert await names(accounts=(3, 2, 1, *range(100, 10_100))) == mine
    assert await names(accounts=(1, 2, 3), limit=2) == mine[:2]
    third = (await store.audit(AuditFilter(accounts=(1, 2, 3))))[2]
    assert await names(accounts=(1, 2, 3), limit=2, before_id=third.id) == mine[3:5]
    assert await names(accounts=(1, 2, 3), object_name="4") == ["4"]
    assert await names(accounts=(1, 2, 3), object_name="2") == []
    assert await names(accounts=()) == []


def entry_of(number: int, account_id: int) -> AuditEntry:
    return AuditEntry(
        at_us=NOW, actor="k", action="create", object_kind="key", object_name=str(number), account_id=account_id
    )
