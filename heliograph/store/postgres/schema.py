"""The schema and its versions: numbered files, applied in order under a lock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from heliograph.errors import StoreOutdated
from heliograph.store.postgres.connection import Connection, connect, translated

__all__ = ["LOCKS", "MIGRATION_LOCK", "Migration", "bring_up", "check_version", "migrate", "migrations", "versions"]

LOCKS = 0x48454C49
"""First key of all our advisory locks ("HELI"); node ids are the second, and these:"""
MIGRATION_LOCK = 0
PARTITION_LOCK = -1

_FILE = re.compile(r"(\d{4})_(\w+)\.sql\Z")
_COMPATIBLE = re.compile(r"-- compatible: (\d+)\n")

_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions (
    version integer PRIMARY KEY,
    name text NOT NULL,
    compatible integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One step. ``compatible`` is the oldest version whose program may go on beside it."""

    version: int
    name: str
    sql: str
    compatible: int


@cache
def migrations() -> tuple[Migration, ...]:
    """Every step that this program knows, in order."""
    found = []
    for file in resources.files(__package__).joinpath("migrations").iterdir():
        if match := _FILE.match(file.name):
            sql = file.read_text(encoding="utf-8")
            compatible = _COMPATIBLE.match(sql)
            version = int(match[1])
            found.append(
                Migration(
                    version=version,
                    name=match[2],
                    sql=sql,
                    compatible=int(compatible[1]) if compatible else version,
                )
            )
    return tuple(sorted(found, key=lambda step: step.version))


async def versions(connection: Connection) -> tuple[int, int]:
    """The newest step that was applied (0: none), and the oldest version whose program may go on with it."""
    if await connection.fetchval("SELECT to_regclass('schema_versions')") is None:
        return 0, 0
    row = await connection.fetchrow(
        "SELECT coalesce(max(version), 0), coalesce(max(compatible), 0) FROM schema_versions"
    )
    return int(row[0]), int(row[1])


async def check_version(connection: Connection) -> None:
    """Raises ``StoreOutdated`` when this program cannot work with the schema as it is."""
    known = migrations()[-1].version
    applied, compatible = await versions(connection)
    if applied < known:
        raise StoreOutdated(
            f"the database has schema version {applied}, this program needs {known}: run `heliograph store migrate`"
        )
    if compatible > known:
        raise StoreOutdated(
            f"the database has schema version {applied}, newer than this program's {known}: "
            "run the program that made it, or one that is newer (`heliograph store migrate` goes only forward)"
        )


async def bring_up(connection: Connection) -> tuple[int, int]:
    """Applies what is missing: (version before, version after). Safe beside another process that does the same."""
    await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCKS, MIGRATION_LOCK)
    try:
        await connection.execute(_VERSIONS)
        applied, _ = await versions(connection)
        for step in migrations():
            if step.version > applied:
                async with connection.transaction():
                    await connection.execute(step.sql)
                    await connection.execute(
                        "INSERT INTO schema_versions (version, name, compatible) VALUES ($1, $2, $3)",
                        step.version,
                        step.name,
                        step.compatible,
                    )
        return applied, max(applied, migrations()[-1].version)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCKS, MIGRATION_LOCK)


async def migrate(url: str) -> tuple[int, int]:
    """What ``heliograph store migrate`` does: brings the schema up; (version before, version after)."""
    connection = await connect(url, care=True)
    try:
        with translated():
            return await bring_up(connection)
    finally:
        await connection.close()
