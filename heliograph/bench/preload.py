"""A store that has been at work for days: ended messages of many accounts, put into its tables by plain SQL.

A fifth needs Unicode, 15 in a hundred have two or three segments. Their ids reach from three days ago (or
the beginning of the week) to now, so that the run's messages come behind them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from urllib.parse import unquote, urlsplit

__all__ = ["preload"]

_SPAN_US: Final = 3 * 86_400_000_000
_CHUNK: Final = 500_000
_CONNECTOR: Final = "main"


def preload(url: str, messages: int, accounts: int, routes: int) -> str:
    """Fills the store, whose accounts exist; gives a sentence with the time it took. No server may run."""
    begun = time.monotonic()
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        _preload_sqlite(unquote(parts.path)[1:], messages, accounts, routes)
    else:
        asyncio.run(_preload_postgres(url, messages, accounts, routes))
    return f"{messages:,} messages of {accounts} accounts were put into the store in {time.monotonic() - begun:.0f} s"


# Place i of n: 20 % are UCS-2 (1), 10 % have two segments, 5 % three.
_KIND: Final = "CASE WHEN i % 20 IN (1, 6, 11, 16) THEN 1 ELSE 0 END"
_SEGMENTS: Final = "CASE WHEN i % 20 IN (3, 9) THEN 2 WHEN i % 20 = 16 THEN 3 ELSE 1 END"

# --- SQLite ---------------------------------------------------------------------------------------
# ?1 first place, ?2 one beyond the last, ?3 µs of place 0, ?4 µs a place, ?5 accounts, ?6 routes, ?7 connector
_PLACES: Final = f"""
WITH RECURSIVE p(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM p WHERE i + 1 < ?2),
q AS (SELECT i, ?3 + i * ?4 AS at_us, (((?3 + i * ?4 - {{epoch}}) >> 1) << 13) | (i * 7919 & 8191) AS key,
      {_SEGMENTS} AS segments, {_KIND} AS encoding, i % ?5 + 1 AS account_id FROM p)
"""
_SQLITE: Final = (
    """
INSERT INTO messages (key, tail, account_id, sender, recipient, accepted_us, expires_us, encoding, segments,
    reference, route, route_reason, country, state, version, connector_id, attempts, sent_us, ended_us, sent_seq,
    ended_seq, last_seq, carrier_message_id, status, segments_delivered)
{places}
SELECT key, i * 40503 & 4294967295, account_id, '1234' || (i % 10), printf('+4477%08d', i * 7654321 % 100000000),
    at_us, at_us + 86400000000, encoding, segments, CASE WHEN segments > 1 THEN i & 255 ELSE 0 END,
    'route' || (i % ?6), 'prefix ""', 'GB', 50, 3, ?7, 1, at_us + 4000, at_us + 9000, 2, 3, 3,
    CASE WHEN segments = 1 THEN CAST(700000000000000 + i * 4 AS TEXT) END, 0, segments FROM q
""",
    """
INSERT INTO contents (key, octets)
{places}
SELECT key, CAST(CASE WHEN encoding THEN 'Ваша посылка ' ELSE 'Your parcel ' END || i || ' arrives between 8 and 10.'
    || CASE WHEN segments > 1 THEN printf('%.*c', 100 * segments, 'x') ELSE '' END AS BLOB) FROM q
""",
    """
INSERT INTO segments (key, number, state, connector_id, attempts, sent_us, ended_us, carrier_message_id, status,
    error, possible_duplicate)
{places}
SELECT key, n.column1, 50, ?7, 1, at_us + 4000, at_us + 9000, CAST(700000000000000 + i * 4 + n.column1 AS TEXT),
    0, NULL, 0
FROM q JOIN (VALUES (1), (2), (3)) n ON n.column1 <= q.segments WHERE q.segments > 1 AND ?5 AND ?6
""",
    """
INSERT OR IGNORE INTO correlations (bucket, connector_id, canonical, account_id, key, tail, segment, attempt)
{places}
SELECT key >> 48, ?7, CAST(700000000000000 + i * 4 + CASE WHEN segments > 1 THEN n.column1 ELSE 0 END AS TEXT),
    account_id, key, i * 40503 & 4294967295, n.column1, 1
FROM q JOIN (VALUES (1), (2), (3)) n ON n.column1 <= q.segments WHERE ?6
""",
)


def _preload_sqlite(path: str, messages: int, accounts: int, routes: int) -> None:
    import apsw

    from heliograph.model.ids import EPOCH_US
    from heliograph.store.sqlite import admin
    from heliograph.store.sqlite.runs import Runs

    db = apsw.Connection(path)
    try:
        connector = admin.ensure_connectors(db, [_CONNECTOR])[_CONNECTOR]
        # Nothing here needs to survive a crash: the journal is left out, and comes back below.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "locking_mode = EXCLUSIVE"):
            db.execute(f"PRAGMA {pragma}").get  # noqa: B018
        now_us = time.time_ns() // 1000
        step = min(_SPAN_US // messages, (now_us - EPOCH_US) // (messages + 1)) & ~1 or 2
        places = _PLACES.format(epoch=EPOCH_US)
        for first in range(0, messages, _CHUNK):
            values = (first, min(messages, first + _CHUNK), now_us - messages * step, step, accounts, routes, connector)
            db.execute("BEGIN")
            for statement in _SQLITE:
                used = statement.format(places=places)
                db.execute(used, values[: 7 if "?7" in used else 6 if "?6" in used else 5])
            db.execute("COMMIT")
        runs = Runs()
        runs.load(db)
        while runs.due:
            runs.extend(db)
        db.execute("PRAGMA locking_mode = NORMAL").get  # noqa: B018
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_mode = WAL").get  # noqa: B018
    finally:
        db.close()


# --- PostgreSQL -----------------------------------------------------------------------------------
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_ID: Final = (
    "'m' || "
    + " || ".join(f"substr('{_DIGITS}', ((tick >> {shift}) & 31)::int + 1, 1)" for shift in range(45, -1, -5))
    + " || "
    + " || ".join(f"substr('{_DIGITS}', ((i * 2654435761 >> {shift}) & 31)::int + 1, 1)" for shift in range(40, -1, -5))
)
_POSTGRES: Final = f"""
CREATE TEMPORARY TABLE preload AS
SELECT i, {_ID} AS id, at_us, {_SEGMENTS} AS segments, {_KIND} AS encoding, i % $5 + 1 AS account_id
FROM (SELECT i::bigint, $3::bigint + i * $4::bigint AS at_us, ($3::bigint + i * $4::bigint - {{epoch}}) >> 1 AS tick
      FROM generate_series($1::bigint, $2::bigint - 1) AS i) AS p
"""
_POSTGRES_ROWS: Final = (
    """
INSERT INTO messages (account_id, segments, direction, accepted_us, expires_us, sent_us, ended_us, connector_id, owner,
    version, attempts, sent_seq, ended_seq, last_seq, segments_delivered, status, reference, state, type, sender_kind,
    recipient_kind, encoding, possible_duplicate, at_most_once, flash, receipt_wanted, id, sender, recipient, channel,
    entrance, route, route_reason, country, carrier_message_id)
SELECT account_id, segments, 0, at_us, at_us + 86400000000, at_us + 4000, at_us + 9000, {connector}, 0, 3, 1, 2, 3, 3,
    segments, 0, CASE WHEN segments > 1 THEN i & 255 ELSE 0 END, 50, 1, 1, 0, encoding, false, false, false, true, id,
    '1234' || (i % 10), '+4477' || lpad((i * 7654321 % 100000000)::text, 8, '0'), 'sms', 'rest',
    'route' || (i % {routes}), 'prefix ""', 'GB',
    CASE WHEN segments = 1 THEN (700000000000000 + i * 4)::text END FROM preload
""",
    """
INSERT INTO contents (account_id, kind, udh_octets, key_id, message_id, octets)
SELECT account_id, 0, 0, 0, id, convert_to(CASE WHEN encoding = 1 THEN 'Ваша посылка ' ELSE 'Your parcel ' END || i
    || ' arrives between 8 and 10.' || CASE WHEN segments > 1 THEN repeat('x', 100 * segments) ELSE '' END, 'UTF8')
FROM preload
""",
    """
INSERT INTO segments (account_id, number, state, connector_id, attempts, sent_us, ended_us, status,
    possible_duplicate, message_id, carrier_message_id)
SELECT account_id, n, 50, {connector}, 1, at_us + 4000, at_us + 9000, 0, false, id, (700000000000000 + i * 4 + n)::text
FROM preload JOIN generate_series(1, 3) AS n ON n <= segments WHERE segments > 1
""",
    """
INSERT INTO correlations (connector_id, account_id, written_us, attempt, segment, message_id, canonical)
SELECT {connector}, account_id, at_us + 4000, 1, n, id,
    (700000000000000 + i * 4 + CASE WHEN segments > 1 THEN n ELSE 0 END)::text
FROM preload JOIN generate_series(1, 3) AS n ON n <= segments
""",
    "DROP TABLE preload",
)


async def _preload_postgres(url: str, messages: int, accounts: int, routes: int) -> None:
    from heliograph.model.ids import EPOCH_US
    from heliograph.store import open_store
    from heliograph.store.postgres.connection import connect
    from heliograph.store.postgres.partitions import make_ahead, week_of

    store = open_store(url, serve=False)
    await store.open()
    connector = (await store.ensure_connectors([_CONNECTOR]))[_CONNECTOR]
    await store.close()
    db: Any = await connect(url, care=True)
    try:
        now_us = time.time_ns() // 1000
        await make_ahead(db, now_us)
        span = min(_SPAN_US, now_us - week_of(now_us).begin_us)
        step = max(2, span // messages & ~1)
        for first in range(0, messages, _CHUNK):
            values = (first, min(messages, first + _CHUNK), now_us - messages * step, step, accounts)
            literal = _POSTGRES.format(epoch=EPOCH_US)
            for at, value in enumerate(values, 1):
                literal = literal.replace(f"${at}", str(value))
            async with db.transaction():
                await db.execute(literal)
                for statement in _POSTGRES_ROWS:
                    await db.execute(statement.format(connector=connector, routes=routes))
        for table in ("messages", "contents", "segments", "correlations"):
            await db.execute(f"VACUUM ANALYZE {table}")
    finally:
        await db.close()
