"""Setbacks: what a refusal or an open outcome makes of a segment, written into the turn's batch.

A refusal that will be tried again is a fact of its attempt alone; the rest are facts of the segment.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from heliograph.contracts import Outcome, SegmentSubmission, Store, Update
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.errors import Retry, StoreError, SubmitFailed
from heliograph.model import Attempt, Live, State
from heliograph.rules.lifecycle import News
from heliograph.rules.retry import Again, Elsewhere, GiveUp, next_step

__all__ = ["Over", "Setbacks", "TryAgain", "TryElsewhere"]


class TryAgain(Struct, frozen=True):
    """The segment goes over the same connector again, in so many seconds."""

    wait_s: float


class TryElsewhere(Struct, frozen=True):
    """The segment goes on over another connector, now."""

    connector_id: int


class Over(Struct, frozen=True):
    """The segment has ended."""


class Setbacks:
    """Decides for one connector, and writes down what it decided."""

    def __init__(self, ledger: Ledger, store: Store, connector_id: int) -> None:
        self._ledger = ledger
        self._store = store
        self._connector_id = connector_id
        self.elsewhere: dict[tuple[str, int], int] = {}
        """Attempts that a segment made over other connectors: (message id, segment) → count. This one gave it none."""

    async def look_back(self, lives: Iterable[Live]) -> None:
        """Claimed messages that were tried before: over which connectors? Who tried least is never punished for it."""
        tried = [live.message for live in lives if _was_tried(live)]
        if not tried:
            return
        with suppress(StoreError):  # then the tries of others count too: fewer are left, none is lost
            records = await self._store.records([(one.account_id, one.id) for one in tried])
            for record in records.values():
                for attempt in record.attempts:
                    if attempt.connector_id != self._connector_id:
                        key = (attempt.message_id, attempt.segment)
                        self.elsewhere[key] = self.elsewhere.get(key, 0) + 1

    def forget(self, message_id: str, number: int) -> None:
        """The segment has left this lane."""
        self.elsewhere.pop((message_id, number), None)

    def settle(self, batch: Batch, outcome: Outcome, other: int | None, now_us: int) -> TryAgain | TryElsewhere | Over:
        """What becomes of a segment that was not taken. ``other`` is the route's next connector, if there is one."""
        submission = outcome.submission
        if outcome.never_written:
            return TryAgain(0.0)
        if outcome.failure is not None:
            return self._refused(batch, submission, outcome.failure, other, now_us)
        if submission.live.message.at_most_once:
            self._end(batch, submission, State.UNKNOWN, "outcome_unknown", now_us)
            return Over()
        self._note(batch, submission, None, "outcome_unknown", now_us, possible_duplicate=True)
        return TryAgain(0.0)

    def _refused(
        self, batch: Batch, submission: SegmentSubmission, failure: SubmitFailed, other: int | None, now_us: int
    ) -> TryAgain | TryElsewhere | Over:
        step = next_step(
            failure,
            attempts=submission.attempt - self.elsewhere.get((submission.live.message.id, submission.number), 0),
            tried_elsewhere_possible=other is not None,
            now_us=now_us,
            expires_us=submission.live.message.expires_us,
        )
        if isinstance(step, Again):
            self._note(batch, submission, failure.status, failure.code, now_us)
            return TryAgain(max(0.0, (step.at_us - now_us) / 1e6))
        if isinstance(step, Elsewhere) and other is not None:
            self._note(batch, submission, failure.status, failure.code, now_us)
            return TryElsewhere(other)
        code = step.code if isinstance(step, GiveUp) else failure.code
        state = State.REJECTED if failure.retry is Retry.NEVER else State.FAILED
        if code == "expired":
            state = State.EXPIRED
        self._end(batch, submission, state, code, now_us, failure.status)
        return Over()

    def end(self, batch: Batch, live: Live, number: int, state: State, error: str, now_us: int) -> None:
        """The segment ends by our word, without another submission."""
        self._ledger.apply(batch, live, News(number, state, now_us, self._connector_id, None, None, error))

    def _end(
        self,
        batch: Batch,
        submission: SegmentSubmission,
        state: State,
        error: str,
        now_us: int,
        status: int | None = None,
    ) -> None:
        """The segment ends with this submission."""
        number, attempt = submission.number, submission.attempt
        news = News(number, state, now_us, self._connector_id, None, status, error, attempt)
        self._ledger.apply(batch, submission.live, news)

    def _note(
        self,
        batch: Batch,
        submission: SegmentSubmission,
        status: int | None,
        error: str,
        now_us: int,
        *,
        possible_duplicate: bool = False,
    ) -> None:
        """Keeps the attempt that is over; the next submission of this segment will be another one."""
        live = submission.live
        message, old = live.message, live.progress
        batch.changes.attempts.append(
            Attempt(
                message_id=message.id,
                account_id=message.account_id,
                segment=submission.number,
                number=submission.attempt,
                connector_id=self._connector_id,
                at_us=now_us,
                status=status,
                error=error,
            )
        )
        duplicate = old.possible_duplicate or possible_duplicate
        if live.segments is None:
            progress = replace(old, version=old.version + 1, attempts=submission.attempt, possible_duplicate=duplicate)
        else:
            before = live.segments[submission.number - 1]
            segment = live.segments[submission.number - 1] = replace(
                before,
                attempts=submission.attempt,
                possible_duplicate=before.possible_duplicate or possible_duplicate,
            )
            batch.changes.segments.append((message.id, message.account_id, segment))
            progress = replace(old, version=old.version + 1, possible_duplicate=duplicate)
        batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
        live.progress = progress


def _was_tried(live: Live) -> bool:
    return live.progress.attempts > 0 or (live.segments is not None and any(one.attempts for one in live.segments))
