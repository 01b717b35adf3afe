"""A line: what one endpoint is still owed, and how far it has come. No I/O, no clock.

Facts enter by rows of the outbox, in order. Those whose message is at hand, content and all, wait in
``hot``, ready to be worded; from the first one that is not, they wait in ``cold`` until their records
have been read. The watermark is the position up to which every fact is settled: told, or kept as a
pending delivery.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from heliograph.contracts import MessageRecord
from heliograph.delivery.eventwords import states_of
from heliograph.delivery.outbox.callbacks import Callbacks, Target
from heliograph.delivery.outbox.health import Records
from heliograph.delivery.outbox.hosts import Hosts
from heliograph.model import Endpoint, Fact, Live, Message, PendingDelivery

__all__ = ["Item", "Line", "Row"]

_decode_tags = msgspec.json.Decoder(list[str]).decode


class Row:
    """A row of the outbox with facts that are still open here."""

    __slots__ = ("open", "position")

    def __init__(self, position: int) -> None:
        self.position = position
        self.open = 0


class Item:
    """One fact on its way. ``alone`` is set after its batch was refused; ``target`` is a callback's."""

    __slots__ = ("alone", "fact", "row", "source", "target")

    def __init__(self, fact: Fact, source: MessageRecord | Live | None, row: Row) -> None:
        self.fact = fact
        self.source = source
        self.row = row
        self.alone = False
        self.target: Target | None = None

    @property
    def message_id(self) -> str:
        return self.fact.message_id


class Line:
    """The queue of one endpoint.

    ``behind``: it takes nothing from memory and reads the outbox from ``read_to`` on. ``busy`` are messages
    that an event is being told of; later events of the same message wait in ``parked`` meanwhile.
    ``hosts`` and ``callbacks`` are there where the endpoint stands for all callbacks of an account.
    """

    __slots__ = (
        "active",
        "behind",
        "busy",
        "callbacks",
        "closed",
        "cold",
        "dirty",
        "endpoint",
        "expired",
        "expired_us",
        "failing_since_us",
        "failures",
        "hosts",
        "hot",
        "last_error",
        "next_due_us",
        "parked",
        "paused",
        "proof",
        "read_to",
        "records",
        "refused_batches",
        "rest_until",
        "retries",
        "retry_turn",
        "retrying",
        "rows",
        "saved",
        "since_us",
        "stalled",
        "states",
        "tags",
        "targets",
        "warming",
    )

    def __init__(self, endpoint: Endpoint, read_to: int, hosts: Hosts[Item] | None = None) -> None:
        self.endpoint = endpoint
        self.hosts = hosts
        self.callbacks = None if hosts is None else Callbacks(endpoint)
        self.targets: dict[str, Target | None] = {}
        """Of second tries of callbacks, by the delivery's id."""
        self.states = states_of(endpoint.events)
        self.tags = frozenset(endpoint.tags) or None
        self.paused = endpoint.paused_us is not None
        self.records = Records()
        self.hot: deque[Item] = deque()
        self.cold: deque[Item] = deque()
        self.warming = False
        self.parked: dict[str, deque[Item]] = {}
        self.busy: set[str] = set()
        self.rows: deque[Row] = deque()
        self.behind = True
        self.read_to = read_to
        self.since_us = 0
        """While catching up: nothing that happened before is told (an endpoint is not told of its past)."""
        self.expired_us = 0
        """What happened before is too old to be told."""
        self.expired = 0
        """Facts that were found too old, until they are counted."""
        self.saved = endpoint.position
        """The watermark that the store knows."""
        self.dirty = False
        self.active = 0
        self.failures = 0
        """In a row."""
        self.proof = 0
        """What it has shown of taking requests: see :func:`rules.redelivery.proof`."""
        self.failing_since_us = 0
        self.last_error: str | None = None
        self.rest_until = 0.0
        """Monotonic seconds."""
        self.refused_batches = 0
        self.retries: deque[PendingDelivery] = deque()
        self.retrying: set[str] = set()
        """Ids of due deliveries that were read, until their outcome is durable."""
        self.stalled: dict[str, deque[PendingDelivery]] = {}
        """Of ``retries``, what waits for the end of a request to its host, by the host."""
        self.retry_turn = False
        self.next_due_us = 0
        """When the earliest pending delivery may be due; 0: not known, ask."""
        self.closed = False

    def configure(self, endpoint: Endpoint) -> None:
        """New settings for the same endpoint."""
        if endpoint != self.endpoint:
            if endpoint.url != self.endpoint.url or endpoint.paused_us != self.endpoint.paused_us:
                self.trust()
                self.proof = 0
            self.endpoint = endpoint
            self.states = states_of(endpoint.events)
            self.tags = frozenset(endpoint.tags) or None
            self.paused = endpoint.paused_us is not None
            if self.callbacks is not None:
                self.callbacks = Callbacks(endpoint)

    def trust(self) -> None:
        """It takes what it is told, or is another: what failed before says nothing of the next request."""
        self.failures = self.failing_since_us = self.refused_batches = 0
        self.rest_until = 0.0
        self.last_error = None

    def wants(self, message: Message) -> bool:
        """Whether a message has one of the tags that this endpoint asks for."""
        tags = self.tags
        return tags is None or (message.tags is not None and not tags.isdisjoint(_decode_tags(message.tags)))

    @property
    def waiting(self) -> int:
        """Facts in memory that nobody works on."""
        waiting = len(self.hot) + len(self.cold)
        if self.hosts is not None:
            return waiting + self.hosts.held  # nothing is parked there
        return waiting + sum(map(len, self.parked.values())) if self.parked else waiting

    @property
    def pressing(self) -> int:
        """Of ``waiting``, what keeps the line from taking more: not what waits for one host among others."""
        if self.hosts is None or self.hosts.single:
            return self.waiting
        return len(self.hot) + len(self.cold)

    @property
    def batch(self) -> int:
        """Events that one request may hold; an endpoint that keeps refusing batches gets none any more."""
        return 1 if self.callbacks is not None or self.refused_batches >= 3 else self.endpoint.batch

    def offer(self, position: int, fact: Fact, source: MessageRecord | Live | None) -> bool:
        """Takes a fact of the account from a row, where it concerns this endpoint; says whether it did."""
        states = self.states
        if states is not None and fact.state not in states:
            return False
        if (self.callbacks is not None and not fact.has_callback) or fact.at_us < self.since_us:
            return False
        if fact.at_us < self.expired_us:
            self.expired += 1
            return False
        if self.tags is not None and source is not None and not self.wants(source.message):
            return False
        rows = self.rows
        if rows and rows[-1].position == position:
            row = rows[-1]
        else:
            row = Row(position)
            rows.append(row)
        row.open += 1
        if source is not None and source.content is None:
            source = None  # found by its receipt, without what it says: its record is read with others
        item = Item(fact, source, row)
        if source is None or self.cold or self.warming:
            self.cold.append(item)
        else:
            self.hot.append(item)
        return True

    def take(self) -> list[Item]:
        """What the next request tells: one item, or as many as a batch may hold. Empty when nothing can go now."""
        hot, busy = self.hot, self.busy
        most = self.batch
        taken: list[Item] = []
        mine: set[str] | None = set() if most > 1 else None
        while hot and len(taken) < most:
            if taken and hot[0].alone:
                break
            item = hot.popleft()
            message_id = item.fact.message_id
            if message_id in busy and (mine is None or message_id not in mine):
                self.parked.setdefault(message_id, deque()).append(item)
                continue
            busy.add(message_id)
            taken.append(item)
            if mine is None or item.alone:
                break
            mine.add(message_id)
        return taken

    def take_call(self, now: float, over: list[Item]) -> Item | None:
        """The next event for a callback whose host can take it; ``over`` as in :meth:`sort`."""
        assert self.hosts is not None
        self.sort(now, over)
        item = self.hosts.next_held(self.busy, now)
        if item is not None:
            self.busy.add(item.fact.message_id)
        return item

    def sort(self, now: float, over: list[Item]) -> None:
        """Puts what is ready behind what waits for the same host. ``over`` gets what does not wait here.

        That is what nobody wants to hear (it has no ``target``), and what is too much for its host.
        """
        hosts, callbacks, hot = self.hosts, self.callbacks, self.hot
        assert hosts is not None
        assert callbacks is not None
        while hot:
            item = hot.popleft()
            assert item.source is not None
            item.target = target = callbacks.target(item.source.message, item.fact.state)
            if target is None or not hosts.hold(item, target.host, now):
                over.append(item)

    def stall(self, delivery: PendingDelivery, target: Target) -> None:
        """This second try waits until a request to its host has ended."""
        self.targets[delivery.id] = target
        self.stalled.setdefault(target.host, deque()).append(delivery)

    def unstall(self, host: str, most: int) -> list[PendingDelivery]:
        """Takes what waited longest for a request to this host, up to ``most``."""
        held = self.stalled.get(host)
        if held is None:
            return []
        taken = [held.popleft() for _ in range(min(most, len(held)))]
        if not held:
            del self.stalled[host]
        return taken

    def expire(self, before_us: int) -> int:
        """Gives up what happened before then and still waits; says how much left the queues."""
        self.expired_us = before_us
        old: list[Item] = []
        for queue in (self.hot, self.cold):
            while queue and queue[0].fact.at_us < before_us:
                old.append(queue.popleft())
        if old:
            self.settle(old)
            self.expired += len(old)
        return len(old)

    def finish(self, items: Sequence[Item]) -> None:
        """These are settled: the watermark may move on."""
        self._free(items)
        self.settle(items)

    def settle(self, items: Sequence[Item]) -> None:
        """Nobody waits for these any more, and nobody was told."""
        rows = self.rows
        for item in items:
            item.row.open -= 1
        while rows and not rows[0].open:
            rows.popleft()
        self.dirty = True

    def put_back(self, items: Sequence[Item], *, alone: bool) -> None:
        """These are owed as before, and first; ``alone``: each in a request of its own."""
        for item in items:
            item.alone = item.alone or alone
        self._free(items)
        self.hot.extendleft(reversed(items))

    def watermark(self, told: int) -> int:
        """The position up to which nothing is owed; ``told`` is the newest that everybody was told."""
        if self.rows:
            return self.rows[0].position - 1
        return self.read_to if self.behind else max(self.read_to, told)

    def clear(self) -> None:
        """Owes nothing any more: the endpoint is gone."""
        self.closed = True
        for queue in (self.hot, self.cold, self.rows, self.retries):
            queue.clear()
        self.parked.clear()
        self.targets.clear()
        self.stalled.clear()
        if self.hosts is not None:
            self.hosts.clear()

    def _free(self, items: Sequence[Item]) -> None:
        """Their messages are not being told any more; what was parked behind them goes to the front."""
        busy, parked = self.busy, self.parked
        for item in items:
            message_id = item.fact.message_id
            busy.discard(message_id)
            if parked and (held := parked.pop(message_id, None)) is not None:
                self.hot.extendleft(reversed(held))
