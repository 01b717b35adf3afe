"""Dates of accepted messages: canceled, moved, and read again when zone data changed.

A cancellation or a new date races with the lane that claims the message. Both are commits against the
version that was read, so exactly one of them wins; the loser reads again and decides anew.
Source: docs/explanation/design/0011-schedules.md
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from heliograph.contracts import Acceptance, Changes, Clock, Store, Update
from heliograph.delivery.dispatch import Dispatch
from heliograph.delivery.idempotency import claim_of, earlier
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import MessageUnreadable, RequestRejected, StoreBusy, StoreError
from heliograph.model import Live, Schedule, State
from heliograph.rules.lifecycle import News, fact_of
from heliograph.rules.schedule import Plan, Wish, plan, read_again
from heliograph.rules.wallclock import ZONE_VERSION
from heliograph.sms.zones import zones_of
from heliograph.telemetry.metrics import Metrics

__all__ = ["Schedules"]

_TRIES = 20
_MOST_DATES = 100
_STEP = 500
_BUSY_S = 5.0
_SOON_US = 48 * 3600 * 1_000_000
"""No zone's clocks were ever moved further than a day: what is due later cannot be due by now."""


class Schedules:
    """What can be done with a message between its acceptance and its lane."""

    def __init__(self, store: Store, ledger: Ledger, dispatch: Dispatch, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._ledger = ledger
        self._dispatch = dispatch
        self._clock = clock
        self._metrics = metrics
        self._reading: asyncio.Task[None] | None = None

    async def cancel(self, account_id: int, message_id: str, idempotency: IdempotencyKey | None) -> bool:
        """Ends a message that no carrier has; True when an earlier request with this key did.

        Once more is no error. Raises ``RequestRejected``: 404, or 409 ``too_late``.
        """
        for _ in range(_TRIES):
            live = await self._find(account_id, message_id)
            if await self._was_done(idempotency):
                return True
            if live.progress.state == State.CANCELED:
                return False
            if _handed_over(live):
                raise _too_late(live)
            if await self._canceled(live, idempotency):
                return False
        raise StoreBusy("the message changes faster than it can be canceled")

    async def _canceled(self, live: Live, idempotency: IdempotencyKey | None) -> bool:
        """One try; False when the message moved meanwhile."""
        owner, message_id = live.progress.owner, live.message.id
        lane = self._dispatch.lanes.get(live.progress.connector_id)
        if owner and (owner != self._store.node_id or lane is None or not lane.recall(message_id)):
            raise _too_late(live)
        canceled = False
        try:
            batch = Batch()
            states = [live.progress.state] if live.segments is None else [one.state for one in live.segments]
            now_us = self._clock.now_us()
            for number, state in enumerate(states, 1):
                if state < State.SENT:
                    news = News(number, State.CANCELED, now_us, 0, None, None, "canceled")
                    self._ledger.apply(batch, live, news)
            canceled = await self._kept(batch.changes, live, idempotency)
        finally:
            if owner and lane is not None:
                lane.recalled(message_id, canceled=canceled)
        return canceled

    async def reschedule(
        self, account_id: int, message_id: str, wish: Wish, idempotency: IdempotencyKey | None
    ) -> bool:
        """Gives a scheduled message another date; True when an earlier request with this key did.

        A window or a time zone that is not given stays as it was. Raises ``RequestRejected``.
        """
        for _ in range(_TRIES):
            live = await self._find(account_id, message_id)
            if await self._was_done(idempotency):
                return True
            if live.progress.state != State.SCHEDULED or live.progress.owner:
                raise _too_late(live)
            if len(live.schedules) >= _MOST_DATES:
                raise RequestRejected(
                    "conflict", f"A message has at most {_MOST_DATES} dates: cancel it and send a new one.", status=409
                )
            now_us = self._clock.now_us()
            date = self._new_date(live, wish, now_us)
            if await self._kept(_moved(live, date, now_us), live, idempotency):
                return False
        raise StoreBusy("the message changes faster than it can be moved")

    def _new_date(self, live: Live, wish: Wish, now_us: int) -> Schedule:
        message, old = live.message, live.schedules[-1]
        if wish.window is None and old.window is not None:
            wish = replace(wish, window=old.window)
        if wish.time_zone is None and old.zone is not None:
            wish = replace(wish, time_zone=old.zone)
        found: Plan = plan(wish, None, lambda: zones_of(message.recipient), now_us)
        return found.schedule(
            message.id,
            message.account_id,
            sequence=live.progress.last_seq + 1,
            at_us=now_us,
            send_us=max(found.send_us, now_us + 1),
            validity_us=message.expires_us - old.send_us,
        )

    async def bring_forward(self, account_id: int, by_s: int) -> tuple[int, int]:
        """Brings every date of one account ``by_s`` seconds nearer: (those that are due now, those that are not yet).

        A date that was moved so is an instant: of a wall time or a window nothing is left. What is changed by
        somebody else in the same moment, or has a hundred dates, stays as it is.
        """
        now_us, by_us = self._clock.now_us(), by_s * 1_000_000
        after, due, nearer = (1, ""), 0, 0
        while records := await self._store.scheduled(account_id, after=after, before_us=1 << 62, limit=_STEP):
            after = (records[-1].progress.due_us or 0, records[-1].message.id)
            found = await self._store.live([(account_id, record.message.id) for record in records])
            lives = [live for live in found.values() if _can_move(live)]
            changes = Changes()
            for live in lives:
                _add(changes, _moved(live, _nearer(live, by_us, now_us), now_us))
            stale = (await self._store.commit(changes)).stale if lives else ()
            for live in lives:
                if live.message.id in stale:
                    continue
                if live.schedules[-1].send_us <= now_us:
                    due += 1
                    self._wake(live)
                else:
                    nearer += 1
        return due, nearer

    def _wake(self, live: Live) -> None:
        """It is due: its lane need not find that by itself."""
        lane = self._dispatch.lanes.get(live.progress.connector_id)
        if lane is not None:
            lane.mark_backlog(live.message.type, live.message.account_id)
            lane.plan_turn()

    # --- zone data ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Before the lanes open: dates that other zone data could have let be due by now; the rest beside them."""
        await self.read_again(soon=True)
        self._reading = asyncio.get_running_loop().create_task(self._read_the_rest())

    async def stop(self) -> None:
        """What was not read again is at the next start."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_the_rest(self) -> None:
        while True:
            try:
                await self.read_again(soon=False)
                return
            except StoreError:
                await asyncio.sleep(_BUSY_S)

    async def read_again(self, *, soon: bool) -> int:
        """Reads wall times again that were read with other zone data; gives how many messages have another date.

        ``soon``: those alone that could be due by now. It is done before any lane opens.
        """
        now_us = self._clock.now_us()
        before_us = now_us + _SOON_US if soon else 1 << 62
        moved, after = 0, None
        while lives := await self._store.moved_zones(ZONE_VERSION, after=after, due_before_us=before_us, limit=_STEP):
            after = lives[-1].message.id
            changes, count = Changes(), 0
            for live in lives:
                date = read_again(live.schedules[-1], sequence=live.progress.last_seq + 1, now_us=now_us)
                if date.sequence == live.schedules[-1].sequence:
                    changes.schedules.append(date)
                else:
                    count += 1
                    _add(changes, _moved(live, date, now_us))
            moved += count
            await self._store.commit(changes)
        return moved

    # --- common ------------------------------------------------------------------------------------

    async def _find(self, account_id: int, message_id: str) -> Live:
        """Raises ``RequestRejected`` (404), ``MessageUnreadable`` where it is there and cannot be worked with."""
        live = (await self._store.live([(account_id, message_id)])).get(message_id)
        if live is None:
            if await self._store.message(account_id, message_id) is not None:
                raise MessageUnreadable(message_id)
            raise RequestRejected(
                "not_found", "There is no message of this id: GET /v1/messages lists yours.", status=404
            )
        return live

    async def _was_done(self, idempotency: IdempotencyKey | None) -> bool:
        """Whether the key was used for the same request. Raises ``RequestRejected`` where it was for another.

        Asked after the message was read: whoever had the key first has changed the message's version since.
        """
        return await earlier(self._store, idempotency, self._clock.now_us()) is not None

    async def _kept(self, changes: Changes, live: Live, idempotency: IdempotencyKey | None) -> bool:
        """Commits; False where the message had another version by then, or the key was used by then."""
        if idempotency is not None:
            claim = claim_of(idempotency, "{}", self._clock.now_us())
            changes.acceptances.append(Acceptance((), claim=claim))
        committed = await self._store.commit(changes)
        if live.message.id in committed.stale or committed.lost:
            return False
        self._metrics.reached([fact.state for fact in changes.facts])
        return True


def _can_move(live: Live) -> bool:
    return live.progress.state == State.SCHEDULED and not live.progress.owner and len(live.schedules) < _MOST_DATES


def _nearer(live: Live, by_us: int, now_us: int) -> Schedule:
    """The date, so much sooner, but not before now; the validity behind it stays as long as it was."""
    old = live.schedules[-1]
    send_us = max(old.send_us - by_us, now_us)
    return replace(
        old,
        sequence=live.progress.last_seq + 1,
        at_us=now_us,
        send_us=send_us,
        expires_us=send_us + old.expires_us - old.send_us,
        asked_us=send_us,
        local=None,
        zone=None,
        zone_version=None,
        window=None,
    )


def _moved(live: Live, date: Schedule, now_us: int) -> Changes:
    """The rows of another date; ``live`` has it from now on."""
    message, old = live.message, live.progress
    progress = replace(old, version=old.version + 1, due_us=date.send_us, last_seq=date.sequence)
    live.message = replace(message, expires_us=date.expires_us)
    live.progress = progress
    live.schedules = (*live.schedules, date)
    return Changes(
        updates=[Update(message.id, message.account_id, old.version, progress)],
        schedules=[date],
        facts=[fact_of(message, date.sequence, State.SCHEDULED, now_us, old.connector_id)],
        lives=[live],
    )


def _add(changes: Changes, more: Changes) -> None:
    changes.updates += more.updates
    changes.schedules += more.schedules
    changes.facts += more.facts
    changes.lives += more.lives


def _handed_over(live: Live) -> bool:
    """Whether a carrier has some of it, or it is over."""
    states = [live.progress.state, *(segment.state for segment in live.segments or ())]
    return max(states) >= State.SENT


def _too_late(live: Live) -> RequestRejected:
    word = State(live.progress.state).word
    return RequestRejected(
        "too_late",
        f"The message is {word} and may be on its way to a carrier: it can no longer be changed. "
        "GET /v1/messages/{id} shows what becomes of it.",
        status=409,
    )
