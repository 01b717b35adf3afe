"""Another signing key follows the present one: tokens that are out stay valid until their end, or end at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from heliograph.access.actors import Actor
from heliograph.access.keysets import ALGORITHMS
from heliograph.access.signing import MOST_LIFETIME_S, SIGNING_KEY, SigningKey, SigningKeys, make_signing_key, shown
from heliograph.contracts import Administration, Sealer, Store

__all__ = ["Rotated", "rotate"]


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """The id of the key that signs now, of those that still verify, and of those that are gone."""

    kid: str
    algorithm: str
    ending: tuple[str, ...]
    dropped: tuple[str, ...]


async def rotate(
    store: Store, sealer: Sealer, actor: Actor, now_us: int, *, algorithm: str | None = None, at_once: bool = False
) -> Rotated:
    """Makes a key that signs from now on, by default of the same algorithm. ``at_once`` ends every token that is out.

    Raises ``ConfigError`` where nothing can be sealed, ``VersionConflict`` where somebody else does the same.
    """
    keys = SigningKeys(store, sealer, lambda: now_us)
    await keys.load()
    signing = [one for one in keys if one.ends_us is None]
    algorithm = algorithm or (signing[-1].document.algorithm if signing else ALGORITHMS[0])
    over = [one for one in keys if at_once or (one.ends_us is not None and one.ends_us <= now_us)]
    ending = [one for one in signing if one not in over]
    made = await asyncio.to_thread(make_signing_key, algorithm, sealer)
    change = Administration(at_us=now_us, objects=[(made, 0)])
    change.audit.append(actor.entry(now_us, "create", SIGNING_KEY, made.name, 0, after=shown(made)))
    for one in ending:
        _end(change, one, actor, now_us)
    for one in over:
        change.deleted.append((SIGNING_KEY, one.kid, one.kept.version))
        change.audit.append(actor.entry(now_us, "delete", SIGNING_KEY, one.kid, 0, before=shown(one.kept)))
    await store.administer(change)
    return Rotated(
        kid=made.name,
        algorithm=algorithm,
        ending=tuple(one.kid for one in keys if one not in over),
        dropped=tuple(one.kid for one in over),
    )


def _end(change: Administration, one: SigningKey, actor: Actor, now_us: int) -> None:
    fresh = one.ending(now_us + MOST_LIFETIME_S * 1_000_000)
    change.objects.append((fresh, one.kept.version))
    entry = actor.entry(now_us, "change", SIGNING_KEY, one.kid, 0, before=shown(one.kept), after=shown(fresh))
    change.audit.append(entry)
