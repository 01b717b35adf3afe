"""A large acceptance while others are in a hurry: durable at once in one piece, its rows in slices between theirs.

A batch of a thousand messages is a transaction of 20 ms, and who comes meanwhile waits for it. While others send one
message at a time it goes another way. All of it is written as one value (it is *staged*), which takes as long as a few
rows: that commit checks what must not be raced, and keeps all or nothing. Then come its rows, a slice a transaction,
with the last one its events, and the value goes. Nobody is told, and nothing is sent, before that. A crash between
leaves the value, and the next start writes the rows that are missing.
Source: docs/explanation/design/0053-staged-batches.md
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec.structs import astuple, replace

from heliograph.contracts import Acceptance, Changes, Committed, NewMessage
from heliograph.errors import StoreBusy, StoreError
from heliograph.model import AT_ONCE, END, Content, Fact, Message, Progress, Schedule, SegmentProgress, State
from heliograph.store.batch import Head, Slice, Staged, Undone

__all__ = ["Bulk", "is_plain", "opened", "sealed"]

_SLICE_ROWS: Final = 128
"""Messages of a slice while others are in a hurry: about 2 ms of writing."""

_LARGE_SLICE_ROWS: Final = 1_000
"""The same when nobody is."""


_OF_NEW: Final = frozenset(("acceptances", "references", "facts", "lives"))
_OTHERS: Final = tuple(name for name in Changes.__dataclass_fields__ if name not in _OF_NEW)
"""What changes of nothing but new messages do not have; references keep their own place."""

_OTHERS_OF_ACCEPTANCE: Final = tuple(
    name for name in Acceptance.__dataclass_fields__ if name not in ("messages", "claim", "schedules", "usage")
)
"""What requests do not bring. A large acceptance that has it is not staged."""


class _Step(Enum):
    WHOLE = "written as it is"
    HEAD = "staged"
    SLICE = "a slice of its rows written"
    UNDO = "what was written of it taken back"


class Bulk:
    """One large call on its way into the store."""

    __slots__ = (
        "_acceptance",
        "_at",
        "_changes",
        "_fault",
        "_may_be_staged",
        "_number",
        "_refusal",
        "_staged",
        "_step",
        "_to",
        "busy",
        "ready",
        "weight",
    )

    def __init__(self, changes: Changes, weight: int, number: int) -> None:
        """``changes`` is plain, with one acceptance. Nothing else that is staged has ``number``."""
        (self._acceptance,) = changes.acceptances
        self._changes = changes
        self._may_be_staged = not any(getattr(self._acceptance, name) for name in _OTHERS_OF_ACCEPTANCE)
        self._number = number
        self._step = _Step.WHOLE
        self._staged = False
        self._at = self._to = 0
        """Messages that are written, and that will be with the step under way."""
        self._fault: StoreError | None = None
        self._refusal: StoreError | None = None
        self.ready = True
        """Whether its first step may come; not before what must come before it."""
        self.busy = False
        """Whether the last step found the store busy, and is to be tried again in a moment."""
        self.weight = weight
        """Rows that it brings in all."""

    def next(self, *, hurry: bool) -> Changes:
        """What the next transaction takes of it. ``hurry``: others are waiting, or were a moment ago."""
        if self._fault is not None:
            self._step = _Step.UNDO
            return Changes(acceptances=[Undone((), gone=self._acceptance.messages[: self._at], staged=self._number)])
        if self._staged:
            self._step = _Step.SLICE
            return self._slice(_SLICE_ROWS if hurry else _LARGE_SLICE_ROWS)
        self._step = _Step.HEAD if hurry and self._may_be_staged else _Step.WHOLE
        return self._head() if self._step is _Step.HEAD else self._changes

    def _head(self) -> Changes:
        whole = self._acceptance
        staged = Staged(self._number, whole.messages, self._changes.facts, whole.schedules)
        return Changes(acceptances=[Head((), whole.claim, usage=whole.usage, staged=staged)])

    def _slice(self, size: int) -> Changes:
        messages = self._acceptance.messages
        self._to = min(self._at + size, len(messages))
        part = messages[self._at : self._to]
        if self._to < len(messages):
            return Changes(acceptances=[Slice(part)])
        last = Slice(part, schedules=self._acceptance.schedules, staged=self._number)
        return Changes(acceptances=[last], facts=self._changes.facts, lives=self._changes.lives)

    def moved(self, outcome: Committed | StoreError) -> Committed | StoreError | None:
        """What became of the step; gives what the caller is to hear, or None where another step follows."""
        self.busy = isinstance(outcome, StoreBusy) and self._step in (_Step.SLICE, _Step.UNDO)
        if self.busy:
            return None  # it is kept, or must not be: either way the store is asked until it can
        if self._step is _Step.UNDO:
            return self._fault
        if self._step is _Step.SLICE:
            return self._sliced(outcome)
        if self._step is _Step.WHOLE or isinstance(outcome, StoreError) or outcome.lost or outcome.opted_out:
            return outcome
        self._staged = True
        return None

    def _sliced(self, outcome: Committed | StoreError) -> Committed | None:
        if isinstance(outcome, StoreError):
            self._fault = outcome
            return None
        self._at = self._to
        return outcome if self._at == len(self._acceptance.messages) else None

    def refuse(self, error: StoreError) -> None:
        """Nothing of it was written, and nothing will be."""
        self._refusal = error

    def over(self, *, closing: bool) -> Committed | StoreError | None:
        """What the caller is to hear now, where no step follows: it was refused, or the store closes and cannot write
        the rest of what is staged. That is kept, and the next start writes it.
        """
        if self._refusal is not None:
            return self._refusal
        return (self._fault or Committed()) if closing and self.busy else None


def is_plain(changes: Changes) -> bool:
    """Whether these are new messages and nothing else: then no other changes are about the same rows."""
    for name in _OTHERS:
        if getattr(changes, name):
            return False
    return all(acceptance.messages for acceptance in changes.acceptances)


# --- as a value -----------------------------------------------------------------------------------

_encode = msgspec.msgpack.Encoder().encode
_SHAPES: Final = (Message, Progress, Content, SegmentProgress)
_NAMES: Final = [one.__struct_fields__ for one in _SHAPES]


class _Value(msgspec.Struct, array_like=True):
    """Rows as tuples, below the names of their fields: another version of the program may have others."""

    names: tuple[list[str], list[str], list[str], list[str]]
    messages: list[tuple[list[Any], list[Any], list[Any], list[list[Any]] | None]]
    facts: list[Fact]
    schedules: list[dict[str, Any]]


_decode = msgspec.msgpack.Decoder(_Value).decode


def sealed(staged: Staged) -> bytes:
    """All that is staged of one call as octets."""
    messages = [
        (
            astuple(new.message),
            astuple(new.progress),
            astuple(new.content),
            None if new.segments is None else [astuple(one) for one in new.segments],
        )
        for new in staged.messages
    ]
    schedules = [msgspec.to_builtins(one) for one in staged.schedules]
    return _encode((_NAMES, messages, staged.facts, schedules))


def opened(number: int, octets: bytes) -> Staged:
    """The other way round, after a crash: no lane has these messages, so they wait for theirs."""
    value = _decode(octets)
    of_message, of_progress, of_content, of_segment = value.names

    def new(row: tuple[list[Any], list[Any], list[Any], list[list[Any]] | None]) -> NewMessage:
        message, progress, content, segments = row
        return NewMessage(
            _made(Message, of_message, message),
            _waiting(_made(Progress, of_progress, progress)),
            _made(Content, of_content, content),
            None if segments is None else tuple(_made(SegmentProgress, of_segment, one) for one in segments),
        )

    schedules = msgspec.convert(value.schedules, list[Schedule])
    return Staged(number, [new(row) for row in value.messages], value.facts, schedules)


def _made(kind: Any, names: Sequence[str], values: Sequence[Any]) -> Any:
    return msgspec.convert(dict(zip(names, values, strict=True)), kind)


def _waiting(progress: Progress) -> Progress:
    if progress.state == State.SCHEDULED or progress.state >= END:
        return progress
    return replace(progress, owner=0, due_us=AT_ONCE)
