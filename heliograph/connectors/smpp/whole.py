"""Long messages that leave in one PDU, seen as the segments that the pipeline hands over one by one.

The first segment that comes takes the whole message along; the others wait for its answer and share its outcome. The
carrier gives one id and one receipt for all: the others are kept under that id with their number, and the receipt is
told once for each. How many there are is remembered here; what a restart forgets ends as the pipeline ends what gets no
receipt.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from heliograph.contracts import Outcome, ReceiptNews, SegmentSubmission
from heliograph.model import Live, State

__all__ = ["SharedHandle", "WholeMessages", "is_untouched"]

_GROUPS_MAX: Final = 10_000
_COUNTS_MAX: Final = 100_000
"""Long messages whose receipt may still come, about 15 MB."""


class SharedHandle:
    """One delivery that is told several times: it is kept when all of them are."""

    __slots__ = ("handle", "left")

    def __init__(self, handle: object, left: int) -> None:
        self.handle = handle
        self.left = left

    def settle(self, *, kept: bool) -> bool:
        """Whether the delivery is to be answered now."""
        if self.left <= 0:
            return False
        self.left = self.left - 1 if kept else 0
        return not kept or not self.left


class _Group:
    """One way to the wire of one message."""

    __slots__ = ("came", "outcome", "waiting")

    def __init__(self) -> None:
        self.came: set[int] = set()
        self.waiting: list[SegmentSubmission] = []
        self.outcome: Outcome | None = None


class WholeMessages:
    """The long messages of one connector. ``submit`` and ``answered`` give outcomes that are known at once."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._counts: dict[str, tuple[int, int]] = {}

    def submit(self, submission: SegmentSubmission) -> tuple[bool, Outcome | None]:
        """(Whether it takes the whole message to the wire, its outcome where that is known already)."""
        message = submission.live.message
        group = self._groups.get(message.id)
        if group is None or submission.number in group.came:
            group = self._groups[message.id] = _Group()
            group.came.add(submission.number)
            while len(self._groups) > _GROUPS_MAX:
                del self._groups[next(iter(self._groups))]
            return True, None
        group.came.add(submission.number)
        if group.outcome is None:
            group.waiting.append(submission)
            return False, None
        if len(group.came) == message.segments:
            del self._groups[message.id]
        return False, _shared(group.outcome, submission)

    def answered(self, outcome: Outcome, key: str | None) -> list[Outcome]:
        """The outcome of the whole, and those of the segments that waited for it. ``key``: the id as it is kept."""
        message = outcome.submission.live.message
        if key:
            self._counts[key] = (message.segments, outcome.submission.number)
            while len(self._counts) > _COUNTS_MAX:
                del self._counts[next(iter(self._counts))]
        group = self._groups.get(message.id)
        if group is None:
            return [outcome]
        group.outcome = outcome if not key else replace(outcome, carrier_message_id=key)
        waiting, group.waiting = group.waiting, []
        if len(group.came) == message.segments:
            del self._groups[message.id]
        return [outcome, *(_shared(group.outcome, submission) for submission in waiting)]

    def receipts(self, news: ReceiptNews) -> list[ReceiptNews]:
        """A receipt, once for each segment of the message that it is about."""
        key = next((key for key in news.canonical if key in self._counts), None)
        if key is None:
            return [news]
        total, first = self._counts.pop(key) if news.state >= State.UNKNOWN else self._counts[key]
        handle = SharedHandle(news.handle, total)
        names = [key if number == first else _name(key, number) for number in range(1, total + 1)]
        return [replace(news, handle=handle, canonical=(name,)) for name in names]


def is_untouched(live: Live) -> bool:
    """Whether no segment of it was ever taken by a carrier: else the rest leaves as segments."""
    return live.segments is not None and all(one.sent_us is None for one in live.segments) and len(live.parts) > 1


def _name(key: str, number: int) -> str:
    """The id under which a segment is kept that has none of its own. The dot makes it no number."""
    return f"{key}.{number}"


def _shared(outcome: Outcome, submission: SegmentSubmission) -> Outcome:
    key = outcome.carrier_message_id
    return replace(outcome, submission=submission, carrier_message_id=_name(key, submission.number) if key else None)
