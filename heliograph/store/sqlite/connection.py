"""Connections to the file, and what SQLite's complaints mean to callers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import apsw

from heliograph.errors import StoreBusy, StoreError

__all__ = ["Place", "connect", "translated"]

WAL_PAGES = 4_000
"""A checkpoint every 16 MB of log: seldom enough to be cheap, small enough to take a few milliseconds."""

_AGAIN_S: Final = 0.005

_BUSY: tuple[type[apsw.Error], ...] = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.PermissionsError,
    apsw.InterruptError,
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the file is and how it is opened.

    ``vfs`` names a SQLite VFS instead of the system's. One that is written in Python has no shared memory,
    so the file is then opened exclusively, by one connection for everything.
    """

    path: str
    vfs: str | None = None
    busy_ms: int = 2_000

    @property
    def exclusive(self) -> bool:
        return self.vfs is not None


def connect(place: Place, *, cache_kib: int, create: bool = False) -> apsw.Connection:
    """A connection in WAL mode whose commits are on the disk when they return."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    db = apsw.Connection(place.path, flags=flags, vfs=place.vfs, statementcachesize=400)
    try:
        db.set_busy_timeout(place.busy_ms)
        if place.exclusive:
            db.execute("PRAGMA locking_mode = EXCLUSIVE").get  # noqa: B018
        mode = _log_ahead(db, place.busy_ms)
        if mode != "wal":
            raise StoreError(f"{place.path} cannot use a write-ahead log (journal mode {mode})")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = -{cache_kib}")
        db.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}").get  # noqa: B018
        db.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * 4096}").get  # noqa: B018
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA foreign_keys = OFF")
    except BaseException:
        db.close()
        raise
    return db


def _log_ahead(db: apsw.Connection, busy_ms: int) -> object:
    """Turns the write-ahead log on; gives the journal mode that holds then.

    Several that make the file at once meet here, and SQLite does not let a connection wait that reads already and
    wants to write. Source: sqlite.org/c3ref/busy_handler.html
    """
    until = time.monotonic() + busy_ms / 1000
    while True:
        try:
            return db.execute("PRAGMA journal_mode = WAL").get
        except apsw.BusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(_AGAIN_S)


def translated(error: Exception, path: str) -> Exception:
    """The store's own error for one of SQLite's; anything else as it is."""
    if isinstance(error, _BUSY):
        return StoreBusy(f"the database {path} cannot be used now: {error}")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreError(f"{path} is damaged ({error}); restore a backup: heliograph store restore")
    if isinstance(error, apsw.Error):
        return StoreError(f"{path}: {error}")
    return error


def is_lasting(error: BaseException) -> bool:
    """After these a connection is closed and opened anew: its own state may be what is wrong."""
    return isinstance(error, apsw.IOError | apsw.CantOpenError | apsw.ReadOnlyError | apsw.NotADBError)
