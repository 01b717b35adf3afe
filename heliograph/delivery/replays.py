"""Replays: what a webhook was told, or should have been, told again under the same ids.

A replay is a delivery that is due now and has a mark in its id; from there on it is tried like any other. It is
durable before the request is answered, with the idempotency key that the request came with, so it is told at least
once, and put back once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from heliograph.contracts import Acceptance, Claim, Clock, Recorder, Store
from heliograph.delivery.eventwords import states_of
from heliograph.delivery.instants import iso
from heliograph.delivery.onceonly import OnceOnly
from heliograph.delivery.outbox import Outbox
from heliograph.delivery.outbox.kept import replay_id, webhook_id_of
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected
from heliograph.model import DEAD_FROM_US, Endpoint, Fact, PendingDelivery, event_id, normalize_id

__all__ = ["MOST_REPLAYED", "Replayed", "Replays"]

MOST_REPLAYED: Final = 10_000
"""Deliveries that one request puts back: about 4 MB of rows."""
_STEP: Final = 500
_PAGE_ROWS: Final = 50
_ORDER_US: Final = 300_000_000
"""Events of neighbouring rows may be out of order by so much at most."""


class Replayed(Struct, frozen=True):
    """How many deliveries were put back. ``next_since_us``: there is more from then on.

    ``before``: an earlier request with the same key did it.
    """

    count: int
    next_since_us: int | None = None
    before: bool = False


class Replays:
    """Puts deliveries back."""

    def __init__(self, store: Store, outbox: Outbox, clock: Clock) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._once = OnceOnly(store, clock)

    async def earlier(self, key: IdempotencyKey | None) -> Replayed | None:
        """What an earlier request with this key did. Raises ``RequestRejected`` (409) where it was another request."""
        claim = await self._once.earlier(key)
        return None if claim is None else _of(claim)

    async def events(
        self, endpoint: Endpoint, ids: Sequence[str], key: IdempotencyKey | None = None, *, by: Recorder
    ) -> Replayed:
        """These events of the account. Raises ``RequestRejected`` naming the first that there is not."""
        wanted = [_split(text) for text in dict.fromkeys(ids)]
        records = await self._store.records([(endpoint.account_id, message_id) for message_id, _ in wanted])
        for message_id, sequence in wanted:
            record = records.get(message_id)
            if record is None or not 1 <= sequence <= record.progress.last_seq:
                raise _unknown(event_id(message_id, sequence))
        return await self._put(
            endpoint, [self._delivery(endpoint, one) for one in wanted], [], key, {"asked": "events"}, by
        )

    async def failed(self, endpoint: Endpoint, key: IdempotencyKey | None = None, *, by: Recorder) -> Replayed:
        """All dead letters, up to :data:`MOST_REPLAYED`: the newest first, told in the order in which they died."""
        now_us = self._clock.now_us()
        dead = await self._store.deliveries(endpoint.id, DEAD_FROM_US, DEAD_FROM_US + now_us + 1, MOST_REPLAYED)
        again = [
            msgspec.structs.replace(
                one, id=replay_id(webhook_id_of(one), endpoint, now_us), tries=0, next_us=now_us, first_us=now_us
            )
            for one in reversed(dead)
        ]
        return await self._put(endpoint, again, [one.id for one in dead], key, {"asked": "failed"}, by)

    async def span(
        self, endpoint: Endpoint, since_us: int, until_us: int, key: IdempotencyKey | None = None, *, by: Recorder
    ) -> Replayed:
        """What happened from ``since_us`` on and before ``until_us``, as far as the endpoint wants to hear of it."""
        states = states_of(endpoint.events)
        position = await self._position_before(since_us - _ORDER_US)
        found: list[Fact] = []
        while rows := (await self._store.outbox(position, _PAGE_ROWS)).rows:
            position = rows[-1][0]
            for _, facts in rows:
                found += [
                    fact
                    for fact in facts
                    if fact.account_id == endpoint.account_id
                    and since_us <= fact.at_us < until_us
                    and (states is None or fact.state in states)
                ]
            if len(found) >= MOST_REPLAYED or rows[-1][1][-1].at_us > until_us + _ORDER_US:
                break
        more = len(found) > MOST_REPLAYED
        wanted = await self._tagged(endpoint, found[:MOST_REPLAYED])
        following = found[MOST_REPLAYED].at_us if more else None
        again = [self._delivery(endpoint, _key(fact)) for fact in wanted]
        asked = {"asked": "span", "since": iso(since_us), "until": iso(until_us)}
        return await self._put(endpoint, again, [], key, asked, by, following)

    async def _tagged(self, endpoint: Endpoint, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Those whose messages have one of the tags that the endpoint asks for."""
        if not endpoint.tags:
            return facts
        wanted: list[Fact] = []
        for at in range(0, len(facts), _STEP):
            chunk = facts[at : at + _STEP]
            records = await self._store.records(sorted({(fact.account_id, fact.message_id) for fact in chunk}))
            for fact in chunk:
                record = records.get(fact.message_id)
                tags = None if record is None else record.message.tags
                if tags is not None and not set(endpoint.tags).isdisjoint(msgspec.json.decode(tags)):
                    wanted.append(fact)
        return wanted

    async def _position_before(self, at_us: int) -> int:
        """A position before everything that happened then or later: rows are looked at, not read through."""
        low, high = 0, await self._store.outbox_end() + 1
        while low < high - 1:
            middle = (low + high) // 2
            rows = (await self._store.outbox(middle, 1)).rows
            if rows and rows[0][1][0].at_us < at_us:
                low = rows[0][0]
            else:
                high = middle
        return low

    async def _put(
        self,
        endpoint: Endpoint,
        again: Sequence[PendingDelivery],
        done: Sequence[str],
        key: IdempotencyKey | None,
        asked: Mapping[str, str],
        by: Recorder,
        next_since_us: int | None = None,
    ) -> Replayed:
        """Commits all of it at once, or nothing where an earlier request with the key did."""
        replayed = Replayed(len(again), next_since_us)
        told = {**asked, "replayed": len(again)}
        entry = by(self._clock.now_us(), "replay", "webhook", endpoint.id, endpoint.account_id, after=told)
        written = Acceptance((), deliveries=again, deliveries_done=done, audit=(entry,))
        earlier = await self._once.write(written, key, msgspec.json.encode(replayed).decode())
        if earlier is not None:
            return _of(earlier)
        self._outbox.look(endpoint.id)
        return replayed

    def _delivery(self, endpoint: Endpoint, event: tuple[str, int]) -> PendingDelivery:
        now_us = self._clock.now_us()
        return PendingDelivery(
            endpoint_id=endpoint.id,
            id=replay_id(event_id(*event), endpoint, now_us),
            account_id=endpoint.account_id,
            events=(event,),
            tries=0,
            next_us=now_us,
            first_us=now_us,
        )


def _of(claim: Claim) -> Replayed:
    """What the request did that has this claim."""
    return msgspec.structs.replace(msgspec.json.decode(claim.made or '{"count":0}', type=Replayed), before=True)


def _key(fact: Fact) -> tuple[str, int]:
    return fact.message_id, fact.sequence


def _split(text: str) -> tuple[str, int]:
    message_id, _, sequence = text.partition("-")
    normal = normalize_id(message_id)
    if normal is None or not sequence.isascii() or not sequence.isdigit() or len(sequence) > 6:
        raise _unknown(text)
    return normal, int(sequence)


def _unknown(text: str) -> RequestRejected:
    return RequestRejected(
        "field_invalid", f"There is no event {text[:64]}: give ids of events that are kept.", field="events"
    )
