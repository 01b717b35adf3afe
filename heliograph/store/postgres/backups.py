"""A copy of everything in one file, without tools from outside: each table as ``COPY`` text in a zip.

``write`` reads all tables in one snapshot while everything goes on. ``restore`` fills an empty
database. The manifest says the schema version and how many rows each table has.
"""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from time import time_ns
from typing import IO

import msgspec

from heliograph.errors import ConfigError, ConfigFault, StoreError
from heliograph.store.postgres import partitions, schema
from heliograph.store.postgres.connection import Connection, connect, translated

__all__ = ["Manifest", "restore", "write"]

_FORMAT = "heliograph-postgres-1"
_CHUNK = 1 << 20
_DERIVED: Mapping[str, frozenset[str]] = {"opt_outs": frozenset({"xid"})}
"""Columns that the new database fills itself."""
_LEFT_OUT = frozenset({"schema_versions"})


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. ``rows``: table → rows; ``columns``: table → the columns of its lines."""

    format: str
    schema_version: int
    made_us: int
    rows: dict[str, int]
    columns: dict[str, tuple[str, ...]]


async def _tables(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Every table that is no partition, with its columns."""
    rows = await connection.fetch(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
    )
    tables: dict[str, tuple[str, ...]] = {}
    for table, column in rows:
        if table not in _LEFT_OUT and column not in _DERIVED.get(table, ()):
            tables[table] = (*tables.get(table, ()), column)
    return tables


async def write(connection: Connection, path: str) -> None:
    """Writes the file, under another name until it is whole and on the disk."""
    unfinished = f"{path}.unfinished"
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = await _tables(connection)
            version, _ = await schema.versions(connection)
            rows: dict[str, int] = {}
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for table, columns in tables.items():
                    with archive.open(f"{table}.copy", "w", force_zip64=True) as file:
                        rows[table] = await _copy_out(connection, table, columns, file)
                manifest = Manifest(
                    format=_FORMAT, schema_version=version, made_us=time_ns() // 1000, rows=rows, columns=tables
                )
                archive.writestr("manifest.json", msgspec.json.encode(manifest))
        await asyncio.to_thread(_settle, unfinished, path)
    except OSError as error:
        raise StoreError(f"the backup cannot be written to {path}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)


async def _copy_out(connection: Connection, table: str, columns: tuple[str, ...], file: IO[bytes]) -> int:
    async def sink(octets: bytes) -> None:
        await asyncio.to_thread(file.write, octets)

    names = ", ".join(columns)
    status: str = await connection.copy_from_query(f"SELECT {names} FROM {table}", output=sink)
    return int(status.rsplit(" ", 1)[1])


def _settle(unfinished: str, path: str) -> None:
    """Makes the file durable under its name."""
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


async def restore(url: str, path: str) -> Manifest:
    """Fills an empty database from a backup; gives what it held.

    Raises ``ConfigError`` where the file is none of ours or the database is not empty.
    """
    archive = _opened(path)
    connection = await connect(url, care=True)
    try:
        with archive, translated():
            manifest = msgspec.json.decode(archive.read("manifest.json"), type=Manifest)
            if manifest.format != _FORMAT or manifest.schema_version > schema.migrations()[-1].version:
                raise _fault(path, "was made by a newer program", "restore it with that program")
            await schema.bring_up(connection)
            if await connection.fetchval("SELECT EXISTS (SELECT FROM accounts) OR EXISTS (SELECT FROM messages)"):
                raise _fault("store.url", "the database is not empty", "restore into a new one")
            async with connection.transaction():
                await _fill(connection, archive, manifest)
            return manifest
    finally:
        await connection.close()


def _opened(path: str) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
        archive.getinfo("manifest.json")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise _fault(path, f"is no backup of ours ({error})", "give the file that `store backup` wrote") from error
    return archive


def _fault(where: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([ConfigFault(where, what, remedy)])


async def _fill(connection: Connection, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    known = await _tables(connection)
    for table in manifest.rows:
        if table in known:
            await connection.execute(f"DELETE FROM {table}")
    for table, count in manifest.rows.items():
        with archive.open(f"{table}.copy") as file:
            status = await connection.copy_to_table(table, source=_chunks(file), columns=manifest.columns[table])
        if int(status.rsplit(" ", 1)[1]) != count:
            raise StoreError(f"the backup is damaged: {table} should have {count} rows")
    for table in ("accounts", "connectors", "api_keys", "orphans", "audit"):
        await connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "
            f"greatest(coalesce(max(id), 0), 1), max(id) IS NOT NULL) FROM {table}"
        )
    await connection.execute("SELECT setval('publishable_ids', max(id)) FROM api_keys WHERE id < 0 HAVING max(id) < 0")
    await partitions.make_ahead(connection, time_ns() // 1000)


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while octets := await asyncio.to_thread(file.read, _CHUNK):
        yield octets
