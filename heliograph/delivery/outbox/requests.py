"""One request to an endpoint, and what its outcome says of it."""

from __future__ import annotations

from typing import Final

from heliograph.contracts import Answer, Heard, HttpFailure, Post, Telling, Verdict
from heliograph.delivery.outbox.callbacks import Target
from heliograph.delivery.outbox.desk import Desk
from heliograph.delivery.outbox.health import Tried
from heliograph.delivery.outbox.line import Line
from heliograph.delivery.outbox.trust import Trust
from heliograph.model import Endpoint
from heliograph.rules.redelivery import proof

__all__ = ["Requests"]

_OUTCOMES: Final = {verdict: verdict.value for verdict in Verdict}
"""An enum's ``value`` costs more than this look-up."""


class Requests:
    """Sends, listens, counts and remembers."""

    def __init__(self, desk: Desk, trust: Trust) -> None:
        self._desk = desk
        self._trust = trust

    async def send(self, line: Line, post: Post, target: Target | None, *, batch: bool) -> tuple[Heard | None, str]:
        """What came of a request: what was heard, or None and our word for the failure."""
        self._desk.counts["requests"] += 1
        answer: Answer | None = None
        heard: Heard | None = None
        try:
            answer = await self._desk.http.post(post)
            heard = self._desk.voice.hear(answer, batch=batch)
        except HttpFailure as failure:
            error = failure.code
        except Exception:
            self._desk.trouble(f"a request to endpoint {line.endpoint.id} broke")
            error = "broken"
        else:
            error = f"status_{answer.status}"
        verdict = Verdict.AGAIN if heard is None else heard.verdict
        self._desk.metrics.webhook(_OUTCOMES[verdict])
        if verdict is Verdict.DONE and answer is not None:
            line.records.took(post, answer)
        else:
            line.records.failed(post, answer, error, self._desk.clock.now_us())
        if line.hosts is not None:
            self._trust.leave(line, target, failed=verdict is Verdict.AGAIN, heard=heard)
        elif verdict is Verdict.AGAIN:
            self._trust.distrust(line, heard, error)
        elif verdict is Verdict.ONE_BY_ONE:
            line.refused_batches += 1
        else:
            line.proof = proof(line.proof, self._desk.bounds.connections, took=True)
            if line.failures or line.rest_until:
                self._trust.recovered(line)
            if batch:
                line.refused_batches = 0
        return heard, error

    def took(self, events: int, since_us: int) -> None:
        """A webhook took these events. ``since_us`` is the oldest's time (of a second try: the time of the first)."""
        self._desk.counts["events"] += events
        self._desk.metrics.told(events, max(0, self._desk.clock.now_us() - since_us) * 1e-6)

    async def test(self, endpoint: Endpoint, webhook_id: str, body: bytes) -> Tried:
        """One request now, signed as all others. Its outcome changes nothing for the endpoint."""
        now_us = self._desk.clock.now_us()
        post = self._desk.voice.words(Telling(webhook_id, [body]), endpoint, now_us)
        answer, error = None, None
        try:
            answer = await self._desk.http.post(post)
            if self._desk.voice.hear(answer, batch=False).verdict is not Verdict.DONE:
                error = f"status_{answer.status}"
        except HttpFailure as failure:
            error = failure.code
        return Tried(post, answer, error, self._desk.clock.now_us())
