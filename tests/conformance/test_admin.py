"""Accounts, keys, connectors, opt-outs: every change is counted, also by another process."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from heliograph.access import ensuring
from heliograph.access.actors import Actor
from heliograph.access.optouts import opted_in, opted_out
from heliograph.contracts import Acceptance, Administration, AuditFilter, Changes, Store
from heliograph.model import AuditEntry, Credential, OptOut
from heliograph.store import open_store
from tests.accounts import ensure_account
from tests.conformance.values import NOW, Make
from tests.keys import keep_key, revoke_key


def key(prefix: str, account_id: int = 1) -> Credential:
    return Credential(
        id=0, account_id=account_id, prefix=prefix, hash=prefix.encode().ljust(32, b"\0"), scopes=("a:b", "c"),
        created_us=NOW, expires_us=NOW + 1,
    )  # fmt: skip


async def test_accounts_are_made_once(store: Store) -> None:
    by = Actor(kind="command", name="ada@till")
    one = await ensuring.ensure_account(store, by, "demo", NOW)
    assert (one.name, one.created_us, one.recipients, one.default_region) == ("demo", NOW, "valid", None)
    assert (one.smart_encoding, one.national_tables) == (True, False)
    version = await store.config_version()
    assert await ensuring.ensure_account(store, by, "demo", NOW + 1) == one
    assert await store.config_version() == version
    two = await ensuring.ensure_account(store, by, "Demo", NOW)
    changed = replace(one, recipients="possible", default_region="DE", smart_encoding=False, national_tables=True)
    await store.administer(Administration(at_us=NOW, accounts=[(changed, None)]))
    assert await store.config_version() > version
    assert await store.accounts() == [replace(changed, version=2), two]


async def test_keys(store: Store) -> None:
    await ensure_account(store, "demo", NOW)
    first, second = await keep_key(store, key("hg_live_a")), await keep_key(store, key("hg_live_b"))
    assert first.id != second.id
    assert await store.keys() == [first, second]
    version = await store.config_version()
    await revoke_key(store, "hg_live_a", NOW + 5)
    assert await store.config_version() > version
    assert [one.revoked_us for one in await store.keys()] == [NOW + 5, None]


async def test_a_key_keeps_its_name_and_its_ranges(store: Store) -> None:
    await ensure_account(store, "demo", NOW)
    named = await keep_key(store, replace(key("hg_live_a"), name="till", addresses=("192.0.2.0/24", "2001:db8::/32")))
    assert await store.keys() == [named]
    version = await store.config_version()
    restricted = replace(named, addresses=("198.51.100.7/32",))
    await store.administer(Administration(at_us=NOW, credentials=[(restricted, 1)]))
    assert await store.config_version() > version
    assert await store.keys() == [replace(restricted, version=2)]


async def test_uses_of_keys_are_kept_and_change_no_configuration(store: Store) -> None:
    await ensure_account(store, "demo", NOW)
    for name in ("hg_live_a", "hg_live_b", "hg_live_c"):
        await keep_key(store, key(name))
    version = await store.config_version()
    await store.note_key_uses(["hg_live_a", "hg_live_b"], NOW + 9)
    await store.note_key_uses(["hg_live_a", "hg_live_x"], NOW + 7)
    assert [one.last_used_us for one in await store.keys()] == [NOW + 9, NOW + 9, None]
    assert await store.config_version() == version


async def test_connectors_keep_their_numbers(store: Store) -> None:
    first = await store.ensure_connectors(["main", "backup"])
    assert sorted(first.values()) == [1, 2]
    second = await store.ensure_connectors(["new", "main"])
    assert second["main"] == first["main"]
    assert second["new"] == 3


async def test_opt_outs_are_listed_by_recipient(store: Store) -> None:
    rows = [OptOut(account_id=1, recipient=f"+49{n}", created_us=NOW, source="STOP") for n in (3, 1, 2)]
    version = await store.config_version()
    assert await store.add_opt_outs([*rows, OptOut(account_id=2, recipient="+491", created_us=NOW)]) == 4
    assert await store.config_version() > version
    assert [row.recipient for row in await store.opt_outs(1, None, 2)] == ["+491", "+492"]
    assert await store.opt_outs(1, "+492", 10) == [rows[0]]
    assert await store.remove_opt_outs([(1, "+491"), (1, "+499")]) == 1
    assert [row.recipient for row in await store.opt_outs(1, None, 10)] == ["+492", "+493"]
    assert await store.opted_out([(1, "+491"), (2, "+491")]) == {(2, "+491")}


async def test_whoever_changes_opt_outs_is_told_with_them(store: Store) -> None:
    by = Actor(kind="command", name="ana").entry
    rows = [OptOut(account_id=1, recipient=f"+49{n}", created_us=NOW) for n in range(300)]
    await store.add_opt_outs(rows[:1])  # of a handset: nobody's change
    assert await store.add_opt_outs(rows[:3], opted_out(by, NOW)) == 2
    assert await store.add_opt_outs(rows[:3], opted_out(by, NOW)) == 0
    assert await store.remove_opt_outs([(1, "+491"), (1, "+499")], opted_in(by, NOW)) == 1
    told = [(e.actor, e.action, e.object_name, e.before, e.after) for e in await store.audit(AuditFilter())]
    listed = '{"opted_out":true}'
    assert told == [
        ("ana", "delete", "+491", listed, None),
        ("ana", "create", "+492", None, listed),
        ("ana", "create", "+491", None, listed),
    ]
    assert await store.add_opt_outs(rows, opted_out(by, NOW)) == 298
    assert len(await store.audit(AuditFilter(limit=1000))) == 301

    def unspeakable(pairs: object) -> list[AuditEntry]:
        raise ValueError("no words")

    with pytest.raises(ValueError, match="no words"):
        await store.remove_opt_outs([(1, "+490")], unspeakable)
    assert await store.opted_out([(1, "+490")])  # what cannot be told is not done


async def test_changes_by_another_process_are_seen(store: Store, url: str) -> None:
    command = open_store(url, serve=False)
    await command.open()
    version = await store.config_version()
    account = await ensure_account(command, "demo", NOW)
    made = await keep_key(command, key("hg_live_a", account.id))
    await command.close()
    assert await store.config_version() > version
    assert await store.keys() == [made]


async def test_an_opt_out_by_any_process_is_told(store: Store, url: str) -> None:
    told = asyncio.Event()
    store.on_opt_outs = told.set
    await store.add_opt_outs([OptOut(account_id=1, recipient="+491", created_us=NOW)])
    assert told.is_set()
    told.clear()
    command = open_store(url, serve=False)
    await command.open()
    try:
        await command.add_opt_outs([OptOut(account_id=1, recipient="+492", created_us=NOW)])
        async with asyncio.timeout(60):
            while not store.may_be_opted_out(1, "+492"):
                await told.wait()  # the first one may be told once more
                told.clear()
    finally:
        await command.close()


async def test_webhooks_of_several_accounts_come_in_order_and_in_pages(store: Store, make: Make) -> None:
    made = [make.endpoint(f"e{n}", account_id=(1, 2, 9)[n % 3], created_us=NOW + n // 2) for n in range(9)]
    made.append(make.endpoint("callbacks", account_id=1, kind="callback"))
    await store.commit(Changes(acceptances=[Acceptance([], endpoints=made)]))
    await store.commit(Changes(acceptances=[Acceptance([], deleted_endpoints=[(2, "e4", NOW)])]))
    wanted = (2, 1, *range(100, 10_100))
    found = await store.webhooks_of(wanted, limit=100)
    assert [one.id for one in found] == ["e0", "e1", "e3", "e6", "e7"]
    assert {(one.secret, one.old_secret) for one in found} == {("", None)}
    first = await store.webhooks_of(wanted, limit=2)
    rest = await store.webhooks_of(wanted, after=(first[-1].created_us, first[-1].id), limit=100)
    assert [*first, *rest] == found
    assert await store.webhooks_of((3,), limit=100) == []
