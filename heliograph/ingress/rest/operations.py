"""One operation of the API, as its document and its readers know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

__all__ = ["Operation"]


class Operation(Struct, frozen=True):
    """One operation: its body and answer are Structs, ``scope`` is what a key needs ("": a publishable token).

    ``list_name``: the answer is a list of them under this name. ``query`` maps parameters to their meaning;
    ``example`` is a body that does something sensible; ``media`` are kinds of files that answer, too.
    ``problems`` are the codes that it can answer with beside those that follow from its form; ``also`` are other
    statuses with the same answer, ``named`` is a name that its path may have.
    """

    method: str
    path: str
    summary: str
    scope: str
    body: type | None
    answer: type | None
    status: int = 200
    list_name: str | None = None
    query: Mapping[str, str] = {}
    example: Any = None
    media: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    named: str = ""
