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

_WANTED = """($5::int2[] = '{}' OR m.state = ANY ($5)) AND ($6::text IS NULL OR m.recipient = $6)
    AND ($7::text IS NULL OR m.sender = $7) AND ($8::int4 IS NULL OR m.connector_id = $8)
    AND ($9::text IS NULL OR m.client_ref = $9) AND ($10::text IS NULL OR EXISTS (
        SELECT FROM message_labels AS t
        WHERE t.account_id = m.account_id AND t.label = 't' || $10 AND t.message_id = m.id
    ))
    AND ($11::int8 IS NULL OR m.accepted_us >= $11) AND ($12::int8 IS NULL OR m.accepted_us < $12)"""

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Name → statement.

    ``{message}`` stands for all columns of a message (``m``), ``{set_progress}`` for what an update
    (``u``) sets, ``{wanted}`` for what a list asks of a message, ``{holders}`` for a
    recursive ``holder (account_id)`` of every account that has messages.
    """
    pieces = _NAME.split(text)
    names = ", ".join(f"m.{name}" for name in (*MESSAGE, *PROGRESS))
    sets = ", ".join(f"{name} = u.{name}" for name in PROGRESS)
    return {
        name: body.strip()
        .replace("{message}", names)
        .replace("{set_progress}", sets)
        .replace("{holders}", _HOLDERS)
        .replace("{wanted}", _WANTED)
        for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def _load() -> Mapping[str, str]:
    return parse(resources.files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))


QUERIES: Mapping[str, str] = _load()
"""All of them."""
