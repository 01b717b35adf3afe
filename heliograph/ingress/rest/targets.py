"""Where a customer wants events told: the address and the choice of events, checked before anything is kept.

Whether a name may be called is decided when it is called (``outbound``): names change their meaning. An address
that is written out means the same for ever: a private one is refused here already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from heliograph import outbound
from heliograph.contracts import HttpFailure
from heliograph.delivery.eventwords import EVENT_TYPES
from heliograph.delivery.notices import NOTICES
from heliograph.errors import RequestRejected

__all__ = ["check_events", "check_url"]

_EVENTS: Final = tuple(EVENT_TYPES.values())
_WEBHOOK_EVENTS: Final = (*_EVENTS, *NOTICES)
_NOT_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\U0010ffff]")


def check_url(url: str, field: str, *, allow_private_addresses: bool = True) -> None:
    """Raises ``RequestRejected`` unless ``url`` is an absolute http or https URL without a password.

    Without ``allow_private_addresses`` an address or a port in it must also be one that the outgoing door takes.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        usable = parts.scheme in ("http", "https") and bool(host) and port != 0
    except ValueError:
        usable = False
    if not usable or _NOT_IN_URLS.search(url):
        raise _invalid(field, f"{field} must be a whole URL, such as https://example.com/sms.")
    if parts.username is not None or parts.password is not None:
        raise _invalid(field, f"{field} must hold no password: requests are signed instead.")
    if not allow_private_addresses and (port is not None or _may_be_literal(host)):
        try:
            outbound.check_url(url)
        except HttpFailure as refused:
            raise _invalid(field, f"Give a {field} that can be called: {refused.detail}.") from refused


def _may_be_literal(host: str) -> bool:
    """False for nearly every name: to ask the door takes twice the time of all else here."""
    return host[-1:].isdigit() or ":" in host


def check_events(events: Iterable[str], field: str, *, notices: bool = False) -> None:
    """Raises ``RequestRejected`` naming the first event that does not exist. ``notices``: those of no message, too."""
    known = _WEBHOOK_EVENTS if notices else _EVENTS
    for event in events:
        if event not in known:
            raise _invalid(field, f"There is no event {event[:64]}: choose from {', '.join(known)}.")


def _invalid(field: str, sentence: str) -> RequestRejected:
    return RequestRejected("field_invalid", sentence, field=field)
