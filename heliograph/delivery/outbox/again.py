"""Second tries: deliveries that the store kept, told with the body of the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from heliograph.contracts import MessageRecord, Verdict
from heliograph.delivery.eventwords import events_of
from heliograph.delivery.outbox.callbacks import Callbacks, Target
from heliograph.delivery.outbox.desk import Desk
from heliograph.delivery.outbox.kept import REPLAY_HEADER, is_replay, webhook_id_of
from heliograph.delivery.outbox.line import Line
from heliograph.delivery.outbox.owed import Owed
from heliograph.delivery.outbox.removals import Removals
from heliograph.delivery.outbox.requests import Requests
from heliograph.delivery.outbox.trust import Trust
from heliograph.errors import StoreError
from heliograph.model import PendingDelivery

__all__ = ["SecondTries"]

_FOREVER_US = 1 << 62
_NOT_KEPT = "the message is not kept any more"


class SecondTries:
    """Reads what is due and tells it. ``kick`` starts workers for a line."""

    def __init__(
        self,
        desk: Desk,
        requests: Requests,
        owed: Owed,
        trust: Trust,
        removals: Removals,
        kick: Callable[[Line], None],
    ) -> None:
        self._desk = desk
        self._requests = requests
        self._owed = owed
        self._trust = trust
        self._removals = removals
        self._kick = kick

    async def load_due(self, line: Line) -> None:
        """Reads second tries that are due, or learns when the next one will be."""
        now_us = self._desk.now_us()
        endpoint_id = line.endpoint.id
        due = await self._desk.store.due_deliveries(endpoint_id, now_us, self._desk.bounds.retries)
        if due:
            if line.callbacks is not None:
                line.targets = await self._targets(line.callbacks, due)
            line.retries.extend(due)
            line.retrying.update(delivery.id for delivery in due)
            line.next_due_us = 0
            self._kick(line)
            return
        later = await self._desk.store.due_deliveries(endpoint_id, _FOREVER_US, 1)
        kept = min((d.next_us for d in self._desk.deliveries if d.endpoint_id == endpoint_id), default=_FOREVER_US)
        line.next_due_us = min(later[0].next_us if later else _FOREVER_US, kept)

    async def tell_again(self, line: Line, delivery: PendingDelivery) -> None:
        """A second try, or a later one, with the body of the first."""
        target: Target | None = None
        if line.hosts is not None:
            target = line.targets.pop(delivery.id, None)
            if target is None:
                self._owed.over(line, delivery, _NOT_KEPT)
                return
            if not line.hosts.enter(target.host, self._desk.clock.monotonic()):
                if line.hosts.is_open(target.host):
                    line.stall(delivery, target)
                else:
                    self._owed.postpone(line, delivery)
                return
        try:
            body = delivery.body or await self._body(delivery)
        except StoreError:
            line.retrying.discard(delivery.id)  # still due in the store: it comes again
            self._trust.leave(line, target, failed=False)
            return
        if body is None:
            self._owed.over(line, delivery, _NOT_KEPT)
            self._trust.leave(line, target, failed=False)
            return
        endpoint = line.endpoint if target is None else target.endpoint
        post = self._desk.voice.repeat(webhook_id_of(delivery), body, endpoint, self._desk.clock.now_us())
        if is_replay(delivery):
            post = msgspec.structs.replace(post, headers={**post.headers, **REPLAY_HEADER})
        heard, error = await self._requests.send(line, post, target, batch=len(delivery.events) > 1)
        if heard is None or heard.verdict is Verdict.AGAIN:
            self._owed.keep_again(line, delivery, heard, error)
        elif heard.verdict is Verdict.DONE:
            self._requests.took(len(delivery.events), delivery.first_us)
            self._desk.settled.append(delivery.id)
        elif heard.verdict is Verdict.ONE_BY_ONE:
            self._owed.split(line, delivery, body)
        else:
            self._desk.settled.append(delivery.id)
            self._removals.gone(line)

    async def _targets(self, callbacks: Callbacks, deliveries: Sequence[PendingDelivery]) -> dict[str, Target | None]:
        """Where second tries of callbacks go: their messages know, and are read all at once."""
        ids = {(delivery.account_id, delivery.events[0][0]) for delivery in deliveries}
        records = await self._desk.store.records(sorted(ids))
        return {
            delivery.id: callbacks.target(record.message, None)
            for delivery in deliveries
            if (record := records.get(delivery.events[0][0])) is not None
        }

    async def _body(self, delivery: PendingDelivery) -> bytes | None:
        """The body of a delivery that was put there by others, worded from the rows."""
        records = await self._desk.store.records(
            [(delivery.account_id, message_id) for message_id, _ in delivery.events]
        )
        events = [await self._worded(records.get(message_id), sequence) for message_id, sequence in delivery.events]
        known = [event for event in events if event is not None]
        if not known:
            return None
        return known[0] if len(delivery.events) == 1 else b"[" + b",".join(known) + b"]"

    async def _worded(self, record: MessageRecord | None, sequence: int) -> bytes | None:
        if record is None:
            return None
        logged = await self._desk.store.logged(record.message.account_id, record.message.id)
        events = (event for event in events_of(record, logged) if event.sequence == sequence)
        return next((msgspec.json.encode(event) for event in events), None)
