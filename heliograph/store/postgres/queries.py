"""The named queries of ``queries.sql``: a query begins with ``-- name: word`` and ends before the next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

from heliograph.model import Message, Progress

__all__ = ["MESSAGE", "PROGRESS", "QUERIES", "parse"]

MESSAGE: tuple[str, ...] = Message.__struct_fields__
"""The columns of ``messages`` that never change, in the order of the value's fields."""

PROGRESS: tuple[str, ...] = Progress.__struct_fields__
"""The columns of ``messages`` that change, in the order of the value's fields."""

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Name → statement.

    ``{message}`` stands for all columns of a message (``m``), ``{set_progress}`` for what an update
    (``u``) sets. What has a name in capitals is a piece of statements: it stands before them, and ``{NAME}`` for it.
    """
    pieces = _NAME.split(text)
    known = {
        "message": ", ".join(f"m.{name}" for name in (*MESSAGE, *PROGRESS)),
        "set_progress": ", ".join(f"{name} = u.{name}" for name in PROGRESS),
    }
    found: dict[str, str] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        statement = "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
        for word, meaning in known.items():
            statement = statement.replace(f"{{{word}}}", meaning)
        (known if name.isupper() else found)[name] = statement
    return found


def _load() -> Mapping[str, str]:
    return parse(resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))


QUERIES: Mapping[str, str] = _load()
"""All of them."""
