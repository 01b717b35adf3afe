"""The master key at start, and its change: what is sealed under another key is sealed anew."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from heliograph.access.documents import object_keys, reseal_objects
from heliograph.access.preparedseals import prepared_keys, reseal_prepared
from heliograph.access.sealing import KeyFile, MasterKeys
from heliograph.contracts import Administration, Recorder, Store
from heliograph.errors import ConfigError, ConfigFault
from heliograph.telemetry import journal

__all__ = ["Rekeyed", "all_sealed_under", "ready_to_seal", "refuse_keyless", "rekey"]

_MAKE_ONE = (
    "make one with (umask 077; head -c 32 /dev/urandom | base64 > master.key), keep a copy of it elsewhere, and set "
    'master_key = "file:master.key" under [security]'
)


@dataclass(frozen=True, kw_only=True)
class Rekeyed:
    """What a change of the key has done.

    ``changed``: webhooks, connectors and publishable tokens; ``left``: key id ("": in clear) → secrets not under the
    new key.
    """

    key_id: str
    changed: int
    left: dict[str, int]
    dropped: tuple[str, ...]


def refuse_keyless(keys: MasterKeys) -> None:
    """Raises ``ConfigError`` where there is no key, and no place for one that we make."""
    if keys.key_id is None and keys.file is None:
        raise ConfigError(
            [ConfigFault("security.master_key", "is not set, and this store has no folder for a key", _MAKE_ONE)]
        )


async def ready_to_seal(keys: MasterKeys, store: Store) -> None:
    """Makes a key where there was never one, and seals what stands in clear. Raises ``ConfigError``."""
    refuse_keyless(keys)
    if keys.key_id is None and (file := keys.file) is not None:
        await _refuse_a_second_key(file, store)
        journal.master_key_made(str(file.path), file.make())
        keys.read()
    if count := await store.seal():
        journal.secrets_sealed(count, keys.key_id or "")


async def _refuse_a_second_key(file: KeyFile, store: Store) -> None:
    """A store with sealed secrets had a key: another one would open none of them."""
    if sealed := sorted(set(await all_sealed_under(store)) - {""}):
        what = f"is not there, but secrets in the store are sealed under {sealed[0]:.40}"
        remedy = "put back the copy that you keep of it, or set security.master_key; no key is made in its place"
        raise ConfigError([ConfigFault(f"the master key {file.path}", what, remedy)])


async def all_sealed_under(store: Store) -> dict[str, int]:
    """Key id ("": in clear) → secrets in the store, of webhooks, of objects and of publishable tokens."""
    found = Counter(await store.sealed_under()) + object_keys(await store.objects()) + await prepared_keys(store)
    return dict(found)


async def rekey(store: Store, keys: MasterKeys, *, forget: bool, by: Recorder) -> Rekeyed:
    """Seals every secret under the first key; beside the database, makes that one first.

    One that was ended in between is gone on with. With ``forget`` no key is made; those in the file that
    open nothing any more are dropped. Raises ``ConfigError``, ``SecretLocked``.

    ``by`` words who asked for it: the audit log has it before anything is sealed, as a change that is interrupted is
    one, too.
    """
    refuse_keyless(keys)
    under = await all_sealed_under(store)
    if keys.key_id is None:
        raise ConfigError([ConfigFault("the master key", "is not there", "heliograph serve makes it at its start")])
    known = keys.key_ids
    if keys.file is not None and not forget and not set(under) - {"", keys.key_id}:
        keys.file.put_first()
        keys.read()
    now_us = time.time_ns() // 1000
    await _tell(store, by, "rekey", keys.key_id or "", before={"sealed_under": under}, after={"key": keys.key_id})
    changed = await store.seal(every=True) + await reseal_objects(store, keys, now_us)
    changed += await reseal_prepared(store, keys, now_us)
    under = await all_sealed_under(store)
    if keys.file is not None and forget:
        await _forget(store, keys, tuple(under), by)
    return Rekeyed(
        key_id=keys.key_id,
        changed=changed,
        left={key: count for key, count in under.items() if key != keys.key_id},
        dropped=tuple(key for key in known if key not in keys.key_ids),
    )


async def _forget(store: Store, keys: MasterKeys, used: tuple[str, ...], by: Recorder) -> None:
    """Drops the keys of the file that open nothing."""
    assert keys.file is not None
    dropped = [key for key in keys.key_ids if key not in used and key != keys.key_id]
    if dropped:
        await _tell(store, by, "forget", keys.key_id or "", before={"keys": keys.key_ids}, after={"dropped": dropped})
    keys.file.keep(used)
    keys.read()


async def _tell(store: Store, by: Recorder, action: str, key_id: str, *, before: Any, after: Any) -> None:
    now_us = time.time_ns() // 1000
    entry = by(now_us, action, "master_key", key_id, 0, before=before, after=after)
    await store.administer(Administration(at_us=now_us, audit=[entry]))
