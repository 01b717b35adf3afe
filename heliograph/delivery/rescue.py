"""Rescue: sweeps for what a crash, a lost wake-up or an expired lease left behind, and for what is over.

It makes every other part allowed to fail: a message that nobody remembers is found here, and every
accepted message ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from heliograph.contracts import Clock, ListFilter, Store, Update
from heliograph.delivery.dispatch import Dispatch
from heliograph.delivery.inbound import Inbound
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.delivery.receipts import Receipts
from heliograph.errors import StoreError
from heliograph.model import AT_ONCE, END, Live, State
from heliograph.rules.lifecycle import News
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import Metrics

__all__ = ["Rescue", "RescueSettings"]

_log = logging.getLogger("heliograph.delivery")

_STEP = 500
_LEAST_AGE_S = 60.0
"""The shortest validity: nothing younger can be overdue."""


class RescueSettings(Struct, frozen=True, kw_only=True):
    """How often is looked, and how long is waited. Retention ages count from a message's end.

    ``receipt_grace_s`` is how long after its validity a message waits for a receipt, at most 48 h.
    """

    lanes_every_s: float = 1.0
    expiry_every_s: float = 2.0
    overdue_every_s: float = 300.0
    parts_every_s: float = 30.0
    purge_every_s: float = 60.0
    receipt_grace_s: float = 24 * 3600.0
    parts_wait_s: float = 6 * 3600.0
    contents_s: float = 30 * 86_400.0
    records_s: float = 90 * 86_400.0
    outbox_s: float = 3 * 86_400.0
    orphans_s: float = 7 * 86_400.0
    dead_letters_s: float = 30 * 86_400.0
    audit_s: float = 730 * 86_400.0
    publishable_s: float = 86_400.0
    """Beyond their end: for a day one can see what became of a token."""
    dead_letters: int = 100_000
    """The most of one endpoint that are kept."""


class Rescue:
    """The sweeps of this node, each with a rhythm of its own."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        dispatch: Dispatch,
        receipts: Receipts,
        inbound: Inbound,
        clock: Clock,
        metrics: Metrics,
        settings: RescueSettings | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._dispatch = dispatch
        self._receipts = receipts
        self._inbound = inbound
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or RescueSettings()
        self._tasks: list[asyncio.Task[None]] = []

    async def recover(self) -> int:
        """Start-up: what the last run left claimed. Gives how many may have been on the wire.

        Messages that no lane's row named were never sent and go back silently; the named ones may have
        been sent: they are marked, or ended as ``unknown`` where they asked for ``at_most_once``.
        """
        named = await self._store.release()
        batch = Batch()
        for live in named:
            self._settle_unknown(batch, live)
        if named:
            marked = sum(1 for live in named if not live.message.at_most_once)
            journal.messages_rescued(len(named) - marked, marked)
            await self._ledger.commit(batch)
        return len(named)

    def _settle_unknown(self, batch: Batch, live: Live) -> None:
        now_us = self._clock.now_us()
        message = live.message
        if message.at_most_once:
            states = [live.progress.state] if live.segments is None else [one.state for one in live.segments]
            for number, state in enumerate(states, 1):
                if state < State.SENT:
                    news = News(number, State.UNKNOWN, now_us, 0, None, None, "outcome_unknown")
                    self._ledger.apply(batch, live, news)
            return
        old = live.progress
        if old.state >= END:
            return
        progress = replace(old, version=old.version + 1, owner=0, due_us=AT_ONCE, possible_duplicate=True)
        batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
        live.progress = progress
        for index, segment in enumerate(live.segments or ()):
            if segment.state < State.SENT and live.segments is not None:
                marked = live.segments[index] = replace(segment, possible_duplicate=True)
                batch.changes.segments.append((message.id, message.account_id, marked))

    def start(self) -> None:
        """Begins all sweeps."""
        settings = self._settings
        rhythms: tuple[tuple[float, Callable[[], Awaitable[Any]]], ...] = (
            (settings.lanes_every_s, self._dispatch.sweep),
            (settings.expiry_every_s, self.end_expired),
            (settings.overdue_every_s, self.end_overdue),
            (settings.parts_every_s, self._sweep_inbound),
            (settings.purge_every_s, self.purge),
        )
        for every_s, sweep in rhythms:
            self._tasks.append(asyncio.get_running_loop().create_task(self._repeat(every_s, sweep)))

    async def stop(self) -> None:
        """Ends all sweeps."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _repeat(self, every_s: float, sweep: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await sweep()
            except StoreError as error:
                _log.warning("a sweep will be repeated: %s", error)
            except Exception:
                self._metrics.trouble("rescue")
                _log.exception("a sweep failed and will be repeated")

    # --- sweeps ------------------------------------------------------------------------------------

    async def end_expired(self) -> int:
        """Messages that wait in the store past their validity end as ``expired``."""
        now_us = self._clock.now_us()
        total = 0
        while lives := await self._store.expired_waiting(now_us, _STEP):
            batch = Batch()
            for live in lives:
                self._end_open(batch, live, now_us)
            await self._ledger.commit(batch)
            total += len(lives)
            if len(lives) < _STEP:
                break
        return total

    async def end_overdue(self) -> int:
        """Whatever is left long after its validity ends: ``unknown`` where it was handed over, else ``expired``."""
        now_us = self._clock.now_us()
        grace_us = int(self._settings.receipt_grace_s * 1e6)
        before_us = now_us - grace_us - int(_LEAST_AGE_S * 1e6)
        after: str | None = None
        total = 0
        while True:
            lives, after = await self._store.overdue(after=after, accepted_before_us=before_us, limit=_STEP)
            batch = Batch()
            for live in lives:
                if live.message.expires_us + grace_us < now_us:
                    self._end_open(batch, live, now_us)
                    total += 1
            if not batch.changes.empty:
                await self._ledger.commit(batch)
            if after is None:
                return total

    async def end_within(self, account_id: int, by_s: int) -> int:
        """Ends those of one account that time would end within ``by_s`` seconds, now; gives how many.

        Messages that wait in the store and are over then end as ``expired``; those whose receipt is overdue then as
        ``unknown``. Those that wait for a date are left to it.
        """
        now_us = self._clock.now_us()
        then_us, total = now_us + by_s * 1_000_000, 0
        asked = ListFilter(states=(State.QUEUED, State.SUBMITTING, State.SENT), limit=_STEP)
        while True:
            page = await self._store.messages(account_id, asked)
            ids = [(account_id, record.message.id) for record in page.records]
            lives = await self._store.live(ids) if ids else {}
            batch = Batch()
            for live in lives.values():
                if self._over(live, then_us):
                    self._end_open(batch, live, now_us)
                    total += 1
            if not batch.changes.empty:
                await self._ledger.commit(batch)
            if page.next is None:
                return total
            asked = replace(asked, before=page.next)

    def _over(self, live: Live, then_us: int) -> bool:
        if live.progress.state == State.SENT:
            return live.message.expires_us + int(self._settings.receipt_grace_s * 1e6) < then_us
        return live.progress.owner == 0 and live.message.expires_us <= then_us

    def _end_open(self, batch: Batch, live: Live, now_us: int) -> None:
        """Ends what is open of a message: nothing more can come of it."""
        states = [live.progress.state] if live.segments is None else [one.state for one in live.segments]
        for number, state in enumerate(states, 1):
            if state == State.SENT:
                self._ledger.apply(batch, live, News(number, State.UNKNOWN, now_us, 0, None, None, "receipt_missing"))
            elif state < END:
                self._ledger.apply(batch, live, News(number, State.EXPIRED, now_us, 0, None, None, "expired"))

    async def _sweep_inbound(self) -> None:
        await self._inbound.give_up_parts(self._settings.parts_wait_s)
        while await self._receipts.match_orphans() >= _STEP:
            pass

    async def purge(self) -> int:
        """Deletes what is past its retention, in small steps that let others write between them."""
        now_us = self._clock.now_us()
        settings = self._settings
        ages = {
            "contents": settings.contents_s,
            "records": settings.records_s,
            "outbox": settings.outbox_s,
            "orphans": settings.orphans_s,
            "dead_letters": settings.dead_letters_s,
            "claims": 0.0,
            "publishable": settings.publishable_s,
            "references": settings.records_s,
        }
        total = 0
        for kind, age_s in ages.items():
            while deleted := await self._store.purge(kind, now_us - int(age_s * 1e6), _STEP):
                total += deleted
                await asyncio.sleep(0)
        while deleted := await self._store.purge_audit(now_us - int(settings.audit_s * 1e6), _STEP):
            total += deleted
            await asyncio.sleep(0)
        return total + await self._drop_dead_letters()

    async def _drop_dead_letters(self) -> int:
        """Of each endpoint with too many dead letters those that died first; said once a round for each."""
        total = 0
        for endpoint_id, surplus in (await self._store.crowded_dead_letters(self._settings.dead_letters)).items():
            dropped = 0
            while dropped < surplus:
                deleted = await self._store.drop_dead_letters(endpoint_id, min(_STEP, surplus - dropped))
                if not deleted:
                    break
                dropped += deleted
                await asyncio.sleep(0)
            if dropped:
                journal.dead_letters_dropped(endpoint_id, dropped)
                self._metrics.dead_letters_dropped(dropped)
            total += dropped
        return total
