"""Messages that somebody wants back while they wait in a lane's memory.

A cancellation is a commit that races with the lane. The lane lets go first: a recalled message gets no
permit, and so is not written to a wire. Then the store decides. Where it keeps the cancellation, memory
drops the message when its turn comes; where it does not, the message takes its turn again.
"""

from __future__ import annotations

from heliograph.delivery.lane.work import Work

__all__ = ["Recalls"]


class Recalls:
    """What is recalled from one lane."""

    __slots__ = ("_asked", "_canceled")

    def __init__(self) -> None:
        self._asked: dict[str, Work | None] = {}
        """Recalled, and not decided yet: the work once its turn came, None before."""
        self._canceled: set[str] = set()
        """Canceled, and its turn has not come yet."""

    def __bool__(self) -> bool:
        return bool(self._asked or self._canceled)

    def ask(self, message_id: str) -> bool:
        """Recalls a message without a permit; False when somebody else just does the same."""
        if message_id in self._asked:
            return False
        self._asked[message_id] = None
        return True

    def keeps(self, work: Work) -> bool:
        """Whether this work, whose turn has come, may not leave; then it is out of the lane's queue."""
        message_id = work.live.message.id
        if message_id in self._asked:
            self._asked[message_id] = work
            return True
        if message_id in self._canceled:
            self._canceled.remove(message_id)
            return True
        return False

    def canceled(self, message_id: str) -> None:
        """The store keeps the cancellation."""
        if self._asked.pop(message_id, None) is None:
            self._canceled.add(message_id)

    def restored(self, message_id: str) -> Work | None:
        """The store does not keep it; gives the work whose turn came meanwhile."""
        return self._asked.pop(message_id, None)

    def emptied(self) -> None:
        """The lane's memory is empty: nothing that was canceled is there any more."""
        self._canceled.clear()
