"""What customers see, and what events are told from. Jobs for a reader's thread of their own, so that

nobody's long list stands before a receipt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from heliograph.contracts import MessageRecord, OutboxPage
from heliograph.model import Fact, LoggedEvent, PendingDelivery, Schedule, State
from heliograph.store.sqlite.queries import JsonRows, ask, query, read_all
from heliograph.store.sqlite.rows import record_of, split
from heliograph.store.sqlite.schedules import schedules_of, waiting_rows

__all__ = ["deliveries", "due_deliveries", "logged", "outbox", "records", "records_of", "scheduled"]

_decode_facts = msgspec.msgpack.Decoder(tuple[Fact, ...]).decode


def records(db: apsw.Connection, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
    """Messages with all their rows, by id."""
    rows = read_all(db, "records", [(*split(message_id), account_id) for account_id, message_id in ids])
    found = records_of(db, rows, attempts=True)
    return {record.message.id: record for record in found}


def owner_within(db: apsw.Connection, accounts: Sequence[int], message_id: str) -> int | None:
    """Which of the accounts has a message."""
    found: int | None = db.execute(query("owner_within"), (*split(message_id), json.dumps(list(accounts)))).get
    return found


def records_of(db: apsw.Connection, rows: JsonRows, *, attempts: bool) -> list[MessageRecord]:
    """Messages of rows of {MESSAGE}, {CONTENT} and perhaps {ATTEMPTS}."""
    found = [record_of(row, attempts=attempts, on_wire=False) for row in rows]
    if dates := schedules_of(db, (record.message.id for record in found)):
        found = [_dated(record, dates.get(record.message.id, ())) for record in found]
    if not any(record.progress.state < State.SENT for record in found):
        return found
    wires = {message_id for ids in ask(db, "all_wires") for message_id in ids.split(",")}
    return [
        msgspec.structs.replace(record, on_wire=True)
        if record.progress.state < State.SENT and record.message.id in wires
        else record
        for record in found
    ]


def _dated(record: MessageRecord, schedules: tuple[Schedule, ...]) -> MessageRecord:
    return msgspec.structs.replace(record, schedules=schedules) if schedules else record


def scheduled(
    db: apsw.Connection, account_id: int, after: tuple[int, str], before_us: int, limit: int
) -> list[MessageRecord]:
    """Messages that wait for their date, soonest first."""
    return records_of(db, waiting_rows(db, account_id, after, before_us, limit), attempts=False)


def logged(db: apsw.Connection, account_id: int, message_id: str) -> list[LoggedEvent]:
    """Logged events of one message, in order."""
    rows = ask(db, "logged", (*split(message_id), account_id))
    return [
        LoggedEvent(
            message_id=message_id, account_id=account_id, sequence=sequence, at_us=at_us, kind=kind, detail=detail
        )
        for sequence, at_us, kind, detail in rows
    ]


def outbox(db: apsw.Connection, after: int, limit: int) -> OutboxPage:
    """Rows of the outbox after a position."""
    rows = db.execute(query("outbox"), (after, limit))
    return OutboxPage(tuple((position, _decode_facts(facts)) for position, facts in rows))


def due_deliveries(db: apsw.Connection, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
    """What an endpoint is owed again by now, oldest first."""
    return list(map(_delivery_of, ask(db, "due_deliveries", (endpoint_id, now_us, limit))))


def deliveries(
    db: apsw.Connection, endpoint_id: str, from_us: int, before_us: int, limit: int
) -> list[PendingDelivery]:
    """What an endpoint is owed by the time that it is due, the latest first."""
    return list(map(_delivery_of, ask(db, "deliveries", (endpoint_id, from_us, before_us, limit))))


def _delivery_of(row: list[Any]) -> PendingDelivery:
    endpoint, number, account_id, events, tries, next_us, first_us, body, no_body, last_error = row
    return PendingDelivery(
        endpoint_id=endpoint, id=number, account_id=account_id,
        events=tuple((message_id, sequence) for message_id, sequence in json.loads(events)),
        tries=tries, next_us=next_us, first_us=first_us, body=None if no_body else bytes.fromhex(body),
        last_error=last_error,
    )  # fmt: skip
