"""Retention, check, backup and figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from heliograph.contracts import Sealer, StoreCheck, Tally
from heliograph.store.postgres import backups, retention, schema
from heliograph.store.postgres.connection import Connection, connect, translated
from heliograph.store.postgres.looking import unreadable
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.reads import Reads
from heliograph.store.postgres.rows import arrays
from heliograph.store.sealing import findings

__all__ = ["Care"]

_MISFILED = "SELECT count(*) FROM messages WHERE (queue_us IS NULL) <> (due_us IS NULL OR owner <> 0)"
_SIMPLE = ("orphans", "claims", "references", "outbox", "dead_letters", "publishable")


class Care(Reads):
    """What is done to the store as a whole."""

    url: str
    _sealer: Sealer | None

    async def _with_care(self, work: Callable[[Connection], Awaitable[Any]]) -> Any:
        """Runs work that reads whole tables, on a connection of its own."""
        connection = await connect(self.url, care=True)
        try:
            with translated():
                return await work(connection)
        finally:
            await connection.close()

    async def add_tallies(
        self, after: int, position: int, commits: int, tallies: Mapping[Tally, tuple[int, int]]
    ) -> bool:
        """Rolls up and moves the counter on, in one transaction; False where it must read first."""
        rows = [(*tally, *counted) for tally, counted in sorted(tallies.items())]
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(QUERIES["move_counter"], after, position, commits) is None:
                    return False
                if rows:
                    await connection.execute(QUERIES["add_tallies"], *arrays(rows, 14))
        return True

    async def purge(self, kind: str, before_us: int, limit: int) -> int:
        """Deletes up to ``limit`` rows of what ended before then; more where a whole week goes at once."""
        if kind in _SIMPLE:
            return await self._execute_count(f"purge_{kind}", before_us, limit)
        if kind == "contents":
            return int(await self._with_care(lambda connection: retention.purge_contents(connection, before_us, limit)))
        if kind == "records":
            return int(await self._with_care(lambda connection: retention.purge_records(connection, before_us, limit)))
        raise ValueError(f"nothing is called {kind!r}; there are contents, records, {', '.join(_SIMPLE)}")

    async def crowded_dead_letters(self, most: int) -> dict[str, int]:
        """How many dead letters more than ``most`` an endpoint has, of each that has more."""
        return {row["endpoint_id"]: row["surplus"] for row in await self._fetch("crowded_dead_letters", most)}

    async def drop_dead_letters(self, endpoint_id: str, limit: int) -> int:
        """Deletes the oldest dead letters of an endpoint; gives how many."""
        return await self._execute_count("drop_dead_letters", endpoint_id, limit)

    async def _execute_count(self, name: str, *values: Any) -> int:
        with translated():
            status: str = await self._pool.execute(QUERIES[name], *values)
            return int(status.rsplit(" ", 1)[1])

    async def check(self) -> list[StoreCheck]:
        """Schema, partitions, and rows without their message."""

        async def look(connection: Connection) -> list[StoreCheck]:
            applied, _ = await schema.versions(connection)
            found = [StoreCheck(applied >= schema.migrations()[-1].version, f"schema version {applied}")]
            for table, column in retention.CHILDREN.items():
                count = await connection.fetchval(
                    f"SELECT count(*) FROM {table} AS c WHERE NOT EXISTS "
                    f"(SELECT FROM messages AS m WHERE m.account_id = c.account_id AND m.id = c.{column})"
                )
                found.append(StoreCheck(count == 0, f"{count} rows of {table} without their message"))
            misfiled = await connection.fetchval(_MISFILED)
            found.append(StoreCheck(misfiled == 0, f"{misfiled} messages with a wrong place in the queue"))
            if not found[0].ok:
                return found
            rows = [tuple(row) for row in await connection.fetch(QUERIES["secrets"], "", None)]
            return [*found, *await unreadable(connection), *findings(rows, self._sealer)]

        found: list[StoreCheck] = await self._with_care(look)
        return found

    async def backup(self, path: str) -> None:
        """Writes a consistent copy of every table into one file (see :mod:`backups`)."""
        await self._with_care(lambda connection: backups.write(connection, path))

    async def depth(self) -> Mapping[str, int]:
        """Figures for metrics."""
        row = (await self._fetch("depth"))[0]
        return {**dict(row), "write_queue": self._write_queue}

    @property
    def _write_queue(self) -> int:
        raise NotImplementedError
