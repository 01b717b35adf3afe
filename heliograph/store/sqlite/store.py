"""The store on SQLite: the contract, each method a job for one of its threads.

The *writer* has the one connection that writes. The *reader* serves the pipeline, *shows* serves
customers and everything that may take long. With an exclusive place (a VFS without shared memory)
the writer does it all.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import apsw

from heliograph.contracts import (
    Administered,
    Administration,
    AuditFilter,
    Backlog,
    Changes,
    Claim,
    Committed,
    Correlation,
    InboundPart,
    ListFilter,
    MessagePage,
    MessageRecord,
    OptOutTrail,
    Orphan,
    OutboxPage,
    ReferenceKey,
    Sealer,
    StoreCheck,
    Tally,
    TallyFilter,
    TallyRow,
    Told,
    Unreadable,
)
from heliograph.errors import MessageUnreadable, StoreBusy, StoreError, StoreOutdated
from heliograph.model import (
    Account,
    AuditEntry,
    ConfigObject,
    Content,
    Credential,
    Endpoint,
    Fact,
    Live,
    LoggedEvent,
    OptOut,
    PendingDelivery,
    UsageRow,
)
from heliograph.store.batch import Batch, ClaimKey
from heliograph.store.groupcommit import Ended, GroupCommit
from heliograph.store.sealing import count_keys, open_endpoint
from heliograph.store.sqlite import admin, administration, care, counts, lanes, schema, secrets, shows
from heliograph.store.sqlite.connection import Place, connect, translated
from heliograph.store.sqlite.folders import sync_folder
from heliograph.store.sqlite.folding import Folding
from heliograph.store.sqlite.listing import Listing, list_step
from heliograph.store.sqlite.lock import ServeLock
from heliograph.store.sqlite.optouts import OptOutFilter, added_since
from heliograph.store.sqlite.purge import Purge
from heliograph.store.sqlite.queries import ask, query
from heliograph.store.sqlite.reads import Reads
from heliograph.store.sqlite.salvage import set_aside
from heliograph.store.sqlite.schedules import moved_zones
from heliograph.store.sqlite.transaction import Writer
from heliograph.store.sqlite.worker import Worker
from heliograph.store.unreadable import Faults
from heliograph.telemetry import journal

__all__ = ["SqliteStore"]

_WRITER_KIB = 24_576
_READER_KIB = 12_288
_SHOWS_KIB = 8_192
_HASTY_S = 0.0001
_LOOK_S = 0.5
"""How often opt-outs of other processes are looked for: within 1 s, as promised."""
_DEPTH_S = 1.0

_SetKey = tuple[int, str, str, int, int, int]


class SqliteStore:
    """See :class:`heliograph.contracts.Store`.

    ``serve`` says that this process runs lanes: it alone may, and it migrates an older file (after a
    backup of it). Without it a short command reads and writes beside the server.
    ``vfs`` opens the file through another SQLite VFS, exclusively.
    """

    def __init__(
        self,
        path: str,
        *,
        serve: bool,
        max_waiting: int = 50_000,
        busy_ms: int = 2_000,
        vfs: str | None = None,
        observe: Callable[[int, float], None] | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        self.node_id = 1
        self._sealer = sealer
        self._serve = serve
        self._place = Place(path=path, vfs=vfs, busy_ms=busy_ms)
        self._lock = ServeLock(path)
        exclusive = self._place.exclusive
        self._folding = Folding(self._place) if serve and not exclusive else None
        self._writer = Worker("store-writer", self._place, cache_kib=_WRITER_KIB, connected=self._watch_log)
        self._reader = self._writer if exclusive else Worker("store-reader", self._place, cache_kib=_READER_KIB)
        self._shows = self._writer if exclusive else Worker("store-shows", self._place, cache_kib=_SHOWS_KIB)
        self._write = Writer(self.node_id, sealer)
        self._group = GroupCommit(self._begin, stages=True, max_waiting=max_waiting, observe=observe)
        self._calm_s = 0.0
        if serve:
            self._group.on_bulk = self._hasten
        self._faults = Faults(self._unreadable)
        self._reads = Reads(self._faults)
        self._purge = Purge(self._writer, self._shows)
        self._filter = OptOutFilter()
        self.on_opt_outs: Callable[[], None] | None = None
        self._on_unreadable: Callable[[Unreadable], None] | None = None
        self._unheard: list[Unreadable] = []
        self._optout_sequence = 0
        self._looking: asyncio.Task[None] | None = None
        self._depth: tuple[float, list[int]] = (0.0, [0, 0, 0, 0])

    @property
    def on_facts(self) -> Callable[[int, Sequence[Fact], Sequence[Live]], None] | None:
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

    @property
    def on_unreadable(self) -> Callable[[Unreadable], None] | None:
        return self._on_unreadable

    @on_unreadable.setter
    def on_unreadable(self, listener: Callable[[Unreadable], None] | None) -> None:
        """What was met while the store was opened is told to the first who listens."""
        self._on_unreadable = listener
        while listener is not None and self._unheard:
            listener(self._unheard.pop(0))

    def _unreadable(self, found: Unreadable) -> None:
        if found.tried_again and self._serve:
            self._writer.later(partial(set_aside, found=found))
        if self._on_unreadable is not None:
            self._on_unreadable(found)
        elif self._serve:
            self._unheard.append(found)

    # --- life ---------------------------------------------------------------------------------
    async def open(self) -> None:
        self._faults.bind()
        if self._serve and not self._place.exclusive:
            self._lock.take()
        try:
            before, after = await asyncio.to_thread(self._prepare, self._serve)
            if 0 < before < after:
                self._tell_migrated(before, after)
            await self._writer.run(self._wake_writer)
            await self._look_for_opt_outs()
        except BaseException:
            await self._stop_workers()
            self._lock.free()
            raise
        if self._serve:
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking(), name="store-opt-outs")

    async def migrate(self) -> tuple[int, int]:
        """Brings the file to this program's schema, after a backup of it: (version before, version after)."""
        self._lock.take()
        try:
            return await asyncio.to_thread(self._prepare, True)
        finally:
            self._lock.free()

    def _prepare(self, may_migrate: bool) -> tuple[int, int]:
        """Makes the file, or checks its schema and migrates it where that is allowed."""
        path = self._place.path
        if not self._place.exclusive:
            _make_private(path)
        try:
            db = connect(self._place, cache_kib=_READER_KIB, create=True)
            try:
                version = schema.version_of(db)
                schema.refuse_newer(version, path)
                if version == schema.NEWEST:
                    return version, version
                if version and not may_migrate:
                    raise StoreOutdated(
                        f"{path} has schema {version}, this program needs {schema.NEWEST}: run heliograph store migrate"
                    )
                if version and not self._place.exclusive:
                    care.copy_to(db, _copy_before(path))
                versions = schema.apply(db)
                if not version and not self._place.exclusive:
                    sync_folder(path)  # before anybody hears that something is kept in this file
                return versions
            finally:
                db.close()
        except apsw.CantOpenError as error:
            where = Path(path).parent
            hint = "" if where.is_dir() else f": there is no folder {where}"
            raise StoreBusy(f"the database {path} cannot be opened{hint}") from error
        except (apsw.Error, OSError) as error:
            raise translated(error, path) from error

    def _tell_migrated(self, before: int, after: int) -> None:
        if not self._place.exclusive:
            copy = _copy_before(self._place.path)
            journal.backup_written(copy, os.path.getsize(copy))
        journal.store_migrated(before, after)

    def _watch_log(self, db: apsw.Connection) -> None:
        if self._folding is not None:
            self._folding.watch(self._writer, db)

    def _wake_writer(self, db: apsw.Connection) -> None:
        self._write.recent.look(db)
        if self._serve:
            self._write.finish(db, self._faults)
        self._write.runs.load(db)
        if self._write.runs.due:
            self._writer.later(self._extend_runs)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
            self._looking = None
        await self._group.close()
        await self._stop_workers()
        self._lock.free()

    async def _stop_workers(self) -> None:
        if self._folding is not None:
            await self._folding.close()
        for worker in {self._shows, self._reader, self._writer}:
            await worker.close()

    # --- writing ------------------------------------------------------------------------------
    async def commit(self, changes: Changes) -> Committed:
        return await self._group.commit(changes)

    def keep(self, changes: Changes, told: Told) -> None:
        self._group.keep(changes, told)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now (see the contract)."""
        return self._group.trouble

    async def probe(self) -> None:
        """Writes something that nobody sees (see the contract)."""
        await self._group.probe()

    def _hasten(self, bulk: bool) -> None:
        """While a large acceptance is on its way, the writer's thread asks a busy event loop sooner for its turn: each
        of its statements does, and others wait for all of them. It would cost those that come one by one a tenth more.
        """
        if bulk:
            self._calm_s = sys.getswitchinterval()
        sys.setswitchinterval(min(_HASTY_S, self._calm_s) if bulk else self._calm_s)

    def _begin(self, batch: Batch, ended: Ended) -> None:
        self._writer.begin(partial(self._write.write, batch=batch), partial(self._written, ended))

    def _written(self, ended: Ended, runs_full: bool | None, error: BaseException | None) -> None:
        if runs_full:
            self._writer.later(self._extend_runs)
        ended(error)

    def _extend_runs(self, db: apsw.Connection) -> None:
        """Makes one run; the next, where more is waiting, comes after the commits that are queued by then."""
        self._write.runs.extend(db, hurry=self._group.crowded)
        if self._write.runs.due:
            self._writer.later(self._extend_runs)

    async def claim(
        self, connector_id: int, type: int, account_id: int, *, now_us: int, limit: int
    ) -> list[tuple[Live, Content | None]]:
        node_id = self.node_id
        return await self._writer.run(
            lambda db: lanes.claim(db, self._faults, node_id, connector_id, type, account_id, now_us, limit)
        )

    async def release(self, connector_id: int | None = None) -> list[Live]:
        flight = self._write.flight
        return await self._writer.run(lambda db: lanes.release(db, self._faults, self.node_id, flight, connector_id))

    # --- the pipeline's reads -------------------------------------------------------------------
    async def newest_id(self) -> str | None:
        return await self._reader.run(self._reads.newest_id)

    async def claims(self, keys: Sequence[ClaimKey], now_us: int) -> dict[ClaimKey, Claim]:
        return await self._reader.run(lambda db: self._reads.claims(db, keys, now_us)) if keys else {}

    async def opted_out(self, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        return await self._reader.run(lambda db: self._reads.opted_out(db, pairs)) if pairs else set()

    def may_be_opted_out(self, account_id: int, recipient: str) -> bool:
        return self._filter.may_have(account_id, recipient)

    async def references(self, keys: Sequence[ReferenceKey]) -> dict[ReferenceKey, int]:
        return await self._reader.run(lambda db: self._reads.references(db, keys)) if keys else {}

    async def correlate(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Correlation]:
        return await self._reader.run(lambda db: self._reads.correlate(db, keys)) if keys else {}

    async def live(self, ids: Sequence[tuple[int, str]]) -> dict[str, Live]:
        return await self._reader.run(lambda db: self._reads.live(db, ids)) if ids else {}

    async def orphans(self, keys: Sequence[tuple[int, str]]) -> list[Orphan]:
        return await self._reader.run(lambda db: self._reads.orphans(db, keys)) if keys else []

    async def matched_orphans(self, limit: int) -> list[tuple[Orphan, Correlation]]:
        return await self._shows.run(lambda db: self._reads.matched_orphans(db, limit))

    async def recent_writer(self, sender: str, recipient: str, since_us: int) -> int | None:
        return await self._reader.run(lambda db: self._reads.recent_writer(db, sender, recipient, since_us))

    async def parts(self, keys: Sequence[_SetKey]) -> list[InboundPart]:
        return await self._reader.run(lambda db: self._reads.parts(db, keys)) if keys else []

    async def stale_parts(self, before_us: int, limit: int) -> list[InboundPart]:
        return await self._reader.run(lambda db: self._reads.stale_parts(db, before_us, limit))

    async def backlog(self, connector_id: int, now_us: int) -> list[Backlog]:
        return await self._reader.run(lambda db: self._reads.backlog(db, connector_id, now_us))

    async def waiting(self) -> set[tuple[int, int, int]]:
        return await self._reader.run(self._reads.waiting)

    async def overdue(self, *, after: str | None, accepted_before_us: int, limit: int) -> tuple[list[Live], str | None]:
        return await self._shows.run(lambda db: self._reads.overdue(db, after, accepted_before_us, limit))

    async def expired_waiting(self, now_us: int, limit: int) -> list[Live]:
        return await self._shows.run(lambda db: self._reads.expired_waiting(db, now_us, limit))

    async def moved_zones(self, version: str, *, after: str | None, due_before_us: int, limit: int) -> list[Live]:
        return await self._shows.run(lambda db: moved_zones(db, self._faults, version, after, due_before_us, limit))

    # --- outbox -------------------------------------------------------------------------------
    async def outbox(self, after: int, limit: int) -> OutboxPage:
        return await self._shows.run(lambda db: shows.outbox(db, self._faults, after, limit))

    async def outbox_end(self) -> int:
        return await self._shows.run(lambda db: int(db.execute(query("outbox_end")).get))

    async def due_deliveries(self, endpoint_id: str, now_us: int, limit: int) -> list[PendingDelivery]:
        return await self._shows.run(lambda db: shows.due_deliveries(db, self._faults, endpoint_id, now_us, limit))

    async def deliveries(self, endpoint_id: str, from_us: int, before_us: int, limit: int) -> list[PendingDelivery]:
        return await self._shows.run(
            lambda db: shows.deliveries(db, self._faults, endpoint_id, from_us, before_us, limit)
        )

    async def add_tallies(
        self, after: int, position: int, commits: int, tallies: Mapping[Tally, tuple[int, int]]
    ) -> bool:
        return await self._writer.run(lambda db: counts.add(db, after, position, commits, tallies))

    async def tallies(self, asked: TallyFilter) -> list[TallyRow]:
        return await self._shows.run(lambda db: counts.read(db, asked))

    async def counts_position(self) -> int:
        return await self._shows.run(lambda db: int(db.execute(query("counts_position")).get))

    async def usage(self, since_us: int) -> list[UsageRow]:
        return await self._shows.run(lambda db: [UsageRow(*row) for row in db.execute(query("usage"), (since_us,))])

    # --- what customers see -------------------------------------------------------------------------
    async def message(self, account_id: int, message_id: str) -> MessageRecord | None:
        found = (await self.records([(account_id, message_id)])).get(message_id)
        if found is None and await self.owner_within([account_id], message_id) is not None:
            raise MessageUnreadable(message_id)
        return found

    async def records(self, ids: Sequence[tuple[int, str]]) -> dict[str, MessageRecord]:
        return await self._shows.run(lambda db: shows.records(db, self._faults, ids)) if ids else {}

    async def messages(self, account_id: int, asked: ListFilter) -> MessagePage:
        return await self.messages_within((account_id,), asked)

    async def messages_within(self, accounts: Sequence[int], asked: ListFilter) -> MessagePage:
        listing = Listing(accounts, asked, self._faults)
        while not listing.done:
            await self._shows.run(lambda db: list_step(db, listing))
        return listing.page

    async def owner_within(self, accounts: Sequence[int], message_id: str) -> int | None:
        return await self._shows.run(lambda db: shows.owner_within(db, accounts, message_id))

    async def scheduled(
        self, account_id: int, *, after: tuple[int, str], before_us: int, limit: int
    ) -> list[MessageRecord]:
        return await self._shows.run(lambda db: shows.scheduled(db, self._faults, account_id, after, before_us, limit))

    async def logged(self, account_id: int, message_id: str) -> list[LoggedEvent]:
        return await self._shows.run(lambda db: shows.logged(db, account_id, message_id))

    # --- configuration --------------------------------------------------------------------------
    async def config_version(self) -> int:
        return await self._reader.run(lambda db: int(db.execute(query("config_version")).get))

    async def accounts(self) -> list[Account]:
        return await self._shows.run(admin.accounts)

    async def ensure_connectors(self, names: Sequence[str]) -> dict[str, int]:
        return await self._writer.run(lambda db: admin.ensure_connectors(db, names))

    async def administer(self, change: Administration) -> Administered:
        return await self._writer.run(lambda db: administration.administer(db, change))

    async def objects(self, kind: str | None = None) -> list[ConfigObject]:
        return await self._shows.run(lambda db: administration.objects(db, kind))

    async def credentials(self, kind: str) -> list[Credential]:
        return await self._shows.run(lambda db: administration.credentials(db, kind))

    async def logins(self, kind: str, name: str) -> list[Credential]:
        return await self._shows.run(lambda db: administration.logins(db, kind, name))

    async def publishable(self, hash: bytes) -> Credential | None:
        return await self._shows.run(lambda db: administration.publishable(db, hash))

    async def publishable_of(self, account_id: int, *, begins: str, before: str, limit: int) -> list[Credential]:
        return await self._shows.run(lambda db: administration.publishable_of(db, account_id, begins, before, limit))

    async def open_publishable(self, account_id: int, now_us: int) -> int:
        return await self._shows.run(lambda db: administration.open_publishable(db, account_id, now_us))

    async def audit(self, asked: AuditFilter) -> list[AuditEntry]:
        return await self._shows.run(lambda db: administration.audit(db, asked))

    async def purge_audit(self, before_us: int, limit: int) -> int:
        return await self._writer.run(lambda db: administration.purge_audit(db, before_us, limit))

    async def keys(self) -> list[Credential]:
        return await self._shows.run(admin.keys)

    async def note_key_uses(self, prefixes: Iterable[str], at_us: int) -> None:
        noted = list(prefixes)
        await self._writer.run(lambda db: admin.note_key_uses(db, noted, at_us))

    async def endpoints(self, account_id: int | None = None) -> list[Endpoint]:
        return await self._shows.run(
            lambda db: [open_endpoint(one, self._sealer) for one in admin.endpoints(db, account_id)]
        )

    async def webhooks_of(
        self, accounts: Sequence[int], *, after: tuple[int, str] = (0, ""), limit: int
    ) -> list[Endpoint]:
        return await self._shows.run(lambda db: admin.webhooks_of(db, accounts, after, limit))

    async def seal(self, *, every: bool = False) -> int:
        sealer = self._sealer
        if sealer is None or sealer.key_id is None:
            return 0
        changed = await self._writer.run(lambda db: secrets.seal_clear(db, sealer))
        after: str | None = "" if every else None
        while after is not None:
            count, after = await self._writer.run(partial(secrets.seal_step, sealer=sealer, after=after))
            changed += count
        if changed:
            await self._writer.run(secrets.settle)
        return changed

    async def sealed_under(self) -> Mapping[str, int]:
        return await self._shows.run(lambda db: count_keys(secrets.rows(db)))

    async def add_opt_outs(self, rows: Iterable[OptOut], told: OptOutTrail | None = None) -> int:
        rows = list(rows)

        def job(db: apsw.Connection) -> int:
            added = admin.add_opt_outs(db, rows, told)
            self._write.recent.look(db)
            return added

        added = await self._writer.run(job)
        self._filter.add((row.account_id, row.recipient) for row in rows)
        await self._look_for_opt_outs()
        return added

    async def remove_opt_outs(self, pairs: Iterable[tuple[int, str]], told: OptOutTrail | None = None) -> int:
        pairs = list(pairs)
        return await self._writer.run(lambda db: admin.remove_opt_outs(db, pairs, told))

    async def first_opt_outs(self, accounts: Sequence[int], limit: int) -> list[OptOut]:
        return await self._shows.run(lambda db: admin.first_opt_outs(db, accounts, limit))

    async def opt_outs(self, account_id: int, after: str | None, limit: int) -> list[OptOut]:
        return await self._shows.run(lambda db: admin.opt_outs(db, account_id, after, limit))

    async def _look_for_opt_outs(self) -> None:
        """Adds to the filter what was opted out since the last look, by whomever."""
        since = self._optout_sequence
        sequence, pairs = await self._reader.run(lambda db: added_since(db, since))
        if sequence > self._optout_sequence:
            self._optout_sequence = sequence
            self._filter.add(pairs)
        if self._filter.full:
            sequence, pairs = await self._reader.run(lambda db: added_since(db, 0))
            self._optout_sequence = max(sequence, self._optout_sequence)
            self._filter = OptOutFilter(pairs, expected=len(pairs))
        if self._optout_sequence > since and self.on_opt_outs is not None:
            self.on_opt_outs()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            with suppress(StoreError):  # tried again at once; a commit looks for itself
                await self._look_for_opt_outs()

    # --- retention and care ---------------------------------------------------------------------
    async def purge(self, kind: str, before_us: int, limit: int) -> int:
        return await self._purge.step(kind, before_us, limit)

    async def crowded_dead_letters(self, most: int) -> dict[str, int]:
        return await self._shows.run(lambda db: dict(ask(db, "crowded_dead_letters", (most,))))

    async def drop_dead_letters(self, endpoint_id: str, limit: int) -> int:
        return await self._purge.dead_letters_of(endpoint_id, limit)

    async def check(self) -> list[StoreCheck]:
        if self._place.exclusive:
            return await self._writer.run(lambda db: care.findings(db, self._sealer))
        return await asyncio.to_thread(care.check, self._place, self._sealer)

    async def backup(self, path: str) -> None:
        if self._place.exclusive:
            await self._writer.run(lambda db: care.copy_to(db, path))
        else:
            await asyncio.to_thread(care.backup, self._place, path)

    async def depth(self) -> Mapping[str, int]:
        now = time.monotonic()
        if now >= self._depth[0]:
            figures: list[int] = await self._shows.run(lambda db: ask(db, "depth"))
            self._depth = (now + _DEPTH_S, figures)
        waiting, outbox_rows, deliveries, dead = self._depth[1]
        return {
            "waiting": waiting,
            "outbox_rows": outbox_rows,
            "pending_deliveries": deliveries,
            "dead_letters": dead,
            "write_queue": self._group.waiting_rows,
        }


def _copy_before(path: str) -> str:
    """Where the copy is that is made before the schema changes."""
    return f"{path}.before-{schema.NEWEST}"


def _make_private(path: str) -> None:
    """A new database is nobody else's to read: numbers and texts are in it. Its WAL takes the same mode."""
    with suppress(OSError):  # it is there, or SQLite will say why it can't be made
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
