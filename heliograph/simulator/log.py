"""The carrier's own log: one JSON object a line for each fact, the truth that tests compare with.

Lines are written with one ``write`` a turn of the loop, before the answers of that turn leave. So what a client was
told is in the file, also after the simulator was killed (not after a power cut: there is no fsync).
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

__all__ = ["CarrierLog", "Fact", "read_log"]


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One thing that happened.

    ``fact`` is ``bind``, ``submit`` (a segment came), ``response`` (ours to it; it may have
    been lost with its link), ``receipt`` (sent), ``mo`` (a
    handset's segment, sent), ``receipt_response`` and ``mo_response`` (the client's answers), ``message`` (a handset
    has a whole message) or ``lost`` (a link ended; ``text`` says why).
    """

    fact: str
    at: float
    """Seconds since 1970 UTC."""
    link: int = 0
    """Which connection, counted from 1."""
    sequence: int = 0
    to: str = ""
    sender: str = msgspec.field(default="", name="from")
    id: str = ""
    """The message id as it was written on the wire."""
    status: int = 0
    stat: str = ""
    """The final state that a receipt tells."""
    text: str = ""
    hash: str = ""
    """SHA-256 of the octets as hex, where texts are not logged, and of binary messages."""
    part: str = ""
    """``2/3``: the second of three parts."""


class CarrierLog:
    """Facts: all in the file, the newest in memory, all counted by kind."""

    def __init__(self, path: str | Path | None = None, *, keep: int = 10_000) -> None:
        self.counts: Counter[str] = Counter()
        """How many facts of each kind there were."""
        self.facts: deque[Fact] = deque(maxlen=keep)
        """The newest facts, oldest first."""
        self.path = Path(path) if path is not None else None
        self._fd = -1 if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._waiting: list[Fact] = []

    def add(self, fact: Fact) -> None:
        """Take a fact; it is in the file after the next :meth:`flush`."""
        self.counts[fact.fact] += 1
        self._waiting.append(fact)

    def flush(self) -> None:
        """Write what was added since. Raises ``OSError``."""
        waiting = self._waiting
        if not waiting:
            return
        self.facts.extend(waiting)
        if self._fd >= 0:
            _write_all(self._fd, _ENCODER.encode_lines(waiting))
        self._waiting = []

    def of(self, *kinds: str) -> list[Fact]:
        """The facts of these kinds that are still in memory, oldest first."""
        self.flush()
        return [fact for fact in self.facts if fact.fact in kinds]

    def close(self) -> None:
        """Write the rest and let go of the file."""
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Fact)


def _write_all(fd: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(fd, octets) :]


def read_log(path: str | Path, kinds: Iterable[str] = ()) -> list[Fact]:
    """The facts in a log file (of these kinds, or all). A last line that a kill cut short is left out."""
    wanted = frozenset(kinds)
    lines = Path(path).read_bytes().split(b"\n")[:-1]
    facts = [_DECODER.decode(line) for line in lines]
    return [fact for fact in facts if not wanted or fact.fact in wanted]
