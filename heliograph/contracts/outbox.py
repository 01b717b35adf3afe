"""The part of the store that keeps what is to be told: the outbox, and deliveries that have to come again."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from heliograph.model import Fact, PendingDelivery

__all__ = ["Outbox", "OutboxPage"]


class OutboxPage(Struct, frozen=True):
    """Rows of the outbox in order. ``position`` of the last row is where the next page begins."""

    rows: tuple[tuple[int, tuple[Fact, ...]], ...]


class Outbox(Protocol):
    """Rows in the order of their commits, and what endpoints are owed of them."""

    async def outbox(self, after: int, limit: int) -> OutboxPage:
        """Up to ``limit`` rows after a position, never skipping one that is still being written."""
        ...

    async def outbox_end(self) -> int:
        """A position behind which :meth:`outbox` gives everything that is committed from now on; 0 at the beginning."""
        ...

    async def due_deliveries(self, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
        """Pending deliveries of an endpoint that are due, oldest first."""
        ...

    async def deliveries(self, endpoint_id: str, from_us: int, before_us: int, limit: int) -> list[PendingDelivery]:
        """Deliveries of an endpoint by when they are due (``next_us`` in this span), the latest first.

        Dead letters are those from ``DEAD_FROM_US`` on.
        """
        ...

    async def crowded_dead_letters(self, most: int) -> dict[str, int]:
        """How many dead letters more than ``most`` an endpoint has, of each that has more."""
        ...

    async def drop_dead_letters(self, endpoint_id: str, limit: int) -> int:
        """Deletes up to ``limit`` dead letters of an endpoint, those that died first; gives how many."""
        ...
