"""Looking for rows that cannot be read: all of them, through cursors of one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from heliograph.contracts import SET_ASIDE, StoreCheck
from heliograph.errors import ConfigurationUnreadable
from heliograph.store.postgres.administration import account_of, credential_of, read_configured
from heliograph.store.postgres.configuration import endpoint_of
from heliograph.store.postgres.connection import Connection
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.rows import content_after_message, live_of, schedule_of, unpack_facts
from heliograph.store.unreadable import INCOMPLETE, Damaged, Found, check_text

__all__ = ["unreadable"]

_STEP = 1_000


async def unreadable(connection: Connection) -> list[StoreCheck]:
    """What ``store check`` says of messages, with all that belongs to them, and of the outbox."""
    found = Found()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for table, name, read in (
            ("messages", "look_messages", _message),
            ("schedules", "look_schedules", _schedule),
            ("outbox", "look_outbox", _outbox),
        ):
            async for row in connection.cursor(QUERIES[name], prefetch=_STEP):
                found.each(table, [row], read, _name)
        for row in await connection.fetch(QUERIES["look_segments"]):
            found.tell("messages", row["id"], Damaged(INCOMPLETE))
        configured = await _configured(connection)
        return configured + found.findings(await connection.fetchval(QUERIES["count_aside"], SET_ASIDE))


async def _configured(connection: Connection) -> list[StoreCheck]:
    """The first row of each table that no server would start with."""
    findings = []
    reads: tuple[tuple[str, str, Callable[[Any], object], tuple[Any, ...]], ...] = (
        ("accounts", "accounts", account_of, ()),
        ("api_keys", "every_credential", credential_of, ()),
        ("endpoints", "endpoints", endpoint_of, (None,)),
    )
    for table, name, decode, asked in reads:
        try:
            read_configured(table, await connection.fetch(QUERIES[name], *asked), decode)
        except ConfigurationUnreadable as error:
            findings.append(StoreCheck(False, str(error)))
    return findings


def _name(row: Any) -> object:
    return row["id"]


def _message(row: Any) -> None:
    live_of(row)
    check_text(content_after_message(row))


def _schedule(row: Any) -> None:
    schedule_of(row["fields"])


def _outbox(row: Any) -> None:
    unpack_facts(row["facts"])
