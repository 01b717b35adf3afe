"""Messages that are due on a connector which is configured no more: they go where their route leads now.

A message waits for its date for up to 400 days, and set-ups change. A connector counts as gone when two
looks in a row did not find its lane: while the configuration is read again it is only away for a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec.structs import replace

from heliograph.contracts import Clock, Store, Update
from heliograph.delivery.directory import Directory
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.model import AT_ONCE, Live

__all__ = ["Strays"]

_EVERY_S: Final = 30.0
_STEP: Final = 250
_LATER_US: Final = 600 * 1_000_000
"""When it is looked at again where no route leads anywhere now; until its validity ends it."""


class _Lane(Protocol):
    def mark_backlog(self, kind: int, account_id: int) -> None: ...


class Strays:
    """Looks for them now and then."""

    def __init__(self, store: Store, ledger: Ledger, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._directory = directory
        self._clock = clock
        self._next = clock.monotonic() + _EVERY_S
        self._missed: frozenset[int] = frozenset()

    async def sweep(self, lanes: Mapping[int, _Lane]) -> int:
        """Moves what is due and has no lane of its own, when it is time to look; gives how many."""
        if self._clock.monotonic() < self._next:
            return 0
        self._next = self._clock.monotonic() + _EVERY_S
        waiting = [one for one in await self._store.waiting() if one[0] not in lanes]
        gone, self._missed = self._missed, frozenset(one[0] for one in waiting)
        moved = 0
        for connector_id, kind, account_id in waiting:
            if connector_id in gone:
                moved += await self._move(connector_id, kind, account_id, lanes)
        return moved

    async def _move(self, connector_id: int, kind: int, account_id: int, lanes: Mapping[int, _Lane]) -> int:
        now_us, moved = self._clock.now_us(), 0
        while claimed := await self._store.claim(connector_id, kind, account_id, now_us=now_us, limit=_STEP):
            batch = Batch()
            targets = [self._send_on(batch, live, lanes, now_us) for live, _ in claimed]
            await self._ledger.commit(batch)
            for target in set(targets):
                if target is not None:
                    lanes[target].mark_backlog(kind, account_id)
            moved += len(claimed)
        return moved

    def _send_on(self, batch: Batch, live: Live, lanes: Mapping[int, _Lane], now_us: int) -> int | None:
        """Writes the message down for the first connector of its route that has a lane; gives which."""
        message, old = live.message, live.progress
        choice = self._directory.choose(message.account_id, message.recipient.lstrip("+"))
        target = next((one for one in choice.connectors if one in lanes), None) if choice is not None else None
        progress = replace(
            old,
            version=old.version + 1,
            owner=0,
            connector_id=old.connector_id if target is None else target,
            due_us=now_us + _LATER_US if target is None else AT_ONCE,
        )
        batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
        live.progress = progress
        return target
