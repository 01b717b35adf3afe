"""API keys: what is made, what is kept, and whose a key is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from heliograph.access import KeyRing, make_key, ranges_of, successor_of
from heliograph.access.keys import check_scopes
from heliograph.access.principals import Principal
from heliograph.access.unseen import Unseen
from heliograph.contracts import Administration
from heliograph.errors import ConfigError, RequestRejected, StoreError
from heliograph.model import CUSTOMER_SCOPES
from heliograph.store.sqlite import SqliteStore
from heliograph.telemetry import journal
from tests.accounts import ensure_account
from tests.keys import keep_key, revoke_key

NOW_US = 1_800_000_000_000_000


class Wall:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.us = NOW_US

    def __call__(self) -> int:
        return self.us


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "keys.db"), serve=True)
    await store.open()
    yield store
    await store.close()


def test_a_key_has_256_random_bits_behind_a_readable_prefix() -> None:
    text, key = make_key(7, now_us=NOW_US)
    other, _ = make_key(7, now_us=NOW_US)
    assert text.startswith("hg_live_")
    assert text != other
    assert len(bytes.fromhex(text.removeprefix("hg_live_"))) == 32
    assert text.startswith(key.prefix)
    assert len(key.prefix) < len(text) / 2
    assert key.hash == hashlib.sha256(text.encode()).digest()
    assert key.scopes == CUSTOMER_SCOPES
    assert "admin" not in key.scopes


def test_what_is_kept_of_a_key_does_not_tell_it() -> None:
    text, key = make_key(7, now_us=NOW_US)
    assert text.removeprefix(key.prefix) not in repr(key)


async def test_a_key_is_found_with_its_account_and_scopes(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, ("messages:send",), now_us=NOW_US)
    await keep_key(store, key)
    ring = KeyRing(store, Wall())
    assert await ring.refresh() is True
    principal = ring.admit(text, None)
    assert principal is not None
    assert (principal.account.name, principal.scopes, principal.key) == ("demo", {"messages:send"}, key.prefix)
    assert await ring.refresh() is False


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "0", lambda t: t.upper(), lambda t: "", lambda t: "x" * 10_000]
)
async def test_what_is_not_exactly_a_key_is_nobodys(store: SqliteStore, spoil: object) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, now_us=NOW_US)
    await keep_key(store, key)
    ring = KeyRing(store, Wall())
    await ring.refresh()
    assert ring.admit(spoil(text), None) is None  # type: ignore[operator]


async def test_a_revoked_key_is_nobodys_after_the_next_look(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    (first, one), (second, two) = make_key(account.id, now_us=NOW_US), make_key(account.id, now_us=NOW_US)
    await keep_key(store, one)
    await keep_key(store, two)
    ring = KeyRing(store, Wall())
    await ring.refresh()
    await revoke_key(store, one.prefix, NOW_US)
    assert await ring.refresh() is True
    assert await asked_twice(ring, first) is None
    assert ring.admit(second, None) is not None


async def asked_twice(ring: KeyRing, text: str, peer: str | None = None) -> Principal | None:
    """As the server asks: what was never seen is looked for once."""
    with pytest.raises(Unseen) as raised:
        ring.admit(text, peer)
    await raised.value.meet()
    return ring.admit(text, peer)


async def test_a_key_works_as_soon_as_another_process_has_made_it(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    ring = KeyRing(store, Wall())
    await ring.refresh()
    text, key = make_key(account.id, now_us=NOW_US)
    await keep_key(store, key)
    found = await asked_twice(ring, text)
    assert found is not None
    assert found.key == key.prefix
    assert ring.guard.sizes() == (0, 0, 1)


async def test_what_is_no_key_is_looked_for_once_until_something_changes(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    ring = KeyRing(store, Wall())
    await ring.refresh()
    unknown, _ = make_key(account.id, now_us=NOW_US)
    assert await asked_twice(ring, unknown) is None
    assert ring.admit(unknown, None) is None
    _, key = make_key(account.id, now_us=NOW_US)
    await keep_key(store, key)
    await ring.refresh()
    assert await asked_twice(ring, unknown) is None


async def test_who_failed_too_often_is_not_looked_for(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    ring = KeyRing(store, Wall())
    await ring.refresh()
    with pytest.raises(RequestRejected, match="Too many"):  # noqa: PT012 - after how many is the guard's to say
        while True:
            ring.admit("hg_live_" + "0" * 63, "192.0.2.1")
    text, _ = make_key(account.id, now_us=NOW_US)
    with pytest.raises(RequestRejected, match="Too many"):
        ring.admit(text, "192.0.2.1")


async def test_all_who_wait_share_a_reading(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await ensure_account(store, "demo", NOW_US)
    ring, version = KeyRing(store, Wall()), store.config_version
    asked: list[int] = []

    async def counted() -> int:
        asked.append(1)
        return await version()

    monkeypatch.setattr(store, "config_version", counted)
    found = await asyncio.gather(*(ring.refresh() for _ in range(50)))
    assert (found.count(True), len(asked)) == (1, 2)  # the first, and one for all who came after it had begun
    await ring.refresh()
    assert len(asked) == 3


async def test_a_key_ends_at_its_time_without_a_look(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, now_us=NOW_US, expires_us=NOW_US + 1_000_000)
    await keep_key(store, key)
    clock = Wall()
    ring = KeyRing(store, clock)
    await ring.refresh()
    clock.us = NOW_US + 999_999
    assert ring.admit(text, None) is not None
    clock.us = NOW_US + 1_000_000
    with pytest.raises(RequestRejected) as raised:
        ring.admit(text, None)
    assert (raised.value.code, raised.value.status) == ("key_expired", 401)


async def test_a_key_is_for_its_addresses_and_says_no_more_elsewhere(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, now_us=NOW_US, expires_us=NOW_US + 1, addresses=ranges_of(["192.0.2.0/24"]))
    await keep_key(store, key)
    clock = Wall()
    ring = KeyRing(store, clock)
    await ring.refresh()
    assert ring.admit(text, "192.0.2.9") is not None
    for us in (NOW_US, NOW_US + 1):
        clock.us = us
        with pytest.raises(RequestRejected) as raised:
            ring.admit(text, "192.0.3.9")
        assert (raised.value.code, raised.value.status) == ("address_not_allowed", 403)
        assert "192.0" not in raised.value.detail


async def test_a_key_in_a_page_is_refused_and_told_once_a_minute(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, int]] = []
    monkeypatch.setattr(journal, "key_in_browser", lambda *what: told.append(what))
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, now_us=NOW_US)
    await keep_key(store, key)
    clock = Wall()
    ring = KeyRing(store, clock)
    await ring.refresh()
    for us in (NOW_US, NOW_US + 1, NOW_US + 59_999_999, NOW_US + 60_000_000):
        clock.us = us
        with pytest.raises(RequestRejected) as raised:
            ring.admit(text, None, b"https://shop.example\x1b[2J" + b"x" * 9_000)
        assert (raised.value.code, raised.value.status) == ("browser_origin", 403)
    assert [(prefix, refused) for prefix, _, refused in told] == [(key.prefix, 1), (key.prefix, 3)]
    assert told[0][1].startswith("https://shop.example?[2Jxx")
    assert len(told[0][1]) == 100
    assert ring.admit("hg_live_nobodys", None, b"https://shop.example") is None
    assert len(told) == 2


async def test_uses_are_noted_once_a_minute_and_none_is_lost(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, now_us=NOW_US)
    await keep_key(store, key)
    clock = Wall()
    ring = KeyRing(store, clock)
    await ring.refresh()

    async def used() -> int | None:
        await ring.note_uses()
        return (await store.keys())[0].last_used_us

    clock.us = NOW_US + 59_000_000
    ring.admit(text, None)
    assert await used() is None
    clock.us = NOW_US + 60_000_000

    async def fail(prefixes: object, at_us: int) -> None:
        raise StoreError("away")

    with monkeypatch.context() as away:
        away.setattr(store, "note_key_uses", fail)
        with pytest.raises(StoreError):
            await ring.note_uses()
    clock.us = NOW_US + 120_000_000
    assert await used() == NOW_US + 120_000_000
    clock.us = NOW_US + 180_000_000
    assert await used() == NOW_US + 120_000_000
    ring.admit(text, None)
    await ring.note_uses(at_once=True)
    assert await used() == NOW_US + 180_000_000


async def test_a_successor_may_do_the_same(store: SqliteStore) -> None:
    _, key = make_key(7, ("inspect",), now_us=NOW_US, expires_us=NOW_US + 1, name="till", addresses=("192.0.2.7/32",))
    text, fresh = successor_of(key, now_us=NOW_US + 5)
    assert fresh.prefix == text[:16] != key.prefix
    assert (fresh.account_id, fresh.scopes, fresh.name, fresh.addresses) == (7, ("inspect",), "till", key.addresses)
    assert (fresh.expires_us, fresh.created_us) == (None, NOW_US + 5)


async def test_new_settings_of_an_account_reach_its_keys(store: SqliteStore) -> None:
    account = await ensure_account(store, "demo", NOW_US)
    text, key = make_key(account.id, now_us=NOW_US)
    await keep_key(store, key)
    ring = KeyRing(store, Wall())
    await ring.refresh()
    german = replace(account, default_region="DE")
    await store.administer(Administration(at_us=NOW_US, accounts=[(german, None)]))
    await ring.refresh()
    principal = ring.admit(text, None)
    assert principal is not None
    assert principal.account.default_region == "DE"


def test_scopes_that_do_not_exist_are_all_named() -> None:
    check_scopes(("messages:send", "admin"))
    with pytest.raises(ConfigError) as raised:
        check_scopes(("message:send", "webhooks", "all"))
    assert [fault.what for fault in raised.value.faults] == [
        "there is no scope message:send",
        "there is no scope all",
    ]
