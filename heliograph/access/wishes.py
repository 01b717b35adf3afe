"""What is asked of a credential, checked alike for every kind."""

from __future__ import annotations

from collections.abc import Sequence

from heliograph.access.allowing import ranges_of
from heliograph.access.keys import MOST_NAME_CHARACTERS
from heliograph.errors import ConfigError, RequestRejected

__all__ = ["checked_name", "checked_ranges"]


def checked_name(text: str) -> str:
    """A name for people to read. Raises ``RequestRejected`` for one that cannot be shown."""
    if len(text) > MOST_NAME_CHARACTERS or not text.isprintable():
        raise RequestRejected(
            "field_invalid", f"name has up to {MOST_NAME_CHARACTERS} characters that can be printed.", field="name"
        )
    return text


def checked_ranges(addresses: Sequence[str]) -> tuple[str, ...]:
    """Ranges of addresses as they are kept. Raises ``RequestRejected`` for the first that is none."""
    try:
        return ranges_of(tuple(addresses))
    except ConfigError as error:
        fault = error.faults[0]
        raise RequestRejected("field_invalid", f"{fault.what}: {fault.remedy}.", field="addresses") from None
