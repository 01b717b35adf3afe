"""The outbox after a commit: shown up to a place, not at once."""

from __future__ import annotations

import asyncio

from heliograph.contracts import Store

__all__ = ["settled"]

_PATIENCE_S = 60.0


async def settled(store: Store, position: int) -> None:
    """Return when readers of the outbox are shown everything up to ``position``. Raises ``TimeoutError``.

    On PostgreSQL whatever else is being written on the server at that moment, autovacuum in another database too,
    holds back the rows that are newer than it.
    """
    async with asyncio.timeout(_PATIENCE_S):
        while await store.outbox_end() < position:
            await asyncio.sleep(0.01)
