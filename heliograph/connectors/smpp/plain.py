"""Segments that go again without the TLVs of the settings, because the carrier could not take these.

Once for each segment, and only where there were any. TLVs that carry the message itself (payload, sar) stay.
Source: SMPP 3.4 §5.1.3, statuses 0xC0 to 0xC4
"""

from __future__ import annotations

from typing import Any, Final

from heliograph.connectors.smpp.settings import SmppSettings
from heliograph.contracts import SegmentSubmission
from heliograph.errors import Retry, SubmitFailed
from heliograph.rules.retry import Overrides
from heliograph.smpp import constants as c

__all__ = ["PlainTries"]

_FAULTS: Final = frozenset(range(c.ESME_RINVOPTPARSTREAM, c.ESME_RINVOPTPARAMVAL + 1))

_WAIT_S: Final = 1.0
"""The least that the pipeline waits: it goes through the lane, so that pace and attempts count it."""

_TRIES_MAX: Final = 10_000
"""Segments remembered. One that is forgotten is refused, and tried so, once more."""


class PlainTries:
    """The segments of one connector that leave without the TLVs of its settings."""

    def __init__(self, settings: SmppSettings, overrides: Overrides) -> None:
        self._statuses = _FAULTS - overrides.keys() if settings.tlvs else frozenset[int]()
        self._segments: dict[tuple[str, int], None] = {}

    def __contains__(self, submission: Any) -> bool:
        return bool(self._segments) and _key(submission) in self._segments

    def failure(self, submission: SegmentSubmission, status: int) -> SubmitFailed | None:
        """What a refusal means where the segment goes again without TLVs; None for any other refusal."""
        if status not in self._statuses:
            return None
        key = _key(submission)
        if key in self._segments:
            del self._segments[key]
            return None
        self._segments[key] = None
        while len(self._segments) > _TRIES_MAX:
            del self._segments[next(iter(self._segments))]
        return SubmitFailed("message_refused", status, Retry.LATER, _WAIT_S)


def _key(submission: SegmentSubmission) -> tuple[str, int]:
    """A segment; 0 for a message that leaves whole, whichever of its segments takes it along."""
    return submission.live.message.id, 0 if submission.whole else submission.number
