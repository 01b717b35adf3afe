"""Publishable tokens over HTTP: a server prepares a message, and hands a page what can start it once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from fastapi import Request
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from heliograph.access import Principal
from heliograph.access.actors import Actor
from heliograph.access.publishable import PublishableKeeper, is_test_token, message_in, side_of, state_of
from heliograph.delivery.idempotency import Outcome
from heliograph.delivery.instants import iso
from heliograph.errors import RequestRejected, SecretLocked
from heliograph.ingress.rest.answers import SEND_PROBLEMS
from heliograph.ingress.rest.asking import limit_of, parameters, peer_of
from heliograph.ingress.rest.calls import decode, idempotency_of
from heliograph.ingress.rest.endpoints import NOT_KEPT, REPLAYED, Answerer, Caller, Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.sending import SEND_FIELDS, SEND_SCOPE, PreparedBody, submission_of
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.versions import etag, expected_of
from heliograph.model import Credential
from heliograph.rules.origins import MOST_ORIGIN_CHARACTERS, origin_fault

__all__ = ["ENTRANCE", "PUBLISHABLE_OPERATIONS", "Publishable", "prepared_in"]

ENTRANCE: Final = "publishable"
"""Of the messages that tokens start."""
_PATH: Final = "/v1/publishable-tokens"
_READ_SCOPE: Final = "messages:read"
_LIST: Final = "publishable-tokens"
_MOST_LISTED: Final = 200
_MOST_ORIGINS: Final = 10
_MESSAGE_OCTETS: Final = 8_192
"""Of a prepared message: 10,000 of them are kept for an account."""
_ID_STARTS: Final = 12
"""Characters that all ids of a side begin with: a cursor has no room for them."""
_PAGE: Final = {
    "cursor": "What the page before gave as next.",
    "limit": f"Tokens in the page, 1 to {_MOST_LISTED}; 50 by default.",
}


class PublishableBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A message to prepare, the origins of the pages that may start it, and for how long (seconds)."""

    message: PreparedBody
    origins: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=MOST_ORIGIN_CHARACTERS)]],
        Meta(min_length=1, max_length=_MOST_ORIGINS),
    ]
    expires_in: Annotated[int, Meta(ge=60, le=86_400)] = 600


class PublishableView(Struct, frozen=True, omit_defaults=True):
    """A token as its account sees it; ``token`` (its text) only when it is made, a replay has ``secret_shown`` false.

    ``state`` is ``open``, ``started``, ``refused``, ``expired`` or ``revoked``.
    """

    id: str
    state: str
    test: bool
    origins: list[str]
    made_by: str
    created_at: str
    expires_at: str
    message: PreparedBody | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    revoked_at: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    secret_shown: bool | UnsetType = UNSET


class PublishableList(Struct, frozen=True):
    """A page, newest first. ``next`` is the cursor of the next one, or null."""

    tokens: list[PublishableView]
    next: str | None


PUBLISHABLE_OPERATIONS: Final = (
    Operation(
        "POST",
        _PATH,
        "Prepare a message that a web page can start",
        SEND_SCOPE,
        PublishableBody,
        PublishableView,
        201,
        example={
            "message": {"to": "+14155550123", "from": "12345", "text": "Your table is ready."},
            "origins": ["https://shop.example"],
            "expires_in": 600,
        },
        problems=("conflict", "not_found", *SEND_PROBLEMS),
    ),
    Operation("GET", _PATH, "List publishable tokens", _READ_SCOPE, None, PublishableList, query=_PAGE),
    Operation("GET", f"{_PATH}/{{id}}", "Show a publishable token", _READ_SCOPE, None, PublishableView),
    Operation(
        "DELETE",
        f"{_PATH}/{{id}}",
        "Revoke a publishable token",
        SEND_SCOPE,
        None,
        None,
        204,
        problems=("version_mismatch",),
    ),
)

_NAMES = (*PublishableBody.__struct_fields__, *(name for name in SEND_FIELDS if not name.startswith("send_at")))
_body = msgspec.json.Decoder(PublishableBody)
_prepared = msgspec.json.Decoder(PreparedBody)
_encode = msgspec.json.Encoder().encode


def prepared_in(token: Credential, services: Services) -> PreparedBody:
    """The message that a token starts. Raises ``SecretLocked``."""
    return _prepared.decode(message_in(token, services.sealer))


class Publishable:
    """The endpoints. ``caller`` says who asks, or raises; ``read`` reads a body under a bound."""

    def __init__(
        self,
        services: Services,
        caller: Caller,
        read: Reader,
    ) -> None:
        self._services = services
        self._caller = caller
        self._read = read
        self._keeper = PublishableKeeper(services.store, services.sealer, services.now_us)

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        return {
            ("POST", _PATH): self.create,
            ("GET", _PATH): self.page,
            ("GET", f"{_PATH}/{{id}}"): self.show,
            ("DELETE", f"{_PATH}/{{id}}"): self.revoke,
        }

    async def create(self, request: Request) -> Reply:
        principal = self._caller(request, SEND_SCOPE)
        call = await self._read(request, self._services.bounds.body_octets)
        body = decode(call, _body, _NAMES)
        idempotency = idempotency_of(call, principal)
        token, text = await self._keeper.earlier(principal.account, idempotency), None
        if token is None:
            message = await self._checked(body, principal)
            life_us = body.expires_in * 1_000_000
            origins = tuple(dict.fromkeys(body.origins))
            token, text = await self._keeper.create(principal, message, origins, life_us, idempotency)
        replayed = REPLAYED if text is None else ()
        [view] = await self._views([token])
        shown = replace(view, token=text or UNSET, secret_shown=False if text is None else UNSET)
        return Reply(201, _encode(shown), (etag(token.version), *NOT_KEPT, *replayed))

    async def _checked(self, body: PublishableBody, principal: Principal) -> bytes:
        """The message as it is kept, after everything that a send would find. Raises ``RequestRejected``."""
        for number, origin in enumerate(body.origins):
            if (fault := origin_fault(origin)) is not None:
                raise RequestRejected(
                    "field_invalid", f"{origin[:64]} is no origin to name: {fault}.", field=f"origins[{number}]"
                )
        if body.message.time_zone is not None and body.message.deliver_within is None:
            raise RequestRejected("field_missing", "time_zone needs deliver_within.", field="message.deliver_within")
        kept = _encode(body.message)
        if len(kept) > _MESSAGE_OCTETS:
            raise RequestRejected(
                "field_invalid", f"A prepared message may have {_MESSAGE_OCTETS:,} octets of JSON.", field="message"
            )
        private = self._services.allow_private_addresses
        try:
            await self._services.intake.check(submission_of(body.message, principal, ENTRANCE, private))
        except RequestRejected as rejected:
            field = None if rejected.field is None else f"message.{rejected.field}"
            raise RequestRejected(
                rejected.code, rejected.detail, field=field, status=rejected.status,
                retry_after_s=rejected.retry_after_s,
            ) from None  # fmt: skip
        return kept

    async def page(self, request: Request) -> Reply:
        account = self._caller(request, _READ_SCOPE).account
        given = parameters(request, _PAGE)
        limit, cursors = limit_of(given, 50, _MOST_LISTED), self._services.cursors
        before = ""
        if "cursor" in given:
            before = side_of(account) + cursors.read(given["cursor"], str, _LIST, account.id)
        tokens = await self._keeper.page(account, before=before, limit=limit)
        following = None
        if len(tokens) == limit:
            following = cursors.give(tokens[-1].prefix[_ID_STARTS:], _LIST, account.id)
        return Reply(200, _encode(PublishableList(await self._views(tokens), following)))

    async def show(self, request: Request) -> Reply:
        account = self._caller(request, _READ_SCOPE).account
        token = await self._keeper.get(account, request.path_params["id"])
        [view] = await self._views([token])
        return Reply(200, _encode(view), (etag(token.version),))

    async def revoke(self, request: Request) -> Reply:
        principal = self._caller(request, SEND_SCOPE)
        actor = Actor.of(principal, peer_of(request))
        await self._keeper.revoke(actor, principal.account, request.path_params["id"], expected_of(request))
        return Reply(204, b"")

    async def _views(self, tokens: Sequence[Credential]) -> list[PublishableView]:
        outcomes = await self._keeper.outcomes(tokens)
        now_us = self._services.now_us()
        return [self._view(one, outcomes.get(one.prefix), now_us) for one in tokens]

    def _view(self, token: Credential, outcome: Outcome | None, now_us: int) -> PublishableView:
        try:
            message: PreparedBody | UnsetType = prepared_in(token, self._services)
        except SecretLocked:
            message = UNSET
        ends_us = token.expires_us or 0
        return PublishableView(
            token.prefix,
            state_of(token, outcome, now_us),
            is_test_token(token),
            list(token.settings["origins"]),
            str(token.settings["made_by"]),
            iso(token.created_us),
            iso(ends_us),
            message,
            message_id=(outcome and outcome.message_id) or UNSET,
            refusal=(outcome and outcome.refusal) or UNSET,
            revoked_at=UNSET if token.revoked_us is None else iso(token.revoked_us),
        )
