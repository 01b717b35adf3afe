"""The endpoints of limits: what accounts and keys may use at most, and what they used of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import Request
from msgspec import Struct

from heliograph.access.actors import OPERATOR_SCOPE, Actor
from heliograph.access.limiting import limits_in
from heliograph.access.limitkeeping import LimitKeeper
from heliograph.delivery.instants import iso
from heliograph.ingress.rest.administering import DRY_RUN, dry, would
from heliograph.ingress.rest.asking import peer_of
from heliograph.ingress.rest.calls import decode
from heliograph.ingress.rest.endpoints import Answerer, Caller, Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.versions import etag, expected_of
from heliograph.model import ConfigObject, LimitSet
from heliograph.rules.prices import MILLIONTHS

__all__ = ["LIMIT_OPERATIONS", "Limits"]

_SCOPE: Final = "accounts"
_decoder: Final = msgspec.json.Decoder(LimitSet)
_encode: Final = msgspec.json.Encoder().encode


class LimitView(Struct, frozen=True):
    """Limits, and what is used of those of days and months."""

    name: str
    limits: LimitSet
    used: dict[str, Any]
    changed_at: str
    version: int


_NAMED: Final = "account:demo"
_EXAMPLE: Final = {"requests_per_second": 50, "segments_per_day": 20000}
LIMIT_OPERATIONS: Final = (
    Operation("GET", "/v1/limits", "List limits", _SCOPE, None, LimitView, list_name="limits"),
    Operation(
        "PUT",
        "/v1/limits/{subject}",
        "Set the limits of an account or a key",
        _SCOPE,
        LimitSet,
        LimitView,
        query=DRY_RUN,
        named=_NAMED,
        example=_EXAMPLE,
        problems=("version_mismatch",),
    ),
    Operation(
        "GET", "/v1/limits/{subject}", "Show limits and what is used of them", _SCOPE, None, LimitView, named=_NAMED
    ),
    Operation(
        "DELETE",
        "/v1/limits/{subject}",
        "Remove the limits of an account or a key",
        _SCOPE,
        None,
        None,
        204,
        query=DRY_RUN,
        named=_NAMED,
        problems=("version_mismatch",),
    ),
)


class Limits:
    """All of them. ``caller`` says who asks, or raises; ``read`` reads a body under a bound."""

    def __init__(self, services: Services, caller: Caller, read: Reader) -> None:
        self._services = services
        self._caller = caller
        self._read = read
        self._keeper = LimitKeeper(services.store, services.now_us)

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        return {
            ("GET", "/v1/limits"): self.list,
            ("GET", "/v1/limits/{subject}"): self.show,
            ("PUT", "/v1/limits/{subject}"): self.put,
            ("DELETE", "/v1/limits/{subject}"): self.remove,
        }

    def _who(self, request: Request) -> Actor:
        principal = self._caller(request, _SCOPE, OPERATOR_SCOPE)
        return Actor.of(principal, peer_of(request))

    def _view(self, one: ConfigObject) -> LimitView:
        limiter = self._services.limiter
        used = {} if limiter is None else limiter.used(one.name)
        return LimitView(one.name, limits_in(one), _shown(used), iso(one.changed_us), one.version)

    async def list(self, request: Request) -> Reply:
        found = await self._keeper.list(self._who(request))
        return Reply(200, _encode({"limits": [self._view(one) for one in found]}))

    async def show(self, request: Request) -> Reply:
        one = await self._keeper.get(self._who(request), request.path_params["subject"])
        return Reply(200, _encode(self._view(one)), (etag(one.version),))

    async def put(self, request: Request) -> Reply:
        actor = self._who(request)
        limits = decode(
            await self._read(request, self._services.bounds.body_octets), _decoder, LimitSet.__struct_fields__
        )
        name, nothing_changes = request.path_params["subject"], dry(request)
        before, after = await self._keeper.put(actor, name, limits, expected_of(request), dry_run=nothing_changes)
        if nothing_changes:
            action = "create" if before is None else "change"
            return would(action, name, None if before is None else _plain(limits_in(before)), _plain(limits))
        await self._services.reconfigured()
        return Reply(200, _encode(self._view(after)), (etag(after.version),))

    async def remove(self, request: Request) -> Reply:
        actor, name, nothing_changes = self._who(request), request.path_params["subject"], dry(request)
        before = await self._keeper.remove(actor, name, expected_of(request), dry_run=nothing_changes)
        if nothing_changes:
            return would("delete", name, _plain(limits_in(before)), None)
        await self._services.reconfigured()
        return Reply(204, b"")


def _plain(limits: LimitSet) -> Any:
    return msgspec.json.decode(_encode(limits))


def _shown(used: Mapping[str, int]) -> dict[str, Any]:
    """Uses as a customer reads them: money as text."""
    return {name: f"{value / MILLIONTHS:.6f}" if name.startswith("spend") else value for name, value in used.items()}
