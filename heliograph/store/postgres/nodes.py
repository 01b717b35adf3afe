"""Which node this process is: the lowest number whose row nobody holds.

A process holds its row by a session's advisory lock on the very connection that writes, so that
what it writes can only be written while the number is its own. ``fence`` rises with every
take-over; a process that comes back on a new connection and finds another fence has lost its number.
"""

from __future__ import annotations

import asyncio
from time import time_ns

from heliograph.errors import StoreBusy, StoreInUse
from heliograph.store.postgres.connection import Connection
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.schema import LOCKS

__all__ = ["Watermark", "hold_again", "take"]

_MAX_NODES = 1024
_PATIENCE = 50
_PAUSE_S = 0.1
"""The server needs a moment to notice that our old connection is gone."""


async def take(connection: Connection) -> tuple[int, int]:
    """(node id, fence) of the lowest free number, locked for this connection."""
    for number in range(1, _MAX_NODES + 1):
        if await connection.fetchval(QUERIES["lock_node"], LOCKS, number):
            fence = await connection.fetchval(QUERIES["take_node"], number, time_ns() // 1000)
            await connection.execute(QUERIES["add_watermarks"], number)
            return number, fence
    raise StoreInUse(f"all {_MAX_NODES} node numbers of this database are taken")


async def hold_again(connection: Connection, node_id: int, fence: int, old_pid: int) -> None:
    """Locks our number for a new connection, after the old one (of backend ``old_pid``) broke.

    Raises ``StoreInUse`` when another process has been this node since, ``StoreBusy`` while the
    old backend lives on.
    """
    for _ in range(_PATIENCE):
        if await connection.fetchval(QUERIES["lock_node"], LOCKS, node_id):
            break
        if await connection.fetchval(QUERIES["node_holder"], LOCKS, node_id) not in (old_pid, None):
            raise StoreInUse(f"another process has become node {node_id} while the connection was lost: start again")
        await connection.execute("SELECT pg_terminate_backend($1)", old_pid)
        await asyncio.sleep(_PAUSE_S)
    else:
        raise StoreBusy(f"the server still holds the lost connection of node {node_id}")
    if await connection.fetchval(QUERIES["node_fence"], node_id) != fence:
        raise StoreInUse(f"another process was node {node_id} while the connection was lost: start again")


class Watermark:
    """What this node owns, in memory, so that its row can say below which id there is nothing of it.

    The written mark may be too low (a look-up after a crash takes longer), never too high.
    """

    __slots__ = ("_next", "owned", "written")

    def __init__(self) -> None:
        self.owned: set[str] = set()
        self.written = ""
        self._next: str | None = None

    def for_commit(self, born: list[str]) -> str | None:
        """The mark that must be written with these new ids, or may be; None: leave it."""
        least = min(born, default=None)
        if least is not None and least < self.written:
            return least
        if self._next is not None:
            return self._next if least is None else min(self._next, least)
        return None

    def committed(self, mark: str | None) -> None:
        """The mark is written."""
        if mark is not None:
            self.written = mark
            self._next = None

    def look(self, horizon: str) -> None:
        """Once in a while: may the mark rise? ``horizon`` is an id older than anything that is yet to be written."""
        least = min(self.owned, default=horizon)
        mark = min(least, horizon)
        self._next = mark if mark > self.written else None
