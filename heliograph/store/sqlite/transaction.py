"""One transaction of the group commit on SQLite. Everything here runs in the writer's thread."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import apsw
import msgspec
from msgspec.structs import astuple

from heliograph.contracts import Changes, Claim, Correlation, NewMessage, Sealer, Update
from heliograph.model import PendingDelivery
from heliograph.store.batch import Batch, Rows, Slice, Staged
from heliograph.store.bulk import opened, sealed
from heliograph.store.sealing import seal_endpoint
from heliograph.store.sqlite.administration import put_audit
from heliograph.store.sqlite.inflight import InFlight, born_claimed
from heliograph.store.sqlite.optouts import RecentOptOuts
from heliograph.store.sqlite.queries import Row, query, read_all, write_all, write_flat
from heliograph.store.sqlite.rows import (
    BUCKET_SHIFT,
    FULL_WIDTH,
    NARROW_WIDTH,
    TAIL,
    TEXT_WIDTH,
    UPDATE_WIDTH,
    NewRows,
    claim_of,
    key_of,
    segment_row,
    split,
)
from heliograph.store.sqlite.runs import Runs
from heliograph.store.sqlite.schedules import put_schedules
from heliograph.store.unreadable import Faults

__all__ = ["Writer", "delivery_row", "staged_in"]

_encode_facts = msgspec.msgpack.Encoder().encode


_Written = tuple[list[int], int | None, int, list[int]]
"""(keys born claimed, the mark to keep, messages inserted, keys updated)."""


class _VersionsDiffer(Exception):
    """Fewer rows than updates: some updates are stale. The transaction is begun anew, looking first."""


class Writer:
    """Writes batches, and remembers what saves the next one a look into the file."""

    def __init__(self, node_id: int, sealer: Sealer | None = None) -> None:
        self.node_id = node_id
        self._sealer = sealer
        self.runs = Runs()
        self.flight = InFlight()
        self.recent = RecentOptOuts()

    def finish(self, db: apsw.Connection, faults: Faults) -> None:
        """Writes what an earlier life kept of large acceptances and had not written as rows."""
        for staged in staged_in(db, faults):
            keys = [(key_of(new.message.id),) for new in staged.messages]
            there = set(read_all(db, "keys_there", keys))
            left = [new for new, (key,) in zip(staged.messages, keys, strict=True) if key not in there]
            last = Slice(left, schedules=staged.schedules, staged=staged.number)
            self.write(db, Batch([Changes(acceptances=[last], facts=list(staged.facts))]))

    def write(self, db: apsw.Connection, batch: Batch) -> bool:
        """Makes the batch durable. True when the index of runs should be extended."""
        self.runs.load(db)
        try:
            born, mark, inserted, updated = self._attempt(db, batch, careful=False)
        except _VersionsDiffer:
            db.execute("ROLLBACK")
            born, mark, inserted, updated = self._attempt(db, batch, careful=True)
        self.flight.committed(born, mark)
        self.flight.leave(batch.updates.values(), updated)
        return self.runs.added(inserted)

    def _attempt(self, db: apsw.Connection, batch: Batch, *, careful: bool) -> _Written:
        db.execute("BEGIN IMMEDIATE")
        if batch.accepts:
            self.recent.check(db, batch)
        claims = _take_claims(db, batch)
        news = batch.news()
        mark, born = None, []
        if news:
            born = born_claimed(news, self._insert(db, news), self.node_id)
            mark = self.flight.next_mark(born)
            if mark is not None:
                db.execute(query("put_claimed_from"), (self.node_id, mark))
        updated: list[int] = []
        if batch.updates:
            if careful:
                _refuse_stale(db, batch)
                claims = batch.held(claims)
            updated = _update(db, batch.updates)
        write_all(db, "put_claims", list(map(astuple, claims)))
        batch.position = self._write_rows(db, batch.rows())
        db.execute("COMMIT")
        return born, mark, len(news), updated

    def _insert(self, db: apsw.Connection, news: list[NewMessage]) -> list[int]:
        """Gives their keys."""
        rows = NewRows(news)
        write_flat(db, "insert_narrow", rows.narrow, NARROW_WIDTH)
        write_flat(db, "insert_message", rows.full, FULL_WIDTH)
        write_flat(db, "insert_text", rows.texts, TEXT_WIDTH)
        write_all(db, "insert_content", rows.contents)
        write_all(db, "put_segments", rows.segments)
        late = set(self.runs.late(rows.keys))
        if late:
            self.runs.index_late(
                db,
                [
                    (key, new.message.account_id, new.message.recipient)
                    for key, new in zip(rows.keys, news, strict=True)
                    if key in late
                ],
            )
        return rows.keys

    def _write_rows(self, db: apsw.Connection, rows: Rows) -> int:
        """Writes the rest; gives the outbox position of its facts."""
        if rows.correlations:
            _write_correlations(db, rows.correlations.values())
        if rows.wires:
            write_all(db, "put_wires", [(self.node_id, link, ",".join(ids)) for link, ids in rows.wires.items()])
        if rows.segments:
            write_all(db, "put_segments", [segment_row(of, segment) for of, _, segment in rows.segments.values()])
        if rows.logged or rows.attempts:
            _write_history(db, rows)
        if rows.references:
            now = time.time_ns() // 1000
            write_all(db, "put_references", [(*key, last, now) for key, last in rows.references.items()])
        if rows.schedules:
            put_schedules(db, rows.schedules)
        if rows.usage:
            used = map(astuple, rows.usage.values())
            write_all(db, "add_usage", [(*one[:2], self.node_id, *one[2:]) for one in used])
        _write_inbound(db, rows)
        _write_outgoing(db, rows, self._sealer)
        if rows.staged or rows.unstaged:
            _write_staged(db, rows)
        if not rows.facts:
            return 0
        db.execute(query("insert_outbox"), (time.time_ns() // 1000, _encode_facts(rows.facts)))
        return db.last_insert_rowid()


def staged_in(db: apsw.Connection, faults: Faults) -> list[Staged]:
    """Large acceptances whose rows are not all written. One that cannot be read stays as it is, and is told."""
    return faults.each("staged", db.execute(query("staged")), lambda row: opened(*row), itemgetter(0))


def _write_staged(db: apsw.Connection, rows: Rows) -> None:
    write_all(db, "put_staged", [(one.number, sealed(one)) for one in rows.staged])
    write_all(db, "delete_staged", [(number,) for number in rows.unstaged])
    if rows.undone:
        keys = json.dumps([key_of(new.message.id) for new in rows.undone])
        for table in ("delete_messages", "delete_contents", "delete_segments"):
            db.execute(query(table), (keys,))


def _write_correlations(db: apsw.Connection, links: Iterable[Correlation]) -> None:
    values: list[Any] = []
    for connector_id, canonical, account_id, message_id, segment, attempt in map(astuple, links):
        number = int(message_id[1:], 32)
        key = number >> 32
        values += (key >> BUCKET_SHIFT, connector_id, canonical, account_id, key, number & TAIL, segment, attempt)
    write_flat(db, "put_correlations", values, 8)


def _take_claims(db: apsw.Connection, batch: Batch) -> list[Claim]:
    """Tells the batch which keys are taken; gives those that it takes."""
    claims = batch.claims()
    if not claims:
        return []
    asked = [(claim.account_id, claim.scope, claim.key, claim.created_us) for claim in claims]
    taken = {(one.account_id, one.scope, one.key): one for one in map(claim_of, read_all(db, "taken_claims", asked))}
    batch.refuse_taken(taken)
    return [claim for claim in claims if (claim.account_id, claim.scope, claim.key) not in taken]


def _update(db: apsw.Connection, updates: dict[str, Update]) -> list[int]:
    """Applies them all, or raises; gives the keys of their messages."""
    keys: list[int] = []
    values: list[Any] = []
    for message_id, account_id, base_version, progress in map(astuple, updates.values()):
        key = int(message_id[1:], 32) >> 32
        keys.append(key)
        values += (key, base_version, account_id, *astuple(progress))
    if write_flat(db, "update_messages", values, UPDATE_WIDTH) != len(keys):
        raise _VersionsDiffer
    return keys


def _refuse_stale(db: apsw.Connection, batch: Batch) -> None:
    """Looks every row's version up, and takes those updates out that are based on another."""
    updates = batch.updates
    asked = [(*split(update.message_id), update.account_id) for update in updates.values()]
    versions = dict(read_all(db, "versions", asked))
    stale = [
        message_id for message_id, update in updates.items() if versions.get(key_of(message_id)) != update.base_version
    ]
    batch.refuse_stale(stale)
    for message_id in stale:
        del updates[message_id]


def _write_history(db: apsw.Connection, rows: Rows) -> None:
    events = rows.logged.values()
    write_all(
        db, "put_events", [(key_of(e.message_id), e.sequence, e.account_id, e.at_us, e.kind, e.detail) for e in events]
    )
    attempts = rows.attempts.values()
    write_all(
        db,
        "put_attempts",
        [
            (
                key_of(a.message_id),
                a.segment,
                a.number,
                a.connector_id,
                a.at_us,
                a.status,
                a.error,
                a.carrier_message_id,
            )
            for a in attempts
        ],
    )


def _write_inbound(db: apsw.Connection, rows: Rows) -> None:
    if rows.orphans_matched:
        write_all(db, "delete_orphans", [(number,) for number in rows.orphans_matched])
    if rows.orphans:
        write_all(db, "insert_orphans", [(o.connector_id, o.canonical, o.arrived_us, o.fields) for o in rows.orphans])
    if rows.parts_done:
        write_all(db, "delete_parts", rows.parts_done)
    if rows.parts:
        write_all(db, "put_parts", [astuple(part) for parts in rows.parts.values() for part in parts])


def _write_outgoing(db: apsw.Connection, rows: Rows, sealer: Sealer | None) -> None:
    if rows.endpoints:
        sealed = [seal_endpoint(endpoint, sealer) for endpoint in rows.endpoints]
        write_all(db, "put_endpoints", [_endpoint_row(*astuple(endpoint)) for endpoint in sealed])
    if rows.deleted_endpoints:
        write_all(db, "delete_endpoints", rows.deleted_endpoints)
        write_all(db, "delete_endpoint_deliveries", [gone[:2] for gone in rows.deleted_endpoints])
    if rows.endpoints or rows.deleted_endpoints:
        db.execute(query("bump_config"))
    if rows.audit:
        put_audit(db, rows.audit)
    if rows.positions:
        write_all(db, "move_endpoints", list(rows.positions.items()))
    if rows.deliveries_done:
        write_all(db, "delete_deliveries", [(one,) for one in rows.deliveries_done])
    if rows.deliveries:
        write_all(db, "put_deliveries", list(map(delivery_row, rows.deliveries.values())))


def _endpoint_row(endpoint_id: str, account_id: int, kind: str, url: str, events: Iterable[str], *rest: object) -> Row:
    *plain, tags, paused_us, old_secret, old_until_us = rest
    words = json.dumps(tags)
    return (endpoint_id, account_id, kind, url, json.dumps(events), *plain, words, paused_us, old_secret, old_until_us)


def delivery_row(delivery: PendingDelivery) -> Row:
    """The row of a pending delivery."""
    endpoint_id, number, account_id, events, *rest = astuple(delivery)
    return (endpoint_id, number, account_id, json.dumps(events), *rest)
