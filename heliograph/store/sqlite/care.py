"""Copies of the file, and looking it over. Each on a connection of its own, in a thread of its own."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from heliograph.contracts import Sealer, StoreCheck
from heliograph.errors import ConfigurationUnreadable, StoreError
from heliograph.store.sealing import findings as secrets_found
from heliograph.store.sqlite import secrets
from heliograph.store.sqlite.connection import Place, connect, translated
from heliograph.store.sqlite.folders import sync_folder
from heliograph.store.sqlite.lock import ServeLock
from heliograph.store.sqlite.looking import unreadable
from heliograph.store.sqlite.queries import query
from heliograph.store.sqlite.schema import NEWEST, refuse_newer, version_of

__all__ = ["backup", "check", "copy_to", "findings", "restore"]

_CACHE_KIB = 4_096
_LOST = ("contents", "segments", "attempts", "events", "schedules", "deliveries")


def copy_to(source: apsw.Connection, path: str) -> None:
    """A consistent copy of the database at ``path``, complete or not there at all.

    All pages in one step: the copy is of one moment, and writers go on beside it.
    """
    partial = f"{path}.partial"
    _remove(partial)
    try:
        copy = apsw.Connection(partial)
        try:
            with copy.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(-1)
            copy.execute("PRAGMA journal_mode = DELETE").get  # noqa: B018
        finally:
            copy.close()
        os.replace(partial, path)
        sync_folder(path)
    except BaseException:
        _remove(partial)
        raise


def _remove(path: str) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        Path(path + end).unlink(missing_ok=True)


def backup(place: Place, path: str) -> None:
    """Copies the file while others write."""
    if os.path.realpath(path) == os.path.realpath(place.path):
        raise StoreError(f"{path} is the store itself: give the backup another name")
    try:
        source = connect(place, cache_kib=_CACHE_KIB)
        try:
            copy_to(source, path)
        finally:
            source.close()
    except (apsw.Error, OSError) as error:
        raise _worded(error, path) from error


def restore(path: str, backup_path: str) -> None:
    """Puts a backup in the place of the store's file. What was there stays beside it as ``….replaced``.

    Raises :class:`StoreInUse` while a server runs, :class:`StoreError` where the backup is none.
    """
    lock = ServeLock(path)
    lock.take()
    try:
        source = apsw.Connection(backup_path, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            finding = source.execute("PRAGMA integrity_check").get
            version = version_of(source)
            refuse_newer(version, backup_path)
            if finding != "ok" or version == 0:
                raise StoreError(f"{backup_path} is no whole backup of a store: {finding if version else 'no schema'}")
            copy_to(source, f"{path}.restored")
        finally:
            source.close()
        _fold_log(path)
        if os.path.exists(path):
            os.replace(path, f"{path}.replaced")
        os.replace(f"{path}.restored", path)
        sync_folder(path)
    except (apsw.Error, OSError) as error:
        raise _worded(error, backup_path) from error
    finally:
        lock.free()


def _fold_log(path: str) -> None:
    """Writes the log of the present file into it and takes it away: it must not meet the restored one."""
    if os.path.exists(path):
        try:
            db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
            db.execute("PRAGMA journal_mode = DELETE").get  # noqa: B018
            db.close()
        except (apsw.CorruptError, apsw.NotADBError):
            pass  # a damaged file is why somebody restores
    for end in ("-wal", "-shm"):
        Path(path + end).unlink(missing_ok=True)


def check(place: Place, sealer: Sealer | None = None) -> list[StoreCheck]:
    """Integrity, schema, and rows whose message is not there."""
    try:
        db = connect(place, cache_kib=_CACHE_KIB)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [StoreCheck(False, f"{place.path} cannot be read: {error}")]
    except apsw.Error as error:
        raise translated(error, place.path) from error
    try:
        return findings(db, sealer)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [StoreCheck(False, f"{place.path} is damaged: {error}")]
    finally:
        db.close()


def findings(db: apsw.Connection, sealer: Sealer | None = None) -> list[StoreCheck]:
    faults = [text for (text,) in db.execute("PRAGMA integrity_check(20)") if text != "ok"]
    version = version_of(db)
    found = [StoreCheck(False, f"integrity: {text}") for text in faults] or [StoreCheck(True, "integrity: ok")]
    found.append(StoreCheck(version == NEWEST, f"schema: version {version}, this program has {NEWEST}"))
    if version != NEWEST:
        return found
    for table in _LOST:
        count = db.execute(query(f"lost_{table}")).get
        found.append(StoreCheck(count == 0, f"{table}: {count} rows that belong to nothing"))
    found += unreadable(db)
    try:
        return found + secrets_found(secrets.rows(db), sealer)
    except ConfigurationUnreadable as error:
        return [*found, StoreCheck(False, f"no secret was looked at: {error}")]


def _worded(error: Exception, path: str) -> Exception:
    if isinstance(error, apsw.Error):
        return translated(error, path)
    return StoreError(f"{path}: {error}")
