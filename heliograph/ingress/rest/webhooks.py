"""The endpoints of webhooks: each a translation from a request to the house and back."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Final

import msgspec
from fastapi import Request
from msgspec import UNSET

from heliograph.access import Principal
from heliograph.access.actors import Actor
from heliograph.contracts import Acceptance, Claim, Recorder
from heliograph.delivery.instants import iso
from heliograph.delivery.replays import Replayed
from heliograph.delivery.submission import IdempotencyKey
from heliograph.delivery.webhooks import CALLBACKS
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import limit_of, parameters, peer_of
from heliograph.ingress.rest.calls import Call, decode, idempotency_of
from heliograph.ingress.rest.endpoints import NOT_KEPT, REPLAYED, Answerer, Caller, Reader, or_empty
from heliograph.ingress.rest.hooks import (
    HOOK_PAGE,
    MOST_HOOKS_LISTED,
    CallbacksView,
    DeliveryList,
    ReplayBody,
    ReplayView,
    SecretBody,
    WebhookBody,
    WebhookList,
    WebhookPatch,
    delivery_of_kept,
    delivery_of_tried,
    webhook_view,
)
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.targets import check_events, check_url
from heliograph.model import DEAD_FROM_US, Endpoint

__all__ = ["Hooks"]

_SCOPE: Final = "webhooks"
_MOST_LISTED: Final = 100
_SPANS: Final = {"pending": (0, DEAD_FROM_US), "dead": (DEAD_FROM_US, 2 * DEAD_FROM_US - 1)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_create = msgspec.json.Decoder(WebhookBody)
_patch = msgspec.json.Decoder(WebhookPatch)
_secret = msgspec.json.Decoder(SecretBody)
_replay = msgspec.json.Decoder(ReplayBody)
_encode = msgspec.json.Encoder().encode


class Hooks:
    """All of them. ``caller`` says who asks, or raises; ``read`` reads a body under a bound."""

    def __init__(self, services: Services, caller: Caller, read: Reader) -> None:
        self._services = services
        self._caller = caller
        self._read = read

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        return {
            ("POST", "/v1/webhooks"): self.make,
            ("GET", "/v1/webhooks"): self.list,
            ("GET", "/v1/webhooks/callbacks"): self.callbacks,
            ("GET", "/v1/webhooks/{id}"): self.show,
            ("PATCH", "/v1/webhooks/{id}"): self.change,
            ("POST", "/v1/webhooks/{id}/secret"): self.rotate,
            ("POST", "/v1/webhooks/{id}/test"): self.test,
            ("POST", "/v1/webhooks/{id}/replay"): self.replay,
            ("GET", "/v1/webhooks/{id}/deliveries"): self.deliveries,
            ("DELETE", "/v1/webhooks/{id}"): self.delete,
        }

    async def _call(self, request: Request) -> Call:
        return await self._read(request, self._services.bounds.body_octets)

    def _by(self, request: Request, principal: Principal) -> Recorder:
        """Words entries of the audit log for who asks."""
        return Actor.of(principal, peer_of(request)).entry

    async def _found(self, request: Request) -> tuple[Principal, Endpoint]:
        principal = self._caller(request, _SCOPE)
        return principal, await self._services.webhooks.get(principal.account.id, request.path_params["id"])

    def _shown(self, endpoint: Endpoint) -> bytes:
        services = self._services
        return _encode(webhook_view(endpoint, services.outbox.health(endpoint.id), now_us=services.now_us()))

    # --- made, shown, changed ---------------------------------------------------------------------

    async def make(self, request: Request) -> Reply:
        principal = self._caller(request, _SCOPE)
        call = await self._call(request)
        body = decode(call, _create, WebhookBody.__struct_fields__)
        check_url(body.url, "url", allow_private_addresses=self._services.allow_private_addresses)
        check_events(body.events, "events", notices=True)
        endpoint, secret, replayed = await self._services.webhooks.create(
            principal.account.id,
            body.url,
            tuple(body.events),
            body.batch,
            tags=tuple(body.tags),
            idempotency=idempotency_of(call, principal),
            by=self._by(request, principal),
        )
        return Reply(201, _encode(_with_secret(endpoint, secret)), REPLAYED if replayed else ())

    async def list(self, request: Request) -> Reply:
        principal = self._caller(request, _SCOPE)
        services, now_us = self._services, self._services.now_us()
        given = parameters(request, HOOK_PAGE)
        limit = limit_of(given, MOST_HOOKS_LISTED, MOST_HOOKS_LISTED)
        accounts, about = services.keys.accounts, ("webhooks", principal.account.id, given.get("account"))
        after = (0, "")
        if "cursor" in given:
            after = services.cursors.read(given["cursor"], tuple[int, str], *about)
        found = await services.store.webhooks_of(
            accounts.asked(principal.account.id, given.get("account")), after=after, limit=limit
        )
        views = [
            webhook_view(
                one,
                services.outbox.health(one.id),
                now_us=now_us,
                account=accounts.name(one.account_id) if "account" in given else UNSET,
            )
            for one in found
        ]
        last = (found[-1].created_us, found[-1].id) if len(found) == limit else None
        following = None if last is None else services.cursors.give(last, *about)
        return Reply(200, _encode(WebhookList(views, following)))

    async def callbacks(self, request: Request) -> Reply:
        principal = self._caller(request, _SCOPE)
        secret = await self._services.webhooks.callbacks_secret(principal.account.id)
        return Reply(200, _encode(CallbacksView(secret)), NOT_KEPT)

    async def show(self, request: Request) -> Reply:
        _, endpoint = await self._found(request)
        return Reply(200, self._shown(endpoint))

    async def change(self, request: Request) -> Reply:
        principal = self._caller(request, _SCOPE)
        body = decode(await self._call(request), _patch, WebhookPatch.__struct_fields__)
        if body.url is not UNSET:
            check_url(body.url, "url", allow_private_addresses=self._services.allow_private_addresses)
        if body.events is not UNSET:
            check_events(body.events, "events", notices=True)
        changes = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
        changes = {name: tuple(value) if type(value) is list else value for name, value in changes.items()}
        endpoint = await self._services.webhooks.update(
            principal.account.id, request.path_params["id"], by=self._by(request, principal), **changes
        )
        return Reply(200, self._shown(endpoint))

    async def rotate(self, request: Request) -> Reply:
        principal = self._caller(request, _SCOPE)
        call = await self._call(request)
        body = decode(or_empty(call), _secret, SecretBody.__struct_fields__)
        name = request.path_params["id"]
        endpoint, secret = await self._services.webhooks.rotate(
            principal.account.id,
            CALLBACKS if name == "callbacks" else name,
            body.old_valid_s * 1_000_000,
            idempotency=idempotency_of(call, principal),
            by=self._by(request, principal),
        )
        return Reply(200, _encode(_with_secret(endpoint, secret)), (*NOT_KEPT, *(REPLAYED if secret is None else ())))

    async def delete(self, request: Request) -> Reply:
        principal, endpoint = await self._found(request)
        await self._services.webhooks.delete(principal.account.id, endpoint.id, by=self._by(request, principal))
        return Reply(204, b"")

    # --- told ----------------------------------------------------------------------------------------

    async def test(self, request: Request) -> Reply:
        principal, endpoint = await self._found(request)
        call = await self._call(request)
        key, once = idempotency_of(call, principal), self._services.webhooks.once
        async with once.alone(key):
            if (earlier := await once.earlier(key)) is not None:
                return _test_replayed(earlier)
            event = _test_event(endpoint, self._services.now_us())
            view = delivery_of_tried(await self._services.outbox.test(endpoint, _test_id(endpoint, key), event))
            if key is not None:
                outcome = msgspec.structs.replace(view, request=UNSET, answer=UNSET)
                if (earlier := await once.write(Acceptance(()), key, _encode(outcome).decode())) is not None:
                    return _test_replayed(earlier)
        return Reply(200, _encode(view))

    async def replay(self, request: Request) -> Reply:
        principal, endpoint = await self._found(request)
        call = await self._call(request)
        body = decode(call, _replay, ReplayBody.__struct_fields__)
        spanned = body.since is not None or body.until is not None
        if (body.events is not None) + body.failed + spanned != 1:
            raise RequestRejected(
                "field_invalid", "Say what to tell again: events, or failed, or since with until.", field="events"
            )
        key, replays, by = idempotency_of(call, principal), self._services.replays, self._by(request, principal)
        earlier = await replays.earlier(key)
        if earlier is not None:
            done = earlier
        elif body.events is not None:
            done = await replays.events(endpoint, body.events, key, by=by)
        elif body.failed:
            done = await replays.failed(endpoint, key, by=by)
        else:
            done = await self._replay_span(endpoint, body, key, by)
        following = None if done.next_since_us is None else iso(done.next_since_us)
        return Reply(202, _encode(ReplayView(done.count, following)), REPLAYED if done.before else ())

    async def _replay_span(
        self, endpoint: Endpoint, body: ReplayBody, key: IdempotencyKey | None, by: Recorder
    ) -> Replayed:
        since_us = _instant(body.since, "since")
        until_us = self._services.now_us() if body.until is None else _instant(body.until, "until")
        if since_us >= until_us:
            raise RequestRejected("field_invalid", "until must be later than since.", field="until")
        return await self._services.replays.span(endpoint, since_us, until_us, key, by=by)

    async def deliveries(self, request: Request) -> Reply:
        _, endpoint = await self._found(request)
        query = parameters(request, ("state", "cursor", "limit"))
        limit = limit_of(query, 50, _MOST_LISTED)
        state = query.get("state", "recent")
        if state == "recent":
            tried = self._services.outbox.tried(endpoint.id, limit)
            return Reply(200, _encode(DeliveryList([delivery_of_tried(one) for one in tried], None)))
        if state not in _SPANS:
            raise RequestRejected("field_invalid", "state must be recent, pending or dead.", field="state")
        first_us, before_us = _SPANS[state]
        cursors, about = self._services.cursors, ("deliveries", endpoint.account_id, endpoint.id, state)
        if (cursor := query.get("cursor")) is not None:
            before_us = cursors.read(cursor, int, *about)
        kept = await self._services.store.deliveries(endpoint.id, first_us, before_us, limit)
        following = cursors.give(kept[-1].next_us, *about) if len(kept) == limit else None
        return Reply(200, _encode(DeliveryList([delivery_of_kept(one) for one in kept], following)))


def _with_secret(endpoint: Endpoint, secret: str | None) -> object:
    return webhook_view(endpoint, secret=secret) if secret else webhook_view(endpoint, secret_shown=False)


def _instant(text: str | None, field: str) -> int:
    """ISO 8601 with an offset as microseconds since 1970. Raises ``RequestRejected``."""
    try:
        at = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise RequestRejected(
            "field_invalid", f"Give {field} with its offset, such as 2026-03-01T12:00:00Z.", field=field
        )
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _test_id(endpoint: Endpoint, key: IdempotencyKey | None) -> str:
    """The webhook id of a test: the same for the same key, should it be sent twice after a crash."""
    if key is None:
        return f"test-{secrets.token_hex(12)}"
    return "test-" + hashlib.blake2b(f"{endpoint.id}\n{key.key}".encode(), digest_size=12).hexdigest()


def _test_replayed(earlier: Claim) -> Reply:
    """What came of it the first time; request and answer are not kept."""
    return Reply(200, (earlier.made or "{}").encode(), REPLAYED)


def _test_event(endpoint: Endpoint, now_us: int) -> bytes:
    """An event that says nothing, in the form of all others."""
    return _encode(
        {
            "specversion": "1.0",
            "id": f"test-{endpoint.id}-{now_us}",
            "source": "/v1/webhooks",
            "type": "webhook.test",
            "subject": endpoint.id,
            "time": iso(now_us),
            "sequence": 1,
            "datacontenttype": "application/json",
            "data": {},
        }
    )
