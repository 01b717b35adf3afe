"""One transaction of the group commit: the changes of many callers merged, and what became of each caller's.

A store's ``write`` goes through a :class:`Batch` in this order, inside the transaction, and tells it what it
learns on the way:

1. ``batch.recipients()`` where opt-outs changed lately → ``batch.refuse_opted_out(pairs)``
2. ``batch.claims()`` inserted, those taken → ``batch.refuse_taken(taken)``
3. ``batch.news()`` inserted: the new messages that nothing refused
4. ``batch.updates`` applied, one a message → ``batch.refuse_stale(ids)``
5. ``batch.rows()``: everything else, merged, less what belongs to a refused or stale message
6. ``batch.position`` set to the outbox row of ``rows.facts``

Step 5 comes once, after all refusals.

It may be run again with a smaller batch, never with the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from heliograph.contracts import (
    Acceptance,
    Changes,
    Claim,
    Committed,
    Correlation,
    InboundPart,
    NewMessage,
    Orphan,
    ReferenceKey,
    Update,
)
from heliograph.model import (
    END,
    Attempt,
    AuditEntry,
    Direction,
    Endpoint,
    Fact,
    Live,
    LoggedEvent,
    PendingDelivery,
    Schedule,
    SegmentProgress,
    Usage,
)

__all__ = ["Batch", "ClaimKey", "Head", "Rows", "Slice", "Staged", "Undone"]

ClaimKey = tuple[int, str, str]
"""(account_id, scope, key)."""

_SetKey = tuple[int, str, str, int, int, int]


@dataclass(frozen=True, slots=True)
class Staged:
    """Everything of a large acceptance, kept as one value until its rows are written."""

    number: int
    messages: Sequence[NewMessage]
    facts: Sequence[Fact]
    schedules: Sequence[Schedule]


@dataclass(slots=True)
class Head(Acceptance):
    """A large acceptance that is staged. It is refused as a whole one would be."""

    staged: Staged | None = None


@dataclass(slots=True)
class Slice(Acceptance):
    """Some messages of what is staged: they are accepted, nothing refuses them any more. The last one names it."""

    staged: int = 0


@dataclass(slots=True)
class Undone(Acceptance):
    """What is staged cannot be written as rows: neither it nor what was written of it stays."""

    gone: Sequence[NewMessage] = ()
    staged: int = 0


@dataclass(slots=True)
class Rows:
    """What a transaction writes beside new messages and updates; each key stands in it once.

    Deletions (``deliveries_done``, ``parts_done``, ``orphans_matched``) come before insertions.
    """

    endpoints: list[Endpoint] = field(default_factory=list)
    deleted_endpoints: list[tuple[int, str, int]] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    segments: dict[tuple[str, int], tuple[str, int, SegmentProgress]] = field(default_factory=dict)
    """(message id, number) → (message id, account_id, progress)."""
    attempts: dict[tuple[str, int, int], Attempt] = field(default_factory=dict)
    """(message id, segment, number) → attempt."""
    logged: dict[tuple[str, int], LoggedEvent] = field(default_factory=dict)
    """(message id, sequence) → event."""
    correlations: dict[tuple[int, str], Correlation] = field(default_factory=dict)
    """(connector_id, canonical) → correlation: the last one holds."""
    orphans: list[Orphan] = field(default_factory=list)
    orphans_matched: list[int] = field(default_factory=list)
    wires: dict[int, tuple[str, ...]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    lives: list[Live] = field(default_factory=list)
    """The messages in memory of the first of ``facts``, one for one. Not written."""
    positions: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, PendingDelivery] = field(default_factory=dict)
    deliveries_done: list[str] = field(default_factory=list)
    parts: dict[_SetKey, list[InboundPart]] = field(default_factory=dict)
    parts_done: list[_SetKey] = field(default_factory=list)
    references: dict[ReferenceKey, int] = field(default_factory=dict)
    schedules: list[Schedule] = field(default_factory=list)
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict)
    """(subject, period) → all that is used of it: of the newest period, where there are several."""
    staged: list[Staged] = field(default_factory=list)
    unstaged: list[int] = field(default_factory=list)
    undone: list[NewMessage] = field(default_factory=list)

    def add_usage(self, added: Iterable[Usage]) -> None:
        """These are used, too. What is used of a period that another has followed counts no more."""
        for one in added:
            key = (one.subject, one.period)
            before = self.usage.get(key)
            if before is None or before.start_us < one.start_us:
                self.usage[key] = one
            elif before.start_us == one.start_us:
                self.usage[key] = Usage(
                    one.subject,
                    one.period,
                    one.start_us,
                    before.requests + one.requests,
                    before.segments + one.segments,
                    before.spend + one.spend,
                )

    def put_bulk(self, acceptance: Acceptance) -> None:
        """What a large acceptance brings beside what every one does."""
        if isinstance(acceptance, Head) and acceptance.staged is not None:
            self.staged.append(acceptance.staged)
        elif isinstance(acceptance, Slice | Undone) and acceptance.staged:
            self.unstaged.append(acceptance.staged)
        if isinstance(acceptance, Undone):
            self.undone.extend(acceptance.gone)

    def put_deliveries(self, deliveries: Iterable[PendingDelivery], done: Iterable[str]) -> None:
        """These are owed, those are over: the later word on an id holds."""
        for delivery in deliveries:
            self.deliveries[delivery.id] = delivery
        for delivery_id in done:
            self.deliveries.pop(delivery_id, None)
            self.deliveries_done.append(delivery_id)


class Batch:
    """The changes of many callers as one transaction, and what became of each caller's."""

    __slots__ = ("_acceptances", "_calls", "_dropped", "_refused", "answers", "facts", "lives", "position", "updates")

    def __init__(self, calls: Sequence[Changes]) -> None:
        self._calls = calls
        self.answers = [Committed() for _ in calls]
        """One for each call, in order."""
        self.position = 0
        """The outbox position of this transaction's facts; the store sets it."""
        self.facts: list[Fact] = []
        self.lives: list[Live] = []
        self._acceptances: list[tuple[int, int, Acceptance]] = [
            (at, index, acceptance)
            for at, call in enumerate(calls)
            if call.acceptances
            for index, acceptance in enumerate(call.acceptances)
        ]
        self._refused: set[tuple[int, int]] = set()
        self._dropped: dict[int, set[str]] = {}
        self.updates: dict[str, Update] = {}
        """Message id → its one update: the first's base version with the last's progress."""
        self._merge_updates()

    def _merge_updates(self) -> None:
        updates = self.updates
        for at, call in enumerate(self._calls):
            for update in call.updates:
                message_id = update.message_id
                before = updates.get(message_id)
                if before is None:
                    updates[message_id] = update
                elif before.progress.version == update.base_version and before.account_id == update.account_id:
                    updates[message_id] = Update(message_id, update.account_id, before.base_version, update.progress)
                else:
                    self._drop_stale(at, message_id)

    def _drop_stale(self, at: int, message_id: str) -> None:
        self.answers[at].stale.add(message_id)
        self._dropped.setdefault(at, set()).add(message_id)
        for whose, index, acceptance in self._acceptances:
            if whose == at and not acceptance.messages:
                self._refused.add((at, index))

    @property
    def accepts(self) -> bool:
        """Whether anything is to be accepted at all."""
        return bool(self._acceptances)

    # --- acceptances --------------------------------------------------------------------------
    def recipients(self) -> set[tuple[int, str]]:
        """The (account_id, recipient) that are about to be written to."""
        return {pair for _, _, acceptance in self._acceptances for pair in _guarded(acceptance)}

    def refuse_opted_out(self, pairs: set[tuple[int, str]]) -> None:
        """Takes the acceptances out that write to one of these."""
        for at, index, acceptance in self._acceptances:
            met = pairs.intersection(_guarded(acceptance))
            if met:
                self._refuse(at, index, acceptance)
                self.answers[at].opted_out[index] = frozenset(recipient for _, recipient in met)

    def claims(self) -> list[Claim]:
        """The claims to insert, each key once: the first that asks."""
        first: dict[ClaimKey, Claim] = {}
        for at, index, acceptance in self._acceptances:
            claim = acceptance.claim
            if claim is not None and (at, index) not in self._refused:
                first.setdefault((claim.account_id, claim.scope, claim.key), claim)
        return list(first.values())

    def held(self, claims: Sequence[Claim]) -> list[Claim]:
        """Those of these claims whose acceptance nothing has refused since."""
        left = {id(claim) for claim in self.claims()}
        return [claim for claim in claims if id(claim) in left]

    def refuse_taken(self, taken: Mapping[ClaimKey, Claim]) -> None:
        """Takes the acceptances out whose key is taken: in the store, or by an earlier one of this batch."""
        holders: dict[ClaimKey, Claim] = dict(taken)
        for at, index, acceptance in self._acceptances:
            claim = acceptance.claim
            if claim is None or (at, index) in self._refused:
                continue
            holder = holders.setdefault((claim.account_id, claim.scope, claim.key), claim)
            if holder is not claim:
                self._refuse(at, index, acceptance)
                self.answers[at].lost[index] = holder

    def _refuse(self, at: int, index: int, acceptance: Acceptance) -> None:
        self._refused.add((at, index))
        dropped = self._dropped.setdefault(at, set())
        dropped.update(new.message.id for new in acceptance.messages)
        if not acceptance.messages:
            for update in self._calls[at].updates:
                dropped.add(update.message_id)
                if self.updates.get(update.message_id) is update:
                    del self.updates[update.message_id]

    def news(self) -> list[NewMessage]:
        """The new messages of every acceptance that nothing refused, in the order of the calls."""
        return [new for acceptance in self._accepted() for new in acceptance.messages]

    def _accepted(self) -> list[Acceptance]:
        if not self._refused:
            return [acceptance for _, _, acceptance in self._acceptances]
        return [acceptance for at, index, acceptance in self._acceptances if (at, index) not in self._refused]

    # --- the rest -----------------------------------------------------------------------------
    def refuse_stale(self, message_ids: Iterable[str]) -> None:
        """Tells every call that updates one of these messages, and drops that call's rows of it."""
        stale = set(message_ids)
        for at, call in enumerate(self._calls):
            for update in call.updates:
                if update.message_id in stale:
                    self._drop_stale(at, update.message_id)

    def rows(self) -> Rows:
        """Everything else, merged in the order of the calls."""
        rows = Rows()
        untold: list[Fact] = []
        for at, call in enumerate(self._calls):
            dropped = self._dropped.get(at)
            if dropped is not None:
                call = _without(call, dropped)
            if call.facts:
                if len(call.lives) == len(call.facts):
                    rows.facts.extend(call.facts)
                    rows.lives.extend(call.lives)
                else:
                    untold.extend(call.facts)
            _merge(rows, call)
        for acceptance in self._accepted():
            if acceptance.endpoints:
                rows.endpoints.extend(acceptance.endpoints)
            if acceptance.deleted_endpoints:
                rows.deleted_endpoints.extend(acceptance.deleted_endpoints)
            if acceptance.schedules:
                rows.schedules.extend(acceptance.schedules)
            if acceptance.deliveries or acceptance.deliveries_done:
                rows.put_deliveries(acceptance.deliveries, acceptance.deliveries_done)
            if acceptance.audit:
                rows.audit.extend(acceptance.audit)
            if acceptance.usage:
                rows.add_usage(acceptance.usage)
            if type(acceptance) is not Acceptance:
                rows.put_bulk(acceptance)
        rows.facts.extend(untold)  # behind those whose lives are at hand, so that these stay one for one
        self.facts, self.lives = rows.facts, rows.lives
        return rows


def _guarded(acceptance: Acceptance) -> list[tuple[int, str]]:
    """Whom an acceptance would write to: not whom it hears from, nor messages that are over already."""
    messages = acceptance.messages
    if type(acceptance) is not Acceptance:
        messages = acceptance.staged.messages if isinstance(acceptance, Head) and acceptance.staged is not None else ()
    return [
        (new.message.account_id, new.message.recipient)
        for new in messages
        if new.message.direction == Direction.OUT and new.progress.state < END
    ]


def _without(call: Changes, dropped: set[str]) -> Changes:
    """The call less its rows of these messages."""
    kept = [at for at, fact in enumerate(call.facts) if fact.message_id not in dropped]
    told = len(call.lives) == len(call.facts)
    return Changes(
        segments=[row for row in call.segments if row[0] not in dropped],
        attempts=[row for row in call.attempts if row.message_id not in dropped],
        logged=[row for row in call.logged if row.message_id not in dropped],
        correlations=[row for row in call.correlations if row.message_id not in dropped],
        facts=[call.facts[at] for at in kept],
        lives=[call.lives[at] for at in kept] if told else [],
        orphans=call.orphans,
        orphans_matched=call.orphans_matched,
        wires=call.wires,
        positions=call.positions,
        deliveries=call.deliveries,
        deliveries_done=call.deliveries_done,
        parts=call.parts,
        parts_done=call.parts_done,
        references=call.references,
        schedules=[row for row in call.schedules if row.message_id not in dropped],
    )


def _merge(rows: Rows, call: Changes) -> None:
    """Adds one call's rows, less its facts. The frequent ones first; most calls have few kinds of them."""
    for link in call.correlations:
        rows.correlations[link.connector_id, link.canonical] = link
    if call.wires:
        rows.wires.update(call.wires)
    for segment in call.segments:
        rows.segments[segment[0], segment[2].number] = segment
    if call.positions:
        for endpoint_id, position in call.positions.items():
            rows.positions[endpoint_id] = max(position, rows.positions.get(endpoint_id, 0))
    if call.references:
        rows.references.update(call.references)
    if call.deliveries or call.deliveries_done:
        rows.put_deliveries(call.deliveries, call.deliveries_done)
    for event in call.logged:
        rows.logged[event.message_id, event.sequence] = event
    for attempt in call.attempts:
        rows.attempts[attempt.message_id, attempt.segment, attempt.number] = attempt
    if call.orphans:
        rows.orphans.extend(call.orphans)
    if call.orphans_matched:
        rows.orphans_matched.extend(call.orphans_matched)
    if call.schedules:
        rows.schedules.extend(call.schedules)
    for part in call.parts:
        rows.parts.setdefault(part.set_key, []).append(part)
    for set_key in call.parts_done:
        rows.parts.pop(set_key, None)
        rows.parts_done.append(set_key)
