"""Webhook endpoints: made, changed, listed and deleted by customers."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from heliograph.contracts import Acceptance, Changes, Claim, Clock, Recorder, Store
from heliograph.delivery.hookwords import endpoint_entry
from heliograph.delivery.onceonly import OnceOnly
from heliograph.delivery.submission import IdempotencyKey
from heliograph.errors import RequestRejected
from heliograph.model import AuditEntry, Endpoint

__all__ = ["CALLBACKS", "Webhooks"]

_FOR_EVER_US = 1 << 62
_MOST_ENDPOINTS = 100
CALLBACKS = "callback"
"""The kind of the one endpoint of an account that serves the callbacks of its messages."""


class Webhooks:
    """The endpoints of all accounts. ``changed`` is awaited after each change, with the store up to date.

    ``by`` words the entry of who changes something in the audit log, which is written with the change.
    """

    def __init__(self, store: Store, clock: Clock, position: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self.once = OnceOnly(store, clock)
        self._position = position
        """Where the outbox is now: a new endpoint hears of what comes after."""
        self.changed: Callable[[], Awaitable[None]] = _nothing
        self._with_callbacks: set[int] = set()
        self._making = asyncio.Lock()

    async def create(
        self,
        account_id: int,
        url: str,
        events: tuple[str, ...],
        batch: int,
        *,
        tags: tuple[str, ...] = (),
        idempotency: IdempotencyKey | None,
        by: Recorder,
    ) -> tuple[Endpoint, str | None, bool]:
        """(endpoint, its secret, whether this is a replay): a replay tells no secret. Raises ``RequestRejected``."""
        if len(await self.list(account_id)) >= _MOST_ENDPOINTS and await self.once.earlier(idempotency) is None:
            raise RequestRejected(
                "conflict", f"An account has at most {_MOST_ENDPOINTS} webhooks: delete one first.", status=409
            )
        endpoint = msgspec.structs.replace(self._new(account_id, "webhook", url, events, batch), tags=tags)
        made = msgspec.json.encode({"endpoint": endpoint.id}).decode()
        entry = self._entry(by, "create", None, endpoint)
        earlier = await self.once.write(Acceptance((), endpoints=(endpoint,), audit=(entry,)), idempotency, made)
        if earlier is None:
            await self.changed()
            return endpoint, endpoint.secret, False
        wanted = msgspec.json.decode(earlier.made or "{}").get("endpoint")
        for existing in await self._store.endpoints(account_id):
            if existing.id == wanted:
                return existing, None, True
        raise RequestRejected("gone", "The webhook that this request made was deleted since.", status=410)

    async def get(self, account_id: int, endpoint_id: str) -> Endpoint:
        """A webhook of this account. Raises ``RequestRejected`` (404)."""
        for one in await self.list(account_id):
            if one.id == endpoint_id:
                return one
        raise RequestRejected("not_found", "There is no webhook of this id: GET /v1/webhooks lists them.", status=404)

    async def update(
        self, account_id: int, endpoint_id: str, *, by: Recorder, paused: bool | None = None, **changes: object
    ) -> Endpoint:
        """Changes settings (url, events, tags, batch); pauses, or goes on. Raises ``RequestRejected`` (404)."""
        async with self._making:
            before = await self.get(account_id, endpoint_id)
            if paused is not None:
                changes["paused_us"] = (before.paused_us or self._clock.now_us()) if paused else None
            after = msgspec.structs.replace(before, **changes)
            if after != before:
                entry = self._entry(by, "change", before, after)
                await self._store.commit(Changes(acceptances=[Acceptance((), endpoints=(after,), audit=(entry,))]))
                await self.changed()
            return after

    async def rotate(
        self, account_id: int, endpoint_id: str, old_valid_us: int, *, idempotency: IdempotencyKey | None, by: Recorder
    ) -> tuple[Endpoint, str | None]:
        """A new secret; the one before signs too for so long. (endpoint, secret): None in a replay.

        The id ``callback`` stands for the secret of the account's callbacks. Raises ``RequestRejected``.
        """
        if endpoint_id == CALLBACKS:
            await self.ensure_callbacks(account_id)
        async with self._making:
            if endpoint_id == CALLBACKS:
                found = await self._store.endpoints(account_id)
                before = next(one for one in found if one.kind == CALLBACKS)
            else:
                before = await self.get(account_id, endpoint_id)
            after = msgspec.structs.replace(
                before,
                secret=_new_secret(),
                old_secret=before.secret if old_valid_us else None,
                old_until_us=self._clock.now_us() + old_valid_us if old_valid_us else 0,
            )
            written = Acceptance((), endpoints=(after,), audit=(self._entry(by, "rotate", before, after),))
            if await self.once.write(written, idempotency, "{}") is not None:
                return before, None
            await self.changed()
            return after, after.secret

    async def ensure_callbacks(self, account_id: int) -> None:
        """Makes the endpoint that serves the callbacks of an account's messages, when it is first needed."""
        if account_id in self._with_callbacks:
            return
        async with self._making:
            if any(one.kind == CALLBACKS for one in await self._store.endpoints(account_id)):
                self._with_callbacks.add(account_id)
                return
            await self._make_callbacks(account_id)
            await self.changed()
            self._with_callbacks.add(account_id)

    async def _make_callbacks(self, account_id: int) -> None:
        """Makes it, unless another node is quicker: the claim belongs to one of them, for as long as the account."""
        endpoint = self._new(account_id, CALLBACKS, "", (), 1)
        claim = Claim(
            account_id=account_id,
            scope=CALLBACKS,
            key=CALLBACKS,
            body_hash=bytes(32),
            created_us=endpoint.created_us,
            expires_us=_FOR_EVER_US,
        )
        await self._store.commit(Changes(acceptances=[Acceptance((), claim, (endpoint,))]))

    async def callbacks_secret(self, account_id: int) -> str:
        """What the callbacks of an account's messages are signed with (``whsec_…``), made when there is none yet."""
        await self.ensure_callbacks(account_id)
        return next(one.secret for one in await self._store.endpoints(account_id) if one.kind == CALLBACKS)

    async def list(self, account_id: int) -> list[Endpoint]:
        """What an account made, oldest first."""
        return [one for one in await self._store.endpoints(account_id) if one.kind == "webhook"]

    async def delete(self, account_id: int, endpoint_id: str, *, by: Recorder) -> bool:
        """False when the account has no such endpoint."""
        found = [one for one in await self.list(account_id) if one.id == endpoint_id]
        if not found:
            return False
        gone = (account_id, endpoint_id, self._clock.now_us())
        entry = self._entry(by, "delete", found[0], None)
        await self._store.commit(Changes(acceptances=[Acceptance((), deleted_endpoints=(gone,), audit=(entry,))]))
        await self.changed()
        return True

    def _entry(self, by: Recorder, action: str, before: Endpoint | None, after: Endpoint | None) -> AuditEntry:
        return endpoint_entry(by, self._clock.now_us(), action, before, after)

    def _new(self, account_id: int, kind: str, url: str, events: tuple[str, ...], batch: int) -> Endpoint:
        return Endpoint(
            id="we_" + secrets.token_hex(10),
            account_id=account_id,
            kind=kind,
            url=url,
            events=events,
            secret=_new_secret(),
            batch=batch,
            position=self._position(),
            created_us=self._clock.now_us(),
        )


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


async def _nothing() -> None:
    """Nobody wants to know of changes."""
