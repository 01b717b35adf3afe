"""Accounts that a test needs, in a store that may have them."""

from __future__ import annotations

from heliograph.contracts import Administration, Store
from heliograph.errors import VersionConflict
from heliograph.model import Account

__all__ = ["ensure_account"]


async def ensure_account(store: Store, name: str, now_us: int) -> Account:
    """The account of that name, made when there is none; without a word in the trail."""
    fresh = Account(id=0, name=name, created_us=now_us)
    try:
        return (await store.administer(Administration(at_us=now_us, accounts=[(fresh, 0)]))).accounts[0]
    except VersionConflict:
        return next(one for one in await store.accounts() if one.name == name)
