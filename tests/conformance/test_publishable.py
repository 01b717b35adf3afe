"""Tokens for browsers are rows of their own: found by hash and by name, counted while open, dropped when over."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.contracts import PUBLISHABLE, Administration, AuditFilter, Claim, Store
from heliograph.errors import VersionConflict
from heliograph.model import Account, AuditEntry, Credential
from heliograph.store import open_store
from tests.accounts import ensure_account
from tests.conformance.stores import StoreKind
from tests.conformance.values import HOUR, NOW, SECOND
from tests.keys import keep_key

LIVE, TEST = "hg_pub_live_", "hg_pub_test_"


def token(name: str, account_id: int = 1, **fields: object) -> Credential:
    values = {"id": 0, "account_id": account_id, "prefix": name, "hash": digest(name), "scopes": (), "created_us": NOW}
    more = {"expires_us": NOW + HOUR, "kind": PUBLISHABLE, "settings": {"origins": ["https://shop.example"]}}
    return Credential(**{**values, **more, **fields})  # type: ignore[arg-type]


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


async def accounts(store: Store) -> None:
    for name in ("one", "two"):
        await ensure_account(store, name, NOW)


async def add(store: Store, *tokens: Credential) -> list[Credential]:
    change = Administration(at_us=NOW, credentials=[(one, 0) for one in tokens])
    return list((await store.administer(change)).credentials)


async def test_one_is_found_by_its_hash_and_no_key_is(store: Store) -> None:
    await accounts(store)
    key = await keep_key(store, token("hg_live_00000000", kind="key", expires_us=None, settings={}))
    [kept] = await add(store, token(LIVE + "1"))
    assert await store.publishable(digest(LIVE + "1")) == kept == replace(token(LIVE + "1"), id=kept.id)
    assert await store.publishable(digest(LIVE + "2")) is None
    assert await store.publishable(key.hash) is None
    assert await store.keys() == [key]


async def test_nobody_reads_the_configuration_again_for_them(store: Store) -> None:
    await accounts(store)
    before = await store.config_version()
    [kept] = await add(store, token(LIVE + "1"))
    entry = AuditEntry(at_us=NOW, actor="a", action="revoke", object_kind=PUBLISHABLE, object_name=kept.prefix)
    revoked = replace(kept, revoked_us=NOW)
    change = Administration(at_us=NOW, credentials=[(revoked, 1)], audit=[entry])
    assert (await store.administer(change)).credentials == (replace(revoked, version=2),)
    assert await store.publishable(kept.hash) == replace(revoked, version=2)
    assert len(await store.audit(AuditFilter())) == 1
    assert await store.config_version() == before
    both = Administration(at_us=NOW, credentials=[(token(LIVE + "2"), 0)], accounts=[(Account(id=0, name="three"), 0)])
    await store.administer(both)
    assert await store.config_version() > before


async def test_a_name_is_given_once_and_a_claim_with_it(store: Store) -> None:
    await accounts(store)
    claim = Claim(account_id=1, scope="http", key="k", body_hash=b"1" * 32, created_us=NOW, expires_us=NOW + HOUR)
    first = Administration(at_us=NOW, credentials=[(token(LIVE + "1"), 0)], claim=claim)
    assert (await store.administer(first)).taken is None
    again = Administration(at_us=NOW, credentials=[(token(LIVE + "2"), 0)], claim=claim)
    assert (await store.administer(again)).taken == claim
    with pytest.raises(VersionConflict):
        await add(store, token(LIVE + "1", hash=digest("other")))
    assert [one.prefix for one in await listed(store, 1)] == [LIVE + "1"]


async def listed(
    store: Store, account_id: int, begins: str = "hg_pub_", before: str = "", limit: int = 9
) -> list[Credential]:
    return await store.publishable_of(account_id, begins=begins, before=before, limit=limit)


async def test_an_account_lists_its_own_of_a_side_in_pages(store: Store) -> None:
    await accounts(store)
    mine = await add(store, *(token(f"{side}{n:04x}") for n in range(5) for side in (LIVE, TEST)))
    theirs = await add(store, token(LIVE + "f", 2))
    lives = [one for one in mine if one.prefix.startswith(LIVE)][::-1]
    assert await listed(store, 1, LIVE) == lives
    pages = [await listed(store, 1, LIVE, limit=2)]
    while page := await listed(store, 1, LIVE, before=pages[-1][-1].prefix, limit=2):
        pages.append(page)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == lives
    assert {one.prefix for one in await listed(store, 1, limit=99)} == {one.prefix for one in mine}
    assert await listed(store, 1, LIVE, before=TEST + "9") == lives
    assert await listed(store, 1, TEST, before=LIVE + "9") == []
    assert await listed(store, 2) == theirs
    assert await listed(store, 3) == []


async def test_open_ones_are_counted(store: Store) -> None:
    await accounts(store)
    kept = await add(
        store, token(LIVE + "1"), token(TEST + "2"), token(LIVE + "3", expires_us=NOW), token(LIVE + "4", 2)
    )
    assert [await store.open_publishable(number, NOW) for number in (1, 2, 3)] == [2, 1, 0]
    gone = replace(kept[0], revoked_us=NOW)
    await store.administer(Administration(at_us=NOW, credentials=[(gone, 1)]))
    assert await store.open_publishable(1, NOW) == 1
    assert await store.open_publishable(1, NOW + HOUR) == 0


async def test_those_that_ended_go_in_steps_and_keys_stay(store: Store) -> None:
    await accounts(store)
    key = await keep_key(store, token("hg_live_00000000", kind="key", expires_us=NOW - HOUR, settings={}))
    await add(store, *(token(f"{LIVE}{n}", expires_us=NOW + n * SECOND) for n in range(7)))
    assert [await store.purge("publishable", NOW + 5 * SECOND, 3) for _ in range(3)] == [3, 2, 0]
    assert [one.prefix for one in await listed(store, 1)] == [LIVE + "6", LIVE + "5"]
    assert await store.keys() == [key]


async def test_a_restored_store_makes_more(store: Store, kind: StoreKind, tmp_path: Path) -> None:
    await accounts(store)
    await add(store, token(LIVE + "1"), token(LIVE + "2"))
    await store.backup(str(tmp_path / "backup"))
    again = open_store(await kind.restored(tmp_path, str(tmp_path / "backup")), serve=True)
    await again.open()
    try:
        await add(again, token(LIVE + "3"))
        await keep_key(again, token("hg_live_00000000", kind="key"))
        names = [one.prefix for one in await listed(again, 1)]
        assert names == [LIVE + "3", LIVE + "2", LIVE + "1"]
    finally:
        await again.close()
