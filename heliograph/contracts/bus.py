"""The bus: wakes and tells, and never holds the only copy of anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Bus"]


class Bus(Protocol):
    """Topics: ``lane.<connector_id>`` (there is work), ``config`` (it changed), ``outbox`` (there is news)."""

    def tell(self, topic: str) -> None:
        """Never waits, never raises: a lost word costs time until the sweep, not a message."""
        ...

    def listen(self, topic: str, heard: Callable[[], None]) -> None: ...
