"""The events of one account or several, read from the outbox by a cursor: for those who cannot be called.

A place in it is a position of the outbox and how many facts of that row are passed. Readers go forward and never
skip; what retention has taken is refused, not left out. The events are those of webhooks, octet for octet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from msgspec import Struct

from heliograph.contracts import Clock, MessageRecord, Store
from heliograph.delivery.eventwords import EVENT_TYPES, event_json, owned_event_json
from heliograph.errors import RequestRejected
from heliograph.model import Fact

__all__ = ["BEGINNING", "EventLog", "EventPage", "Place", "Told"]

_PAGE_ROWS: Final = 50
_MOST_ROWS: Final = 2_000
"""Rows that one page looks at: a reader whose events are rare gets an empty page and goes on from its cursor."""
_MARGIN_US: Final = 60_000_000
"""A cursor ends this long before its rows may be gone."""


class Place(Struct, frozen=True, array_like=True):
    """Rows before ``position`` are passed, and ``index`` facts of it. ``at_us``: all that was told by then is."""

    position: int
    index: int
    at_us: int


BEGINNING: Final = Place(0, 0, 0)
"""Before the oldest event that is kept."""


class Told(Struct, frozen=True):
    """One event: its type, its JSON, and the place behind it."""

    type: str
    body: bytes
    place: Place


class EventPage(Struct, frozen=True):
    """Events in order. ``more`` says that the next page can be asked for at once."""

    events: Sequence[Told]
    place: Place
    more: bool


class EventLog:
    """Reads pages. ``kept_us`` is how long the outbox keeps what happened."""

    def __init__(self, store: Store, clock: Clock, kept_us: int) -> None:
        self._store = store
        self._clock = clock
        self._kept_us = kept_us

    async def newest(self) -> Place:
        """Behind everything that has happened."""
        now_us = self._clock.now_us()
        return Place(await self._store.outbox_end() + 1, 0, now_us)

    def check(self, place: Place, field: str) -> None:
        """Raises ``RequestRejected`` (410) for a place behind which events may be gone."""
        if place != BEGINNING and self._clock.now_us() - place.at_us > self._kept_us - _MARGIN_US:
            raise RequestRejected(
                "cursor_too_old",
                f"Events after this {field} may be gone: begin anew without it, and compare with GET /v1/messages.",
                status=410,
                field=field,
            )

    async def page(
        self,
        accounts: Collection[int],
        after: Place,
        states: frozenset[int] | None,
        limit: int,
        name: Callable[[int], str] | None = None,
    ) -> EventPage:
        """Up to ``limit`` events of these accounts behind a place, of these states (None: of all).

        ``accounts`` is a set where they are many; with ``name`` each event says whose it is.
        """
        facts: list[tuple[Fact, Place]] = []
        place, looked = after, 0
        while len(facts) < limit and looked < _MOST_ROWS:
            before_us = self._clock.now_us()
            rows = (await self._store.outbox(place.position - 1, _PAGE_ROWS)).rows
            if not rows:
                return await self._worded(facts, Place(place.position, place.index, before_us), name, more=False)
            looked += len(rows)
            place = _collect(rows, place, accounts, states, limit, facts)
        return await self._worded(facts, place, name, more=True)

    async def _worded(
        self, facts: Sequence[tuple[Fact, Place]], place: Place, name: Callable[[int], str] | None, *, more: bool
    ) -> EventPage:
        """What is told of facts whose messages are still kept."""
        ids = {(fact.account_id, fact.message_id) for fact, _ in facts}
        records = await self._store.records(sorted(ids))
        events = [
            Told(_type_of(fact), _body_of(records[fact.message_id], fact, name), behind)
            for fact, behind in facts
            if fact.message_id in records
        ]
        return EventPage(events, place, more)


def _collect(
    rows: Sequence[tuple[int, tuple[Fact, ...]]],
    place: Place,
    accounts: Collection[int],
    states: frozenset[int] | None,
    limit: int,
    found: list[tuple[Fact, Place]],
) -> Place:
    """Adds what is wanted of these rows until there is enough; gives the place behind what was looked at."""
    for position, facts in rows:
        first = place.index if position == place.position else 0
        for index in range(first, len(facts)):
            fact = facts[index]
            if fact.account_id not in accounts or (states is not None and fact.state not in states):
                continue
            behind = Place(position, index + 1, fact.at_us)
            found.append((fact, behind))
            if len(found) == limit:
                return behind
        place = Place(position + 1, 0, facts[-1].at_us if facts else place.at_us)
    return place


def _body_of(record: MessageRecord, fact: Fact, name: Callable[[int], str] | None) -> bytes:
    return event_json(record, fact) if name is None else owned_event_json(record, fact, name(fact.account_id))


def _type_of(fact: Fact) -> str:
    return EVENT_TYPES[fact.state]
