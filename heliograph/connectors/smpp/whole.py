"""Long messages that leave in one PDU, seen as the segments that the pipeline hands over one by one.

The first segment that comes takes the whole message along; the others wait for its answer and share its outcome. The
carrier gives one id and one receipt for all: their submissions are marked ``whole``, so that the id is kept for every
segment. Nothing that outlives the process is remembered here: a segment that went along has its id before it comes.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from heliograph.contracts import Outcome, SegmentSubmission
from heliograph.model import Live

__all__ = ["WholeMessages"]

_GROUPS_MAX: Final = 10_000


class _Group:
    """One way to the wire of one message."""

    __slots__ = ("came", "outcome", "waiting")

    def __init__(self) -> None:
        self.came: set[int] = set()
        self.waiting: list[SegmentSubmission] = []
        self.outcome: Outcome | None = None


class WholeMessages:
    """The long messages of one connector. ``submit`` and ``answered`` give outcomes that are known at once."""

    def __init__(self, connector_id: int) -> None:
        self._connector_id = connector_id
        self._groups: dict[str, _Group] = {}

    def takes(self, submission: SegmentSubmission) -> bool:
        """Whether it belongs to a message that leaves, or left, whole; else it leaves by itself."""
        live = submission.live
        if live.message.segments == 1:
            return False
        group = self._groups.get(live.message.id)
        return (
            (group is not None and submission.number not in group.came)
            or _is_untouched(live)
            or self._id_of(submission) is not None
        )

    def submit(self, submission: SegmentSubmission) -> tuple[bool, Outcome | None]:
        """(Whether it takes the whole message to the wire, its outcome where that is known already)."""
        message = submission.live.message
        submission.whole = True
        group = self._groups.get(message.id)
        if (group is None or submission.number in group.came) and (known := self._id_of(submission)) is not None:
            return False, Outcome(submission, known)
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
        self._forget(message.id, group, message.segments)
        return False, replace(group.outcome, submission=submission)

    def answered(self, outcome: Outcome) -> list[Outcome]:
        """The outcome of the whole, and those of the segments that waited for it."""
        message = outcome.submission.live.message
        group = self._groups.get(message.id)
        if group is None or not outcome.submission.whole:
            return [outcome]
        group.outcome = outcome
        waiting, group.waiting = group.waiting, []
        self._forget(message.id, group, message.segments)
        return [outcome, *(replace(outcome, submission=submission) for submission in waiting)]

    def _id_of(self, submission: SegmentSubmission) -> str | None:
        """The carrier's id of a segment that went along with another and was not handed over until now."""
        segments = submission.live.segments
        one = None if segments is None else segments[submission.number - 1]
        if one is None or one.sent_us is not None or one.connector_id != self._connector_id:
            return None
        return one.carrier_message_id

    def _forget(self, message_id: str, group: _Group, segments: int) -> None:
        if len(group.came) == segments:
            del self._groups[message_id]


def _is_untouched(live: Live) -> bool:
    """Whether no segment of it was ever taken by a carrier: else the rest leaves as segments."""
    return live.segments is not None and all(one.sent_us is None for one in live.segments) and len(live.parts) > 1
