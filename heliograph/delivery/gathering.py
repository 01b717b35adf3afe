"""Gathering: what is decided in memory, and the one read of what memory cannot say."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from heliograph.contracts import ReferenceKey, Store
from heliograph.delivery.decide import Decider, Draft, opted_out
from heliograph.delivery.submission import Submission
from heliograph.errors import RequestRejected
from heliograph.telemetry.metrics import Metrics

__all__ = ["Gathering", "Questions"]

_REFERENCES = 100_000
"""Pairs whose last reference is known; those behind are asked of the store again."""


class Questions(Struct):
    """What is asked of the store before a decision."""

    recipients: list[tuple[int, str]]
    references: list[ReferenceKey]

    def __bool__(self) -> bool:
        return bool(self.recipients or self.references)


class Gathering:
    """Drafts of messages, and what the store knows of their recipients."""

    __slots__ = ("_decide", "_metrics", "_store", "references")

    def __init__(self, store: Store, decider: Decider, metrics: Metrics) -> None:
        self._store = store
        self._decide = decider.decide
        self._metrics = metrics
        self.references: dict[ReferenceKey, int] = {}
        """The references that were used last."""

    def draft(self, submissions: Sequence[Submission]) -> list[Draft | RequestRejected]:
        decide = self._decide
        drafts: list[Draft | RequestRejected] = []
        for submission in submissions:
            try:
                drafts.append(decide(submission))
            except RequestRejected as rejected:
                self._metrics.refused(rejected.code)
                drafts.append(rejected)
        return drafts

    def questions(self, drafted: Sequence[Sequence[Draft | RequestRejected]]) -> Questions:
        """What memory cannot say: whether a recipient opted out, where a pair's references are."""
        asked = Questions([], [])
        may_be_opted_out, known = self._store.may_be_opted_out, self.references
        for drafts in drafted:
            for draft in drafts:
                if isinstance(draft, RequestRejected):
                    continue
                if may_be_opted_out(*draft.pair):
                    asked.recipients.append(draft.pair)
                if draft.reference_key is not None and draft.reference_key not in known:
                    asked.references.append(draft.reference_key)
        return asked

    async def gather(self, drafted: list[list[Draft | RequestRejected]], asked: Questions) -> None:
        """One read each of opt-outs and references; then what they say is decided, too."""
        if asked.references:
            last = await self._store.references(asked.references)
            for key in asked.references:
                self.references.setdefault(key, last.get(key, 0))
        if asked.recipients:
            self.bar(drafted, await self._store.opted_out(asked.recipients))

    def bar(self, drafted: list[list[Draft | RequestRejected]], barred: Collection[tuple[int, str]]) -> None:
        """Refuses the drafts to recipients that opted out."""
        if not barred:
            return
        for drafts in drafted:
            for index, draft in enumerate(drafts):
                if isinstance(draft, Draft) and draft.pair in barred:
                    drafts[index] = opted_out(draft.recipient)
                    self._metrics.refused("recipient_opted_out")

    def forget(self) -> None:
        """Bounds what is remembered of references."""
        while len(self.references) > _REFERENCES:
            del self.references[next(iter(self.references))]
