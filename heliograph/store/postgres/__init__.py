"""The store on PostgreSQL."""

from heliograph.store.postgres.backups import restore
from heliograph.store.postgres.schema import migrate
from heliograph.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "migrate", "restore"]
