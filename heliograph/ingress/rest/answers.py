"""Which problems an operation can answer with, and how its document says so: by status, an example for each code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.problems import PROBLEMS, problem_of

__all__ = ["DATE_PROBLEMS", "SEND_PROBLEMS", "codes_of", "problem_examples", "problem_responses"]

_CALL: Final = (
    "address_not_allowed",
    "browser_origin",
    "forbidden",
    "headers_too_large",
    "http_invalid",
    "internal",
    "issuer_unavailable",
    "key_expired",
    "overloaded",
    "quota_exhausted",
    "rate_limited",
    "token_invalid",
    "too_many_failures",
    "unauthorized",
)
"""What any call may meet: no key that may do this, no HTTP, no time."""
_BODY: Final = ("body_too_large", "field_invalid", "field_missing", "field_unknown", "json_invalid")
_ONCE: Final = ("field_invalid", "gone", "idempotency_in_progress", "idempotency_mismatch")
_QUERY: Final = ("field_invalid", "field_unknown")
_WAITS: Final = (429, 503)
"""Statuses whose answers say in Retry-After when to ask again."""

DATE_PROBLEMS: Final = ("send_at_out_of_range", "time_zone_required", "time_zone_unknown", "window_never_opens")
"""Of operations that take a date."""
SEND_PROBLEMS: Final = (
    "encoding_impossible",
    "message_too_long",
    "no_route",
    "number_impossible",
    "number_malformed",
    "number_unknown",
    "recipient_opted_out",
    "sandboxes_busy",
    "sender_invalid",
    "sender_required",
    "too_many_segments",
    *DATE_PROBLEMS,
)
"""Of operations that take a message."""


def codes_of(operation: Operation) -> list[str]:
    """The codes of all problems that an operation can answer with, in order.

    Most follow from its form; ``operation.problems`` are those of its own.
    """
    found = {*_CALL, *operation.problems}
    if operation.body is not None:
        found.update(_BODY)
    if operation.method == "POST" and operation.scope:
        found.update((*_ONCE, "body_too_large"))
    if "{" in operation.path:
        found.add("not_found")
    if "/messages/{" in operation.path:
        found.add("message_unreadable")
    if operation.query:
        found.update(_QUERY)
    if "cursor" in operation.query:
        found.add("cursor_invalid")
    return sorted(found)


def problem_responses(operation: Operation) -> dict[str, Any]:
    """The responses of an operation that say no, by status."""
    by_status: dict[int, list[str]] = {}
    for code in codes_of(operation):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {str(status): _response(status, codes) for status, codes in sorted(by_status.items())}


def _response(status: int, codes: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": " ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in codes),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
    if status in _WAITS:
        schema = {"type": "integer", "minimum": 1}
        found["headers"] = {"Retry-After": {"description": "Seconds to wait before the next try.", "schema": schema}}
    return found


def problem_examples() -> Mapping[str, Any]:
    """An example of each problem, by its code."""
    return {
        code: {"summary": title, "value": msgspec.to_builtins(problem_of(code, title))}
        for code, (_, title) in sorted(PROBLEMS.items())
    }
