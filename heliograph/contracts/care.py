"""The part of the store that keeps it in order: retention, checks, copies and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

__all__ = ["Care", "StoreCheck"]


class StoreCheck(Struct, frozen=True):
    """One finding of ``heliograph store check``."""

    ok: bool
    what: str


class Care(Protocol):
    """What an operator, or a timer, has done to the whole of it."""

    async def purge(self, kind: str, before_us: int, limit: int) -> int:
        """Deletes up to ``limit`` rows of what ended before then; gives how many, 0 when done.

        ``kind``: ``contents`` (of ended messages), ``records`` (ended messages with their segments,
        attempts, correlations, logged events), ``outbox`` (rows that every endpoint and the counter
        have passed), ``orphans``, ``claims`` (expired), ``references``, ``dead_letters``,
        ``publishable`` (tokens for browsers that have expired, used or not).
        """
        ...

    async def check(self) -> list[StoreCheck]:
        """Looks the store over: integrity, schema, rows without their message."""
        ...

    async def backup(self, path: str) -> None:
        """Writes a consistent copy while everything goes on."""
        ...

    async def depth(self) -> Mapping[str, int]:
        """Figures for metrics: ``waiting``, ``outbox_rows``, ``pending_deliveries``, ``dead_letters``,
        ``write_queue``."""
        ...
