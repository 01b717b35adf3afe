"""Brute force: failed attempts slow down, and lock, the address, the name and the house that they are made at.

Memory is fixed: what failed longest ago is forgotten first. One guard serves keys, passwords and system ids.
Source: docs/explanation/design/0051-failed-authentication.md
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from heliograph.errors import RequestRejected
from heliograph.rules.failures import ADDRESS, EVERYBODY, NAME, FailureRule, Failures, after_failure, standing

__all__ = ["MOST_ADDRESSES", "MOST_NAMES", "MOST_PAIRS", "Guard", "network_of"]

MOST_ADDRESSES: Final = 16_384
MOST_NAMES: Final = 4_096
MOST_PAIRS: Final = 16_384
"""Of addresses with a name that was good there; twice as many may be known for a while."""

_NAME_CHARACTERS: Final = 64


def network_of(peer: str | None) -> str | None:
    """Whom an address stands for: itself, of IPv6 its /64; None for one that tells nobody from another (loopback)."""
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None:
            return None if address.is_loopback else f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
        address = mapped
    return None if address.is_loopback else str(address)


class _Counts:
    """Failures by name, at most so many of them."""

    def __init__(self, rule: FailureRule, most: int) -> None:
        self.rule = rule
        self._most = most
        self._of: OrderedDict[str, Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def until_us(self, name: str) -> int:
        found = self._of.get(name)
        return 0 if found is None else found.until_us

    def failed_before(self, name: str, now_us: int) -> bool:
        found = self._of.get(name)
        return found is not None and standing(self.rule, found, now_us) > 0

    def fail(self, name: str, now_us: int) -> bool:
        found = self._of.pop(name, None) or Failures()
        if len(self._of) >= self._most:
            self._of.popitem(last=False)
        self._of[name] = found
        return after_failure(self.rule, found, now_us)


class Guard:
    """The failures of one process. ``shared``: all callers come through a proxy, so addresses tell nothing.

    ``on_lock`` is called with what was locked (``address``, ``name``, ``everybody``), its name, and for how many
    seconds.
    """

    def __init__(self, now_us: Callable[[], int], *, shared: bool = False) -> None:
        self._now_us = now_us
        self.shared = shared
        self.on_lock: Callable[[str, str, int], None] | None = None
        self._addresses = _Counts(ADDRESS, MOST_ADDRESSES)
        self._names = _Counts(NAME, MOST_NAMES)
        self._everybody = _Counts(EVERYBODY, 1)
        self._pairs: set[tuple[str | None, str]] = set()
        self._older: set[tuple[str | None, str]] = set()

    def sizes(self) -> tuple[int, int, int]:
        """How many addresses, names and good pairs are remembered."""
        return len(self._addresses), len(self._names), len(self._pairs) + len(self._older)

    def passed(self, peer: str | None, name: str) -> None:
        """Somebody said who they are. Raises ``RequestRejected`` (429) where the address must wait all the same.

        Never where the same name was good from this very address before, nor where addresses tell nothing.
        """
        if (peer, name) not in self._pairs:
            self._meet(peer, name)

    def failed(self, peer: str | None, name: str) -> None:
        """Somebody named ``name``, there or not, and did not prove it. Raises ``RequestRejected`` (429) for a wait.

        What comes during the wait of its address is not counted, so that each such wait ends.
        """
        now_us, network, name = self._now_us(), self._network(peer), name[:_NAME_CHARACTERS]
        if wait_us := self._wait_us(network, name, now_us):
            raise _too_many(wait_us)
        blocked_us = self._of_all(name) - now_us
        if network is not None or blocked_us <= 0:
            self._count(network, name, now_us)
        if blocked_us > 0:
            raise _too_many(blocked_us)

    def check(self, peer: str | None, name: str) -> None:
        """Before a proof that is dear to look at (a password). Raises ``RequestRejected`` (429) for a wait."""
        if (peer, name) not in self._pairs and (peer, name) not in self._older:
            wait_us = self._wait_us(self._network(peer), name[:_NAME_CHARACTERS], self._now_us())
            if wait_us:
                raise _too_many(wait_us)

    def _network(self, peer: str | None) -> str | None:
        return None if self.shared else network_of(peer)

    def _of_all(self, name: str) -> int:
        return max(self._names.until_us(name), self._everybody.until_us(""))

    def _wait_us(self, network: str | None, name: str, now_us: int) -> int:
        """How long this address waits. A wait of a name, or of all, is one of the addresses that failed."""
        if network is None:
            return 0
        until_us = self._addresses.until_us(network)
        if self._addresses.failed_before(network, now_us):
            until_us = max(until_us, self._of_all(name))
        return max(0, until_us - now_us)

    def _meet(self, peer: str | None, name: str) -> None:
        pair = (peer, name)
        if pair not in self._older:
            wait_us = self._wait_us(self._network(peer), name[:_NAME_CHARACTERS], self._now_us())
            if wait_us:
                raise _too_many(wait_us)
        if len(self._pairs) >= MOST_PAIRS:
            self._older, self._pairs = self._pairs, set()
        self._pairs.add(pair)

    def _count(self, network: str | None, name: str, now_us: int) -> None:
        locked: list[tuple[str, str, FailureRule]] = []
        if network is not None and self._addresses.fail(network, now_us):
            locked.append(("address", network, ADDRESS))
        if name and self._names.fail(name, now_us):
            locked.append(("name", name, NAME))
        if self._everybody.fail("", now_us):
            locked.append(("everybody", "", EVERYBODY))
        if self.on_lock is not None:
            for what, which, rule in locked:
                self.on_lock(what, which, rule.lock_s)


def _too_many(wait_us: int) -> RequestRejected:
    return RequestRejected(
        "too_many_failures",
        "Too many attempts with wrong credentials: check the key, and wait as long as Retry-After says.",
        status=429,
        retry_after_s=-(-wait_us // 1_000_000),
    )
