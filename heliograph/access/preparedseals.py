"""The sealed messages of publishable tokens: counted by key, looked over, and sealed anew, some rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

from heliograph.access.documents import key_of
from heliograph.access.publishable import PUBLISHABLE_PREFIX, message_in, sealed_message
from heliograph.contracts import Administration, Sealer, Store, StoreCheck
from heliograph.errors import SecretLocked, VersionConflict
from heliograph.model import Credential

__all__ = ["prepared_findings", "prepared_keys", "reseal_prepared"]

_STEP: Final = 500
_TRIES: Final = 20
"""Somebody may revoke one of them at the same time, again and again."""


async def _pages(store: Store) -> AsyncIterator[list[Credential]]:
    for account in await store.accounts():
        before = ""
        while tokens := await store.publishable_of(account.id, begins=PUBLISHABLE_PREFIX, before=before, limit=_STEP):
            yield tokens
            before = tokens[-1].prefix


async def prepared_keys(store: Store) -> Counter[str]:
    """Key id → messages that are sealed under it."""
    return Counter([key_of(str(one.settings["message"])) async for page in _pages(store) for one in page])


async def prepared_findings(store: Store, sealer: Sealer) -> list[StoreCheck]:
    """What ``store check`` says of them, where there are any: how many, and which cannot be opened."""
    count, locked = 0, []
    async for page in _pages(store):
        count += len(page)
        for one in page:
            try:
                message_in(one, sealer)
            except SecretLocked as error:
                locked.append(str(error))
    if locked:
        return [StoreCheck(False, f"{len(locked)} messages of publishable tokens cannot be opened: {locked[0]}")]
    return [StoreCheck(True, f"the messages of {count} publishable tokens can be opened")] if count else []


async def reseal_prepared(store: Store, sealer: Sealer, now_us: int) -> int:
    """Seals them under the present key; gives how many have changed by it. Raises ``SecretLocked``."""
    changed = 0
    async for page in _pages(store):
        changed += await _reseal(store, sealer, [one.hash for one in page], now_us)
    return changed


async def _reseal(store: Store, sealer: Sealer, hashes: list[bytes], now_us: int) -> int:
    """One step: read again where somebody changed one of them meanwhile, until nobody has."""
    for left in range(_TRIES, 0, -1):
        rows = [one for digest in hashes if (one := await store.publishable(digest)) is not None]
        old = [one for one in rows if key_of(str(one.settings["message"])) != sealer.key_id]
        fresh = [(sealed_message(one, message_in(one, sealer), sealer), one.version) for one in old]
        try:
            if fresh:
                await store.administer(Administration(at_us=now_us, credentials=list(fresh)))
            return len(fresh)
        except VersionConflict:
            if left == 1:
                raise
    return 0
