"""Putting the parts of a long inbound message together.

The functions are pure over values, for parts that a store keeps; :class:`Reassembly` is the same in memory. Parts come
in any order, over any bind of a connector, and more than once.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from heliograph.sms.udh import Concat, Element, concatenation

__all__ = ["Assembled", "PartKey", "Reassembly", "complete", "concat_info", "join", "missing"]


class PartKey(Struct, frozen=True):
    """What the parts of one message share. References of 8 and 16 bits are different ones."""

    connector: str
    source: str
    destination: str
    reference: int
    total: int
    reference_octets: int


class Assembled(Struct, frozen=True):
    """A message put together; ``missing`` part numbers make it a partial one."""

    key: PartKey
    octets: bytes
    missing: tuple[int, ...] = ()


def concat_info(
    udh_elements: Sequence[Element],
    sar_msg_ref_num: int | None = None,
    sar_total_segments: int | None = None,
    sar_segment_seqnum: int | None = None,
) -> Concat | None:
    """Where a part belongs, by its header or by its TLVs; the header wins. None for a whole message.

    TLVs count when all three are there and the number is within the total.
    """
    if (concat := concatenation(udh_elements)) is not None:
        return concat
    if sar_msg_ref_num is None or sar_total_segments is None or sar_segment_seqnum is None:
        return None
    if not 1 <= sar_segment_seqnum <= sar_total_segments <= 255:
        return None
    return Concat(sar_msg_ref_num & 0xFFFF, sar_total_segments, sar_segment_seqnum, 2)


def missing(parts: Mapping[int, bytes], total: int) -> tuple[int, ...]:
    """Numbers of 1..total that are not in ``parts``."""
    return tuple(number for number in range(1, total + 1) if number not in parts)


def join(parts: Mapping[int, bytes]) -> bytes:
    """Payloads (without headers) in the order of their numbers, gaps and all."""
    return b"".join(parts[number] for number in sorted(parts))


def complete(parts: Mapping[int, bytes], total: int) -> bytes | None:
    """The whole message once every part of 1..total is there, else None. Numbers beyond do not belong to it."""
    if missing(parts, total):
        return None
    return b"".join(parts[number] for number in range(1, total + 1))


class _Set(Struct):
    """Parts of one message. A complete one stays until its time is over, so that late duplicates are known."""

    opened_at: float
    parts: dict[int, bytes]
    done: bool = False


class Reassembly:
    """Parts in memory under a time limit and a bound; time is the caller's ``now`` in seconds, which never goes back.

    A message is given out once. One that does not become whole in ``timeout_s``, that the bound pushes out, or whose
    reference a new message takes over, is given out as a partial: nothing is dropped in silence.
    """

    def __init__(self, *, timeout_s: float, max_sets: int = 10_000) -> None:
        self._timeout_s: Final = timeout_s
        self._max_sets: Final = max_sets
        self._sets: dict[PartKey, _Set] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._sets)

    def add(self, key: PartKey, number: int, octets: bytes, now: float) -> list[Assembled]:
        """Take a part; the messages that it completes or pushes out.

        A part with a number that is taken by other octets begins a new message under a used reference.
        """
        ended = []
        held = self._sets.get(key)
        if held is not None and held.parts.get(number, octets) != octets:
            ended += self._end(key)
            held = None
        if held is None:
            if len(self._sets) >= self._max_sets:
                ended += self._end(next(iter(self._sets)))
            held = self._sets[key] = _Set(now, {})
        held.parts[number] = octets
        if not held.done and (whole := complete(held.parts, key.total)) is not None:
            held.done = True
            ended.append(Assembled(key, whole))
        return ended

    def expire(self, now: float) -> list[Assembled]:
        """Partials whose time is over."""
        ended = []
        while self._sets and (deadline := self.next_deadline()) is not None and deadline <= now:
            ended += self._end(next(iter(self._sets)))
        return ended

    def next_deadline(self) -> float | None:
        """When :meth:`expire` is to be called next; None while no part is held."""
        for held in self._sets.values():
            return held.opened_at + self._timeout_s
        return None

    def _end(self, key: PartKey) -> list[Assembled]:
        held = self._sets.pop(key)
        if held.done:
            return []
        return [Assembled(key, join(held.parts), missing(held.parts, key.total))]
