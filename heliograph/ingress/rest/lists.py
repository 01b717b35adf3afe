"""Lists of messages: the filter, a page, and the whole list as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse
from msgspec import Struct
from msgspec.structs import replace

from heliograph import sms
from heliograph.access import Principal
from heliograph.contracts import ListFilter
from heliograph.delivery.treelists import messages_of
from heliograph.delivery.views import MessageView
from heliograph.delivery.wording import message_view
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import limit_of, moment_us, parameters, words
from heliograph.ingress.rest.export import FORMATS, Exports, Source
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.model import State

__all__ = ["LIST_OPERATIONS", "Lists", "MessageList"]

_STATES = {state.word: int(state) for state in State}
_LIST = "messages"
_MOST_LISTED = 500
_MOST_ADDRESS = 64
_MOST_SHORT_CODE = 6
_ROUTES = "routes:read"

FILTERS: Mapping[str, str] = {
    "state": "Only these states, with commas between them.",
    "to": "Only messages to this recipient.",
    "from": "Only messages from this sender.",
    "tag": "Only messages that have this tag.",
    "client_ref": "Only messages that you gave this name.",
    "accepted_from": "Only messages accepted at this time or later: ISO 8601 with its zone, or a day in UTC.",
    "accepted_to": "Only messages accepted before this time.",
    "account": "tree: of your account and of all below it; or the name of one of them. Without it, your own alone.",
    "connector": "Only messages of this connector. Only for keys with the scope routes:read.",
}
"""What a list can be asked for, alone or together."""

_PAGE = {
    "cursor": "What the page before gave as next; the filter must be the same.",
    "limit": f"Messages in the page, 1 to {_MOST_LISTED}; 50 by default.",
}
_FILE = {
    "format": "csv or ndjson. Without it the Accept header decides, and csv where that does not.",
    "cells": "CSV only: safe, the default, puts a ' before cells that a spreadsheet would compute; raw does not.",
}


class MessageList(Struct, frozen=True):
    """A page, newest first. ``next`` is the cursor of the next one, or null."""

    messages: list[MessageView]
    next: str | None


LIST_OPERATIONS = (
    Operation(
        "GET",
        "/v1/messages",
        "List messages, newest first",
        "messages:read",
        None,
        MessageList,
        query={**FILTERS, **_PAGE},
        media=tuple(one.media_type for one in FORMATS.values()),
    ),
    Operation(
        "GET",
        "/v1/messages/export",
        "Export messages as a file, newest first",
        "messages:read",
        None,
        None,
        query={**FILTERS, **_FILE},
        media=tuple(one.media_type for one in FORMATS.values()),
    ),
)


class Lists:
    """The endpoints of lists. ``caller`` says who asks, or refuses."""

    def __init__(self, services: Services, caller: Callable[[Request, str], Principal]) -> None:
        self._store = services.store
        self._keys = services.keys
        self._connectors = services.connectors
        self._caller = caller
        self._cursors = services.cursors
        self._exports = Exports(services.store, services.connectors)

    async def list(self, request: Request) -> Reply | StreamingResponse:
        """A page; the whole list where Accept asks for one of the formats of a file."""
        wanted = _accepted(request)
        if wanted is not None:
            return await self._file(request, wanted)
        principal = self._caller(request, "messages:read")
        given = parameters(request, (*FILTERS, *_PAGE))
        accounts, names = self._accounts(given, principal)
        about = (_LIST, principal.account.id, self._filter(given, principal), given.get("account"))
        asked = replace(about[2], limit=limit_of(given, 50, _MOST_LISTED))
        if "cursor" in given:
            asked = replace(asked, before=self._cursors.read(given["cursor"], str, *about))
        page = await messages_of(self._store, accounts, asked)
        operator = _ROUTES in principal.scopes
        views = [
            message_view(one, operator=operator, connectors=self._connectors, detail=False, accounts=names)
            for one in page.records
        ]
        following = None if page.next is None else self._cursors.give(page.next, *about)
        return Reply(200, _encode(MessageList(views, following)))

    async def export(self, request: Request) -> StreamingResponse:
        """Everything that the filter wants, as a file."""
        return await self._file(request, _accepted(request) or "csv")

    async def _file(self, request: Request, usual: str) -> StreamingResponse:
        principal = self._caller(request, "messages:read")
        given = parameters(request, (*FILTERS, *_FILE))
        name = _choice(given, "format", tuple(FORMATS), usual)
        safe = _choice(given, "cells", ("safe", "raw"), "safe") == "safe"
        accounts, names = self._accounts(given, principal)
        asked = self._filter(given, principal)
        source = Source(principal.account.id, accounts, asked, names, operator=_ROUTES in principal.scopes)
        return await self._exports.stream(source, FORMATS[name], safe=safe)

    def _accounts(self, given: Mapping[str, str], principal: Principal) -> tuple[Sequence[int], Mapping[int, str]]:
        """Whose messages, and their names where they are to be told apart."""
        if "account" not in given:
            return (principal.account.id,), {}
        accounts = self._keys.accounts
        found = accounts.asked(principal.account.id, given["account"])
        return found, {one: accounts.name(one) for one in found}

    def _filter(self, given: Mapping[str, str], principal: Principal) -> ListFilter:
        region = principal.account.default_region
        return ListFilter(
            states=tuple(_STATES[word] for word in words(given, "state", _STATES)),
            recipient=_address(given, "to", region),
            sender=_address(given, "from", region),
            tag=given.get("tag"),
            client_ref=given.get("client_ref"),
            from_us=moment_us(given, "accepted_from"),
            to_us=moment_us(given, "accepted_to"),
            connector_id=self._connector(given, principal),
        )

    def _connector(self, given: Mapping[str, str], principal: Principal) -> int | None:
        name = given.get("connector")
        if name is None:
            return None
        if _ROUTES not in principal.scopes:
            raise RequestRejected(
                "forbidden", "Only a key with the scope routes:read sees connectors: leave connector out.", status=403
            )
        for number, known in self._connectors.items():
            if known == name:
                return number
        raise RequestRejected("field_invalid", f"There is no connector {name[:64]}.", field="connector")


_encode = msgspec.json.Encoder().encode


def _accepted(request: Request) -> str | None:
    """The format of a file that the Accept header puts first, if it is one."""
    first = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return next((name for name, one in FORMATS.items() if first in one.accepted), None)


def _choice(given: Mapping[str, str], name: str, known: tuple[str, ...], usual: str) -> str:
    word = given.get(name, usual)
    if word not in known:
        raise RequestRejected("field_invalid", f"{name} must be {' or '.join(known)}.", field=name)
    return word


def _address(given: Mapping[str, str], name: str, region: str | None) -> str | None:
    """An address as messages have it; what is no number (a short code, a word) is looked for as it stands."""
    text = given.get(name)
    if text is None:
        return None
    if text[0] == " " and text[1:].isdigit():
        text = f"+{text[1:]}"  # a plus that was not written as %2B
    if not text.isprintable() or len(text) > _MOST_ADDRESS:
        raise RequestRejected("field_invalid", f"{name} must be a number, a short code or a sender's name.", field=name)
    if text.isdigit() and len(text) <= _MOST_SHORT_CODE:
        return text
    try:
        return sms.recipient(text, region).e164
    except ValueError:
        return text
