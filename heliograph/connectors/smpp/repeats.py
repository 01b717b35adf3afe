"""Short messages that a carrier sends again because it did not hear our answer: they are told once.

SMPP gives a message from a handset no id, and what comes again has another sequence number. So a repeat is told from
a second ``YES`` by what happened to the answer: only what was answered when its link was dying, or answered so late
that the carrier may have lost patience, or not answered at all yet, can come again. A repeat of it is answered as the
first was and goes no further; whatever else comes twice was written twice.
Source: docs/explanation/design/0013-inbound-repeats.md
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

from heliograph.smpp import constants as c
from heliograph.smpp.pdus import DataSm, DeliverSm
from heliograph.smpp.receipts import message_octets

__all__ = ["Arrival", "Repeats"]

_HEARD_S: Final = 1.0
"""An answer that was written this long before we last heard of the carrier has arrived there."""
_PATIENCE_S: Final = 5.0
"""Nobody writes the same twice while the first waits for so long: it is the carrier that asks again."""
_LATE_S: Final = 10.0
"""Carriers send again after 10 to 60 s: an answer that came later may have crossed with a repeat."""
_AGAIN_S: Final = 600.0
"""For how long what may not have been heard is expected again."""
_MOST_ANSWERS: Final = 1_000
"""Answers of a link that are remembered: a window is smaller."""
_MOST_UNHEARD: Final = 10_000


class Arrival(Enum):
    """What a short message is."""

    NEW = "new"
    """It is told, and answered once it is kept."""
    KEPT = "kept"
    """It was kept before: it is answered now."""
    WAITS = "waits"
    """The first is being kept: it is answered with that one."""


class _First:
    """A short message that waits to be kept."""

    __slots__ = ("arrived_at", "followers", "key", "link", "lost")

    def __init__(self, key: bytes, link: object, arrived_at: float) -> None:
        self.key = key
        self.link = link
        self.arrived_at = arrived_at
        self.followers: list[tuple[Any, int]] = []
        self.lost = False


class Repeats:
    """What one connector was sent by handsets, as long as it may come again. ``now`` gives links' seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: dict[tuple[Any, int], _First] = {}
        self._by_key: dict[bytes, _First] = {}
        self._answered: dict[object, deque[tuple[float, bytes]]] = {}
        self._unheard: dict[bytes, float] = {}

    def arrived(self, handle: tuple[Any, int], pdu: DeliverSm | DataSm) -> Arrival:
        """What this is. ``handle`` is (link, sequence number)."""
        key, now = _key(pdu), self._now()
        if self._unheard.pop(key, 0.0) > now:
            self._note(handle[0], key, now)
            return Arrival.KEPT
        first = self._by_key.get(key)
        if first is None:
            first = self._by_key[key] = self._waiting[handle] = _First(key, handle[0], now)
        elif first.lost or now - first.arrived_at > _PATIENCE_S:
            first.followers.append(handle)
            return Arrival.WAITS
        return Arrival.NEW

    def answered(self, handles: Sequence[tuple[Any, int]], *, kept: bool) -> list[tuple[Any, int]]:
        """These are being answered, ``kept`` or not; gives the repeats that are answered with them."""
        followers: list[tuple[Any, int]] = []
        if not self._waiting:
            return followers
        now = self._now()
        for handle in handles:
            first = self._waiting.pop(handle, None)
            if first is None:
                continue
            del self._by_key[first.key]
            followers += first.followers
            if not kept:
                continue
            for link, _ in first.followers:
                self._note(link, first.key, now)
            if not first.followers and (first.lost or now - first.arrived_at > _LATE_S):
                self._expect(first.key, now)
            elif not first.lost:
                self._note(first.link, first.key, now)
        return followers

    def lost(self, link: object, heard_at: float) -> None:
        """A link ended, whose peer was heard last at ``heard_at``."""
        for first in self._waiting.values():
            if first.link == link:
                first.lost = True
        now = self._now()
        for answered_at, key in self._answered.pop(link, ()):
            if answered_at > heard_at - _HEARD_S:
                self._expect(key, now)

    def _note(self, link: object, key: bytes, now: float) -> None:
        """An answer is written: whether it is heard is known later."""
        self._answered.setdefault(link, deque(maxlen=_MOST_ANSWERS)).append((now, key))

    def _expect(self, key: bytes, now: float) -> None:
        unheard = self._unheard
        while unheard and (len(unheard) >= _MOST_UNHEARD or next(iter(unheard.values())) <= now):
            del unheard[next(iter(unheard))]
        unheard.pop(key, None)
        unheard[key] = now + _AGAIN_S


def _key(pdu: DeliverSm | DataSm) -> bytes:
    """What is the same when it comes again: addresses, content, and the marks that some carriers give."""
    marks = [pdu.tlvs.get(tag) for tag in (c.TAG_USER_MESSAGE_REFERENCE, c.TAG_RECEIPTED_MESSAGE_ID)]
    same = (pdu.source_addr, pdu.destination_addr, pdu.esm_class, pdu.data_coding, message_octets(pdu), marks)
    return hashlib.blake2b(repr(same).encode(), digest_size=16).digest()
