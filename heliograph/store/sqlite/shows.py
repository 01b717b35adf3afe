"""What customers see, and what events are told from. Jobs for a reader's thread of their own, so that

nobody's long list stands before a receipt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import apsw
import msgspec

from heliograph.contracts import MessageRecord, OutboxPage
from heliograph.model import Fact, Live, LoggedEvent, PendingDelivery, Schedule, State
from heliograph.store.sqlite.queries import Row, ask, query
from heliograph.store.sqlite.rows import record_of, split
from heliograph.store.sqlite.salvage import SPOILT, all_messages, messages, messages_of_keys, others
from heliograph.store.sqlite.schedules import schedules_of, waiting_rows
from heliograph.store.unreadable import Faults

__all__ = ["deliveries", "due_deliveries", "logged", "outbox", "records", "records_of", "scheduled"]

listed = partial(record_of, attempts=False, on_wire=False)

_decode_facts = msgspec.msgpack.Decoder(tuple[Fact, ...]).decode


def _headed(head: Live) -> MessageRecord:
    """What can be shown of a message of which only its own row can be read."""
    return MessageRecord(message=head.message, progress=head.progress, content=None)


def records(db: apsw.Connection, faults: Faults, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
    """Messages with all their rows, by id."""
    asked = [(*split(message_id), account_id) for account_id, message_id in ids]
    decode = partial(record_of, attempts=True, on_wire=False)
    found = completed(
        db, faults, all_messages(db, faults, "records", asked, decode, alone="one_record", instead=_headed)
    )
    return {record.message.id: record for record in found}


def owner_within(db: apsw.Connection, accounts: Sequence[int], message_id: str) -> int | None:
    """Which of the accounts has a message."""
    found: int | None = db.execute(query("owner_within"), (*split(message_id), json.dumps(list(accounts)))).get
    return found


def records_of(
    db: apsw.Connection, faults: Faults, name: str, parameters: Row | dict[str, Any]
) -> tuple[list[MessageRecord], list[int]]:
    """Messages of a query without their attempts; and the keys of all that it should give, where one was unreadable."""
    found, keys = messages(db, faults, name, parameters, listed, alone="one_record", instead=_headed)
    return completed(db, faults, found), keys


def completed(db: apsw.Connection, faults: Faults, found: list[MessageRecord]) -> list[MessageRecord]:
    """The messages with what stands in no row of theirs: their dates, and whether they are on the wire."""
    if dates := schedules_of(db, faults, (record.message.id for record in found)):
        found = [_dated(record, dates.get(record.message.id, ())) for record in found]
    if not any(record.progress.state < State.SENT for record in found):
        return found
    wires = _wires(db, faults)
    return [
        msgspec.structs.replace(record, on_wire=True)
        if record.progress.state < State.SENT and record.message.id in wires
        else record
        for record in found
    ]


def _wires(db: apsw.Connection, faults: Faults) -> set[str]:
    try:
        return {message_id for ids in ask(db, "all_wires") for message_id in ids.split(",")}
    except SPOILT as error:
        faults.tell("wires", "of all nodes", error)
        return set()


def _dated(record: MessageRecord, schedules: tuple[Schedule, ...]) -> MessageRecord:
    return msgspec.structs.replace(record, schedules=schedules) if schedules else record


def scheduled(
    db: apsw.Connection, faults: Faults, account_id: int, after: tuple[int, str], before_us: int, limit: int
) -> list[MessageRecord]:
    """Messages that wait for their date, soonest first."""
    rows = waiting_rows(db, account_id, after, before_us, limit)
    try:
        found = [listed(row) for row in rows]
    except SPOILT:
        keys = [row if isinstance(row, int) else row[0] for row in rows]
        found = messages_of_keys(db, faults, keys, listed, alone="one_record", instead=_headed)
    return completed(db, faults, found)


def logged(db: apsw.Connection, account_id: int, message_id: str) -> list[LoggedEvent]:
    """Logged events of one message, in order."""
    rows = ask(db, "logged", (*split(message_id), account_id))
    return [
        LoggedEvent(
            message_id=message_id, account_id=account_id, sequence=sequence, at_us=at_us, kind=kind, detail=detail
        )
        for sequence, at_us, kind, detail in rows
    ]


def outbox(db: apsw.Connection, faults: Faults, after: int, limit: int) -> OutboxPage:
    """Rows of the outbox after a position."""
    return faults.outbox(db.execute(query("outbox"), (after, limit)), _decode_facts)


def due_deliveries(
    db: apsw.Connection, faults: Faults, endpoint_id: str, now_us: int, limit: int
) -> list[PendingDelivery]:
    """What an endpoint is owed again by now, oldest first."""
    asked = (endpoint_id, now_us, limit)
    return others(db, faults, "deliveries", "due_deliveries", asked, _delivery_of, alone="one_delivery")


def deliveries(
    db: apsw.Connection, faults: Faults, endpoint_id: str, from_us: int, before_us: int, limit: int
) -> list[PendingDelivery]:
    """What an endpoint is owed by the time that it is due, the latest first."""
    asked = (endpoint_id, from_us, before_us, limit)
    return others(db, faults, "deliveries", "deliveries", asked, _delivery_of, alone="one_delivery")


def _delivery_of(row: list[Any]) -> PendingDelivery:
    endpoint, number, account_id, events, tries, next_us, first_us, body, no_body, last_error = row
    return PendingDelivery(
        endpoint_id=endpoint, id=number, account_id=account_id,
        events=tuple((message_id, sequence) for message_id, sequence in json.loads(events)),
        tries=tries, next_us=next_us, first_us=first_us, body=None if no_body else bytes.fromhex(body),
        last_error=last_error,
    )  # fmt: skip
