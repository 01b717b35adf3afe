"""The time zones that a telephone number can be in."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers

__all__ = ["zones_of"]

_UNKNOWN = "Etc/Unknown"


@lru_cache(maxsize=4096)
def zones_of(e164: str) -> tuple[str, ...]:
    """IANA names of the time zones of a number, in order of name; () where nothing is known.

    A landline has one, a mobile all of its country. Source: the metadata of ``phonenumbers``.
    """
    from phonenumbers import timezone  # costs 15 ms and 2 MiB: only where somebody asks for local times

    try:
        found = timezone.time_zones_for_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(name for name in found if name != _UNKNOWN)
