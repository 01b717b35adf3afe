"""The store in one file: SQLite in WAL mode, every commit synced, one writer's thread."""

from heliograph.store.sqlite.care import restore
from heliograph.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "restore"]
