"""The trail of changes and refusals of rights: as pages, or whole as a file.

The operator sees all of it; who keeps accounts, what concerns their own account and those below.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from heliograph.access import Principal
from heliograph.access.actors import OPERATOR_SCOPE, Actor
from heliograph.contracts import AuditFilter
from heliograph.delivery.instants import iso
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import limit_of, moment_us, parameters, words
from heliograph.ingress.rest.endpoints import Caller
from heliograph.ingress.rest.export import FORMATS, csv_lines
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.model import Account, AuditEntry

__all__ = ["AUDIT_OPERATIONS", "Audit"]

_LIST: Final = "audit"
_SCOPE: Final = "accounts"
_OPERATOR: Final = "operator"
_MOST_LISTED: Final = 500
_PAGE_ROWS: Final = 200
_FILTERS: Final[Mapping[str, str]] = {
    "account": "Only what concerns this account. With the scope accounts: tree, or the name of an account below; "
    "your own without it.",
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
    """Who did what to which object. ``account`` is null where it concerns the operator alone.

    To others than the operator, who is none of their keys is ``operator``, without an address.
    """

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
        _SCOPE,
        None,
        AuditList,
        query={**_FILTERS, **_PAGE},
        media=tuple(one.media_type for one in FORMATS.values()),
        problems=("not_found",),
    ),
)


class Audit:
    """The endpoint. ``caller`` says who asks, or raises."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services = services
        self._caller = caller

    async def show(self, request: Request) -> Reply | StreamingResponse:
        principal = self._caller(request, _SCOPE, OPERATOR_SCOPE)
        given = parameters(request, (*_FILTERS, *_PAGE))
        sight: _Sight
        if Actor.of(principal, None).account_id is None:
            sight = _Operators(await self._services.store.accounts())
        else:
            sight = _Customers(self._services, principal)
        asked = _filter(given, sight.accounts(given.get("account")))
        if not await sight.may_name(asked.actor):
            asked = replace(asked, accounts=())
        if found := words(given, "format", FORMATS):
            if "cursor" in given or "limit" in given or len(found) > 1:
                raise RequestRejected("field_invalid", "A file is whole: leave cursor and limit away.", field="format")
            format = FORMATS[found[0]]
            lines = self._csv(asked, sight) if format.name == "csv" else self._ndjson(asked, sight)
            headers = {"content-disposition": f'attachment; filename="audit.{format.name}"'}
            return StreamingResponse(lines, media_type=format.media_type, headers=headers)
        page = replace(asked, limit=limit_of(given, 100, _MOST_LISTED))
        cursors = self._services.cursors
        about = _LIST, sight.root, given.get("account"), replace(asked, accounts=None)
        if "cursor" in given:
            page = replace(page, before_id=cursors.read(given["cursor"], int, *about))
        entries = await self._services.store.audit(page)
        following = cursors.give(entries[-1].id, *about) if len(entries) == page.limit else None
        return Reply(200, _encode(AuditList(await sight.views(entries), following)))

    async def _pages(self, asked: AuditFilter) -> AsyncIterator[list[AuditEntry]]:
        page = replace(asked, limit=_PAGE_ROWS)
        while entries := await self._services.store.audit(page):
            yield entries
            page = replace(page, before_id=entries[-1].id)

    async def _ndjson(self, asked: AuditFilter, sight: _Sight) -> AsyncIterator[bytes]:
        async for entries in self._pages(asked):
            yield b"".join(_encode(one) + b"\n" for one in await sight.views(entries))

    async def _csv(self, asked: AuditFilter, sight: _Sight) -> AsyncIterator[bytes]:
        yield csv_lines([_COLUMNS], safe=False)
        async for entries in self._pages(asked):
            views = await sight.views(entries)
            yield csv_lines([[getattr(one, name) for name in _COLUMNS] for one in views], safe=True)


class _Sight(Protocol):
    """What somebody may see of the trail."""

    root: int
    """The account that asks; 0 is the operator."""

    def accounts(self, word: str | None) -> tuple[int, ...] | None:
        """Whose entries are asked for; None: anybody's. Raises ``RequestRejected``."""
        ...

    async def may_name(self, actor: str | None) -> bool:
        """Whether what this actor did may be asked for."""
        ...

    async def views(self, entries: Sequence[AuditEntry]) -> list[AuditView]:
        """Entries as they are shown."""
        ...


class _Operators:
    """All of it."""

    root = 0

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._names = {one.id: one.name for one in accounts}

    def accounts(self, word: str | None) -> tuple[int, ...] | None:
        if word is None:
            return None
        found = tuple(number for number, name in self._names.items() if name == word)
        if not found:
            raise RequestRejected("not_found", "There is no account of this name.", field="account", status=404)
        return found

    async def may_name(self, actor: str | None) -> bool:
        return True

    async def views(self, entries: Sequence[AuditEntry]) -> list[AuditView]:
        return [_view_of(one, self._names.get(one.account_id)) for one in entries]


class _Customers:
    """What concerns one account and those below it. Who is none of their keys is the operator, whoever it was."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self.root = principal.account.id
        self._store = services.store
        self._accounts = services.keys.accounts
        self._within = frozenset(map(abs, self._accounts.within(self.root)))
        self._known = services.keys.find
        self._prefixes: frozenset[str] | None = None

    def accounts(self, word: str | None) -> tuple[int, ...] | None:
        return tuple(self._accounts.asked(self.root, word))

    async def may_name(self, actor: str | None) -> bool:
        return actor is None or await self._is_theirs(actor)

    async def views(self, entries: Sequence[AuditEntry]) -> list[AuditView]:
        return [await self._view(one) for one in entries]

    async def _view(self, entry: AuditEntry) -> AuditView:
        view = _view_of(entry, self._accounts.name(entry.account_id))
        if await self._is_theirs(entry.actor):
            return view
        return replace(view, actor_kind=_OPERATOR, actor=_OPERATOR, address=UNSET)

    async def _is_theirs(self, actor: str) -> bool:
        """Whether it is a key of theirs, or was one."""
        found = self._known(actor)
        if found is not None:
            return abs(found.account.id) in self._within
        if self._prefixes is None:
            self._prefixes = frozenset(one.prefix for one in await self._store.keys() if one.account_id in self._within)
        return actor in self._prefixes


def _filter(given: Mapping[str, str], accounts: tuple[int, ...] | None) -> AuditFilter:
    from_us, before_us = moment_us(given, "from"), moment_us(given, "to")
    outcome = words(given, "outcome", ("done", "refused"))
    return AuditFilter(
        accounts=accounts,
        actor=given.get("actor"),
        action=given.get("action"),
        object_kind=given.get("object_kind"),
        object_name=given.get("object_name"),
        outcome=outcome[0] if len(outcome) == 1 else None,
        from_us=0 if from_us is None else from_us,
        before_us=1 << 62 if before_us is None else before_us,
    )


def _view_of(entry: AuditEntry, account: str | None) -> AuditView:
    return AuditView(
        entry.id,
        iso(entry.at_us),
        account,
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
