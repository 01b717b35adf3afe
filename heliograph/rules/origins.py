"""Origins of web pages, as browsers spell them in the header ``Origin``. Source: RFC 6454 §6.2, HTML §7.1.1"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

__all__ = ["MOST_ORIGIN_CHARACTERS", "origin_fault"]

MOST_ORIGIN_CHARACTERS: Final = 280
"""A scheme, a name of 253 characters and a port, with room."""

_ORIGIN: Final = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,253})(?::([1-9][0-9]{0,4}))?", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_USUAL_PORTS: Final = {"https": "443", "http": "80"}
_HOW: Final = "write it as the browser does, like https://shop.example: lower case, no path, no default port"


def origin_fault(text: str) -> str | None:
    """What is wrong with an origin that a page may have, as words; None for one that browsers spell just so.

    ``https`` alone, and ``http`` for pages on the reader's own machine.
    """
    found = _ORIGIN.fullmatch(text) if len(text) <= MOST_ORIGIN_CHARACTERS else None
    if found is None or not _is_host(found[2]) or found[3] == _USUAL_PORTS[found[1]] or int(found[3] or 1) > 65_535:
        return _HOW
    if found[1] == "http" and not _is_loopback(found[2]):
        return "use https: over http everybody on the way can change the page, and take the token"
    return None


def _is_host(host: str) -> bool:
    """Whether it is a name, or an address in its one spelling."""
    try:
        if host.startswith("["):
            return str(ipaddress.IPv6Address(host[1:-1])) == host[1:-1]
        if host.rpartition(".")[2].isdigit():
            return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False
    return all(_LABEL.fullmatch(label) for label in host.split("."))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
