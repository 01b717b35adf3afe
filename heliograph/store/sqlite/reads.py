"""The pipeline's reads, each a job for a reader's thread."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import apsw

from heliograph.contracts import Backlog, Claim, Correlation, InboundPart, Orphan, ReferenceKey
from heliograph.model import Live
from heliograph.store.batch import ClaimKey
from heliograph.store.sqlite.queries import Row, ask, keys_of, query, read_all
from heliograph.store.sqlite.rows import (
    claim_of,
    correlation_of,
    id_of,
    key_at,
    key_of,
    live_of,
    orphan_of,
    part_of,
    split,
)
from heliograph.store.sqlite.salvage import SPOILT, all_messages, messages, others_of
from heliograph.store.sqlite.schedules import add_schedules
from heliograph.store.unreadable import Faults

__all__ = ["Reads"]

_BUCKETS_S = 300.0
_WINDOW = 5_000
"""Rows that one step of a sweep looks at: some milliseconds."""


class Reads:
    """Queries with what little they remember between calls (which buckets there are, how far all has ended)."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._buckets: list[int] = []
        self._buckets_until = 0.0
        self._open_from = 0

    def newest_id(self, db: apsw.Connection) -> str | None:
        row: str | None = db.execute(query("newest")).get
        return None if row is None else id_of(*json.loads(row))

    def claims(self, db: apsw.Connection, keys: Sequence[ClaimKey], now_us: int) -> dict[ClaimKey, Claim]:
        rows = read_all(db, "taken_claims", [(*key, now_us) for key in keys])
        return {(one.account_id, one.scope, one.key): one for one in map(claim_of, rows)}

    def opted_out(self, db: apsw.Connection, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        return {(account_id, recipient) for account_id, recipient in read_all(db, "opted_out", pairs)}

    def references(self, db: apsw.Connection, keys: Sequence[ReferenceKey]) -> dict[ReferenceKey, int]:
        rows = read_all(db, "references", keys)
        return {(connector_id, sender, recipient): last for connector_id, sender, recipient, last in rows}

    # --- correlation ----------------------------------------------------------------------------
    def correlate(self, db: apsw.Connection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Correlation]:
        """Looks in the newest bucket first, where nearly all are, then for the rest in all others."""
        found: dict[tuple[int, str], Correlation] = {}
        buckets = self.buckets(db)
        for tried in (buckets[:1], buckets[1:]):
            left = [key for key in keys if key not in found] if found else keys
            if not tried or not left:
                break
            asked = [(bucket, *key) for bucket in reversed(tried) for key in left]
            for one in map(correlation_of, read_all(db, "correlate", asked)):  # the newest comes last and holds
                found[one.connector_id, one.canonical] = one
        return found

    def buckets(self, db: apsw.Connection) -> list[int]:
        """The buckets of correlations, newest first. Old ones are looked up seldom; new ones at every call."""
        now = time.monotonic()
        newest: int | None = db.execute(query("newest_bucket")).get
        if now > self._buckets_until or newest != (self._buckets[0] if self._buckets else None):
            self._buckets = sorted(ask(db, "buckets"), reverse=True)
            self._buckets_until = now + _BUCKETS_S
        return self._buckets

    def orphans(self, db: apsw.Connection, keys: Sequence[tuple[int, str]]) -> list[Orphan]:
        try:
            found = [orphan_of(row) for row in read_all(db, "orphans", keys)]
        except SPOILT:
            numbers = read_all(db, keys_of("orphans"), keys)
            found = others_of(db, self._faults, "orphans", numbers, orphan_of, alone="one_orphan")
        return sorted({one.id: one for one in found}.values(), key=_orphan_id)

    def matched_orphans(self, db: apsw.Connection, limit: int) -> list[tuple[Orphan, Correlation]]:
        asked = (json.dumps(self.buckets(db)), limit)
        try:
            return [(orphan_of(orphan), correlation_of(link)) for orphan, link in ask(db, "matched_orphans", asked)]
        except SPOILT:
            numbers = ask(db, keys_of("matched_orphans"), asked)
            found = others_of(db, self._faults, "orphans", numbers, orphan_of, alone="one_orphan")
            links = self.correlate(db, [(one.connector_id, one.canonical) for one in found])
            return [(one, links[one.connector_id, one.canonical]) for one in found]

    # --- messages ---------------------------------------------------------------------------------
    def live(self, db: apsw.Connection, ids: Sequence[tuple[int, str]]) -> dict[str, Live]:
        asked = [(*split(message_id), account_id) for account_id, message_id in ids]
        lives = all_messages(db, self._faults, "live", asked, live_of)
        add_schedules(db, self._faults, lives)
        return {live.message.id: live for live in lives}

    def recent_writer(self, db: apsw.Connection, sender: str, recipient: str, since_us: int) -> int | None:
        _, indexed = ask(db, "last_run")
        parameters = (recipient, sender, since_us)
        row = db.execute(query("recent_writer_tail"), (max(indexed, _first_key(since_us)), *parameters)).get
        if row is None:
            row = db.execute(query("recent_writer"), (_first_key(since_us), *parameters)).get
        return None if row is None else int(json.loads(row)[0])

    def backlog(self, db: apsw.Connection, connector_id: int, now_us: int) -> list[Backlog]:
        return [Backlog(kind, account_id) for kind, account_id in ask(db, "backlog", (connector_id, now_us))]

    def waiting(self, db: apsw.Connection) -> set[tuple[int, int, int]]:
        forever = (1 << 63) - 1
        return {
            (connector_id, kind, account_id)
            for connector_id in ask(db, "backlog_connectors")
            for kind, account_id in ask(db, "backlog", (connector_id, forever))
        }

    def overdue(
        self, db: apsw.Connection, after: str | None, accepted_before_us: int, limit: int
    ) -> tuple[list[Live], str | None]:
        """One window of the messages in key order: what all has ended at the beginning is not looked at again."""
        start = self._open_from if after is None else key_of(after)
        last, count, oldest_us, unended = ask(db, "window", (start, _WINDOW))
        if last is None:
            return [], None
        if not unended and start == self._open_from:
            self._open_from = last
        asked = (start, last, accepted_before_us, limit)
        found, keys = messages(db, self._faults, "overdue", asked, live_of)
        add_schedules(db, self._faults, found)
        if max(len(found), len(keys)) == limit:
            return found, id_of(keys[-1], 0) if keys else found[-1].message.id
        done = count < _WINDOW or oldest_us >= accepted_before_us
        return found, None if done else id_of(last, db.execute(query("tail_of"), (last,)).get or 0)

    def expired_waiting(self, db: apsw.Connection, now_us: int, limit: int) -> list[Live]:
        found, _ = messages(db, self._faults, "expired_waiting", (now_us, limit), live_of)
        add_schedules(db, self._faults, found)
        return found

    # --- inbound ------------------------------------------------------------------------------------
    def parts(self, db: apsw.Connection, keys: Sequence[tuple[int, str, str, int, int, int]]) -> list[InboundPart]:
        found = {(part.set_key, part.number): part for part in map(part_of, read_all(db, "parts", keys))}
        return list(found.values())

    def stale_parts(self, db: apsw.Connection, before_us: int, limit: int) -> list[InboundPart]:
        try:
            return [part_of(row) for row in ask(db, "stale_parts", (before_us, limit))]
        except SPOILT:
            rows = db.execute(query("stale_parts_apart"), (before_us, limit))
            return self._faults.each("parts", rows, _part_of, _part_name)


def _part_of(row: Row) -> InboundPart:
    return part_of([row[0], row[1].decode(), row[2].decode(), *row[3:]])


def _part_name(row: Row) -> str:
    return f"connector {row[0]}, reference {row[3]}, part {row[6]} of {row[5]}"


def _orphan_id(orphan: Orphan) -> int:
    return orphan.id


def _first_key(since_us: int) -> int:
    """Ids follow the clock, which may have stepped back: an hour of room."""
    return key_at(since_us - 3_600_000_000)
