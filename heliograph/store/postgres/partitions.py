"""Weeks of messages as partitions: made ahead, dropped when everything in them is over.

Ids are in the order of time, so a week begins at an id. Each of the tables in ``PARENTS`` has one
partition a week under the same name with the week's first day, and a default partition for what is
older or newer than all weeks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from heliograph.model import id_from_number
from heliograph.model.ids import EPOCH_US
from heliograph.store.postgres.connection import Connection
from heliograph.store.postgres.schema import LOCKS, PARTITION_LOCK

__all__ = ["AHEAD", "PARENTS", "WEEK_US", "Week", "first_id", "make_ahead", "week_of", "weeks"]

WEEK_US = 7 * 86_400 * 1_000_000
AHEAD = 4
"""Weeks made ahead: the hourly maintenance may fail for that long."""

PARENTS: Mapping[str, tuple[str, int]] = {
    "messages": ("id", 40),
    "contents": ("message_id", 100),
    "segments": ("message_id", 50),
    "attempts": ("message_id", 100),
    "events": ("message_id", 100),
    "correlations": ("message_id", 100),
    "message_labels": ("message_id", 100),
}
"""Table → its column of the message id, and the fillfactor of its partitions.

A page of messages begins with room for a second, somewhat longer version of each row, so that a commit
which updates all of them keeps them on it.
"""

_YOUNGEST = "message_labels"
"""A program from before this table made weeks without it, perhaps beside us."""


@dataclass(frozen=True)
class Week:
    """A week that has partitions: when it begins, and the ids that it holds (``last`` is exclusive)."""

    begin_us: int

    @property
    def suffix(self) -> str:
        return datetime.fromtimestamp(self.begin_us / 1_000_000, UTC).strftime("%Y%m%d")

    @property
    def first(self) -> str:
        return first_id(self.begin_us)

    @property
    def last(self) -> str:
        return first_id(self.begin_us + WEEK_US)

    @property
    def end_us(self) -> int:
        return self.begin_us + WEEK_US


def first_id(at_us: int) -> str:
    """The least id that can be made at or after a time (of the years that ids reach)."""
    tick = max(0, at_us - EPOCH_US + 1) >> 1
    return id_from_number(min(tick, (1 << 50) - 1) << 45)


def week_of(at_us: int) -> Week:
    """The week that a time is in; weeks begin on Thursdays, as 1970 did."""
    return Week(at_us - at_us % WEEK_US)


async def weeks(connection: Connection, parent: str = "messages") -> list[Week]:
    """The weeks that have partitions, oldest first."""
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid "
        f"WHERE i.inhparent = '{parent}'::regclass AND c.relname ~ '^{parent}_[0-9]{{8}}$' ORDER BY c.relname"
    )
    return [Week(_day_us(row[0].rsplit("_", 1)[1])) for row in rows]


def _begin(week: Week) -> int:
    return week.begin_us


def _day_us(day: str) -> int:
    return int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 1_000_000


async def make_ahead(connection: Connection, now_us: int) -> int:
    """Makes the partitions of this week and the next ones; gives how many weeks were new."""
    wanted = [Week(week_of(now_us).begin_us + step * WEEK_US) for step in range(AHEAD + 1)]
    there = set(await weeks(connection))
    missing = [week for week in wanted if week not in there and week.begin_us >= week_of(EPOCH_US).begin_us]
    if not missing and there <= set(await weeks(connection, _YOUNGEST)):
        return 0
    await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCKS, PARTITION_LOCK)
    try:
        there = set(await weeks(connection))
        for week in sorted(there - set(await weeks(connection, _YOUNGEST)), key=_begin):
            async with connection.transaction():
                await _make(connection, _YOUNGEST, *PARENTS[_YOUNGEST], week)
        made = [week for week in missing if week not in there]
        for week in made:
            async with connection.transaction():
                for parent, (column, fillfactor) in PARENTS.items():
                    await _make(connection, parent, column, fillfactor, week)
        return len(made)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCKS, PARTITION_LOCK)


async def _make(connection: Connection, parent: str, column: str, fillfactor: int, week: Week) -> None:
    """One partition; rows of its week that were waiting in the default partition move into it."""
    name = f"{parent}_{week.suffix}"
    inside = f"{column} >= '{week.first}' AND {column} < '{week.last}'"
    await connection.execute(
        f"CREATE TABLE {name} (LIKE {parent} INCLUDING DEFAULTS) WITH (fillfactor = {fillfactor}, "
        "autovacuum_vacuum_scale_factor = 0.05)"
    )
    await connection.execute(
        f"LOCK TABLE {parent}_default; "
        f"WITH moved AS (DELETE FROM {parent}_default WHERE {inside} RETURNING *) "
        f"INSERT INTO {name} SELECT * FROM moved"
    )
    await connection.execute(
        f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ('{week.first}') TO ('{week.last}')"
    )
