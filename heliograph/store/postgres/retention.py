"""What has ended long enough ago goes: whole weeks at once where everything in them is over.

A week that is only partly over is left alone while it is large: it goes as a whole when its time has
come, which is a week late at most. Elsewhere rows are deleted, in bounded steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heliograph.store.postgres.connection import Connection
from heliograph.store.postgres.partitions import PARENTS, Week, weeks

__all__ = ["CHILDREN", "purge_contents", "purge_records"]

CHILDREN: Mapping[str, str] = {name: column for name, (column, _) in PARENTS.items() if name != "messages"}
"""Tables whose rows belong to a message, with the column that names it."""

_OVER = "m.state >= 40 AND coalesce(m.ended_us, m.accepted_us) < $1"
"""Ended (or received) before then."""

_LARGE = 200_000
"""Rows of a week from which on deleting them one by one costs more than keeping them for some days."""


async def purge_records(connection: Connection, before_us: int, limit: int) -> int:
    """Ended messages with everything that belongs to them."""
    for week in await weeks(connection):
        if week.end_us <= before_us and await _is_over(connection, week, before_us):
            gone = await connection.fetchval(f"SELECT count(*) FROM messages_{week.suffix}")
            tables = ", ".join(f"{parent}_{week.suffix}" for parent in PARENTS)
            await connection.execute(f"DROP TABLE {tables}")
            await connection.execute(
                "DELETE FROM schedules WHERE message_id >= $1 AND message_id < $2", week.first, week.last
            )
            if gone:
                return int(gone)
    for suffix in await _suffixes(connection, before_us):
        gone = await _delete_records(connection, suffix, before_us, limit)
        if gone:
            return gone
    return 0


async def purge_contents(connection: Connection, before_us: int, limit: int) -> int:
    """The contents of ended messages; their records stay."""
    for week in await weeks(connection):
        if week.end_us <= before_us and await _is_over(connection, week, before_us):
            gone = await connection.fetchval(f"SELECT count(*) FROM contents_{week.suffix}")
            if gone:
                await connection.execute(f"TRUNCATE contents_{week.suffix}")
                return int(gone)
    for suffix in await _suffixes(connection, before_us):
        status = await connection.execute(
            f"DELETE FROM contents_{suffix} WHERE ctid = ANY (ARRAY("
            f"SELECT c.ctid FROM contents_{suffix} AS c "
            f"JOIN messages AS m ON m.account_id = c.account_id AND m.id = c.message_id WHERE {_OVER} LIMIT $2))",
            before_us,
            limit,
        )
        if gone := int(status.rsplit(" ", 1)[1]):
            return gone
    return 0


async def _is_over(connection: Connection, week: Week, before_us: int) -> bool:
    return not await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM messages_{week.suffix} AS m WHERE NOT ({_OVER}))", before_us
    )


async def _suffixes(connection: Connection, before_us: int) -> Sequence[str]:
    """Partitions in which rows are deleted one by one: the default, and weeks that are small or past."""
    found = ["default"]
    for week in await weeks(connection):
        if week.begin_us < before_us and (week.end_us <= before_us or await _is_small(connection, week)):
            found.append(week.suffix)
    return found


async def _is_small(connection: Connection, week: Week) -> bool:
    counted = f"SELECT count(*) FROM (SELECT FROM messages_{week.suffix} LIMIT $1) AS some"
    return bool(await connection.fetchval(counted, _LARGE) < _LARGE)


async def _delete_records(connection: Connection, suffix: str, before_us: int, limit: int) -> int:
    async with connection.transaction():
        gone: list[Any] = await connection.fetch(
            f"DELETE FROM messages_{suffix} WHERE ctid = ANY (ARRAY("
            f"SELECT m.ctid FROM messages_{suffix} AS m WHERE {_OVER} LIMIT $2)) RETURNING account_id, id",
            before_us,
            limit,
        )
        if gone:
            accounts, ids = [row[0] for row in gone], [row[1] for row in gone]
            for table, column in CHILDREN.items():
                await connection.execute(
                    f"DELETE FROM {table}_{suffix} AS c USING unnest($1::int4[], $2::text[]) AS k (account_id, id) "
                    f"WHERE c.account_id = k.account_id AND c.{column} = k.id",
                    accounts,
                    ids,
                )
            await connection.execute(
                "DELETE FROM schedules AS c USING unnest($1::int4[], $2::text[]) AS k (account_id, id) "
                "WHERE c.message_id = k.id AND c.account_id = k.account_id",
                accounts,
                ids,
            )
    return len(gone)
