"""How configuration is changed by a request: a version that is expected, a dry run, a trail, and once for each key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from fastapi import Request
from msgspec import Struct

from heliograph.contracts import Administered, Administration, Claim, Store
from heliograph.delivery.idempotency import claim_of, earlier, same
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected, VersionConflict
from heliograph.ingress.rest.asking import parameters
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.versions import stale

__all__ = ["DRY_RUN", "Administering", "DryRun", "dry", "would"]

DRY_RUN: Final[Mapping[str, str]] = {"dry_run": "true: nothing is changed; the answer says what would be."}
"""The parameter of every change."""
_encode = msgspec.json.Encoder().encode


class DryRun(Struct, frozen=True):
    """What a change would do: what is there (null: nothing), and what would be."""

    dry_run: bool
    action: str
    name: str
    before: Any
    after: Any


class Administering:
    """Writes changes. ``changed`` is awaited after each, so that it holds at once in this process."""

    def __init__(self, store: Store, now_us: Callable[[], int], changed: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._now_us = now_us
        self._changed = changed

    async def write(
        self,
        change: Administration,
        *,
        idempotency: IdempotencyKey | None = None,
        made: str = "",
        matched: bool = False,
    ) -> Administered | str:
        """What was written; or, where this very request was done before, the name of what it ``made`` then.

        Raises ``RequestRejected``: 412 where the caller's If-Match (``matched``) names another version than there
        is, 409 where the change does not fit what somebody else wrote meanwhile.
        """
        if idempotency is not None:
            note = msgspec.json.encode({"made": made}).decode()
            change = msgspec.structs.replace(change, claim=claim_of(idempotency, note, self._now_us()))
        try:
            done = await self._store.administer(change)
        except VersionConflict as error:
            raise (stale(error) if matched else _overtaken(error)) from None
        if done.taken is not None:
            return _made_by(same(done.taken, idempotency))
        await self._changed()
        return done

    async def done_before(self, idempotency: IdempotencyKey | None) -> str | None:
        """The name of what this very request made before; None where it is new. Raises ``RequestRejected`` (409)."""
        claim = await earlier(self._store, idempotency, self._now_us())
        return None if claim is None else _made_by(claim)


def _made_by(claim: Claim) -> str:
    return str(msgspec.json.decode(claim.made or "{}").get("made", ""))


def _overtaken(error: VersionConflict) -> RequestRejected:
    return RequestRejected(
        "conflict", f"The {error.kind} was changed by somebody else meanwhile: read it again.", status=409
    )


def dry(request: Request) -> bool:
    """Whether nothing is to be changed. Raises ``RequestRejected`` for other parameters."""
    word = parameters(request, DRY_RUN).get("dry_run", "false")
    if word not in ("true", "false"):
        raise RequestRejected("field_invalid", "dry_run must be true or false.", field="dry_run")
    return word == "true"


def would(action: str, name: str, before: Any, after: Any) -> Reply:
    """The answer of a dry run."""
    return Reply(200, _encode(DryRun(True, action, name, before, after)))
