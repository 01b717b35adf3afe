"""API keys as they are managed: made, changed, followed by another, revoked; each with its entry in the trail.

A customer with the scope ``keys`` keeps those of its own account, and hands on no more than it has: its scopes, its
addresses, its end. A key that may do more than the caller is the operator's to touch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from heliograph.access.actors import Actor
from heliograph.access.keys import is_test_key, make_key, successor_of
from heliograph.access.wishes import checked_name, checked_ranges
from heliograph.contracts import Administration, Claim, Store
from heliograph.delivery.idempotency import claim_of, earlier, same
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected
from heliograph.model import CUSTOMER_SCOPES, SCOPES, Credential

__all__ = ["MOST_KEYS", "KeyKeeper", "KeyWish"]

MOST_KEYS: Final = 200
"""Keys of an account that are not revoked."""


class KeyWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a key shall be. ``expires_us`` None is for ever, ``addresses`` empty is from anywhere."""

    name: str = ""
    scopes: tuple[str, ...] = CUSTOMER_SCOPES
    expires_us: int | None = None
    addresses: tuple[str, ...] = ()
    test: bool = False


class KeyKeeper:
    """Every method raises ``RequestRejected`` for what the actor may not, and ``VersionConflict``."""

    def __init__(self, store: Store, now_us: Callable[[], int]) -> None:
        self._store = store
        self._now_us = now_us

    async def account_id(self, actor: Actor, name: str | None, own: int) -> int:
        """The account that a request is about: the named one, where the actor acts for it, or its own."""
        if name is None:
            return own
        for account in await self._store.accounts():
            if account.name == name and actor.may_touch(account.id):
                return account.id
        raise RequestRejected("not_found", "There is no account of this name.", field="account", status=404)

    async def list(self, actor: Actor, account_id: int | None = None) -> list[Credential]:
        """Keys that the actor may see, of one account or all, oldest first."""
        return [
            key
            for key in await self._store.keys()
            if actor.may_touch(key.account_id) and account_id in (None, key.account_id)
        ]

    async def get(self, actor: Actor, prefix: str) -> Credential:
        """A key by its prefix; one of a stranger is not there."""
        for key in await self.list(actor):
            if key.prefix == prefix:
                return key
        raise RequestRejected("not_found", "There is no key of this id: GET /v1/keys lists them.", status=404)

    async def create(
        self, actor: Actor, account_id: int, wish: KeyWish, idempotency: IdempotencyKey | None = None
    ) -> tuple[Credential, str | None]:
        """A new key with its text; the text is None where an earlier request with the idempotency key made it."""
        if (done := await self._earlier(actor, idempotency)) is not None:
            return done, None
        wish = self._checked(actor, wish)
        if sum(key.revoked_us is None for key in await self.list(actor, account_id)) >= MOST_KEYS:
            raise RequestRejected("conflict", f"An account has at most {MOST_KEYS} keys: revoke one first.", status=409)
        now_us = self._now_us()
        text, key = make_key(
            account_id,
            wish.scopes,
            now_us=now_us,
            expires_us=actor.bounded_end(wish.expires_us),
            name=wish.name,
            addresses=actor.bounded_ranges(wish.addresses),
            test=wish.test,
        )
        change = Administration(at_us=now_us, credentials=[(key, 0)])
        return await self._made(actor, change, "create", key, text, idempotency)

    async def change(self, actor: Actor, prefix: str, expected: int | None, **changes: Any) -> Credential:
        """Changes ``name``, ``scopes``, ``addresses`` or ``expires_us`` of a key."""
        before = await self._touchable(actor, prefix)
        wish = KeyWish(
            name=before.name, scopes=before.scopes, expires_us=before.expires_us, addresses=before.addresses,
            test=is_test_key(before),
        )  # fmt: skip
        wish = self._checked(actor, replace(wish, **changes))
        after = replace(
            before,
            name=wish.name,
            scopes=wish.scopes,
            addresses=actor.bounded_ranges(wish.addresses),
            expires_us=actor.bounded_end(wish.expires_us),
        )
        return await self._put(actor, "change", before, after, expected)

    async def revoke(self, actor: Actor, prefix: str, expected: int | None = None) -> Credential:
        """Ends a key for ever; once more is no error."""
        before = await self._touchable(actor, prefix, over=True)
        if before.revoked_us is not None:
            return before
        return await self._put(actor, "revoke", before, replace(before, revoked_us=self._now_us()), expected)

    async def rotate(
        self, actor: Actor, prefix: str, overlap_us: int, idempotency: IdempotencyKey | None = None
    ) -> tuple[Credential, str | None]:
        """A key that may do the same, with its text; the old one ends after a while, or when it would have anyway."""
        if (done := await self._earlier(actor, idempotency)) is not None:
            return done, None
        old, now_us = await self._touchable(actor, prefix), self._now_us()
        text, key = successor_of(old, now_us=now_us)
        key = replace(key, expires_us=actor.bounded_end(None), addresses=actor.bounded_ranges(key.addresses))
        ends_us = min(now_us + overlap_us, old.expires_us or 1 << 62)
        change = Administration(at_us=now_us, credentials=[(key, 0), (replace(old, expires_us=ends_us), old.version)])
        return await self._made(actor, change, "rotate", key, text, idempotency, before=old)

    # --- common ----------------------------------------------------------------------------------

    async def _touchable(self, actor: Actor, prefix: str, *, over: bool = False) -> Credential:
        key = await self.get(actor, prefix)
        actor.check_scopes(key.scopes)
        ended = key.revoked_us is not None or (key.expires_us is not None and key.expires_us <= self._now_us())
        if ended and not over:
            raise RequestRejected("conflict", "This key is over: make a new one.", status=409)
        return key

    def _checked(self, actor: Actor, wish: KeyWish) -> KeyWish:
        known = CUSTOMER_SCOPES if wish.test else SCOPES
        if unknown := [one for one in wish.scopes if one not in known]:
            whose = "a test key" if wish.test else "a key"
            raise RequestRejected(
                "field_invalid", f"{unknown[0][:64]} is no scope of {whose}: use {', '.join(known)}.", field="scopes"
            )
        if not wish.scopes:
            raise RequestRejected("field_invalid", "A key needs at least one scope.", field="scopes")
        checked_name(wish.name)
        if wish.expires_us is not None and wish.expires_us <= self._now_us():
            raise RequestRejected("field_invalid", "expires_at has passed: name a later time.", field="expires_at")
        actor.check_scopes(wish.scopes)
        addresses = checked_ranges(wish.addresses)
        return replace(wish, scopes=tuple(dict.fromkeys(wish.scopes)), addresses=addresses)

    async def _put(
        self, actor: Actor, action: str, before: Credential, after: Credential, expected: int | None
    ) -> Credential:
        now_us = self._now_us()
        entry = actor.entry(
            now_us, action, "key", after.prefix, after.account_id, before=shown(before), after=shown(after)
        )
        version = before.version if expected is None else expected
        change = Administration(at_us=now_us, credentials=[(after, version)], audit=[entry])
        return (await self._store.administer(change)).credentials[0]

    async def _made(
        self, actor: Actor, change: Administration, action: str, key: Credential, text: str,
        idempotency: IdempotencyKey | None, before: Credential | None = None,
    ) -> tuple[Credential, str | None]:  # fmt: skip
        name = key.prefix if before is None else before.prefix
        old = None if before is None else shown(before)
        change.audit.append(
            actor.entry(change.at_us, action, "key", name, key.account_id, before=old, after=shown(key))
        )
        if idempotency is not None:
            change.claim = claim_of(idempotency, msgspec.json.encode({"key": key.prefix}).decode(), change.at_us)
        done = await self._store.administer(change)
        if done.taken is not None:
            return await self._of_claim(actor, same(done.taken, idempotency)), None
        return done.credentials[0], text

    async def _earlier(self, actor: Actor, idempotency: IdempotencyKey | None) -> Credential | None:
        claim = await earlier(self._store, idempotency, self._now_us())
        return None if claim is None else await self._of_claim(actor, claim)

    async def _of_claim(self, actor: Actor, claim: Claim) -> Credential:
        return await self.get(actor, msgspec.json.decode(claim.made or "{}").get("key", ""))


def shown(key: Credential) -> dict[str, Any]:
    """What the trail shows of a key."""
    return {
        "name": key.name,
        "scopes": key.scopes,
        "addresses": key.addresses,
        "expires_us": key.expires_us,
        "revoked_us": key.revoked_us,
    }
