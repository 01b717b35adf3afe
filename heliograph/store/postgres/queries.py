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

_HOLDERS = """RECURSIVE holder (account_id) AS (
    (SELECT m.account_id FROM messages AS m ORDER BY m.account_id LIMIT 1)
    UNION ALL
    SELECT next.account_id FROM holder CROSS JOIN LATERAL (
        SELECT m.account_id FROM messages AS m WHERE m.account_id > holder.account_id ORDER BY m.account_id LIMIT 1
    ) AS next
)"""

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Name → statement.

    ``{message}`` stands for all columns of a message (``m``), ``{set_progress}`` for what an update
    (``u``) sets, ``{holders}`` for a recursive ``holder (account_id)`` of every account that has messages.
    """
    pieces = _NAME.split(text)
    names = ", ".join(f"m.{name}" for name in (*MESSAGE, *PROGRESS))
    sets = ", ".join(f"{name} = u.{name}" for name in PROGRESS)
    return {
        name: body.strip().replace("{message}", names).replace("{set_progress}", sets).replace("{holders}", _HOLDERS)
        for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def _load() -> Mapping[str, str]:
    return parse(resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))


QUERIES: Mapping[str, str] = _load()
"""All of them."""
