"""API keys put into a store and ended in it, by the way in which every configuration is written."""

from __future__ import annotations

from msgspec.structs import replace

from heliograph.contracts import Administration, Store
from heliograph.model import Credential

__all__ = ["keep_key", "revoke_key"]


async def keep_key(store: Store, key: Credential) -> Credential:
    """Keeps a new key; gives it with the id of the store."""
    return (await store.administer(Administration(at_us=key.created_us, credentials=[(key, 0)]))).credentials[0]


async def revoke_key(store: Store, prefix: str, now_us: int) -> None:
    """Revokes the key with this readable prefix, which there must be."""
    (key,) = [one for one in await store.keys() if one.prefix == prefix]
    revoked = replace(key, revoked_us=now_us)
    await store.administer(Administration(at_us=now_us, credentials=[(revoked, key.version)]))
