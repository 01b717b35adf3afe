"""Opt-outs in memory: a filter that says "surely not", and the newest ones for the check inside a commit."""

from __future__ import annotations

import time
from collections.abc import Iterable

import apsw

from heliograph.store.batch import Batch
from heliograph.store.sqlite.queries import ask, query, read_all

__all__ = ["OptOutFilter", "RecentOptOuts", "added_since"]

Pair = tuple[int, str]

_BITS_EACH = 16
_PROBES = 4
_LEAST = 1 << 17
"""Bits of an empty filter: 16 KiB, room for 8,000 pairs."""
_RECENT_S = 600.0
"""How long after an opt-out a commit is checked for it: far longer than any gather step was ago."""


class OptOutFilter:
    """A Bloom filter: 2 octets and 4 probes a pair, so that of those who did not opt out 1 in 400 is looked up.

    Removed pairs stay in it until it is made anew, which happens when it has doubled.
    """

    __slots__ = ("_bits", "_count", "_mask", "_room")

    def __init__(self, pairs: Iterable[Pair] = (), *, expected: int = 0) -> None:
        size = max(_LEAST, 1 << (expected * _BITS_EACH * 2).bit_length())
        self._bits = bytearray(size // 8)
        self._mask = size - 1
        self._room = size // _BITS_EACH
        self._count = 0
        self.add(pairs)

    @property
    def full(self) -> bool:
        """More pairs than it was made for: it should be made anew."""
        return self._count > self._room

    def add(self, pairs: Iterable[Pair]) -> None:
        bits, mask = self._bits, self._mask
        for pair in pairs:
            self._count += 1
            at = hash(pair)
            step = (at >> 32) | 1
            for _ in range(_PROBES):
                bits[(at & mask) >> 3] |= 1 << (at & 7)
                at += step

    def may_have(self, account_id: int, recipient: str) -> bool:
        """False only where it surely has not."""
        if not self._count:
            return False
        bits, mask = self._bits, self._mask
        at = hash((account_id, recipient))
        step = (at >> 32) | 1
        for _ in range(_PROBES):
            if not bits[(at & mask) >> 3] >> (at & 7) & 1:
                return False
            at += step
        return True


def added_since(db: apsw.Connection, sequence: int) -> tuple[int, list[Pair]]:
    """(the last sequence number, pairs added after ``sequence``)."""
    pairs: list[Pair] = []
    while rows := ask(db, "optouts_since", (sequence,)):
        pairs.extend((account_id, recipient) for _, account_id, recipient in rows)
        sequence = rows[-1][0]
    return sequence, pairs


class RecentOptOuts:
    """What was opted out lately, by this process or another one. Lives in the writer's thread."""

    __slots__ = ("_db", "_pairs", "_sequence", "_version")

    def __init__(self) -> None:
        self._pairs: dict[Pair, float] = {}
        self._sequence: int | None = None
        self._version = -1
        self._db: apsw.Connection | None = None

    def check(self, db: apsw.Connection, batch: Batch) -> None:
        """Inside the transaction: refuses what writes to somebody who opted out since it was gathered."""
        version = db.execute("PRAGMA data_version").get
        if version != self._version or db is not self._db:  # another connection wrote something
            self.look(db)
            self._version, self._db = version, db
        if self._pairs:
            met = batch.recipients().intersection(self._pairs)
            if met:
                taken = read_all(db, "opted_out", sorted(met))
                if taken:
                    batch.refuse_opted_out({(account_id, recipient) for account_id, recipient in taken})

    def look(self, db: apsw.Connection) -> None:
        """Remembers what was added since the last look. At the first, what is there is known to everybody."""
        if self._sequence is None:
            self._sequence = db.execute(query("last_optout")).get
            return
        self._sequence, pairs = added_since(db, self._sequence)
        now = time.monotonic()
        if self._pairs:
            self._pairs = {pair: at for pair, at in self._pairs.items() if now - at < _RECENT_S}
        self._pairs.update(dict.fromkeys(pairs, now))
