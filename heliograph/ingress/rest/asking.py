"""Who asks from where, and what stands behind the question mark: parameters of lists and counts, with their bounds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from fastapi import Request

from heliograph.errors import RequestRejected

__all__ = ["check_names", "limit_of", "moment_us", "parameters", "peer_of", "words"]

_MOST_CHARACTERS = 512
_LIMIT = re.compile(r"[0-9]{1,6}", re.ASCII)


def peer_of(request: Request) -> str | None:
    """The address at the other end of the connection. What headers say of others before it is never believed."""
    return None if request.client is None else request.client.host


def parameters(request: Request, known: Iterable[str]) -> dict[str, str]:
    """Each parameter once. Raises ``RequestRejected`` for one that is unknown, repeated, empty or too long."""
    found: dict[str, str] = {}
    check_names(request.query_params, known)
    for name, value in request.query_params.multi_items():
        if name in found:
            raise RequestRejected("field_invalid", f"Give {name} once; several values stand with commas.", field=name)
        if not value.strip() or len(value) > _MOST_CHARACTERS or "\0" in value:
            raise RequestRejected(
                "field_invalid",
                f"{name} must have 1 to {_MOST_CHARACTERS} characters; leave it out for all.",
                field=name,
            )
        found[name] = value
    return found


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Raises ``RequestRejected`` for the first parameter that does not exist."""
    names = tuple(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Use {', '.join(names)}."
            raise RequestRejected("field_unknown", f"There is no parameter {name[:64]}. {hint}", field=name[:64])


def words(given: Mapping[str, str], name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The words of a parameter, with commas between them, each once. Raises ``RequestRejected``."""
    choices = tuple(known)
    found = dict.fromkeys(filter(None, (word.strip() for word in given.get(name, "").split(","))))
    if unknown := [word for word in found if word not in choices]:
        sentence = f"{unknown[0][:64]} is none: {name} must be one of {', '.join(choices)}."
        raise RequestRejected("field_invalid", sentence, field=name)
    return tuple(found)


def limit_of(given: Mapping[str, str], usual: int, most: int) -> int:
    """How many a page may have. Raises ``RequestRejected``; leading zeros never make a number look smaller."""
    text = given.get("limit", str(usual))
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= most:
        raise RequestRejected("field_invalid", f"limit must be 1 to {most}.", field="limit")
    return int(text)


def moment_us(given: Mapping[str, str], name: str) -> int | None:
    """A time in µs since 1970: ISO 8601 with its zone, or a day (its first moment in UTC). None where not given."""
    text = given.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else f"{text.strip()}T00:00:00Z")
        if at.tzinfo is None:
            raise ValueError("no zone")
        return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise RequestRejected(
            "field_invalid",
            f"{name} must be a time with its zone, like 2026-11-22T10:00:00Z, or a day in UTC, like 2026-11-22.",
            field=name,
        ) from None
