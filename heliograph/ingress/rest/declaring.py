"""The endpoints of connectors, routes and numbers: for operators, with versions and dry runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import Request
from msgspec import Struct

from heliograph.access.actors import OPERATOR_SCOPE, Actor
from heliograph.access.changes import Change, Difference
from heliograph.config.stored import ARRAYS, Table, name_of
from heliograph.errors import ConfigError, ConfigFault, RequestRejected
from heliograph.ingress.rest import declared as d
from heliograph.ingress.rest.administering import DRY_RUN, dry
from heliograph.ingress.rest.asking import limit_of, parameters, peer_of
from heliograph.ingress.rest.calls import check_depth, decode
from heliograph.ingress.rest.endpoints import Answerer, Caller, Reader
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.versions import etag, expected_of

__all__ = ["DECLARED_OPERATIONS", "Declaring", "rejected"]

_MOST_LISTED: Final = 500
_MOST_FAULTS: Final = 10
_DEEPEST: Final = 3
_PAGE: Final = {
    "after": "Only names after this one, in order: the next of the page before.",
    "limit": f"How many the page has, 1 to {_MOST_LISTED}; 100 by default.",
}
_BODIES: Final[Mapping[str, tuple[type[Any], type[Any]]]] = {
    "connector": (d.ConnectorBody, d.ConnectorPatch),
    "route": (d.RouteBody, d.RoutePatch),
    "number": (d.NumberBody, d.NumberPatch),
}
_LISTS: Final[Mapping[str, type[Struct]]] = {
    "connector": d.ConnectorList,
    "route": d.RouteList,
    "number": d.NumberList,
}
_VIEWS: Final[Mapping[str, type[Struct]]] = {
    "connector": d.ConnectorView,
    "route": d.RouteView,
    "number": d.NumberView,
}
_EXAMPLES: Final[Mapping[str, tuple[str, Any, Any]]] = {
    "connector": (
        "backup",
        {
            "kind": "smpp",
            "settings": {"host": "smsc.example.com", "port": 2775, "system_id": "us", "password": "example"},
        },
        {"settings": {"segments_per_second": 50, "password": {"set": True}}},
    ),
    "route": ("germany", {"prefixes": ["49"], "connectors": ["main"]}, {"accounts": ["demo"]}),
    "number": ("4915112345678", {"account": "demo", "connectors": ["main"]}, {"connectors": []}),
}
"""kind → (name, body, patch) that make sense where a connector ``main`` is."""


def _operations(kind: str) -> tuple[Operation, ...]:
    collection = f"/v1/{ARRAYS[kind]}"
    one, scope = f"{collection}/{{{_parameter(kind)}}}", OPERATOR_SCOPE
    body, patch = _BODIES[kind]
    named, example, changed = _EXAMPLES[kind]
    changes = ("conflict", "managed_by_file", "version_mismatch")
    return (
        Operation(
            "PUT", one, f"Make or replace a {kind}", scope, body, d.ChangeReply,
            also=(201,), query=DRY_RUN, example=example, problems=changes, named=named,
        ),
        Operation("GET", collection, f"List {ARRAYS[kind]}", scope, None, _LISTS[kind], query=_PAGE),
        Operation("GET", one, f"Show a {kind}", scope, None, _VIEWS[kind], named=named),
        Operation(
            "PATCH", one, f"Change a {kind}", scope, patch, d.ChangeReply,
            query=DRY_RUN, example=changed, problems=changes, named=named,
        ),
        Operation(
            "DELETE", one, f"Delete a {kind}", scope, None, d.ChangeReply,
            query=DRY_RUN, problems=changes, named=named,
        ),
    )  # fmt: skip


def _parameter(kind: str) -> str:
    return "number" if kind == "number" else "name"


DECLARED_OPERATIONS: Final = tuple(operation for kind in ARRAYS for operation in _operations(kind))

_DECODERS: Final = {
    kind: tuple(msgspec.json.Decoder(body) for body in bodies) for kind, bodies in _BODIES.items()
}  # fmt: skip
_encode = msgspec.json.Encoder().encode


class Declaring:
    """The endpoints. ``caller`` says who asks, or raises; ``read`` reads a body under a bound."""

    def __init__(
        self,
        services: Services,
        caller: Caller,
        read: Reader,
    ) -> None:
        self._services = services
        self._configuring = services.configuring
        self._caller = caller
        self._read = read

    def answers(self) -> dict[tuple[str, str], Answerer]:
        """(method, path) → what answers."""
        found: dict[tuple[str, str], Answerer] = {}
        for kind, array in ARRAYS.items():
            one = f"/v1/{array}/{{{_parameter(kind)}}}"
            found |= {
                ("GET", f"/v1/{array}"): self._of(kind, self.list),
                ("GET", one): self._of(kind, self.show),
                ("PUT", one): self._of(kind, self.put),
                ("PATCH", one): self._of(kind, self.patch),
                ("DELETE", one): self._of(kind, self.delete),
            }
        return found

    def _of(self, kind: str, answer: Callable[[Request, Actor, str], Awaitable[Reply]]) -> Answerer:
        async def answered(request: Request) -> Reply:
            principal = self._caller(request, OPERATOR_SCOPE)
            actor = Actor.of(principal, peer_of(request))
            try:
                return await answer(request, actor, kind)
            except ConfigError as error:
                raise rejected(error, kind, request.path_params.get(_parameter(kind), "")) from None

        return answered

    # --- looked at --------------------------------------------------------------------------------

    async def list(self, request: Request, actor: Actor, kind: str) -> Reply:
        given = parameters(request, _PAGE)
        limit, after = limit_of(given, 100, _MOST_LISTED), given.get("after", "").removeprefix("+")
        found = [one for one in await self._configuring.shown(kind) if one.table.name > after]
        found.sort(key=lambda one: one.table.name)
        page = [self._view(one) for one in found[:limit]]
        following = found[limit - 1].table.name if len(found) > limit else None
        return Reply(200, _encode(_LISTS[kind](page, following)))

    async def show(self, request: Request, actor: Actor, kind: str) -> Reply:
        found = await self._configuring.one(kind, request.path_params[_parameter(kind)])
        return Reply(200, _encode(self._view(found)), (etag(found.version),) if found.version else ())

    def _view(self, shown: Any) -> Struct:
        faults = self._services.faults().get(shown.table.key, ())
        bound = shown.table.kind == "connector" and shown.table.name in self._services.bound()
        return d.view_of(shown, "; ".join(map(str, faults)) or None, bound)

    # --- changed ----------------------------------------------------------------------------------

    async def put(self, request: Request, actor: Actor, kind: str) -> Reply:
        name = name_of(kind, request.path_params[_parameter(kind)])
        values = d.values_of(await self._body(request, kind, 0))
        return await self._change(request, actor, Table(kind, name, values), expected_of(request))

    async def patch(self, request: Request, actor: Actor, kind: str) -> Reply:
        patch = await self._body(request, kind, 1)
        there = await self._configuring.one(kind, request.path_params[_parameter(kind)])
        expected = expected_of(request)
        table = Table(kind, there.table.name, d.merged(there.table, patch))
        return await self._change(request, actor, table, (there.version or None) if expected is None else expected)

    async def _body(self, request: Request, kind: str, which: int) -> Any:
        call = await self._read(request, self._services.bounds.body_octets)
        body = decode(call, _DECODERS[kind][which], _BODIES[kind][which].__struct_fields__)
        if isinstance(body, d.ConnectorBody | d.ConnectorPatch):
            check_depth(body.settings, _DEEPEST, "settings")
        return body

    async def _change(self, request: Request, actor: Actor, table: Table, expected: int | None) -> Reply:
        dry_run = dry(request)
        change = Change(tables=[table], expected={table.key: expected})
        found = await self._configuring.change(change, actor, dry_run=dry_run)
        created = any((one.action, one.kind) == ("create", table.kind) for one in found)
        written = next((one.version for one in found if (one.kind, one.name) == table.key), 0)
        if not found:  # it was so already
            written = (await self._configuring.one(*table.key)).version
        return await self._reply(found, dry_run, 201 if created and not dry_run else 200, written)

    async def delete(self, request: Request, actor: Actor, kind: str) -> Reply:
        dry_run, there = dry(request), await self._configuring.one(kind, request.path_params[_parameter(kind)])
        key = there.table.key
        found = await self._configuring.change(
            Change(deleted=[key], expected={key: expected_of(request)}), actor, dry_run=dry_run
        )
        return await self._reply(found, dry_run, 200, 0)

    async def _reply(self, found: Sequence[Difference], dry_run: bool, status: int, version: int) -> Reply:
        changes = [
            d.ChangeView(
                one.action,
                one.kind,
                one.name,
                None if one.before is None else dict(one.before),
                None if one.after is None else dict(one.after),
            )
            for one in found
        ]
        if found and not dry_run:
            await self._services.reconfigured()
        return Reply(status, _encode(d.ChangeReply(dry_run, changes)), (etag(version),) if version else ())


def rejected(error: ConfigError, kind: str, name: str) -> RequestRejected:
    """The faults of a change as a problem: of what the request says (422), or of what then no longer fits (409)."""
    own = f"{ARRAYS[kind]}.{name.removeprefix('+') if kind == 'number' else name}"
    mine = [one for one in error.faults if one.where == own or one.where.startswith(f"{own}.")]
    if not mine and any("." in one.where for one in error.faults):
        detail = f"Something else would not hold any more: {_sentences(error.faults, '')}"
        return RequestRejected("conflict", detail, status=409)
    if not mine:  # no name at all
        return RequestRejected("field_invalid", _sentences(error.faults, ARRAYS[kind]), field=_parameter(kind))
    first = mine[0].where.removeprefix(own).removeprefix(".")
    field = f"settings.{first}" if kind == "connector" and first not in ("", "kind") else first
    return RequestRejected("field_invalid", _sentences(mine, own), field=field[:64] or None)


def _sentences(faults: Sequence[ConfigFault], own: str) -> str:
    told = [
        f"{one.where.removeprefix(own).removeprefix('.')}: {one.what}{f' ({one.remedy})' if one.remedy else ''}"
        for one in faults[:_MOST_FAULTS]
    ]
    more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    return "; ".join(one.removeprefix(": ") for one in told) + more + "."
