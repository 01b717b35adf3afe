"""A list as a file: page by page from the store, line by line to the client, nothing held in between.

A page is read only when the client has taken the one before: a slow client costs a page of memory and no
transaction; one that takes nothing is closed by the server's ``write_timeout_s``, and its reading ends with it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec
from fastapi.responses import StreamingResponse
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from heliograph.contracts import ListFilter, MessagePage, Store
from heliograph.delivery.treelists import messages_of
from heliograph.delivery.views import MessageView
from heliograph.delivery.wording import message_view
from heliograph.errors import RequestRejected, StoreBusy
from heliograph.telemetry import journal

__all__ = [
    "ACCOUNT_COLUMNS",
    "COLUMNS",
    "FORMATS",
    "OPERATOR_COLUMNS",
    "Exports",
    "Format",
    "Source",
    "csv_lines",
    "ndjson_lines",
    "safe_cell",
]

_PAGE = 50
"""Messages of a page: a millisecond of the loop, so that nobody waits for an export."""
_MOST_AT_ONCE = 8
_MOST_OF_AN_ACCOUNT = 2
_TRIES = 20
_WAIT_S = 0.5

COLUMNS = (
    "id", "direction", "channel", "state", "to", "from", "type", "encoding", "segments", "segments_delivered",
    "client_ref", "tags", "metadata", "at_most_once", "flash", "possible_duplicate", "error", "accepted_at",
    "expires_at", "sent_at", "ended_at", "text", "data", "udh",
)  # fmt: skip
"""Columns of a CSV file: the fields of a message, in this order."""

ACCOUNT_COLUMNS = ("account",)
"""Behind them, where the messages of several accounts were asked for."""

OPERATOR_COLUMNS = ("connector", "route", "route_reason", "carrier_status", "carrier_message_id")
"""Behind those, for keys with the scope ``routes:read``."""

_FORMULAS = tuple("=+-@\t\r\n|%＝＋－＠")
"""What a cell may begin with that a spreadsheet computes (full-width forms too), or that hides it.

Source: OWASP, CSV Injection (read 2026-11-22).
"""


class Format(Struct, frozen=True):
    """A kind of file; ``accepted`` are the media types that ask for it."""

    name: str
    media_type: str
    accepted: tuple[str, ...]


FORMATS: Mapping[str, Format] = {
    "csv": Format("csv", "text/csv", ("text/csv",)),
    "ndjson": Format("ndjson", "application/x-ndjson", ("application/x-ndjson", "application/ndjson")),
}

_encode = msgspec.json.Encoder().encode


class Source(Struct, frozen=True):
    """What is exported: the messages of these accounts that a filter wants, for the account that asks.

    ``names``: accounts by id, where messages say whose they are; ``operator``: carriers are named, too.
    """

    account_id: int
    accounts: Sequence[int]
    asked: ListFilter
    names: Mapping[int, str] = {}
    operator: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a CSV file of it."""
        return COLUMNS + (ACCOUNT_COLUMNS if self.names else ()) + (OPERATOR_COLUMNS if self.operator else ())


class _File(StreamingResponse):
    """An answer that is counted while it is under way, however it ends."""

    begin: Callable[[], None]
    end: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begin()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.end()


class Exports:
    """Exports under way: a few at a time, and fewer for one account."""

    def __init__(self, store: Store, connectors: Mapping[int, str]) -> None:
        self._store = store
        self._connectors = connectors
        self._under_way: Counter[int] = Counter()

    async def stream(self, source: Source, format: Format, *, safe: bool) -> StreamingResponse:
        """The answer, its first page read already: what can be refused is refused before it begins."""
        account_id = source.account_id
        if self._under_way.total() >= _MOST_AT_ONCE or self._under_way[account_id] >= _MOST_OF_AN_ACCOUNT:
            raise RequestRejected(
                "overloaded",
                f"An account has at most {_MOST_OF_AN_ACCOUNT} exports at a time: ask again when one has ended.",
                status=503,
                retry_after_s=5,
            )
        page = await messages_of(self._store, source.accounts, replace(source.asked, limit=_PAGE))
        names = f'attachment; filename="messages.{format.name}"'
        body = self._body(source, page, format, safe)
        made = _File(body, media_type=format.media_type, headers={"content-disposition": names})
        made.begin, made.end = partial(self._begin, account_id), partial(self._end, account_id)
        return made

    def _begin(self, account_id: int) -> None:
        self._under_way[account_id] += 1

    def _end(self, account_id: int) -> None:
        self._under_way[account_id] -= 1
        if not self._under_way[account_id]:
            del self._under_way[account_id]

    async def _body(self, source: Source, page: MessagePage, format: Format, safe: bool) -> AsyncIterator[bytes]:
        try:
            if format.name == "csv":
                cells = _cells_of(source.columns)
                yield csv_lines([source.columns], safe=False)
            while True:
                begun = time.perf_counter()
                views = [
                    message_view(
                        one,
                        operator=source.operator,
                        connectors=self._connectors,
                        detail=False,
                        accounts=source.names,
                    )
                    for one in page.records
                ]
                lines = csv_lines(map(cells, views), safe=safe) if format.name == "csv" else ndjson_lines(views)
                spent_s = time.perf_counter() - begun
                if lines:
                    yield lines
                await asyncio.sleep(spent_s)  # half of the loop's time at most
                if page.next is None:
                    return
                page = await self._next(source, page.next)
        except StoreBusy as error:  # the client sees an answer without its end
            journal.store_unavailable(str(error))
            raise

    async def _next(self, source: Source, before: str) -> MessagePage:
        asked = replace(source.asked, limit=_PAGE, before=before)
        for _ in range(_TRIES):
            try:
                return await messages_of(self._store, source.accounts, asked)
            except StoreBusy:
                await asyncio.sleep(_WAIT_S)
        return await messages_of(self._store, source.accounts, asked)


def ndjson_lines(views: Iterable[MessageView]) -> bytes:
    """A line of JSON each."""
    return b"".join(_encode(view) + b"\n" for view in views)


def csv_lines(rows: Iterable[Iterable[Any]], *, safe: bool) -> bytes:
    """Lines of CSV (RFC 4180, UTF-8)."""
    text = io.StringIO()
    write = csv.writer(text).writerow
    for row in rows:
        cells = map(_cell, row)
        write(map(safe_cell, cells) if safe else cells)
    return text.getvalue().encode()


def safe_cell(cell: str) -> str:
    """A cell that no spreadsheet computes: a ``'`` before what could be a formula, also behind blanks."""
    if not cell or cell[0].isalnum():
        return cell
    return f"'{cell}" if cell.lstrip().startswith(_FORMULAS) or cell.startswith(_FORMULAS) else cell


def _cells_of(columns: Iterable[str]) -> Callable[[MessageView], tuple[Any, ...]]:
    fields = dict(zip(MessageView.__struct_encode_fields__, MessageView.__struct_fields__, strict=True))
    return attrgetter(*(fields[name] for name in columns))


def _cell(value: Any) -> str:
    if type(value) is str:
        return value
    if value is None or value is UNSET:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return bytes(value).decode() if isinstance(value, Raw) else str(value)
