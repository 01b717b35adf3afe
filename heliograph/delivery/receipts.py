"""Receipts: what a carrier says of a submission finds its message, is durable, and only then is answered.

A receipt that finds nothing is parked in memory at once (its response may be in the next packet)
and kept in the store as an orphan; a submission that settles looks there first. So it does not
matter whether the receipt or the response comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from heliograph.contracts import (
    FAULTS,
    Clock,
    Connector,
    Correlation,
    Orphan,
    ReceiptNews,
    SegmentSubmission,
    Store,
    Unreadable,
)
from heliograph.delivery.errands import Errands
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.errors import StoreError
from heliograph.model import END, Attempt, Live, State
from heliograph.rules.lifecycle import News
from heliograph.telemetry.metrics import Metrics

__all__ = ["Receipts"]

_log = logging.getLogger("heliograph.delivery")

_MOST_PARKED = 50_000

_WHOLE = 0
"""The segment of a correlation whose id stands for every segment of the message."""

_Parked = tuple[ReceiptNews, int]

_MOST_CODES = 1_000


class _Codes(dict[str, int | None]):
    """Carriers' codes as numbers; None for one that is none. They are few, so they are remembered."""

    def __missing__(self, text: str) -> int | None:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
        if len(self) < _MOST_CODES and len(text) < 9:
            self[text] = number
        return number


_CODES = _Codes()


class Receipts:
    """The room between carriers' receipts and the ledger."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self._parked: dict[tuple[int, str], _Parked] = {}
        self._errands = Errands()

    def receipts(self, connector: Connector, receipts: Sequence[ReceiptNews]) -> None:
        """A connector's receipts of one turn."""
        now_us = self._clock.now_us()
        batch = self._ledger.batch
        known: list[Any] = []
        unknown: list[ReceiptNews] = []
        ended: list[int] = []
        recent, connector_id = self._ledger.recent, connector.id
        for receipt in receipts:
            for canonical in receipt.canonical:
                hit = recent.get((connector_id, canonical))
                if hit is not None:
                    live, segment = hit
                    self._apply(batch, connector, receipt, live, segment, now_us)
                    if receipt.state >= END:
                        # Later news of it is found in the store.
                        del recent[connector_id, canonical]
                        ended.append(live.message.accepted_us)
                    known.append(receipt.handle)
                    break
            else:
                self._park(connector, receipt, now_us)
                unknown.append(receipt)
        if ended:
            self._metrics.receipts(ended, now_us)
        if known:
            batch.answers.append(lambda kept: connector.acknowledge(known, kept=kept))
        if unknown:
            self._errands.start(self._look_up(connector, unknown, now_us))

    def settled(self, batch: Batch, connector: Connector, taken: Sequence[tuple[SegmentSubmission, str]]) -> None:
        """A carrier took segments: the ids that it gave them will come back in receipts, or have come already."""
        connector_id, canonical_of = connector.id, connector.canonical
        correlations, recent, parked = batch.changes.correlations, self._ledger.recent, self._parked
        for submission, raw_id in taken:
            if not raw_id:
                continue
            live = submission.live
            message = live.message
            segment = _WHOLE if submission.whole else submission.number
            if submission.late:
                self._answered_late(batch, submission, raw_id, connector_id)
            elif submission.whole:
                _went_along(batch, submission, raw_id, connector_id)
            canonical = canonical_of(raw_id)[0]
            correlations.append(
                Correlation(connector_id, canonical, message.account_id, message.id, segment, submission.attempt)
            )
            recent[connector_id, canonical] = (live, segment)
            if parked and (connector_id, canonical) in parked:
                self._met(batch, connector, live, segment, canonical)
        self._ledger.forget_oldest()

    def _met(self, batch: Batch, connector: Connector, live: Live, segment: int, canonical: str) -> None:
        """A receipt that came before the response."""
        receipt, arrived_us = self._parked[connector.id, canonical]
        self._unpark(connector, receipt)
        self._apply(batch, connector, receipt, live, segment, arrived_us)
        if receipt.state >= END:
            self._ledger.recent.pop((connector.id, canonical), None)
            self._metrics.receipts((live.message.accepted_us,), arrived_us)

    def _answered_late(self, batch: Batch, submission: SegmentSubmission, raw_id: str, connector_id: int) -> None:
        """What was told as unknown was taken: the attempt says so, and no state moves by it.

        A submission of ``at_most_once`` was the only one: its segment keeps the attempt itself.
        """
        live, now_us = submission.live, self._clock.now_us()
        if live.message.at_most_once:
            for number in _numbers(live, _WHOLE if submission.whole else submission.number):
                state = live.progress.state if live.segments is None else live.segments[number - 1].state
                if state == State.UNKNOWN:
                    self._ledger.apply(batch, live, News(number, State.SENT, now_us, connector_id, raw_id, 0))
            return
        batch.changes.attempts.append(
            Attempt(
                message_id=live.message.id,
                account_id=live.message.account_id,
                segment=submission.number,
                number=submission.attempt,
                connector_id=connector_id,
                at_us=now_us,
                status=0,
                carrier_message_id=raw_id,
            )
        )

    def _apply(
        self, batch: Batch, connector: Connector, receipt: ReceiptNews, live: Live, segment: int, at_us: int
    ) -> None:
        state = receipt.state
        if state > State.SENT:  # what is not final says nothing that the answer did not
            status = None if receipt.status is None else _CODES[receipt.status]
            for one in (segment,) if segment != _WHOLE else _numbers(live, segment):
                self._ledger.apply(batch, live, News(one, state, at_us, connector.id, None, status, receipt.error))
        known = live.progress if live.segments is None else live.segments[max(segment, 1) - 1]
        ours = known.carrier_message_id
        if ours != receipt.raw_id and ours:
            connector.paired(ours, receipt.raw_id)

    # --- keeping -----------------------------------------------------------------------------------

    async def _look_up(self, connector: Connector, receipts: Sequence[ReceiptNews], now_us: int) -> None:
        """Receipts that memory did not know: found in the store, or kept as orphans; answered with their commit."""
        handles = [receipt.handle for receipt in receipts]
        keys = [(connector.id, canonical) for receipt in receipts for canonical in receipt.canonical]
        try:
            found = await self._store.correlate(keys)
            lives = await self._store.live(sorted({(one.account_id, one.message_id) for one in found.values()}))
        except StoreError as error:
            _log.warning("%d receipts were not kept, the carrier will send them again: %s", len(receipts), error)
            for receipt in receipts:
                self._unpark(connector, receipt)
            connector.acknowledge(handles, kept=False)
            return
        batch = self._ledger.batch
        for receipt in receipts:
            if not self._is_parked(connector, receipt):
                continue  # its response came meanwhile, and took it along
            hit = next((found[connector.id, one] for one in receipt.canonical if (connector.id, one) in found), None)
            live = None if hit is None else lives.get(hit.message_id)
            if hit is not None and live is not None:
                self._unpark(connector, receipt)
                self._apply(batch, connector, receipt, live, hit.segment, now_us)
                if receipt.state >= END:
                    self._ledger.recent.pop((connector.id, hit.canonical), None)
                    self._metrics.receipts((live.message.accepted_us,), now_us)
            else:
                self._metrics.orphan()
                batch.changes.orphans.extend(_orphans(connector, receipt, now_us))
        batch.answers.append(lambda kept: connector.acknowledge(handles, kept=kept))

    async def match_orphans(self, limit: int = 500) -> int:
        """Kept receipts whose submission is known by now find it (``rescue`` calls this)."""
        matched = await self._store.matched_orphans(limit)
        lives = await self._store.live(sorted({(one.account_id, one.message_id) for _, one in matched}))
        batch = Batch()
        for orphan, correlation in matched:
            try:
                state, error, status = _said(orphan)
            except FAULTS as fault:
                self._tell_unreadable(orphan, fault)
                continue
            live = lives.get(correlation.message_id)
            if live is not None:
                for number in _numbers(live, correlation.segment, state):
                    news = News(number, state, orphan.arrived_us, orphan.connector_id, None, status, error)
                    self._ledger.apply(batch, live, news)
            batch.changes.orphans_matched.append(orphan.id)
        if batch.changes.orphans_matched:
            await self._ledger.commit(batch)
        return len(batch.changes.orphans_matched)

    def _tell_unreadable(self, orphan: Orphan, fault: Exception) -> None:
        if self._store.on_unreadable is not None:
            self._store.on_unreadable(Unreadable(table="orphans", id=str(orphan.id), why=type(fault).__name__))

    # --- parked --------------------------------------------------------------------------------------

    def _park(self, connector: Connector, receipt: ReceiptNews, now_us: int) -> None:
        for canonical in receipt.canonical:
            self._parked[connector.id, canonical] = (receipt, now_us)
        while len(self._parked) > _MOST_PARKED:  # the store has them: only the short way is lost
            del self._parked[next(iter(self._parked))]

    def _unpark(self, connector: Connector, receipt: ReceiptNews) -> None:
        for canonical in receipt.canonical:
            self._parked.pop((connector.id, canonical), None)

    def _is_parked(self, connector: Connector, receipt: ReceiptNews) -> bool:
        return any(
            (parked := self._parked.get((connector.id, canonical))) is not None and parked[0] is receipt
            for canonical in receipt.canonical
        )

    # --- tasks ---------------------------------------------------------------------------------------

    async def drain(self, timeout_s: float) -> None:
        """Waits for what is being kept."""
        await self._errands.drain(timeout_s)


def _said(orphan: Orphan) -> tuple[State, str | None, int | None]:
    """(state, error, the carrier's status) of a kept receipt."""
    state, error, status = msgspec.json.decode(orphan.fields, type=tuple[int, str | None, int | None])
    return State(state), error, status


def _went_along(batch: Batch, submission: SegmentSubmission, raw_id: str, connector_id: int) -> None:
    """Segments that are still to be handed over have their id in the same commit: after a crash none is sent alone."""
    live, message = submission.live, submission.live.message
    if live.segments is None:
        return
    for index, one in enumerate(live.segments):
        if one.sent_us is None and one.carrier_message_id is None:
            named = live.segments[index] = replace(one, connector_id=connector_id, carrier_message_id=raw_id)
            batch.changes.segments.append((message.id, message.account_id, named))


def _numbers(live: Live, segment: int, state: int = END) -> Sequence[int]:
    """The segments that a receipt of ``state`` moves. One that is not final says nothing that the answer did not."""
    if state <= State.SENT:
        return ()
    return (segment,) if segment != _WHOLE else range(1, live.message.segments + 1)


def _orphans(connector: Connector, receipt: ReceiptNews, now_us: int) -> list[Orphan]:
    status = None if receipt.status is None else _CODES[receipt.status]
    fields = msgspec.json.encode((int(receipt.state), receipt.error, status)).decode()
    return [
        Orphan(connector_id=connector.id, canonical=canonical, arrived_us=now_us, fields=fields)
        for canonical in receipt.canonical
    ]
