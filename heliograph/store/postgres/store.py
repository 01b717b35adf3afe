"""The store on PostgreSQL: one connection writes, a small pool reads, a task keeps things in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import itemgetter
from random import random
from time import monotonic, time_ns
from typing import Any

from heliograph.contracts import SET_ASIDE, Changes, Committed, Sealer, Told, Unreadable
from heliograph.errors import HeliographError, StoreBusy, StoreError, StoreInUse
from heliograph.model import AT_ONCE, DEAD_FROM_US, END, Content, Fact, Live
from heliograph.store.batch import Batch
from heliograph.store.groupcommit import GroupCommit, awaiting
from heliograph.store.postgres import nodes, partitions, schema
from heliograph.store.postgres.care import Care
from heliograph.store.postgres.configuration import Configuration
from heliograph.store.postgres.connection import Connection, connect, connect_pool, refuse_unsafe, translated
from heliograph.store.postgres.nodes import Watermark
from heliograph.store.postgres.optouts import OptOutFilter
from heliograph.store.postgres.queries import QUERIES
from heliograph.store.postgres.rows import array, content_after_message, live_of
from heliograph.store.postgres.secrets import Secrets
from heliograph.store.postgres.writer import OutcomeUnknown, Written, write
from heliograph.store.unreadable import Faults

__all__ = ["PostgresStore"]

_TEND_S = 0.5
_WATERMARK_S = 5.0
_PARTITIONS_S = 3600.0
_HORIZON_US = 60_000_000
"""A new message's id is seldom older than this when it is written (an older one lowers the mark with its commit)."""
_LONGEST_PAUSE_S = 2.0
_OUTCOME_PAUSE_S = 0.05


class PostgresStore(Configuration, Secrets, Care):
    """Fulfils :class:`heliograph.contracts.Store`.

    ``url`` is ``postgresql://user@host/database`` or, over a Unix socket,
    ``postgresql:///database?host=/directory&user=postgres``. ``serve`` says that this process is a
    node: it takes a node number and sends; without it (short commands) ``node_id`` is 0.
    """

    def __init__(
        self,
        url: str,
        *,
        serve: bool = True,
        max_waiting: int = 50_000,
        observe: Callable[[int, float], None] | None = None,
        now_us: Callable[[], int] | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        self.url = url
        self._sealer = sealer
        self.node_id = 0
        self._serve = serve
        self._clock = now_us
        self._group = GroupCommit(awaiting(self._write), max_waiting=max_waiting, observe=observe)
        self._opt_out_filter = OptOutFilter()
        self._faults = Faults(self._unreadable)
        self.on_unreadable: Callable[[Unreadable], None] | None = None
        self._asides: set[asyncio.Task[None]] = set()
        self._writer: Connection | None = None
        self._fence = 0
        self._pid = 0
        self._mending: asyncio.Task[None] | None = None
        self._identity_lost: StoreInUse | None = None
        self._tending: asyncio.Task[None] | None = None
        self._closing = False
        self._born = Watermark()
        self._claimed = Watermark()
        self._claiming = asyncio.Lock()
        self._strays = False

    def _now_us(self) -> int:
        return time_ns() // 1000 if self._clock is None else self._clock()

    @property
    def on_facts(self) -> Callable[[int, Sequence[Fact], Sequence[Live]], None] | None:
        """Hears of every transaction that had facts (see the contract)."""
        return self._group.on_facts

    @on_facts.setter
    def on_facts(self, listener: Callable[[int, Sequence[Fact], Sequence[Live]], None] | None) -> None:
        self._group.on_facts = listener

    @property
    def observe(self) -> Callable[[int, float], None] | None:
        """Hears of every group commit: rows, seconds."""
        return self._group.observe

    @observe.setter
    def observe(self, listener: Callable[[int, float], None] | None) -> None:
        self._group.observe = listener

    # --- life ---------------------------------------------------------------------------------
    async def open(self) -> None:
        """Connects, makes the schema of an empty database, checks it, becomes a node.

        Raises ``StoreOutdated``, ``StoreInUse``, ``StoreBusy`` (not reachable), ``ConfigError`` (a server
        that may forget what it confirmed).
        """
        self._faults.bind()
        connection = await connect(self.url)
        try:
            with translated():
                await refuse_unsafe(connection)
                if await self._is_empty(connection):
                    await schema.migrate(self.url)
                await schema.check_version(connection)
                if self._serve:
                    self.node_id, self._fence = await nodes.take(connection)
                    await partitions.make_ahead(connection, self._now_us())
                await self._adopt(connection)
            self._pool = await connect_pool(self.url)
            await self._refresh_opt_outs(monotonic())
            await self._read_watermarks()
        except BaseException:
            connection.terminate()
            if self._pool is not None:
                self._pool.terminate()
            raise
        self._tending = asyncio.create_task(self._tend(), name="store-tend")

    async def migrate(self) -> tuple[int, int]:
        """Brings the schema to this program's: (version before, version after)."""
        return await schema.migrate(self.url)

    async def _is_empty(self, connection: Connection) -> bool:
        """No table but the one that another process makes first when it makes the schema just now."""
        others = (
            "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
            "AND relkind IN ('r', 'p') AND relname <> 'schema_versions'"
        )
        return bool(await connection.fetchval(others) == 0)

    async def _adopt(self, connection: Connection) -> None:
        """Makes this the connection that writes."""
        await connection.execute(QUERIES["raise_outbox_base"])
        self._pid = connection.get_server_pid()
        self._writer = connection

    async def _read_watermarks(self) -> None:
        marks = {row[0]: row[1] for row in await self._fetch("watermarks", self.node_id)}
        self._born.written, self._claimed.written = marks.get(0, ""), marks.get(1, "")

    async def close(self) -> None:
        """Finishes what is queued, then disconnects."""
        self._closing = True
        for task in (self._tending, self._mending, *self._asides):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._group.close()
        for part in (self._writer, self._pool):
            if part is not None:
                try:
                    await asyncio.wait_for(part.close(), timeout=5)
                except Exception:
                    part.terminate()
        self._writer = self._pool = None

    # --- writing ------------------------------------------------------------------------------
    async def commit(self, changes: Changes) -> Committed:
        """Durable when it returns."""
        return await self._group.commit(changes)

    def keep(self, changes: Changes, told: Told) -> None:
        """The same, told in the turn that hears of it (see the contract)."""
        self._group.keep(changes, told)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now (see the contract)."""
        return self._group.trouble

    async def probe(self) -> None:
        """Writes something that nobody sees (see the contract)."""
        await self._group.probe()

    async def _write(self, batch: Batch) -> None:
        """One transaction, for the group commit."""
        connection = self._ready()
        try:
            with translated():
                sealer = self._sealer if self._may_seal else None
                written = await write(
                    connection, batch, self._opt_out_filter, self.node_id, self._born.for_commit, sealer
                )
        except OutcomeUnknown as unknown:
            self._broken()
            if not await self._was_committed(unknown.xid):
                raise StoreBusy("the connection to PostgreSQL broke; the server kept nothing") from unknown
            written = unknown.written
        except StoreBusy:
            if connection.is_closed():
                self._broken()
            raise
        batch.position = written.position
        self._remember(written)

    def _ready(self) -> Connection:
        if self._identity_lost is not None:
            raise StoreBusy(str(self._identity_lost))
        if self._writer is None or self._writer.is_closed():
            self._broken()
            raise StoreBusy("the connection to PostgreSQL is lost and is being made again")
        return self._writer

    def _remember(self, written: Written) -> None:
        born, claimed = self._born, self._claimed
        born.committed(written.mark)
        born.owned.update(written.born)
        for update in written.updates:
            if update.progress.owner != self.node_id or update.progress.state >= END:
                born.owned.discard(update.message_id)
                claimed.owned.discard(update.message_id)

    # --- a lost connection --------------------------------------------------------------------
    def _broken(self) -> None:
        """The writing connection is gone: another one is made in the background."""
        if self._writer is not None:
            self._writer.terminate()
            self._writer = None
        if self._mending is None and not self._closing and self._identity_lost is None:
            self._mending = asyncio.create_task(self._mend(), name="store-mend")

    async def _mend(self) -> None:
        pause = 0.05
        try:
            while self._writer is None:
                try:
                    await self._connect_again()
                except StoreInUse as lost:
                    self._identity_lost = lost
                    return
                except HeliographError:
                    await asyncio.sleep(pause * (0.5 + random()))
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
        finally:
            self._mending = None

    async def _connect_again(self) -> None:
        connection = await connect(self.url)
        try:
            with translated():
                await refuse_unsafe(connection)
                await schema.check_version(connection)
                if self._serve:
                    await nodes.hold_again(connection, self.node_id, self._fence, self._pid)
                await self._adopt(connection)
        except BaseException:
            connection.terminate()
            raise

    async def _was_committed(self, xid: int) -> bool:
        """What the server made of a transaction; waits for a server that is away, as long as the store is open."""
        while not self._closing and self._identity_lost is None:
            try:
                status = await self._status(xid)
            except StoreBusy:
                status = None
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            await asyncio.sleep(_OUTCOME_PAUSE_S)
        raise StoreBusy("it is not known whether PostgreSQL kept these rows")

    async def _status(self, xid: int) -> str | None:
        connection = await connect(self.url)
        try:
            with translated():
                status: str | None = await connection.fetchval(QUERIES["outcome"], str(xid))
                return status
        finally:
            connection.terminate()

    # --- claiming -----------------------------------------------------------------------------
    async def claim(
        self, connector_id: int, type: int, account_id: int, *, now_us: int, limit: int
    ) -> list[tuple[Live, Content | None]]:
        """Takes up to ``limit`` due, unclaimed messages for this node, oldest first."""
        found: list[tuple[Live, Content | None]] = []
        while wanted := limit - len(found):
            taken, there = await self._claim(connector_id, type, account_id, now_us, wanted)
            found += taken
            if there < wanted:
                break
        return found

    async def _claim(
        self, connector_id: int, type: int, account_id: int, now_us: int, limit: int
    ) -> tuple[list[tuple[Live, Content | None]], int]:
        """What can be read of those that it takes, and how many these are."""
        faults = self._faults.of_claim()
        async with self._claiming:
            self._ready()
            if self._strays:
                await self._give_strays_back()
            self._strays = True  # until the answer is here
            rows = await self._fetch("claim", connector_id, type, account_id, now_us, limit, self.node_id, self._fence)
            self._strays = False
            taken = faults.each("messages", rows, _claimed, itemgetter("id"))
            least = min((live.message.id for live, _ in taken), default=None)
            if least is not None and least < self._claimed.written:
                self._claimed.written = least
            self._claimed.owned.update(live.message.id for live, _ in taken)
        whole = {live.message.id for live in await self._complete([live for live, _ in taken], faults)}
        return [(live, content) for live, content in taken if live.message.id in whole], len(rows)

    async def _give_strays_back(self) -> None:
        """After a claim whose answer was lost: what the database says is ours, and we know nothing of."""
        lives = await self._owned(None)
        known = self._claimed.owned | self._born.owned
        await self._give_back([live for live in lives if live.message.id not in known])
        self._strays = False

    async def _owned(self, connector_id: int | None) -> list[Live]:
        lowest = min(self._born.written, self._claimed.written)
        return self._lives(await self._fetch("owned", self.node_id, lowest, connector_id))

    async def _give_back(self, lives: Sequence[Live]) -> None:
        if lives:
            messages = [live.message for live in lives]
            await self._fetch(
                "give_back",
                array([message.id for message in messages]),
                array([message.account_id for message in messages]),
                AT_ONCE,
                self.node_id,
            )

    async def release(self, connector_id: int | None = None) -> list[Live]:
        """Gives back to the backlog what this node owns, but for what its wires name: that is the answer."""
        async with self._claiming:
            self._ready()
            named = {
                name for row in await self._fetch("wires", self.node_id, connector_id) for name in row["ids"].split(",")
            }
            lives = await self._owned(connector_id)
            doubtful = [live for live in lives if live.message.id in named]
            free = [live for live in lives if live.message.id not in named]
            await self._give_back(free)
            gone = {live.message.id for live in free}
            self._born.owned -= gone
            self._claimed.owned -= gone
            self._born.owned.update(live.message.id for live in doubtful)
            if connector_id is None:
                self._strays = False
        return await self._complete(doubtful)

    def _unreadable(self, found: Unreadable) -> None:
        if found.tried_again and self._serve and self._pool is not None:
            task = asyncio.get_running_loop().create_task(self._set_aside(found))
            self._asides.add(task)
            task.add_done_callback(self._asides.discard)
        if self.on_unreadable is not None:
            self.on_unreadable(found)

    async def _set_aside(self, found: Unreadable) -> None:
        """Nothing tries this row any more, until an operator has mended it: a message belongs to nobody, and what a

        webhook is owed is a dead letter.
        """
        with suppress(StoreError):  # who meets it next tries again
            if found.table == "deliveries":
                await self._fetch("bury_delivery", found.id, DEAD_FROM_US)
            else:
                await self._fetch("set_aside", SET_ASIDE, found.id)

    # --- housekeeping -------------------------------------------------------------------------
    async def _tend(self) -> None:
        """Looks at opt-outs, marks and partitions, each in its own rhythm; what fails is tried again."""
        marks_at = partitions_at = monotonic()
        while True:
            await asyncio.sleep(_TEND_S)
            now = monotonic()
            try:
                if self._writer is None:
                    self._broken()
                await self._refresh_opt_outs(now)
                if self._serve and now - marks_at > _WATERMARK_S:
                    marks_at = now
                    await self._raise_marks()
                    if not self._may_seal:
                        await self.seal()
                if self._serve and now - partitions_at > _PARTITIONS_S:
                    partitions_at = now
                    with translated():
                        async with self._pool.acquire() as connection:
                            await partitions.make_ahead(connection, self._now_us())
            except StoreError:
                continue

    async def _raise_marks(self) -> None:
        horizon = partitions.first_id(self._now_us() - _HORIZON_US)
        self._born.look(horizon)
        async with self._claiming:
            self._claimed.look(horizon)
            if not self._strays and (mark := self._claimed.for_commit([])) is not None:
                await self._fetch("raise_watermark", self.node_id, mark)
                self._claimed.committed(mark)

    # --- figures ------------------------------------------------------------------------------
    @property
    def _write_queue(self) -> int:
        return self._group.waiting_rows


def _claimed(row: Any) -> tuple[Live, Content | None]:
    content = content_after_message(row)
    return live_of(row, content), content
