"""One batch as one transaction: what clashes first, then ``COPY``, then one statement for the rest.

Nothing is answered on hope. A stale update or an opt-out that turns up rolls the transaction back,
and it runs again without it. Where the connection breaks during ``COMMIT``, the outcome is asked
of the server, under the transaction's number, before anybody hears of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any

from msgspec.structs import astuple

from heliograph.contracts import Claim, NewMessage, Sealer, Update
from heliograph.model import Endpoint
from heliograph.store.batch import Batch, ClaimKey, Rows
from heliograph.store.postgres import rows as shapes
from heliograph.store.postgres.administration import put_audit
from heliograph.store.postgres.connection import Connection, is_lost
from heliograph.store.postgres.optouts import OptOutFilter
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.rows import array, arrays, columns
from heliograph.store.sealing import seal_endpoint

__all__ = ["OutcomeUnknown", "Written", "write"]

_MANY_OPT_OUTS = 10_000
_UPDATE_WIDTH = 19
_CORRELATION_WIDTH = 6
_NO_UPDATES = ("{}",) * _UPDATE_WIDTH


class OutcomeUnknown(Exception):
    """The connection broke while ``COMMIT`` was under way.

    ``xid`` is the transaction's number; ``written`` holds if it was committed.
    """

    def __init__(self, xid: int, written: Written) -> None:
        self.xid = xid
        self.written = written
        super().__init__(f"the outcome of transaction {xid} is unknown")


@dataclass(slots=True, kw_only=True)
class Written:
    """What the node remembers of a transaction: whom it owns from now on, and whom no more."""

    born: list[str]
    updates: list[Update]
    mark: str | None
    position: int


class _Again(Exception):
    """The transaction must run again: the batch is smaller now."""


@dataclass(slots=True)
class _Refused:
    """What earlier runs of a transaction found out."""

    stale: set[str] = field(default_factory=set)
    opted_out: set[tuple[int, str]] = field(default_factory=set)


async def write(
    connection: Connection,
    batch: Batch,
    filter: OptOutFilter,
    node_id: int,
    watermark: Callable[[list[str]], str | None],
    sealer: Sealer | None = None,
) -> Written:
    """Makes the batch durable, or raises and has kept nothing (but see :class:`OutcomeUnknown`).

    ``watermark`` gives, for the ids that this transaction makes the node own, the mark that must
    be written with it (None: the present one holds).
    """
    refused = _Refused()
    while True:
        try:
            return await _transaction(connection, batch, filter, node_id, watermark, refused, sealer)
        except _Again:
            continue


async def _transaction(
    connection: Connection,
    batch: Batch,
    filter: OptOutFilter,
    node_id: int,
    watermark: Callable[[list[str]], str | None],
    refused: _Refused,
    sealer: Sealer | None,
) -> Written:
    await connection.execute("BEGIN")
    try:
        if claims := batch.claims():
            batch.refuse_taken(await _take_claims(connection, claims))
        news = batch.news()
        if news:
            await _insert(connection, news)
        updates = [update for update in batch.updates.values() if update.message_id not in refused.stale]
        updates.sort(key=_by_id)  # one order of locking for every process
        rows = batch.rows()
        await _write_rare(connection, rows, sealer)
        if rows.usage:
            used = [astuple(one) for _, one in sorted(rows.usage.items())]
            await connection.execute(QUERIES["add_usage"], *columns(used, 6), node_id)
        born = [new.message.id for new in news if new.progress.owner == node_id]
        mark = watermark(born)
        known = await _apply(connection, updates, rows, node_id, mark)
        if not known["fresh"]:
            await _refuse_stale(connection, batch, updates, refused)
        if news and known["optout_version"] != filter.settled[1]:
            await _refuse_opted_out(connection, batch, filter, refused)
    except BaseException:
        await _roll_back(connection)
        raise
    position = known["xid"] + known["outbox_base"] if rows.facts else 0
    written = Written(born=born, updates=updates, mark=mark, position=position)
    try:
        await connection.execute("COMMIT")
    except Exception as error:
        if is_lost(error):
            raise OutcomeUnknown(known["xid"], written) from error
        raise
    return written


async def _roll_back(connection: Connection) -> None:
    """Leaves the connection without a transaction, or closed."""
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK")
    except Exception:
        connection.terminate()


def _by_id(update: Update) -> str:
    return update.message_id


async def _take_claims(connection: Connection, claims: Sequence[Claim]) -> dict[ClaimKey, Claim]:
    """Inserts the claims; gives those that others have."""
    asked = {(claim.account_id, claim.scope, claim.key): claim for claim in claims}
    ordered = [asked[key] for key in sorted(asked)]  # one order of locking for every process
    won = await connection.fetch(QUERIES["take_claims"], *columns(map(astuple, ordered), 7))
    lost = asked.keys() - {(row[0], row[1], row[2]) for row in won}
    if not lost:
        return {}
    rows = await connection.fetch(QUERIES["claims"], *columns(lost, 3), 0)
    held = {(row["account_id"], row["scope"], row["key"]): Claim(**dict(row)) for row in rows}
    if held.keys() != lost:  # the holder's row was purged in between
        raise _Again
    return held


async def _insert(connection: Connection, news: Sequence[NewMessage]) -> None:
    narrow, full = shapes.message_records(news)
    if narrow:
        await connection.copy_records_to_table("messages", records=narrow, columns=shapes.NARROW_COLUMNS)
    if full:
        await connection.copy_records_to_table("messages", records=full, columns=shapes.MESSAGE_COLUMNS)
        if labels := shapes.label_records(full):
            await connection.copy_records_to_table("message_labels", records=labels, columns=shapes.LABEL_COLUMNS)
    await connection.copy_records_to_table(
        "contents", records=shapes.content_records(news), columns=shapes.CONTENT_COLUMNS
    )
    if segments := shapes.segment_records(news):
        await connection.copy_records_to_table("segments", records=segments, columns=shapes.SEGMENT_COLUMNS)


async def _apply(
    connection: Connection, updates: Sequence[Update], rows: Rows, node_id: int, watermark: str | None
) -> Any:
    """Updates, correlations, wires, watermark and facts: what most transactions hold, in one round trip."""
    shared = (
        time_ns() // 1000,
        node_id,
        list(rows.wires),
        [",".join(ids) for ids in rows.wires.values()],
        watermark,
        shapes.pack_facts(rows.facts) if rows.facts else None,
        len(updates),
    )
    if not updates and not rows.correlations:
        return await connection.fetchrow(QUERIES["finish"], *shared)
    return await connection.fetchrow(
        QUERIES["apply"],
        *shared,
        *_update_arrays(updates),
        updates[0].message_id if updates else "",
        *arrays([astuple(link) for link in rows.correlations.values()], _CORRELATION_WIDTH),
    )


def _update_arrays(updates: Sequence[Update]) -> Iterable[str]:
    if not updates:
        return _NO_UPDATES
    return (
        array([update.message_id for update in updates]),
        array([update.account_id for update in updates]),
        array([update.base_version for update in updates]),
        *map(array, zip(*[astuple(update.progress) for update in updates], strict=True)),
    )


async def _refuse_stale(connection: Connection, batch: Batch, updates: Sequence[Update], refused: _Refused) -> None:
    """Finds the updates that met another version, or no row, and takes them out."""
    await connection.execute("ROLLBACK")  # to see the rows as others left them
    there = {
        row[0]: row[1]
        for row in await connection.fetch(
            QUERIES["versions"], [update.account_id for update in updates], [update.message_id for update in updates]
        )
    }
    met = {update.message_id for update in updates if there.get(update.message_id) != update.base_version}
    refused.stale |= met
    batch.refuse_stale(met)
    raise _Again


async def _refuse_opted_out(connection: Connection, batch: Batch, filter: OptOutFilter, refused: _Refused) -> None:
    """Takes out what goes to those who opted out since every caller's gather step."""
    recipients = batch.recipients() - refused.opted_out
    if not recipients:
        return
    lately = await connection.fetch(QUERIES["opt_outs_since"], str(filter.settled[2]), _MANY_OPT_OUTS)
    if len(lately) == _MANY_OPT_OUTS:
        lately = await connection.fetch(QUERIES["opted_out"], *columns(recipients, 2))
    met = recipients & {(row[0], row[1]) for row in lately}
    if met:
        refused.opted_out |= met
        batch.refuse_opted_out(met)
        raise _Again


# --- what few transactions hold -----------------------------------------------------------------
async def _write_rare(connection: Connection, rows: Rows, sealer: Sealer | None) -> None:
    if rows.endpoints or rows.deleted_endpoints:
        sealed = [seal_endpoint(endpoint, sealer) for endpoint in rows.endpoints]
        await _write_endpoints(connection, sealed, rows.deleted_endpoints)
    if rows.segments:
        await _set_segments(connection, rows)
    for holds, execute in _RARE:
        if holds(rows):
            await execute(connection, rows)


async def _write_endpoints(
    connection: Connection, endpoints: Sequence[Endpoint], deleted: Sequence[tuple[int, str, int]]
) -> None:
    for endpoint in endpoints:
        position, settings = endpoint.position, astuple(endpoint)
        events, tags = list(endpoint.events), list(endpoint.tags)
        await connection.execute(
            QUERIES["put_endpoints"], *settings[:4], events, *settings[5:7], *settings[8:10], tags, *settings[11:]
        )
        await connection.execute(QUERIES["begin_position"], endpoint.id, position)
    for account_id, endpoint_id, at_us in deleted:
        await connection.execute(QUERIES["delete_endpoint"], account_id, endpoint_id, at_us)
        await connection.execute(QUERIES["drop_endpoint_deliveries"], account_id, endpoint_id)
    await connection.execute(QUERIES["bump_config"])


async def _add_audit(connection: Connection, rows: Rows) -> None:
    await put_audit(connection, rows.audit)


async def _set_segments(connection: Connection, rows: Rows) -> None:
    changed = sorted(rows.segments.values(), key=lambda row: (row[0], row[2].number))
    flat = [(message_id, account_id, *astuple(segment)) for message_id, account_id, segment in changed]
    await connection.execute(QUERIES["set_segments"], *arrays(flat, 12), changed[0][0])


async def _add_attempts(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["add_attempts"], *arrays([astuple(row) for row in rows.attempts.values()], 9))


async def _add_events(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["add_events"], *arrays([astuple(row) for row in rows.logged.values()], 6))


async def _drop_orphans(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["drop_orphans"], rows.orphans_matched)


async def _add_orphans(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["add_orphans"], *columns((astuple(row)[:4] for row in rows.orphans), 4))


async def _move_positions(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["move_positions"], *columns(sorted(rows.positions.items()), 2))


async def _drop_deliveries(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["drop_deliveries"], rows.deliveries_done)


async def _put_deliveries(connection: Connection, rows: Rows) -> None:
    flat = [
        (*values[:3], shapes.pack_events(row.events), *values[4:])
        for row in rows.deliveries.values()
        for values in (astuple(row),)
    ]
    await connection.execute(QUERIES["put_deliveries"], *columns(flat, 9))


async def _drop_parts(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["drop_parts"], *columns(rows.parts_done, 6))


async def _add_parts(connection: Connection, rows: Rows) -> None:
    flat = [astuple(part) for parts in rows.parts.values() for part in parts]
    await connection.execute(QUERIES["add_parts"], *columns(flat, 10))


async def _put_schedules(connection: Connection, rows: Rows) -> None:
    await connection.execute(QUERIES["put_schedules"], *columns(map(shapes.schedule_row, rows.schedules), 5))
    valid = [(one.message_id, one.account_id, one.expires_us) for one in rows.schedules]
    await connection.execute(QUERIES["put_validity"], *columns(valid, 3), min(valid)[0])


async def _put_references(connection: Connection, rows: Rows) -> None:
    flat = [(*key, reference) for key, reference in sorted(rows.references.items())]
    await connection.execute(QUERIES["put_references"], *columns(flat, 4), time_ns() // 1000)


_RARE: tuple[tuple[Callable[[Rows], object], Callable[[Connection, Rows], Awaitable[None]]], ...] = (
    (lambda rows: rows.audit, _add_audit),
    (lambda rows: rows.attempts, _add_attempts),
    (lambda rows: rows.logged, _add_events),
    (lambda rows: rows.orphans_matched, _drop_orphans),
    (lambda rows: rows.orphans, _add_orphans),
    (lambda rows: rows.positions, _move_positions),
    (lambda rows: rows.deliveries_done, _drop_deliveries),
    (lambda rows: rows.deliveries, _put_deliveries),
    (lambda rows: rows.parts_done, _drop_parts),
    (lambda rows: rows.parts, _add_parts),
    (lambda rows: rows.references, _put_references),
    (lambda rows: rows.schedules, _put_schedules),
)
