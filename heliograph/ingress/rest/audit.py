"""The trail of changes and refusals of rights: as pages, or whole as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from heliograph.access import Principal
from heliograph.access.actors import OPERATOR_SCOPE
from heliograph.contracts import AuditFilter
from heliograph.delivery.wording import iso
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import limit_of, moment_us, parameters, words
from heliograph.ingress.rest.export import FORMATS, csv_lines
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.model import AuditEntry

__all__ = ["AUDIT_OPERATIONS", "Audit"]

_LIST: Final = "audit"
_MOST_LISTED: Final = 500
_PAGE_ROWS: Final = 200
_FILTERS: Final[Mapping[str, str]] = {
    "account": "Only what concerns this account.",
    "actor": "Only what this key, person or user did.",
    "action": "Only this action: create, change, rotate, revoke, delete, refuse, …",
    "object_kind": "Only things of this kind: key, account, connector, route, number, webhook, …",
    "object_name": "Only the thing of this name.",
    "outcome": "done or refused.",
    "from": "Only what was done at this time or later: ISO 8601 with its zone, or a day in UTC.",
    "to": "Only what was done before this time.",
}
_PAGE: Final = {
    "cursor": "What the page before gave as next; the filter must be the same.",
    "limit": f"Entries in the page, 1 to {_MOST_LISTED}; 100 by default.",
    "format": "csv or ndjson: the whole trail as a file, newest first.",
}
_COLUMNS: Final = (
    "id", "at", "account", "actor_kind", "actor", "address", "action", "object_kind", "object_name", "outcome",
    "before", "after",
)  # fmt: skip
_encode = msgspec.json.Encoder().encode


class AuditView(Struct, frozen=True, omit_defaults=True):
    """Who did what to which object. ``account`` is null where it concerns the operator alone."""

    id: int
    at: str
    account: str | None
    actor_kind: str
    actor: str
    action: str
    object_kind: str
    object_name: str
    outcome: str
    address: str | UnsetType = UNSET
    before: Raw | UnsetType = UNSET
    after: Raw | UnsetType = UNSET


class AuditList(Struct, frozen=True):
    """A page, newest first. ``next`` is the cursor of the next one, or null."""

    entries: list[AuditView]
    next: str | None


AUDIT_OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/audit",
        "List who changed what",
        OPERATOR_SCOPE,
        None,
        AuditList,
        query={**_FILTERS, **_PAGE},
        media=tuple(one.media_type for one in FORMATS.values()),
        problems=("not_found",),
    ),
)


class Audit:
    """The endpoint. ``caller`` says who asks, or raises."""

    def __init__(self, services: Services, caller: Callable[..., Principal]) -> None:
        self._services = services
        self._caller = caller

    async def show(self, request: Request) -> Reply | StreamingResponse:
        self._caller(request, OPERATOR_SCOPE)
        given = parameters(request, (*_FILTERS, *_PAGE))
        names = {one.id: one.name for one in await self._services.store.accounts()}
        asked = self._filter(given, {name: number for number, name in names.items()})
        if found := words(given, "format", FORMATS):
            if "cursor" in given or "limit" in given or len(found) > 1:
                raise RequestRejected("field_invalid", "A file is whole: leave cursor and limit away.", field="format")
            format = FORMATS[found[0]]
            lines = self._csv(asked, names) if format.name == "csv" else self._ndjson(asked, names)
            headers = {"content-disposition": f'attachment; filename="audit.{format.name}"'}
            return StreamingResponse(lines, media_type=format.media_type, headers=headers)
        page = replace(asked, limit=limit_of(given, 100, _MOST_LISTED))
        cursors = self._services.cursors
        if "cursor" in given:
            page = replace(page, before_id=cursors.read(given["cursor"], int, _LIST, asked))
        entries = await self._services.store.audit(page)
        following = cursors.give(entries[-1].id, _LIST, asked) if len(entries) == page.limit else None
        return Reply(200, _encode(AuditList([_view_of(one, names) for one in entries], following)))

    def _filter(self, given: Mapping[str, str], accounts: Mapping[str, int]) -> AuditFilter:
        account = given.get("account")
        if account is not None and account not in accounts:
            raise RequestRejected("not_found", "There is no account of this name.", field="account", status=404)
        from_us, before_us = moment_us(given, "from"), moment_us(given, "to")
        outcome = words(given, "outcome", ("done", "refused"))
        return AuditFilter(
            accounts=None if account is None else (accounts[account],),
            actor=given.get("actor"),
            action=given.get("action"),
            object_kind=given.get("object_kind"),
            object_name=given.get("object_name"),
            outcome=outcome[0] if len(outcome) == 1 else None,
            from_us=0 if from_us is None else from_us,
            before_us=1 << 62 if before_us is None else before_us,
        )

    async def _pages(self, asked: AuditFilter) -> AsyncIterator[list[AuditEntry]]:
        page = replace(asked, limit=_PAGE_ROWS)
        while entries := await self._services.store.audit(page):
            yield entries
            page = replace(page, before_id=entries[-1].id)

    async def _ndjson(self, asked: AuditFilter, names: Mapping[int, str]) -> AsyncIterator[bytes]:
        async for entries in self._pages(asked):
            yield b"".join(_encode(_view_of(one, names)) + b"\n" for one in entries)

    async def _csv(self, asked: AuditFilter, names: Mapping[int, str]) -> AsyncIterator[bytes]:
        yield csv_lines([_COLUMNS], safe=False)
        async for entries in self._pages(asked):
            views = [_view_of(one, names) for one in entries]
            yield csv_lines([[getattr(one, name) for name in _COLUMNS] for one in views], safe=True)


def _view_of(entry: AuditEntry, names: Mapping[int, str]) -> AuditView:
    return AuditView(
        entry.id,
        iso(entry.at_us),
        names.get(entry.account_id),
        entry.actor_kind,
        entry.actor,
        entry.action,
        entry.object_kind,
        entry.object_name,
        entry.outcome,
        address=entry.address or UNSET,
        before=UNSET if entry.before is None else Raw(entry.before.encode()),
        after=UNSET if entry.after is None else Raw(entry.after.encode()),
    )
