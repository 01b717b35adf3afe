"""Addresses of servers that are trusted with more than a message: told apart from what only looks like one."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["is_origin", "is_trustworthy"]

_MOST_CHARACTERS: Final = 512


def is_origin(text: str) -> bool:
    """Whether this is a scheme, a host and a port alone, and :func:`is_trustworthy`."""
    parts = _parts(text)
    return parts is not None and is_trustworthy(text) and not (parts.path or "?" in text or "#" in text)


def is_trustworthy(text: str) -> bool:
    """Whether what comes from this URL is from whom it says: https, or http to this machine."""
    parts = _parts(text)
    if parts is None or not parts.hostname or "@" in parts.netloc or "#" in text:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _parts(text: str) -> SplitResult | None:
    if len(text) > _MOST_CHARACTERS or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        return None if parts.port == 0 else parts
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
