"""What a store keeps and cannot read: it stands in nobody's way, and is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import MsgspecError, Struct

from heliograph.model import Live

__all__ = ["FAULTS", "SET_ASIDE", "Unreadable", "Unreadables"]

FAULTS: Final = (ValueError, TypeError, LookupError, ArithmeticError, MsgspecError)
"""What reading a damaged value raises."""

SET_ASIDE = -1
"""The owner of a message whose own row cannot be read: no lane takes it, no sweep looks at it, it stays as it is."""


class Unreadable(Struct, frozen=True, kw_only=True):
    """A row that was met and could not be read.

    ``table`` and ``id`` say which one (of what belongs to a message: the message's id), ``why`` says what is wrong
    with it, in words without what it holds. ``live`` is the message where its own row can be read, without segments
    and content, so that it can end; its owner is 0 where no carrier can have got it from who owns it now. ``live`` is
    None where nothing can be done.
    """

    table: str
    id: str
    why: str
    live: Live | None = None

    @property
    def tried_again(self) -> bool:
        """Whether reads would meet this row again and again, unless it is set aside."""
        return self.table == "deliveries" or (self.table == "messages" and self.live is None)


class Unreadables(Protocol):
    """Every read gives what can be read, and tells the rest. A row may be told each time that it is met."""

    on_unreadable: Callable[[Unreadable], None] | None
    """Called on the loop for each row that could not be read."""
