"""The part of the store that lanes live on: what waits for a carrier, and who has taken it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from heliograph.model import Content, Live

__all__ = ["Backlog", "Lanes"]


class Backlog(Struct, frozen=True):
    """One (class, account) that waits in a lane, unclaimed and due."""

    type: int
    account_id: int


class Lanes(Protocol):
    """What waits, is taken, is given back or has waited too long."""

    async def claim(
        self, connector_id: int, type: int, account_id: int, *, now_us: int, limit: int
    ) -> list[tuple[Live, Content | None]]:
        """Takes up to ``limit`` due, unclaimed messages for this node, oldest first. Durable when it returns.

        Their new progress (owner, version) is in the answer. Two claimers never get the same one.
        """
        ...

    async def release(self, connector_id: int | None = None) -> list[Live]:
        """Start-up or lost lane: what this node id owns goes back to the backlog (owner 0, due ``AT_ONCE``)

        except those that the lanes' wire rows name: these are given back to the caller (still owned),
        who decides what the unknown outcome means. None means all connectors.
        """
        ...

    async def backlog(self, connector_id: int, now_us: int) -> list[Backlog]:
        """Which (class, account) have unclaimed messages due in this lane."""
        ...

    async def waiting(self) -> set[tuple[int, int, int]]:
        """Every (connector_id, class, account_id) with unclaimed messages, due or not."""
        ...

    async def overdue(self, *, after: str | None, accepted_before_us: int, limit: int) -> tuple[list[Live], str | None]:
        """Messages accepted before then that have not ended, in id order after ``after``; with the id to go on from
        (None: done)."""
        ...

    async def expired_waiting(self, now_us: int, limit: int) -> list[Live]:
        """Waiting, unclaimed messages whose validity is over."""
        ...

    async def moved_zones(self, version: str, *, after: str | None, due_before_us: int, limit: int) -> list[Live]:
        """Scheduled messages due before then whose wall time was read with other zone data than ``version``,

        in id order after ``after``.
        """
        ...
