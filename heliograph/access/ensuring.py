"""Accounts that a change names and that are not there yet are made with it, and told."""

from __future__ import annotations

from heliograph.access.actors import Actor
from heliograph.contracts import NEW_ACCOUNT, Administration, Store
from heliograph.errors import VersionConflict
from heliograph.model import Account

__all__ = ["ensure_account"]


async def ensure_account(store: Store, by: Actor, name: str, now_us: int) -> Account:
    """The account of that name. Where there is none, ``by`` makes it, and the audit log says so."""
    if (found := await _named(store, name)) is not None:
        return found
    fresh = Account(id=0, name=name, created_us=now_us)
    entry = by.entry(now_us, "create", "account", name, NEW_ACCOUNT, after={"name": name})
    try:
        done = await store.administer(Administration(at_us=now_us, accounts=[(fresh, 0)], audit=[entry]))
    except VersionConflict:
        found = await _named(store, name)  # somebody was quicker
        if found is None:
            raise
        return found
    return done.accounts[0]


async def _named(store: Store, name: str) -> Account | None:
    return next((one for one in await store.accounts() if one.name == name), None)
