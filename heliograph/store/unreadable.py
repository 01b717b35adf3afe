"""Reading rows some of which may be damaged: all in one go, and only where that fails one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from heliograph.contracts import FAULTS, SET_ASIDE, OutboxPage, StoreCheck, Unreadable
from heliograph.errors import ConfigurationUnreadable
from heliograph.model import (
    AddressKind,
    Content,
    ContentKind,
    Direction,
    Encoding,
    Fact,
    Live,
    Message,
    SegmentProgress,
    State,
    TrafficType,
)

__all__ = [
    "INCOMPLETE",
    "STATES",
    "Damaged",
    "Faults",
    "Found",
    "check_kinds",
    "check_segments",
    "check_text",
    "configured",
    "worded",
]

T = TypeVar("T")
R = TypeVar("R")


def worded(error: Exception) -> str:
    """What is wrong with a row, without what it holds."""
    words = str(error) if isinstance(error, msgspec.MsgspecError | Damaged) else ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


class Damaged(ValueError):
    """Rows that do not fit each other. Its words hold nothing of a row."""


INCOMPLETE: Final = "a segment's row is missing, or there is one too many"
STATES: Final = frozenset(map(int, State))
_NUMBERS: Final[tuple[Callable[[Any], int] | None, ...]] = (
    Direction,
    None,
    TrafficType,
    AddressKind,
    AddressKind,
    Encoding,
)
_known: set[tuple[object, ...]] = set()
_MOST_KNOWN = 1_000
_MOST_LISTED = 20


def check_kinds(kinds: tuple[object, ...]) -> None:
    """Raises where one of a message's numbers means nothing.

    ``kinds``: its fields from ``direction`` to ``encoding``. What was found good once is
    remembered: messages are alike.
    """
    if kinds in _known:
        return
    for value, numbers in zip(kinds, _NUMBERS, strict=True):
        if numbers is not None:
            try:
                numbers(value)
            except ValueError:
                raise Damaged("a kind, a type, a direction or an encoding that does not exist") from None
    if len(_known) < _MOST_KNOWN:
        _known.add(kinds)


def check_segments(segments: Sequence[SegmentProgress], message: Message) -> None:
    """Raises where these, in the order of their numbers, are not the segments of a message of several.

    One from a handset has rows of none, however many parts it came in.
    """
    count = message.segments
    if not segments and message.direction == Direction.IN:
        return
    if len(segments) != count or segments[0].number != 1 or segments[-1].number != count:
        raise Damaged(INCOMPLETE)
    if any(one.state not in STATES for one in segments):
        raise Damaged("no state has the number of a segment's")


def check_text(content: Content | None) -> None:
    """Raises where a content that is text is none."""
    if content is not None and content.kind == ContentKind.TEXT:
        content.octets.decode()


def configured(table: str, rows: Iterable[R], decode: Callable[[R], T], name: Callable[[int], object]) -> list[T]:
    """What configures the server, from its rows: all of it. ``name`` gives the id of the row at that place.

    Raises :class:`ConfigurationUnreadable` for a row that cannot be read: without its key, its limits or its webhook
    an account would be another one.
    """
    found: list[T] = []
    try:
        for row in rows:
            found.append(decode(row))
    except FAULTS as error:
        raise ConfigurationUnreadable(table, str(name(len(found))), worded(error)) from error
    return found


class Faults:
    """Where a store's readers tell what they could not read, from whatever thread they run in."""

    def __init__(self, listener: Callable[[Unreadable], None]) -> None:
        self._listener = listener
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """From now on the running loop hears of them."""
        self._loop = asyncio.get_running_loop()

    def tell(self, table: str, name: str, error: Exception, live: Live | None = None) -> None:
        """A row of that id cannot be read."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._listener, Unreadable(table=table, id=name, why=worded(error), live=live))

    def of_claim(self) -> Faults:
        """The same for messages that are claimed just now: no lane has them, and no wire."""
        return _OfClaim(self)

    def outbox(self, rows: Iterable[tuple[int, bytes]], unpack: Callable[[bytes], tuple[Fact, ...]]) -> OutboxPage:
        """A page of these (position, facts); a position whose facts cannot be read has none."""
        rows = list(rows)
        read = dict(self.each("outbox", rows, lambda row: (row[0], unpack(row[1])), itemgetter(0)))
        return OutboxPage(tuple([(row[0], read.get(row[0], ())) for row in rows]))

    def each(self, table: str, rows: Iterable[R], decode: Callable[[R], T], name: Callable[[R], object]) -> list[T]:
        """What ``decode`` makes of the rows; those of which it makes nothing are told under what ``name`` gives."""
        rows = list(rows)
        try:
            return [decode(row) for row in rows]
        except FAULTS:
            return self._one_by_one(table, rows, decode, name)

    def _one_by_one(self, table: str, rows: list[R], decode: Callable[[R], T], name: Callable[[R], object]) -> list[T]:
        found: list[T] = []
        for row in rows:
            try:
                found.append(decode(row))
            except FAULTS as error:
                self.tell(table, str(name(row)), error)
        return found


class Found(Faults):
    """Keeps what is told: for who looks a store over."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.names: dict[tuple[str, str], str] = {}

    def tell(self, table: str, name: str, error: Exception, live: Live | None = None) -> None:
        self.names[table, name] = worded(error)

    def findings(self, aside: int) -> list[StoreCheck]:
        """What ``store check`` says of rows that cannot be read, and of ``aside`` messages that were set aside."""
        told = [
            StoreCheck(False, f"{table} {name} cannot be read ({why}): see A row is unreadable in docs/runbook.md")
            for (table, name), why in list(self.names.items())[:_MOST_LISTED]
        ]
        if len(self.names) > len(told):
            told.append(StoreCheck(False, f"{len(self.names) - len(told)} more rows cannot be read"))
        if aside:
            told.append(
                StoreCheck(False, f"{aside} messages are set aside (owner {SET_ASIDE}): nothing sends or ends them")
            )
        return told or [StoreCheck(True, "every message and every row of the outbox can be read")]


class _OfClaim(Faults):
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def tell(self, table: str, name: str, error: Exception, live: Live | None = None) -> None:
        if live is not None:
            live.progress = replace(live.progress, owner=0)
        self._faults.tell(table, name, error, live)
