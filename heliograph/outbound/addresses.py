"""Which addresses a customer's URL may lead to.

A name says nothing: it is the address of the socket that counts (see :mod:`heliograph.outbound.direct`).
Source: IANA special-purpose address registries for IPv4 and IPv6 (read 2026-01); the ports are those
of the Fetch standard ("port blocking") and everything below 1024 that is not the Web's.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from yarl import URL

from heliograph.contracts import HttpFailure

__all__ = ["MOST_URL_CHARACTERS", "AddressRefused", "check_url", "is_public"]

MOST_URL_CHARACTERS: Final = 2048

_REFUSED_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "168.63.129.16/32",  # Azure's metadata and health address, public by its looks
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

_WEB_PORTS: Final = frozenset((80, 443))
_LOWEST_FREE_PORT: Final = 1024
_BAD_PORTS: Final = frozenset(
    (1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080)
)


class AddressRefused(OSError):
    """No connection was made: the address is not one for customers. An ``OSError``, as a failed connect is."""


@lru_cache(maxsize=10_000)
def is_public(address: str) -> bool:
    """Whether an IP address (with or without a zone) belongs to the public Internet.

    An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64) is judged by it.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _REFUSED_V4)
    inner = ip.ipv4_mapped
    if ip in _SIX_TO_FOUR:
        inner = ipaddress.IPv4Address(int(ip) >> 80 & 0xFFFF_FFFF)
    elif ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    if inner is not None:
        return is_public(str(inner))
    return ip in _GLOBAL_V6 and not any(ip in network for network in _REFUSED_V6)


def check_url(url: str, *, allow_private_addresses: bool = False) -> URL:
    """The parsed URL of a webhook. Raises :class:`HttpFailure` (``address_refused``) with a sentence.

    Names are not looked up here: what they lead to is checked at every connection.
    """
    parsed = _parse(url)
    host = parsed.host
    if not host:
        raise _refused("the URL has no host")
    if parsed.user is not None or parsed.password is not None:
        raise _refused("a URL must not hold a user name or a password")
    if allow_private_addresses:
        return parsed
    port = parsed.port
    if port is None or port in _BAD_PORTS or (port < _LOWEST_FREE_PORT and port not in _WEB_PORTS):
        raise _refused(f"port {port} is not one for webhooks: use 80, 443 or one from 1024 on")
    if _is_literal(host) and not is_public(host):
        raise _refused("the address is private or reserved")
    return parsed


def _parse(url: str) -> URL:
    if len(url) > MOST_URL_CHARACTERS:
        raise _refused(f"a URL has at most {MOST_URL_CHARACTERS} characters")
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        raise _refused("this is not a URL") from None
    if parsed.scheme not in ("http", "https"):
        raise _refused("the URL must begin with https:// or http://")
    if port == 0:
        raise _refused("port 0 does not exist")
    return parsed.with_fragment(None)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _refused(detail: str) -> HttpFailure:
    return HttpFailure("address_refused", detail)
