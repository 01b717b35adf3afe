"""Idempotency: a key is claimed with what its request creates, and the answer is rebuilt from that, never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from heliograph.contracts import Claim, Store
from heliograph.delivery.submission import Accepted, IdempotencyKey, Received
from heliograph.errors import RequestRejected
from heliograph.model import id_from_number, id_number

__all__ = ["Outcome", "Place", "claim_of", "created", "earlier", "mismatch", "outcome_of", "place_of", "replay", "same"]

_SCOPE: Final = "http"
Place = tuple[int, str, str]
"""What a claim is found by in the store."""

_Refusal = tuple[int, str, str, str | None, int]
"""(place in the request, code, detail, field, status)."""


class _Created(Struct, omit_defaults=True):
    """What a claim says was created: ids follow from the first, refusals are told again."""

    first: str | None = None
    count: int = 0
    refused: list[_Refusal] = []
    warnings: list[tuple[int, tuple[str, ...]]] = []


def claim_of(key: IdempotencyKey, made: str | None, now_us: int) -> Claim:
    """The key, for as long as it holds. ``made`` is JSON of what is created with it, without secrets and answers."""
    return Claim(
        account_id=key.account_id,
        scope=_SCOPE,
        key=key.key,
        body_hash=key.body_hash,
        created_us=now_us,
        expires_us=now_us + key.life_us,
        made=made,
    )


def place_of(key: IdempotencyKey) -> Place:
    """Where the claim of a key is."""
    return key.account_id, _SCOPE, key.key


async def earlier(store: Store, key: IdempotencyKey | None, now_us: int) -> Claim | None:
    """The claim of the same request, where it was done before. Raises ``RequestRejected`` (409) for another's."""
    if key is None:
        return None
    place = place_of(key)
    claim = (await store.claims([place], now_us)).get(place)
    return None if claim is None else same(claim, key)


def same(claim: Claim, key: IdempotencyKey | None) -> Claim:
    """The claim, where it is of the request with this key. Raises ``RequestRejected`` (409)."""
    if key is None or claim.body_hash != key.body_hash:
        raise mismatch()
    return claim


def created(results: Sequence[Accepted | RequestRejected], ids: Sequence[str]) -> str:
    """What :func:`replay` needs to say the same again."""
    made = _Created(first=ids[0] if ids else None, count=len(ids))
    for index, result in enumerate(results):
        if isinstance(result, RequestRejected):
            made.refused.append((index, result.code, result.detail, result.field, result.status))
        elif result.warnings:
            made.warnings.append((index, result.warnings))
    return msgspec.json.encode(made).decode()


class Outcome(Struct, frozen=True):
    """What one submission came to: the id of its message, or the code of its refusal."""

    message_id: str | None
    refusal: str | None


def outcome_of(claim: Claim) -> Outcome:
    """What a claim of one submission says of it."""
    made = msgspec.json.decode(claim.made or "{}", type=_Created)
    return Outcome(made.first, made.refused[0][1] if made.refused else None)


async def replay(store: Store, claim: Claim, key: IdempotencyKey | None) -> Received:
    """The answer of the first request with this key, rebuilt from what it created.

    Raises ``RequestRejected`` (409) where the key belongs to another request, (410) where its messages are gone.
    """
    made = msgspec.json.decode(same(claim, key).made or "{}", type=_Created)
    ids = _ids_of(made.first, made.count)
    records = await store.records([(claim.account_id, one) for one in ids])
    refused = {
        index: RequestRejected(code, detail, field=field, status=status)
        for index, code, detail, field, status in made.refused
    }
    warnings = dict(made.warnings)
    left = iter(ids)
    results: list[Accepted | RequestRejected] = []
    for index in range(len(ids) + len(refused)):
        if index in refused:
            results.append(refused[index])
            continue
        record = records.get(next(left))
        if record is None:
            raise RequestRejected("gone", "What this request created is past its retention.", status=410)
        first = record.schedules[0] if record.schedules else None
        results.append(Accepted(record.message, record.progress, warnings.get(index, ()), first))
    return Received(results, True)


def mismatch() -> RequestRejected:
    """One key, two bodies."""
    return RequestRejected(
        "idempotency_mismatch",
        "This Idempotency-Key was used for another request within 24 hours: use a new key for a new request.",
        field="Idempotency-Key",
        status=409,
    )


def _ids_of(first: str | None, count: int) -> list[str]:
    """The ids that one ``IdSource.take`` gave: consecutive ticks with one random tail."""
    if first is None:
        return []
    number = id_number(first)
    return [id_from_number(number + (index << 45)) for index in range(count)]
