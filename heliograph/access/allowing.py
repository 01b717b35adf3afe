"""From where a key may be used: ranges of addresses, and whether a peer's is in one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from heliograph.errors import ConfigError, ConfigFault

__all__ = ["MOST_RANGES", "AllowList", "ranges_of"]

MOST_RANGES: Final = 64
"""Ranges of one key: a list that is longer is a network's, and belongs to its firewall."""

_MOST_REMEMBERED: Final = 256
"""Peers of one key whose answer is remembered; a key that is used from more is looked at anew."""


def ranges_of(words: Sequence[str]) -> tuple[str, ...]:
    """Addresses and ranges (CIDR) as they are kept, each once: ``10.0.0.7`` is ``10.0.0.7/32``.

    Raises ``ConfigError`` naming every one that is none, and for more than ``MOST_RANGES``.
    """
    found: dict[str, None] = {}
    faults = []
    for word in words:
        try:
            found[str(ipaddress.ip_network(word.strip()))] = None
        except ValueError as error:
            hint = "write an address (192.0.2.7) or a range whose first address it is (192.0.2.0/24, 2001:db8::/32)"
            faults.append(ConfigFault("--allow", f"{word[:64]!r} is no range of addresses: {error}", hint))
    if len(found) > MOST_RANGES:
        faults.append(ConfigFault("--allow", f"there are {len(found)} ranges", f"give at most {MOST_RANGES}"))
    if faults:
        raise ConfigError(faults)
    return tuple(found)


class AllowList:
    """Ranges of one key. An answer is remembered, so that a peer that is seen again costs a look in a table."""

    def __init__(self, ranges: Sequence[str]) -> None:
        """``ranges`` are as :func:`ranges_of` gives them."""
        self.ranges = tuple(ranges)
        self._networks = [ipaddress.ip_network(one) for one in ranges]
        self._known: dict[str | None, bool] = {}

    def admits(self, peer: str | None) -> bool:
        """Whether a peer of this address may come; who has none may not."""
        known = self._known.get(peer)
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[peer] = self._holds(peer)
        return known

    def _holds(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        # a socket for both kinds tells IPv4 peers as ::ffff:192.0.2.7
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
