"""Folding the log into the file (a checkpoint), beside the writer instead of inside one of its commits.

By itself SQLite folds at the end of the commit that fills the log: 20 ms for whoever waits for that one. So a thread
with a connection of its own copies what the log has, while the writer goes on; then the writer folds the little that
came meanwhile, and the log begins anew. Source: sqlite.org/wal.html §2.3, §3.1
"""

from __future__ import annotations

import apsw

from heliograph.store.sqlite.connection import WAL_PAGES, Place
from heliograph.store.sqlite.worker import Worker

__all__ = ["Folding"]

_CACHE_KIB = 512


class Folding:
    """Watches the length of the log."""

    def __init__(self, place: Place) -> None:
        self._beside = Worker("store-folding", place, cache_kib=_CACHE_KIB)
        self._writer: Worker | None = None
        self._folding = False

    def watch(self, writer: Worker, db: apsw.Connection) -> None:
        """From now on the log of this connection, the writer's, is folded from here. In the writer's thread."""
        self._writer = writer
        db.set_wal_hook(self._written)

    def _written(self, db: apsw.Connection, name: str, pages: int) -> int:
        if pages >= WAL_PAGES and not self._folding:
            self._folding = True
            self._beside.later(self._fold)
        return apsw.SQLITE_OK

    def _fold(self, db: apsw.Connection) -> None:
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            if self._writer is not None:
                self._writer.later(self._fold_rest)

    def _fold_rest(self, db: apsw.Connection) -> None:
        """In the writer's thread: nothing can come in between, so the next commit begins the log anew."""
        self._folding = False
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    async def close(self) -> None:
        """Ends the thread."""
        await self._beside.close()
