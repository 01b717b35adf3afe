"""API keys over HTTP: for an account's own keys the scope ``keys``, for everybody's ``admin``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
from fastapi import Request
from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.access import Principal
from heliograph.access.actors import OPERATOR_SCOPE, Actor
from heliograph.access.keykeeping import KeyKeeper, KeyWish
from heliograph.access.keys import OVERLAP_S, is_test_key
from heliograph.delivery.instants import iso
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import parameters, peer_of
from heliograph.ingress.rest.calls import Call, decode, idempotency_of
from heliograph.ingress.rest.endpoints import NOT_KEPT, REPLAYED, Answerer, Caller, Reader, or_empty
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.versions import etag, expected_of
from heliograph.model import CUSTOMER_SCOPES, Credential

__all__ = ["KEY_OPERATIONS", "Keys"]

_SCOPES: Final = ("keys", OPERATOR_SCOPE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Name = Annotated[str, Meta(max_length=64)]
Scopes = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=1, max_length=32)]
Addresses = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=64)]


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make. ``scopes`` are by default what customers do; ``addresses`` (CIDR) empty is from anywhere;
    ``test``: for the sandbox."""

    name: Name = ""
    scopes: Scopes | None = None
    addresses: Addresses = []
    expires_in_s: Annotated[int, Meta(ge=60, le=10 * 366 * 86_400)] | None = None
    test: bool = False
    account: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class KeyPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a key; what is not there stays. ``expires_at`` null is never."""

    name: Name | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    addresses: Addresses | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET


class KeyRotation(Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key goes on beside the new one."""

    overlap_s: Annotated[int, Meta(ge=0, le=30 * 86_400)] = OVERLAP_S


class KeyView(Struct, frozen=True, omit_defaults=True):
    """A key as its account sees it; ``key`` (its text) only when it is made, a replay has ``secret_shown`` false."""

    id: str
    name: str
    account: str
    scopes: list[str]
    addresses: list[str]
    test: bool
    created_at: str
    expires_at: str | UnsetType = UNSET
    revoked_at: str | UnsetType = UNSET
    last_used_at: str | UnsetType = UNSET
    key: str | UnsetType = UNSET
    secret_shown: bool | UnsetType = UNSET


_SCOPE: Final = "keys"
KEY_OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/keys",
        "Make a key",
        _SCOPE,
        KeyBody,
        KeyView,
        201,
        example={"name": "till", "scopes": ["messages:send"], "expires_in_s": 2592000},
        problems=("conflict", "not_found"),
    ),
    Operation(
        "GET",
        "/v1/keys",
        "List keys",
        _SCOPE,
        None,
        KeyView,
        list_name="keys",
        query={"account": "Only keys of this account."},
        problems=("not_found",),
    ),
    Operation("GET", "/v1/keys/{id}", "Show a key", _SCOPE, None, KeyView),
    Operation(
        "PATCH",
        "/v1/keys/{id}",
        "Change name, scopes, addresses or end of a key",
        _SCOPE,
        KeyPatch,
        KeyView,
        example={"addresses": ["192.0.2.0/24"]},
        problems=("conflict", "version_mismatch"),
    ),
    Operation(
        "POST",
        "/v1/keys/{id}/rotate",
        "Make a key that follows another",
        _SCOPE,
        KeyRotation,
        KeyView,
        201,
        example={"overlap_s": 86400},
        problems=("conflict", "version_mismatch"),
    ),
    Operation("DELETE", "/v1/keys/{id}", "Revoke a key", _SCOPE, None, None, 204, problems=("version_mismatch",)),
)

_body = msgspec.json.Decoder(KeyBody)
_patch = msgspec.json.Decoder(KeyPatch)
_rotation = msgspec.json.Decoder(KeyRotation)
_encode = msgspec.json.Encoder().encode


class Keys:
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
        self._keeper = KeyKeeper(services.store, services.now_us)

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        return {
            ("POST", "/v1/keys"): self.create,
            ("GET", "/v1/keys"): self.list,
            ("GET", "/v1/keys/{id}"): self.show,
            ("PATCH", "/v1/keys/{id}"): self.change,
            ("POST", "/v1/keys/{id}/rotate"): self.rotate,
            ("DELETE", "/v1/keys/{id}"): self.revoke,
        }

    def _who(self, request: Request) -> tuple[Principal, Actor]:
        principal = self._caller(request, *_SCOPES)
        below = self._services.keys.accounts.tree.below(principal.account.id) if "accounts" in principal.scopes else ()
        return principal, Actor.of(principal, peer_of(request), below)

    async def _call(self, request: Request) -> Call:
        return await self._read(request, self._services.bounds.body_octets)

    async def _view(self, key: Credential, text: str | None = None, *, fresh: bool = False) -> bytes:
        names = {one.id: one.name for one in await self._services.store.accounts()}
        return _encode(_view_of(key, names.get(key.account_id, ""), text, fresh=fresh))

    async def create(self, request: Request) -> Reply:
        principal, actor = self._who(request)
        call = await self._call(request)
        body = decode(or_empty(call), _body, KeyBody.__struct_fields__)
        account_id = await self._keeper.account_id(actor, body.account, principal.account.id)
        expires_us = None
        if body.expires_in_s is not None:
            expires_us = self._services.now_us() + body.expires_in_s * 1_000_000
        wish = KeyWish(
            name=body.name, scopes=CUSTOMER_SCOPES if body.scopes is None else tuple(body.scopes),
            expires_us=expires_us, addresses=tuple(body.addresses), test=body.test,
        )  # fmt: skip
        key, text = await self._keeper.create(actor, account_id, wish, idempotency_of(call, principal))
        return await self._made(key, text)

    async def _made(self, key: Credential, text: str | None) -> Reply:
        replayed = REPLAYED if text is None else ()
        return Reply(201, await self._view(key, text, fresh=True), (etag(key.version), *NOT_KEPT, *replayed))

    async def list(self, request: Request) -> Reply:
        principal, actor = self._who(request)
        name = parameters(request, ("account",)).get("account")
        account_id = None if name is None else await self._keeper.account_id(actor, name, principal.account.id)
        names = {one.id: one.name for one in await self._services.store.accounts()}
        found = await self._keeper.list(actor, account_id)
        return Reply(200, _encode({"keys": [_view_of(key, names.get(key.account_id, "")) for key in found]}))

    async def show(self, request: Request) -> Reply:
        _, actor = self._who(request)
        key = await self._keeper.get(actor, request.path_params["id"])
        return Reply(200, await self._view(key), (etag(key.version),))

    async def change(self, request: Request) -> Reply:
        _, actor = self._who(request)
        body = decode(await self._call(request), _patch, KeyPatch.__struct_fields__)
        given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
        changes = {name: tuple(value) if type(value) is list else value for name, value in given.items()}
        if body.expires_at is not UNSET:
            del changes["expires_at"]
            changes["expires_us"] = _us_of(body.expires_at)
        key = await self._keeper.change(actor, request.path_params["id"], expected_of(request), **changes)
        return Reply(200, await self._view(key), (etag(key.version),))

    async def rotate(self, request: Request) -> Reply:
        principal, actor = self._who(request)
        call = await self._call(request)
        body = decode(or_empty(call), _rotation, KeyRotation.__struct_fields__)
        overlap_us = body.overlap_s * 1_000_000
        idempotency = idempotency_of(call, principal)
        key, text = await self._keeper.rotate(actor, request.path_params["id"], overlap_us, idempotency)
        return await self._made(key, text)

    async def revoke(self, request: Request) -> Reply:
        _, actor = self._who(request)
        await self._keeper.revoke(actor, request.path_params["id"], expected_of(request))
        return Reply(204, b"")


def _view_of(key: Credential, account: str, text: str | None = None, *, fresh: bool = False) -> KeyView:
    return KeyView(
        key.prefix,
        key.name,
        account,
        list(key.scopes),
        list(key.addresses),
        is_test_key(key),
        iso(key.created_us),
        expires_at=UNSET if key.expires_us is None else iso(key.expires_us),
        revoked_at=UNSET if key.revoked_us is None else iso(key.revoked_us),
        last_used_at=UNSET if key.last_used_us is None else iso(key.last_used_us),
        key=text or UNSET,
        secret_shown=False if fresh and text is None else UNSET,
    )


def _us_of(at: datetime | None) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise RequestRejected(
            "field_invalid", "Give expires_at with its offset, such as 2027-03-01T12:00:00Z.", field="expires_at"
        )
    return (at - _EPOCH) // timedelta(microseconds=1)
