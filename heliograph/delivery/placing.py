"""Placing: what was decided becomes messages, with a place in a lane or a date, and the rows that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter

from heliograph.contracts import Acceptance, Changes, NewMessage, ReferenceKey, Store
from heliograph.delivery.callers import Request
from heliograph.delivery.decide import Draft
from heliograph.delivery.dispatch import Dispatch
from heliograph.delivery.idempotency import claim_of, created
from heliograph.delivery.lane import Admission
from heliograph.delivery.submission import Accepted
from heliograph.errors import RequestRejected
from heliograph.model import (
    AT_ONCE,
    IdSource,
    Live,
    Message,
    Progress,
    Schedule,
    SegmentProgress,
    State,
    Usage,
)
from heliograph.rules.lifecycle import fact_of
from heliograph.rules.schedule import Plan

__all__ = ["Decision", "Placing", "mostly"]

_QUEUED = State.QUEUED
_WAITING = Admission.WAITING
_way_of = attrgetter("connector_id", "head.type", "head.account_id")
_parts_of = attrgetter("parts")


class Decision:
    """What was decided for one request, until it is durable."""

    __slots__ = ("admitted", "request", "results", "rows", "schedules", "taken", "usage")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.results: list[Accepted | RequestRejected] = []
        self.admitted: list[tuple[Live, Admission]] = []
        self.rows: list[NewMessage] = []
        self.schedules: list[Schedule] = []
        self.taken: Sequence[tuple[str, int]] = ()
        self.usage: Sequence[Usage] = ()


class Placing:
    """Gives ids, places and references, and writes rows."""

    __slots__ = ("_dispatch", "_ids", "_references", "_store")

    def __init__(self, store: Store, dispatch: Dispatch, ids: IdSource, references: dict[ReferenceKey, int]) -> None:
        """``references`` are those that were used last; of what is placed here they must be known."""
        self._store = store
        self._dispatch = dispatch
        self._ids = ids
        self._references = references

    def new_ids(self, drafts: Sequence[Draft | RequestRejected], now_us: int) -> list[str]:
        """An id for each draft that will be a message: consecutive, so that the first one tells all."""
        count = list(map(type, drafts)).count(Draft)
        return self._ids.take(count, now_us) if count else []

    def place(
        self,
        decision: Decision,
        drafts: Sequence[Draft | RequestRejected],
        ids: Iterator[str],
        now_us: int,
        changes: Changes,
        lanes: set[int],
        *,
        permit: bool = True,
    ) -> None:
        """Places in lanes and rows for what was decided. ``lanes`` collects those that gave a permit."""
        node_id = self._store.node_id
        admit = self._dispatch.admit
        admitted, results, rows = decision.admitted, decision.results, decision.rows
        facts, lives = changes.facts, changes.lives
        for draft in drafts:
            if isinstance(draft, RequestRejected):
                results.append(draft)
                continue
            reference = 0 if draft.reference_key is None else self._reference(draft, draft.reference_key, changes)
            message = draft.message(next(ids), now_us, reference)
            connector_id, plan, content = draft.connector_id, draft.plan, draft.content
            dates = () if plan is None else (self._date(decision, draft, plan, message, now_us),)
            state, admission = _QUEUED, _WAITING
            if plan is not None and plan.send_us > now_us:  # it waits for its date: no lane hears of it before
                state = State.SCHEDULED
                progress = Progress(state=state, connector_id=connector_id, due_us=plan.send_us)
            else:
                admission = admit(connector_id, message, permit)
                if admission is _WAITING:
                    progress = Progress(connector_id=connector_id, due_us=AT_ONCE)
                else:
                    progress = Progress(connector_id=connector_id, owner=node_id)
                    if admission is Admission.PERMITTED:
                        lanes.add(connector_id)
            segments = None
            if message.segments > 1:
                segments = [
                    SegmentProgress(number=number, connector_id=connector_id)
                    for number in range(1, message.segments + 1)
                ]
            live = Live(message, progress, draft.parts, segments, content, dates)
            admitted.append((live, admission))
            results.append(Accepted(message, progress, draft.warnings, dates[0] if dates else None))
            rows.append(NewMessage(message, progress, content, None if segments is None else tuple(segments)))
            facts.append(fact_of(message, 1, state, now_us, connector_id))
            lives.append(live)

    def _date(self, decision: Decision, draft: Draft, plan: Plan, message: Message, now_us: int) -> Schedule:
        schedule = plan.schedule(
            message.id,
            message.account_id,
            sequence=1,
            at_us=now_us,
            send_us=max(now_us, plan.send_us),
            validity_us=draft.validity_s * 1_000_000,
        )
        decision.schedules.append(schedule)
        return schedule

    def bind(self, decision: Decision, ids: Sequence[str], now_us: int, changes: Changes) -> None:
        """The rows of one request, all or none."""
        key = decision.request.idempotency
        claim = None if key is None else claim_of(key, created(decision.results, ids), now_us)
        changes.acceptances.append(Acceptance(decision.rows, claim, schedules=decision.schedules, usage=decision.usage))

    def _reference(self, draft: Draft, key: ReferenceKey, changes: Changes) -> int:
        limit = 0xFF if draft.reference_octets == 1 else 0xFFFF
        reference = self._references.get(key, 0) % limit + 1
        self._references[key] = changes.references[key] = reference
        return reference


def mostly(drafts: Sequence[Draft | RequestRejected]) -> tuple[tuple[int, tuple[int, int]] | None, int]:
    """Where most segments of a large request will go, (connector_id, (class, account)), and how many they are."""
    accepted = [draft for draft in drafts if type(draft) is Draft]
    if not accepted:
        return None, 0
    ways = list(map(_way_of, accepted))
    ((way, most),) = Counter(ways).most_common(1)
    if most < len(accepted):
        accepted = [draft for draft, one in zip(accepted, ways, strict=True) if one == way]
    connector_id, kind, account_id = way
    return (connector_id, (kind, account_id)), sum(map(len, map(_parts_of, accepted)))
