"""``GET /v1/events``: the events of an account, or of those below it, by cursor, or live as Server-Sent Events.

Source: WHATWG HTML, "Server-sent events" (the event stream format, read 2026-11-22).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Set
from typing import Final

import msgspec
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from msgspec import Raw, Struct
from starlette.types import Receive, Scope, Send

from heliograph.access import KeyRing, Principal
from heliograph.access.accounts import Accounts
from heliograph.access.unseen import Unseen
from heliograph.delivery.eventlog import BEGINNING, EventPage, Place
from heliograph.delivery.eventwords import states_of
from heliograph.delivery.tails import Tail
from heliograph.delivery.views import EventView
from heliograph.errors import RequestRejected
from heliograph.ingress.rest.asking import limit_of, parameters
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import Reply
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.targets import check_events

__all__ = ["EVENT_OPERATIONS", "EventPages", "Events"]

_SCOPE: Final = "messages:read"
_MOST: Final = 500
_USUAL: Final = 100
_MOST_TYPES: Final = 32
_LIST: Final = "events"
_STREAM: Final = "text/event-stream"
_PARAMETERS: Final = ("cursor", "types", "limit", "account")
_encode = msgspec.json.Encoder().encode


class EventPages(Struct, frozen=True):
    """A page, oldest first. ``cursor`` is where the next one begins; ``more``: ask for it at once."""

    events: list[EventView]
    cursor: str
    more: bool


class _Page(Struct, frozen=True):
    events: list[Raw]
    cursor: str
    more: bool


EVENT_OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/events",
        "Read events by cursor, or live as Server-Sent Events",
        _SCOPE,
        None,
        EventPages,
        query={
            "cursor": "What the page before gave as cursor; now begins behind all that happened; "
            "without it the page begins with the oldest event that is kept.",
            "types": "Only events of these types, with commas between them.",
            "limit": "Events in the page, 1 to 500; 100 by default.",
            "account": "tree: of your account and of all below it; or the name of one of them; their messages say "
            "whose they are. Without it, your own alone.",
        },
        problems=("cursor_too_old", "too_many_streams"),
    ),
)


class Events:
    """The endpoint. ``caller`` says who asks, or raises."""

    def __init__(self, services: Services, caller: Callable[[Request, str], Principal]) -> None:
        self._tails = services.tails
        self._keys = services.keys
        self._cursors = services.cursors
        self._caller = caller

    async def read(self, request: Request) -> Reply | Response:
        """A page; or, to who accepts an event stream, everything from the cursor on."""
        principal = self._caller(request, _SCOPE)
        query = parameters(request, _PARAMETERS)
        states = _states(query.get("types", ""))
        whose = _Whose(self._keys, principal.account.id, query["account"]) if "account" in query else None
        if _STREAM in request.headers.get("accept", ""):
            return await self._stream(request, principal, states, whose)
        limit = limit_of(query, _USUAL, _MOST)
        after = await self._place(principal, query.get("cursor"), "cursor", BEGINNING)
        accounts = (principal.account.id,) if whose is None else whose()
        page = await self._tails.log.page(accounts, after, states, limit, None if whose is None else whose.name)
        body = _Page(
            [Raw(event.body) for event in page.events], self._cursor(principal.account.id, page.place), page.more
        )
        return Reply(200, _encode(body))

    async def _stream(
        self, request: Request, principal: Principal, states: frozenset[int] | None, whose: _Whose | None
    ) -> Response:
        if last := request.headers.get("last-event-id"):
            after = await self._place(principal, last, "Last-Event-ID", None)
        else:
            after = await self._place(principal, request.query_params.get("cursor"), "cursor", None)
        name = None if whose is None else whose.name
        tail = self._tails.open(principal.account.id, after, states, whose, name)

        def allowed() -> bool:
            try:
                self._caller(request, _SCOPE)
            except (RequestRejected, Unseen):  # who comes again is looked for
                return False
            return True

        return _Stream(tail, allowed, lambda place: self._cursor(principal.account.id, place))

    def _cursor(self, account_id: int, place: Place) -> str:
        return self._cursors.give(place, _LIST, account_id)

    async def _place(self, principal: Principal, cursor: str | None, field: str, usual: Place | None) -> Place:
        """``usual`` where no cursor is given; None stands for now."""
        if cursor is None and usual is not None:
            return usual
        if cursor is None or cursor == "now":
            return await self._tails.log.newest()
        place = self._cursors.read(cursor, Place, _LIST, principal.account.id, field=field)
        self._tails.log.check(place, field)
        return place


class _Whose:
    """The accounts that ``account`` names, as they stand at each look. Raises ``RequestRejected`` for none of them."""

    def __init__(self, keys: KeyRing, root: int, word: str) -> None:
        self._keys = keys
        self._root = root
        self._word = word
        self._as_of: Accounts | None = None
        self._ids: Set[int] = frozenset()
        self()

    def __call__(self) -> Set[int]:
        accounts = self._keys.accounts
        if accounts is not self._as_of:
            self._as_of, self._ids = accounts, frozenset(accounts.asked(self._root, self._word))
        return self._ids

    def name(self, account_id: int) -> str:
        """Whose an event is."""
        return self._keys.accounts.name(account_id)


class _Stream(StreamingResponse):
    """Events until the reader leaves. Who does not read is closed by the server's write time-out."""

    def __init__(self, tail: Tail, allowed: Callable[[], bool], cursor: Callable[[Place], str]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(_worded(tail.pages(allowed), cursor), media_type=_STREAM, headers=headers)
        self._tail = tail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._tail.close()


async def _worded(pages: AsyncIterator[EventPage], cursor: Callable[[Place], str]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    async for page in pages:
        lines = [
            b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor(event.place).encode(), event.type.encode(), event.body)
            for event in page.events
        ]
        yield b"".join(lines) or b": nothing new\nid: %b\n\n" % cursor(page.place).encode()


def _states(types: str) -> frozenset[int] | None:
    words = [word for word in types.split(",") if word]
    if len(words) > _MOST_TYPES:
        raise RequestRejected("field_invalid", f"types may name up to {_MOST_TYPES} types.", field="types")
    check_events(words, "types")
    return states_of(words)
