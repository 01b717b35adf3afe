"""Where a customer wants events told: the address and the choice of events, checked before anything is kept.

Whether an address may be called at all is decided when it is called (``outbound``): names change their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from heliograph.delivery.wording import EVENT_TYPES
from heliograph.errors import RequestRejected

__all__ = ["check_events", "check_url"]

_EVENTS: Final = tuple(EVENT_TYPES.values())
_NOT_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\U0010ffff]")


def check_url(url: str, field: str) -> None:
    """Raises ``RequestRejected`` unless ``url`` is an absolute http or https URL without a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or _NOT_IN_URLS.search(url):
        raise _invalid(field, f"{field} must be a whole URL, such as https://example.com/sms.")
    if parts.username is not None or parts.password is not None:
        raise _invalid(field, f"{field} must hold no password: requests are signed instead.")


def check_events(events: Iterable[str], field: str) -> None:
    """Raises ``RequestRejected`` naming the first event that does not exist."""
    for event in events:
        if event not in _EVENTS:
            raise _invalid(field, f"There is no event {event[:64]}: choose from {', '.join(_EVENTS)}.")


def _invalid(field: str, sentence: str) -> RequestRejected:
    return RequestRejected("field_invalid", sentence, field=field)
