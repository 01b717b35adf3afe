"""What customers see, and what events are told from. Jobs for a reader's thread of their own, so that

nobody's long list stands before a receipt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import msgspec

from heliograph.contracts import ListFilter, MessageRecord, OutboxPage
from heliograph.model import Fact, LoggedEvent, PendingDelivery, State
from heliograph.store.sqlite.queries import JsonRows, ask, query, read_all
from heliograph.store.sqlite.rows import key_of, record_of, split

__all__ = ["Listing", "due_deliveries", "list_step", "logged", "outbox", "records"]

RUNS_A_STEP = 64
"""Runs that one step of a listing looks through, before others get their turn."""

_FOREVER = (1 << 63) - 1
_decode_facts = msgspec.msgpack.Decoder(tuple[Fact, ...]).decode


def records(db: apsw.Connection, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
    """Messages with all their rows, by id."""
    rows = read_all(db, "records", [(*split(message_id), account_id) for account_id, message_id in ids])
    found = _records(db, rows, attempts=True)
    return {record.message.id: record for record in found}


def _records(db: apsw.Connection, rows: JsonRows, *, attempts: bool) -> list[MessageRecord]:
    found = [record_of(row, attempts=attempts, on_wire=False) for row in rows]
    if not any(record.progress.state < State.SENT for record in found):
        return found
    wires = {message_id for ids in ask(db, "all_wires") for message_id in ids.split(",")}
    return [
        msgspec.structs.replace(record, on_wire=True)
        if record.progress.state < State.SENT and record.message.id in wires
        else record
        for record in found
    ]


def logged(db: apsw.Connection, account_id: int, message_id: str) -> list[LoggedEvent]:
    """Logged events of one message, in order."""
    rows = ask(db, "logged", (*split(message_id), account_id))
    return [
        LoggedEvent(
            message_id=message_id, account_id=account_id, sequence=sequence, at_us=at_us, kind=kind, detail=detail
        )
        for sequence, at_us, kind, detail in rows
    ]


@dataclass(slots=True)
class Listing:
    """A listing under way: ``run`` is the next run to look into (None: begin with what no run holds yet)."""

    account_id: int
    asked: ListFilter
    found: list[MessageRecord]
    run: int | None = None
    below: int = _FOREVER

    @property
    def done(self) -> bool:
        return self.run == 0 or len(self.found) >= self.asked.limit


def list_step(db: apsw.Connection, listing: Listing) -> None:
    """Looks a bit further back."""
    asked = listing.asked
    states = json.dumps(asked.states) if asked.states else None
    left = asked.limit - len(listing.found)
    fixed = (listing.account_id, asked.recipient, states, left)
    if listing.run is None:
        before = _FOREVER if asked.before is None else key_of(asked.before)
        db.execute("BEGIN")  # one snapshot: no run may be made in between
        last_run, indexed = ask(db, "last_run")
        rows = ask(db, "list_tail", (indexed, before, *fixed)) if before > indexed else []
        run = last_run if before > indexed else db.execute(query("run_before"), (before,)).get
        found = _records(db, rows, attempts=False)
        db.execute("COMMIT")
        listing.below, listing.run = min(before, indexed + 1), run
    else:
        floor = max(0, listing.run - RUNS_A_STEP)
        name = "list_account" if asked.recipient is None else "list_recipient"
        found = _records(db, ask(db, name, (listing.run, listing.below, *fixed, floor)), attempts=False)
        listing.run = floor
    listing.found += found


def outbox(db: apsw.Connection, after: int, limit: int) -> OutboxPage:
    """Rows of the outbox after a position."""
    rows = db.execute(query("outbox"), (after, limit))
    return OutboxPage(tuple((position, _decode_facts(facts)) for position, facts in rows))


def due_deliveries(db: apsw.Connection, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
    """What an endpoint is owed again by now, oldest first."""
    return [
        PendingDelivery(
            endpoint_id=endpoint, id=number, account_id=account_id,
            events=tuple((message_id, sequence) for message_id, sequence in json.loads(events)),
            tries=tries, next_us=next_us, first_us=first_us, body=None if no_body else bytes.fromhex(body),
            last_error=last_error,
        )
        for endpoint, number, account_id, events, tries, next_us, first_us, body, no_body, last_error
            in ask(db, "due_deliveries", (endpoint_id, now_us, limit))
    ]  # fmt: skip
