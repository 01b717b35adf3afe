"""How far every line has come, kept in one transaction with what became of its deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from heliograph.contracts import Changes
from heliograph.delivery.outbox.desk import Desk, log
from heliograph.errors import StoreError
from heliograph.model import PendingDelivery

__all__ = ["Positions"]

_IDLE_SAVE_S = 30.0
"""How often the position of an endpoint is kept to which nothing was told."""


class Positions:
    """Commits what waits on the desk. What cannot be committed now stays there."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._saving = asyncio.Lock()
        self._idle_saved_at = desk.clock.monotonic()

    async def tick(self) -> None:
        """Saves what is new, and now and then also how far those have come that nothing was told."""
        await self.save(idle=self._desk.clock.monotonic() - self._idle_saved_at >= _IDLE_SAVE_S)

    async def save_last(self) -> None:
        """Saves everything once more, as far as the store allows."""
        try:
            await self.save(idle=True)
        except StoreError as error:
            log.warning("positions could not be kept, some events will be told again: %s", error)

    async def save(self, *, idle: bool = False) -> None:
        """Commits how far every line has come, and what became of deliveries, in one transaction."""
        async with self._saving:
            deliveries, self._desk.deliveries = self._desk.deliveries, []
            settled, self._desk.settled = self._desk.settled, []
            positions = self._marks(idle)
            if not (deliveries or settled or positions):
                return
            try:
                await self._desk.store.commit(
                    Changes(positions=positions, deliveries=deliveries, deliveries_done=settled)
                )
            except BaseException:
                self._desk.deliveries[:0] = deliveries
                self._desk.settled[:0] = settled
                for endpoint_id in positions:
                    if line := self._desk.lines.get(endpoint_id):
                        line.dirty = True
                raise
            self._saved(positions, deliveries, settled)
            if idle:
                self._idle_saved_at = self._desk.clock.monotonic()

    def _marks(self, idle: bool) -> dict[str, int]:
        positions: dict[str, int] = {}
        for line in self._desk.lines.values():
            if (line.dirty or idle) and (mark := line.watermark(self._desk.position)) > line.saved:
                positions[line.endpoint.id] = mark
            line.dirty = False
        return positions

    def _saved(
        self, positions: Mapping[str, int], deliveries: Sequence[PendingDelivery], settled: Sequence[str]
    ) -> None:
        for endpoint_id, position in positions.items():
            if line := self._desk.lines.get(endpoint_id):
                line.saved = position
        for delivery in deliveries:
            if line := self._desk.lines.get(delivery.endpoint_id):
                line.next_due_us = min(line.next_due_us, delivery.next_us)
                line.retrying.discard(delivery.id)
        if settled:
            over = set(settled)
            for line in self._desk.lines.values():
                if line.retrying:
                    line.retrying -= over
