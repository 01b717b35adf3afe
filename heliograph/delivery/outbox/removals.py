"""Endpoints that are there no more: what was kept for them goes."""

from __future__ import annotations

from typing import Any

import msgspec

from heliograph.contracts import Acceptance, Changes
from heliograph.delivery.hookwords import endpoint_entry
from heliograph.delivery.outbox.desk import Desk
from heliograph.delivery.outbox.line import Line
from heliograph.model import AuditEntry, Endpoint
from heliograph.telemetry import journal

__all__ = ["Removals"]

_FOREVER_US = 1 << 62
_A_TICK = 8
"""Endpoints whose rest is cleared at once."""


class Removals:
    """Takes lines away at once, and what the store keeps for them with the next ticks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def tick(self) -> None:
        """Clears a few of those that left. Raises ``StoreError``; the rest goes with a later tick."""
        for removed in self._desk.removed[:_A_TICK]:
            await self._forget(*removed)
            self._desk.removed.remove(removed)

    def gone(self, line: Line) -> None:
        """The endpoint wants nothing more (a message's own callback: not of this message)."""
        self._desk.counts["gone"] += 1
        if line.callbacks is not None or line.closed:
            return
        journal.endpoint_gone(line.endpoint.id, "it answered 410 Gone and is deleted")
        self.remove(line, delete=True)
        left = tuple(other for other in self._desk.by_account[line.endpoint.account_id] if other is not line)
        self._desk.by_account[line.endpoint.account_id] = left

    def remove(self, line: Line, *, delete: bool = False) -> None:
        """Owes it nothing more; ``delete``: it said so itself, and is deleted."""
        self._desk.waiting -= line.waiting
        del self._desk.lines[line.endpoint.id]
        line.clear()
        self._desk.removed.append((line.endpoint, delete))

    async def _forget(self, endpoint: Endpoint, delete: bool) -> None:
        """Drops what is kept for an endpoint that is gone; ``delete``: it said so itself, and is deleted."""
        if delete:
            now_us = self._desk.clock.now_us()
            gone = Acceptance(
                messages=(),
                deleted_endpoints=[(endpoint.account_id, endpoint.id, now_us)],
                audit=[endpoint_entry(_itself, now_us, "delete", endpoint, None)],
            )
            await self._desk.store.commit(Changes(acceptances=[gone]))
        while owed := await self._desk.store.due_deliveries(endpoint.id, _FOREVER_US, self._desk.bounds.retries):
            await self._desk.store.commit(Changes(deliveries_done=[delivery.id for delivery in owed]))


def _itself(
    at_us: int, action: str, kind: str, name: str, account_id: int, *, before: Any = None, after: Any = None
) -> AuditEntry:
    """Nobody asked for it but the endpoint."""
    return AuditEntry(
        at_us=at_us,
        actor="heliograph",
        actor_kind="system",
        action=action,
        object_kind=kind,
        object_name=name,
        account_id=abs(account_id),
        before=msgspec.json.encode(before).decode(),
        after='{"reason":"it answered 410 Gone"}',
    )
