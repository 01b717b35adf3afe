"""Requests and answers as they may be shown: bounded, without secrets, texts and whole telephone numbers.

Numbers are masked as the journal masks them (``log.whole_numbers``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from heliograph.telemetry import journal

__all__ = ["HIDDEN", "shown_answer", "shown_body", "shown_headers"]

HIDDEN: Final = "[redacted]"
_SECRET_HEADERS: Final = frozenset(("webhook-signature", "authorization"))
_NUMBERS: Final = ("to", "from")
_CONTENTS: Final = ("text", "data", "udh", "metadata", "client_ref")
_EVENTS: Final = 10
"""Events of a batch that are shown."""
_ANSWER_CHARACTERS: Final = 1024
_DIGITS: Final = re.compile(r"\+?\d{7,15}")
_SECRETS: Final = re.compile(r"(whsec_|hg_live_|hg_test_)[\w+/=-]+")


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a request without what signs it."""
    return {name: HIDDEN if name.lower() in _SECRET_HEADERS else value for name, value in headers.items()}


def shown_body(body: bytes) -> list[dict[str, Any]] | None:
    """The events of a request, the first ten of a batch; None where they are not kept or not ours."""
    try:
        told = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None
    events = told if isinstance(told, list) else [told]
    return [_shown_event(event) for event in events[:_EVENTS] if isinstance(event, dict)] if body else None


def shown_answer(body: bytes) -> str:
    """The beginning of what an endpoint said; a character that is none reads as a question mark in a lozenge."""
    text = body.decode(errors="replace")[:_ANSWER_CHARACTERS]
    return _DIGITS.sub(lambda found: journal.number(found[0]), _SECRETS.sub(HIDDEN, text))


def _shown_event(event: dict[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    if not isinstance(data, dict):
        return event
    shown = dict(data)
    for name in _CONTENTS:
        if shown.get(name) is not None:
            shown[name] = HIDDEN
    for name in _NUMBERS:
        if isinstance(shown.get(name), str):
            shown[name] = journal.number(shown[name])
    return {**event, "data": shown}
