"""The captured outbox: what the handsets of a sandbox show, the newest messages of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from heliograph.contracts import Store
from heliograph.sandbox.world import SandboxWorld
from heliograph.simulator import HandsetMessage

__all__ = ["Captured", "CapturedPage", "captured"]

_BEGINNING: Final = 0


class Captured(Struct, frozen=True):
    """A message on a handset; ``message_id`` is ours, None while the carrier's answer is on its way."""

    shown: HandsetMessage
    message_id: str | None


class CapturedPage(Struct, frozen=True):
    """Messages in the order in which they arrived. ``after`` is how many of all are passed with them."""

    messages: Sequence[Captured]
    after: int
    more: bool


async def captured(
    store: Store, world: SandboxWorld, *, to: str | None = None, after: int = _BEGINNING, limit: int = 50
) -> CapturedPage | None:
    """A page behind the first ``after`` messages of all, only those to the handset ``to`` where it is given.

    None where what follows ``after`` is not kept any more.
    """
    handsets = world.carrier.handsets
    kept = list(handsets.messages)
    oldest = handsets.count - len(kept)
    if after and not oldest <= after <= handsets.count:
        return None
    at = max(after, oldest)
    found: list[HandsetMessage] = []
    for message in kept[at - oldest :]:
        if len(found) == limit:
            break
        at += 1
        if to is None or message.to == to:
            found.append(message)
    ids = await _ids(store, world, found)
    return CapturedPage([Captured(message, ids.get(message.ids[0])) for message in found], at, more=at < handsets.count)


async def _ids(store: Store, world: SandboxWorld, messages: Sequence[HandsetMessage]) -> dict[str, str]:
    """Our ids by the carrier's."""
    connector = world.connector
    keys = {message.ids[0]: (connector.id, connector.canonical(message.ids[0])[0]) for message in messages}
    found = await store.correlate(list(keys.values())) if keys else {}
    return {raw: found[key].message_id for raw, key in keys.items() if key in found}
