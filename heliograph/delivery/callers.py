"""Who waits for intake: how many messages that are, which idempotency keys are in use, that each is answered once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from heliograph.delivery.allowance import Allowance
from heliograph.delivery.errands import Errands
from heliograph.delivery.idempotency import mismatch
from heliograph.delivery.submission import IdempotencyKey, Received, Submission
from heliograph.errors import RequestRejected, StoreBusy

__all__ = ["Answered", "Callers", "Request"]

Answered = Callable[[Received | BaseException], None]
"""Hears once what became of submissions. ``RequestRejected``: a misused idempotency key (409), or limits that they are
too much for (429). ``StoreBusy``: nothing was kept. Any other exception is a fault of ours. It must not raise."""


class Request:
    """Submissions of one caller, who waits for all of them."""

    __slots__ = ("allowance", "answered", "idempotency", "submissions")

    def __init__(
        self,
        submissions: Sequence[Submission],
        answered: Answered,
        idempotency: IdempotencyKey | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self.submissions = submissions
        self.answered: Answered | None = answered
        """None once it was."""
        self.idempotency = idempotency
        self.allowance = allowance


class Callers:
    """Those who have not been answered yet: at most so many messages."""

    __slots__ = ("_errands", "_most", "_pending", "_running")

    def __init__(self, most_messages: int, errands: Errands) -> None:
        """``errands`` are open as long as anybody waits."""
        self._most = most_messages
        self._errands = errands
        self._pending = 0
        self._running: dict[tuple[int, str], bytes] = {}

    def enter(self, request: Request) -> None:
        """Raises ``RequestRejected`` for an idempotency key that is in use (409), ``StoreBusy`` when too many wait."""
        count = len(request.submissions)
        if self._pending + count > self._most:
            raise StoreBusy("more messages wait to be stored than this server takes at once")
        key = request.idempotency
        if key is not None:
            self._refuse_running(key)
            self._running[key.account_id, key.key] = key.body_hash
        self._pending += count
        self._errands.open()

    def _refuse_running(self, key: IdempotencyKey) -> None:
        running = self._running.get((key.account_id, key.key))
        if running is None:
            return
        if running != key.body_hash:
            raise mismatch()
        raise RequestRejected(
            "idempotency_in_progress",
            "A request with this Idempotency-Key is being worked on: send the same request again in a moment.",
            field="Idempotency-Key",
            status=409,
            retry_after_s=1,
        )

    def answer(self, request: Request, what: Received | BaseException) -> None:
        """Once, and the first time: what was said is what the caller knows."""
        answered, request.answered = request.answered, None
        if answered is None:
            return
        self._pending -= len(request.submissions)
        key = request.idempotency
        if key is not None:
            self._running.pop((key.account_id, key.key), None)
        self._errands.close()
        answered(what)

    def fail(self, requests: Iterable[Request], error: BaseException) -> None:
        """The same answer for all of these."""
        for request in requests:
            self.answer(request, error)
