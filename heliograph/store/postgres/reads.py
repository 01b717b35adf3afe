"""What the pipeline and the customers read: batched, by key, through a small pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from heliograph.contracts import (
    Backlog,
    Claim,
    Correlation,
    InboundPart,
    ListFilter,
    MessagePage,
    MessageRecord,
    Orphan,
    OutboxPage,
    ReferenceKey,
    TallyFilter,
    TallyRow,
)
from heliograph.errors import MessageUnreadable, StoreBusy
from heliograph.model import (
    Attempt,
    Content,
    Live,
    LoggedEvent,
    PendingDelivery,
    Schedule,
    SegmentProgress,
    State,
    UsageRow,
    id_time_us,
)
from heliograph.store.postgres.connection import CONNECTION_ENDED, Pool, translated
from heliograph.store.postgres.listing import MOST_WINDOWS, Way
from heliograph.store.postgres.partitions import WEEK_US, first_id
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.rows import (
    array,
    columns,
    live_of,
    part_of,
    pending_of,
    schedule_of,
    segment_of,
    unpack_facts,
)
from heliograph.store.postgres.widelists import WideList
from heliograph.store.unreadable import Damaged, Faults, check_segments

__all__ = ["Reads"]

_ALL_US = 1 << 62
"""A step that everything is in."""
_DAY_US = 86_400_000_000
_LATE_COMMIT_US = 3_600_000_000
"""No message is written so long after its id was made."""
_LATELY_US = 2 * WEEK_US
"""Nearly every receipt comes within this time of its message: two partitions to look at, not all."""


class Reads:
    """The reading half of the store."""

    _pool: Pool = None
    _faults: Faults
    _open_from = ""
    """No message with a smaller id is open."""

    # --- one way to the database --------------------------------------------------------------
    async def _fetch(self, name: str, *values: Any) -> list[Any]:
        if self._pool is None:
            raise StoreBusy("the store is not open")
        try:
            return await self._fetch_once(name, values)
        except StoreBusy as busy:
            if not isinstance(busy.__cause__, CONNECTION_ENDED):
                raise
        return await self._fetch_once(name, values)  # the pool had a connection that the server ended: it has others

    async def _fetch_once(self, name: str, values: Sequence[Any]) -> list[Any]:
        with translated():
            rows: list[Any] = await self._pool.fetch(QUERIES[name], *values)
            return rows

    async def _value(self, name: str, *values: Any) -> Any:
        rows = await self._fetch(name, *values)
        return rows[0][0] if rows else None

    async def _by_message(self, name: str, ids: Sequence[tuple[int, str]]) -> list[Any]:
        """Rows of a query by (account, message id) arrays; the least id spares the older partitions."""
        if not ids:
            return []
        accounts, names = zip(*ids, strict=True)
        return await self._fetch(name, array(accounts), array(names), min(names))

    # --- the pipeline -------------------------------------------------------------------------
    async def newest_id(self) -> str | None:
        """The greatest message id in the store."""
        newest: str | None = await self._value("newest_id")
        return newest

    async def claims(self, keys: Sequence[tuple[int, str, str]], now_us: int) -> dict[tuple[int, str, str], Claim]:
        """Those of the keys that are taken and not expired."""
        rows = await self._fetch("claims", *columns(set(keys), 3), now_us)
        return {(row["account_id"], row["scope"], row["key"]): Claim(**dict(row)) for row in rows}

    async def opted_out(self, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Those of the (account_id, recipient) that opted out."""
        return {(row[0], row[1]) for row in await self._fetch("opted_out", *columns(set(pairs), 2))}

    async def references(self, keys: Sequence[ReferenceKey]) -> dict[ReferenceKey, int]:
        """The last concatenation reference of those keys that ever had one."""
        rows = await self._fetch("references", *columns(set(keys), 3))
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def correlate(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Correlation]:
        """What the (connector_id, canonical id) belong to. Looks at the latest weeks first."""
        missing = list(dict.fromkeys(keys))
        found: dict[tuple[int, str], Correlation] = {}
        for since in (first_id(self._now_us() - _LATELY_US), ""):
            if missing:
                connectors, canonicals = zip(*missing, strict=True)
                for row in await self._fetch("correlate", array(connectors), array(canonicals), since):
                    found[row[0], row[1]] = Correlation(*row)
                missing = [key for key in missing if key not in found]
        return found

    def _now_us(self) -> int:
        raise NotImplementedError

    async def live(self, ids: Sequence[tuple[int, str]]) -> dict[str, Live]:
        """Messages by (account_id, id) with segments, for updates."""
        lives = await self._complete(self._lives(await self._by_message("live", ids)))
        return {live.message.id: live for live in lives}

    def _lives(self, rows: Sequence[Any]) -> list[Live]:
        return self._faults.each("messages", rows, live_of, _id_of)

    async def _complete(self, lives: Sequence[Live], faults: Faults | None = None) -> list[Live]:
        """Adds what stands in rows of other tables, segments and schedules; gives those that are whole."""
        whole = await self._with_segments(lives, faults or self._faults)
        schedules = await self._schedules(whole)
        for live in whole if schedules else ():
            live.schedules = schedules.get(live.message.id, ())
        return whole

    async def _schedules(self, lives: Sequence[Live]) -> dict[str, tuple[Schedule, ...]]:
        found: dict[str, tuple[Schedule, ...]] = {}
        ids = [(live.message.account_id, live.message.id) for live in lives]
        rows = await self._by_message("schedules", ids)
        for message_id, schedule in self._faults.each("schedules", rows, _dated, itemgetter(0)):
            found[message_id] = (*found.get(message_id, ()), schedule)
        return found

    async def _with_segments(self, lives: Sequence[Live], faults: Faults) -> list[Live]:
        """The messages with their segments, but for those that lack one: these are told."""
        long = {live.message.id: live for live in lives if live.message.segments > 1}
        if not long:
            return list(lives)
        segments = await self._segments([live.message for live in long.values()])
        damaged: set[str] = set()
        for message_id, live in long.items():
            found = segments.get(message_id, [])
            try:
                check_segments(found, live.message)
            except Damaged as error:
                damaged.add(message_id)
                faults.tell("messages", message_id, error, live)
            else:
                live.segments = found
        return [live for live in lives if live.message.id not in damaged]

    async def _segments(self, messages: Iterable[Any]) -> dict[str, list[SegmentProgress]]:
        found: dict[str, list[SegmentProgress]] = {}
        for row in await self._by_message("segments", [(message.account_id, message.id) for message in messages]):
            found.setdefault(row[0], []).append(segment_of(row))
        return found

    async def orphans(self, keys: Sequence[tuple[int, str]]) -> list[Orphan]:
        """Kept receipts of these (connector_id, canonical id)."""
        return [Orphan(**dict(row)) for row in await self._fetch("orphans", *columns(set(keys), 2))]

    async def matched_orphans(self, limit: int) -> list[tuple[Orphan, Correlation]]:
        """Kept receipts that belong to a message of the last weeks by now, oldest first."""
        rows = await self._fetch("matched_orphans", first_id(self._now_us() - _LATELY_US), limit)
        return [
            (
                Orphan(connector_id=row[0], canonical=row[1], arrived_us=row[2], fields=row[3], id=row[4]),
                Correlation(row[0], row[1], *row[5:]),
            )
            for row in rows
        ]

    async def recent_writer(self, sender: str, recipient: str, since_us: int) -> int | None:
        """The account that last sent from ``sender`` to ``recipient`` since then."""
        account: int | None = await self._value(
            "recent_writer", sender, recipient, since_us, first_id(since_us - WEEK_US)
        )
        return account

    async def parts(self, keys: Sequence[tuple[int, str, str, int, int, int]]) -> list[InboundPart]:
        """All kept parts of these sets."""
        return [part_of(row) for row in await self._fetch("parts", *columns(set(keys), 6))]

    async def stale_parts(self, before_us: int, limit: int) -> list[InboundPart]:
        """All parts of up to ``limit`` sets whose newest part arrived before then."""
        return [part_of(row) for row in await self._fetch("stale_parts", before_us, limit)]

    async def backlog(self, connector_id: int, now_us: int) -> list[Backlog]:
        """Which (class, account) have unclaimed messages due in this lane."""
        return [Backlog(row[0], row[1]) for row in await self._fetch("backlog", connector_id, now_us)]

    async def waiting(self) -> set[tuple[int, int, int]]:
        """Every (connector_id, class, account_id) with unclaimed messages, due or not."""
        return {(row[0], row[1], row[2]) for row in await self._fetch("waiting")}

    async def overdue(self, *, after: str | None, accepted_before_us: int, limit: int) -> tuple[list[Live], str | None]:
        """Messages handed over and not ended, a day of them at most; with the id to go on from (None: done).

        What all has ended at the beginning is not looked through again by the next sweep.
        """
        newest = await self.newest_id()
        start = await self._before_first_open() if after is None else after
        if newest is None or start is None:
            return [], None
        end = first_id(id_time_us(start.ljust(len(newest), "0")) + _DAY_US)
        rows = await self._fetch("overdue", start, accepted_before_us, limit, end)
        lives = await self._complete(self._lives(rows))
        if len(rows) == limit:
            return lives, _id_of(rows[-1])
        return lives, end[:-1] if end <= newest else None

    async def _before_first_open(self) -> str | None:
        """Just before the first message that has not ended; None where all have."""
        first: str | None = await self._value("first_open", self._open_from)
        settled = first_id(self._now_us() - _LATE_COMMIT_US)
        self._open_from = max(self._open_from, settled if first is None else min(first, settled))
        return None if first is None else first[:-1]

    async def expired_waiting(self, now_us: int, limit: int) -> list[Live]:
        """Waiting, unclaimed messages whose validity is over."""
        return await self._complete(self._lives(await self._fetch("expired_waiting", now_us, limit)))

    async def moved_zones(self, version: str, *, after: str | None, due_before_us: int, limit: int) -> list[Live]:
        """Scheduled messages whose wall time was read with other zone data, in id order."""
        return await self._complete(
            self._lives(await self._fetch("moved_zones", version, after or "", due_before_us, limit))
        )

    # --- outbox -------------------------------------------------------------------------------
    async def outbox(self, after: int, limit: int) -> OutboxPage:
        """Up to ``limit`` rows after a position, never one that a running transaction could precede."""
        rows = await self._fetch("outbox", after, limit)
        return self._faults.outbox(rows, unpack_facts)

    async def outbox_end(self) -> int:
        """A position behind which nothing that is committed from now on is missed."""
        return int(await self._value("outbox_end"))

    async def due_deliveries(self, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
        """Pending deliveries of an endpoint that are due, oldest first."""
        return self._pending(await self._fetch("due_deliveries", endpoint_id, now_us, limit))

    async def deliveries(self, endpoint_id: str, from_us: int, before_us: int, limit: int) -> list[PendingDelivery]:
        """Deliveries of an endpoint by when they are due, the latest first."""
        return self._pending(await self._fetch("deliveries", endpoint_id, from_us, before_us, limit))

    def _pending(self, rows: Sequence[Any]) -> list[PendingDelivery]:
        return self._faults.each("deliveries", rows, pending_of, itemgetter("id"))

    async def counts_position(self) -> int:
        """The counter's place in the outbox."""
        return int(await self._value("counter"))

    async def usage(self, since_us: int) -> list[UsageRow]:
        """What every node used of limits, of periods that began then or later."""
        return [UsageRow(*row) for row in await self._fetch("usage", since_us)]

    async def tallies(self, asked: TallyFilter) -> list[TallyRow]:
        """Counts, at most ``limit`` rows, in order of time."""
        rows = await self._fetch(
            "tallies",
            list(asked.accounts),
            asked.from_us,
            asked.to_us,
            asked.step_us or _ALL_US,
            list(asked.by),
            asked.limit,
        )
        return [TallyRow(*row) for row in rows]

    # --- what customers see -------------------------------------------------------------------
    async def message(self, account_id: int, message_id: str) -> MessageRecord | None:
        """One message of this account with all its rows (see the contract)."""
        found = (await self.records([(account_id, message_id)])).get(message_id)
        if found is None and await self.owner_within([account_id], message_id) is not None:
            raise MessageUnreadable(message_id)
        return found

    async def records(self, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
        """Many messages with all their rows."""
        lives = self._lives(await self._by_message("live", ids))
        found = [(live.message.account_id, live.message.id) for live in lives]
        attempts: dict[str, list[Attempt]] = {}
        for row in await self._by_message("attempts", found):
            attempts.setdefault(row[0], []).append(Attempt(**dict(row)))
        records = await self._records(lives, attempts)
        return {record.message.id: record for record in records}

    async def messages(self, account_id: int, asked: ListFilter) -> MessagePage:
        """Newest first (without attempts and events), window by window where no index knows the filter."""
        way = Way.of(account_id, asked)
        lives: list[Live] = []
        before, left = way.before, asked.limit
        for _ in range(MOST_WINDOWS):
            floor = await self._value(way.floor, *way.floor_values(before)) if way.floor else None
            rows = await self._fetch(way.query, *way.values(before, floor, left))
            lives += self._lives(rows)
            left -= len(rows)  # what can't be read leaves its place on the page empty
            if left <= 0 or floor is None:
                break
            before = floor
        records = await self._records(lives, {})
        return MessagePage(tuple(records), _id_of(rows[-1]) if left <= 0 else floor)

    async def messages_within(self, accounts: Sequence[int], asked: ListFilter) -> MessagePage:
        """Newest first, of several accounts (see :mod:`~heliograph.store.postgres.widelists`)."""
        lives, following = await WideList(self._fetch, self._by_message, self._lives, accounts, asked).page()
        return MessagePage(tuple(await self._records(lives, {})), following)

    async def owner_within(self, accounts: Sequence[int], message_id: str) -> int | None:
        """Which of the accounts has a message."""
        rows = await self._fetch("owner_within", list(accounts), message_id)
        return rows[0][0] if rows else None

    async def scheduled(
        self, account_id: int, *, after: tuple[int, str], before_us: int, limit: int
    ) -> list[MessageRecord]:
        """Messages that wait for their date, soonest first."""
        rows = await self._fetch("scheduled", account_id, *after, before_us, limit)
        return await self._records(self._lives(rows), {})

    async def _records(self, lives: Sequence[Live], attempts: Mapping[str, list[Attempt]]) -> list[MessageRecord]:
        ids = [(live.message.account_id, live.message.id) for live in lives]
        contents = {
            row[0]: Content(kind=row[1], octets=row[2], udh_octets=row[3], key_id=row[4])
            for row in await self._by_message("contents", ids)
        }
        await self._complete(lives)  # one that lacks a segment is shown without them
        early = any(live.progress.state < State.SENT for live in lives)
        wired = await self._on_wire() if early else frozenset()
        return [
            MessageRecord(
                message=live.message,
                progress=live.progress,
                content=contents.get(live.message.id),
                segments=tuple(live.segments or ()),
                attempts=tuple(attempts.get(live.message.id, ())),
                on_wire=live.progress.state < State.SENT and live.message.id in wired,
                schedules=live.schedules,
            )
            for live in lives
        ]

    async def _on_wire(self) -> frozenset[str]:
        return frozenset(name for row in await self._fetch("all_wires") for name in row[0].split(","))

    async def logged(self, account_id: int, message_id: str) -> list[LoggedEvent]:
        """Events of one message that no column tells, in order."""
        return [LoggedEvent(**dict(row)) for row in await self._fetch("logged", account_id, message_id)]


def _id_of(row: Any) -> str:
    return str(row["id"])


def _dated(row: Sequence[Any]) -> tuple[str, Schedule]:
    return row[0], schedule_of(row[1])
