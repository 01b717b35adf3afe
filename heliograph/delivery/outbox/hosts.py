"""The hosts that an account's callbacks lead to: each with requests, trust and a short queue of its own.

So one that hangs takes its share of the account's requests and holds up nobody else's. No I/O, no clock:
``now`` is monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from typing import Final, Generic, Protocol, TypeVar

from heliograph.rules.redelivery import fails_on, open_slots, proof, rest_s

__all__ = ["Host", "Hosts", "postponed_us"]

_HOSTS_KEPT: Final = 4096
_UNBOUNDED: Final = 1 << 62
_LEAST_POSTPONED_US: Final = 5_000_000
_MOST_POSTPONED_US: Final = 1_800_000_000


class _Held(Protocol):
    @property
    def message_id(self) -> str: ...


H = TypeVar("H", bound=_Held)


class Host(Generic[H]):
    """One host. ``ready`` says that it stands in the queue of those that may have something to send."""

    __slots__ = ("failures", "held", "name", "open", "proof", "ready", "rest_until")

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = 0
        self.failures = 0
        """In a row."""
        self.proof = 0
        self.rest_until = 0.0
        self.held: deque[H] = deque()
        self.ready = False


class Hosts(Generic[H]):
    """``connections`` bounds the requests to one host; ``held`` what waits for it, ``held_all`` what waits in all.

    The bounds of what waits hold for an account that calls several hosts: one that calls a single host waits for
    nobody but itself, and its queue is bounded by the line. A host that fails on may keep little in any case.
    """

    def __init__(self, connections: int, held: int, held_all: int) -> None:
        self._connections = connections
        self._most_held = held
        self._most_held_all = held_all
        self._hosts: dict[str, Host[H]] = {}
        self._ready: deque[Host[H]] = deque()
        self.held = 0
        """What waits here in all."""

    @property
    def single(self) -> bool:
        """Whether the account calls one host alone, as far as is known."""
        return len(self._hosts) < 2

    def enter(self, name: str, now: float) -> bool:
        """Takes one of a host's requests, if it has one to give; :meth:`leave` gives it back."""
        host = self._hosts.get(name) or self._new(name)
        if not self._room(host, now):
            return False
        host.open += 1
        return True

    def is_open(self, name: str) -> bool:
        """Whether a request to a host is on its way, whose end will say more."""
        host = self._hosts.get(name)
        return host is not None and host.open > 0

    def slots_free(self, name: str, now: float) -> int:
        """How many requests a host has to give now."""
        host = self._hosts.get(name) or self._new(name)
        return self._slots(host) - host.open if self._room(host, now) else 0

    def hold(self, item: H, name: str, now: float) -> bool:
        """Puts something behind what waits for a host. False: too much waits for it already."""
        host = self._hosts.get(name) or self._new(name)
        if len(host.held) >= self._most(host) or (self.held >= self._most_held_all and not self.single):
            return False
        host.held.append(item)
        self.held += 1
        self._offer(host, now)
        return True

    def leave(self, name: str, *, failed: bool, asked_s: float, now: float) -> None:
        """A request ended. One that fails on gets fewer of them and then rests, at least ``asked_s``."""
        host = self._hosts[name]
        host.open -= 1
        host.proof = proof(host.proof, self._connections, took=not failed)
        if failed:
            host.failures += 1
            if wait_s := max(rest_s(host.failures), asked_s):
                host.rest_until = max(host.rest_until, now + wait_s)
        else:
            host.failures = 0
            host.rest_until = 0.0
        if host.held:
            self._offer(host, now)

    def excess(self, name: str) -> list[H]:
        """Takes away what waits for a host beyond what it may keep, the newest."""
        host = self._hosts[name]
        most = self._most(host)
        taken = [host.held.pop() for _ in range(len(host.held) - most)] if len(host.held) > most else []
        self.held -= len(taken)
        return taken[::-1]

    def next_held(self, busy: Container[str], now: float) -> H | None:
        """What waited longest at a host that can take it, the hosts in turn; none of a message that is ``busy``."""
        ready = self._ready
        while ready:
            host = ready.popleft()
            item = self._first(host, busy) if self._room(host, now) else None
            if item is None:  # what it waits for, the end of a request or of a rest, brings it back
                host.ready = False
                continue
            host.open += 1
            self.held -= 1
            host.ready = bool(host.held)
            if host.ready:
                ready.append(host)
            return item
        return None

    def _first(self, host: Host[H], busy: Container[str]) -> H | None:
        """What may go: events of one message keep their order, others pass them by."""
        held = host.held
        for index in range(min(len(held), self._connections + 1)):
            item = held[index]
            if item.message_id not in busy:
                del held[index]
                return item
        return None

    def wake(self, now: float) -> None:
        """Hosts that have rested enough may send what they hold."""
        if self.held:
            for host in self._hosts.values():
                if host.held:
                    self._offer(host, now)

    def startable(self) -> int:
        """How many requests could start now with what is held, at most."""
        return sum(max(0, min(len(host.held), self._slots(host) - host.open)) for host in self._ready)

    def clear(self) -> None:
        """Holds nothing any more."""
        for host in self._hosts.values():
            host.held.clear()
        self._ready.clear()
        self.held = 0

    def _most(self, host: Host[H]) -> int:
        """How much may wait for a host."""
        if fails_on(host.failures):
            return self._connections
        return _UNBOUNDED if self.single else self._most_held

    def _slots(self, host: Host[H]) -> int:
        return open_slots(host.failures, host.proof, self._connections)

    def _room(self, host: Host[H], now: float) -> bool:
        return host.open < self._slots(host) and host.rest_until <= now

    def _offer(self, host: Host[H], now: float) -> None:
        if not host.ready and self._room(host, now):
            host.ready = True
            self._ready.append(host)

    def _new(self, name: str) -> Host[H]:
        if len(self._hosts) >= _HOSTS_KEPT:  # what is known of those that are idle may be learned again
            self._hosts = {host.name: host for host in self._hosts.values() if host.open or host.held}
        host = self._hosts[name] = Host(name)
        return host


def postponed_us(first_us: int, now_us: int) -> int:
    """How long something waits in the store that its host had no request for: half its age, 5 s to 30 min.

    It grows with the age, so that a backlog that does not move costs a row a few dozen writes in all.
    """
    return min(max((now_us - first_us) // 2, _LEAST_POSTPONED_US), _MOST_POSTPONED_US)
