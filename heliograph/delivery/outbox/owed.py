"""What is owed after a failure: deliveries that are kept, put off, split up, or given up."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from heliograph.contracts import Heard
from heliograph.delivery.eventwords import event_json
from heliograph.delivery.outbox.desk import Desk, log
from heliograph.delivery.outbox.hosts import postponed_us
from heliograph.delivery.outbox.kept import kept_id, webhook_id_of
from heliograph.delivery.outbox.line import Item, Line
from heliograph.model import DEAD_FROM_US, PendingDelivery, event_id
from heliograph.rules.redelivery import MOST_AGE_US, next_try_us

__all__ = ["Owed"]

_HOST_BUSY = "host_busy"


class Owed:
    """Puts pending deliveries on the desk. The next commit makes them durable, with the position that passes them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def let_go(self, line: Line, items: Sequence[Item]) -> None:
        """Facts of callbacks that nobody wants to hear are settled; what is too much for its host is kept."""
        if items:
            self._desk.waiting -= len(items)
            for item in items:
                if item.target is not None:
                    self._set_aside(line, item)
            line.settle(items)

    def keep(
        self, line: Line, webhook_id: str, items: Sequence[Item], body: bytes, heard: Heard | None, error: str
    ) -> None:
        """The first try failed: from here on it is a pending delivery, durable with the position that passes it."""
        now_us = self._desk.now_us()
        due_us = next_try_us(
            1, now_us, now_us, retry_after_s=heard.retry_after_s if heard else None, chance=self._desk.chance()
        )
        self._desk.deliveries.append(
            PendingDelivery(
                endpoint_id=line.endpoint.id,
                id=kept_id(webhook_id, line.endpoint),
                account_id=line.endpoint.account_id,
                events=tuple((item.fact.message_id, item.fact.sequence) for item in items),
                tries=1,
                next_us=now_us if due_us is None else due_us,
                first_us=now_us,
                body=body,
                last_error=error,
            )
        )

    def _set_aside(self, line: Line, item: Item) -> None:
        """Too much waits for its host: it is owed as if a try had failed, but none was made."""
        assert item.source is not None
        fact, now_us = item.fact, self._desk.now_us()
        webhook_id = event_id(fact.message_id, fact.sequence)
        self._desk.counts["set_aside"] += 1
        self._desk.deliveries.append(
            PendingDelivery(
                endpoint_id=line.endpoint.id,
                id=kept_id(webhook_id, line.endpoint),
                account_id=line.endpoint.account_id,
                events=((fact.message_id, fact.sequence),),
                tries=0,
                next_us=now_us + postponed_us(now_us, now_us),
                first_us=now_us,
                body=event_json(item.source, fact),
                last_error=_HOST_BUSY,
            )
        )

    def keep_again(self, line: Line, delivery: PendingDelivery, heard: Heard | None, error: str) -> None:
        """A later try failed as well: when the next is due, or that there is none."""
        now_us = self._desk.now_us()
        tries = delivery.tries + 1
        asked_s = heard.retry_after_s if heard else None
        due_us = next_try_us(tries, delivery.first_us, now_us, retry_after_s=asked_s, chance=self._desk.chance())
        if due_us is None:
            self.over(line, delivery, error)
            return
        self._desk.deliveries.append(msgspec.structs.replace(delivery, tries=tries, next_us=due_us, last_error=error))

    def over(self, line: Line, delivery: PendingDelivery, why: str) -> None:
        """No more tries: said once, aloud. It is kept as a dead letter, without what it says, to be replayed."""
        if line.closed:
            self._desk.settled.append(delivery.id)
        else:
            died_us = DEAD_FROM_US + self._desk.clock.now_us()
            self._desk.deliveries.append(msgspec.structs.replace(delivery, next_us=died_us, body=None, last_error=why))
        self._desk.counts["over"] += len(delivery.events)
        log.warning(
            "webhook %s to endpoint %s is given up after %d tries: %s",
            webhook_id_of(delivery),
            line.endpoint.id,
            delivery.tries,
            why,
        )

    def split(self, line: Line, delivery: PendingDelivery, body: bytes) -> None:
        """A batch that was refused: each event is owed singly, now, under its own id."""
        now_us = self._desk.now_us()
        self._desk.settled.append(delivery.id)
        bodies = msgspec.json.decode(body, type=list[Raw])
        for (message_id, sequence), single in zip(delivery.events, bodies, strict=True):
            self._desk.deliveries.append(
                msgspec.structs.replace(
                    delivery,
                    id=kept_id(event_id(message_id, sequence), line.endpoint),
                    events=((message_id, sequence),),
                    tries=0,
                    next_us=now_us,
                    body=bytes(single),
                )
            )

    def postpone(self, line: Line, delivery: PendingDelivery) -> None:
        """Its host has enough to do, or rests: no try was made."""
        now_us = self._desk.now_us()
        if now_us - delivery.first_us > MOST_AGE_US:
            self.over(line, delivery, delivery.last_error or _HOST_BUSY)
            return
        self._desk.counts["set_aside"] += 1
        due_us = now_us + postponed_us(delivery.first_us, now_us)
        self._desk.deliveries.append(msgspec.structs.replace(delivery, next_us=due_us))
