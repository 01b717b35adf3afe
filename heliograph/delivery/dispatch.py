"""Dispatch: the lanes of this node, and where news from carriers goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec.structs import replace

from heliograph.contracts import Clock, Connector, InboundShort, Outcome, ReceiptNews, SegmentSubmission, Store, Update
from heliograph.delivery.directory import Directory
from heliograph.delivery.lane import Admission, Lane, LaneLimits
from heliograph.delivery.ledger import Batch, Ledger
from heliograph.delivery.strays import Strays
from heliograph.model import AT_ONCE, Live, Message
from heliograph.telemetry.metrics import Metrics

__all__ = ["Dispatch"]


class Dispatch:
    """Owns a lane for each connector; hears what connectors say."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        directory: Directory,
        clock: Clock,
        metrics: Metrics,
        *,
        limits: LaneLimits | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._directory = directory
        self._clock = clock
        self._metrics = metrics
        self._limits = limits or LaneLimits()
        self.lanes: dict[int, Lane] = {}
        self._strays = Strays(store, ledger, directory, clock)
        ledger.wires = self.wires
        self.on_settled: Callable[[Batch, Connector, Sequence[tuple[SegmentSubmission, str]]], None] = _nobody
        self.on_receipts: Callable[[Connector, Sequence[ReceiptNews]], None] = _nobody
        self.on_inbound: Callable[[Connector, Sequence[InboundShort]], None] = _nobody

    # --- lanes -----------------------------------------------------------------------------------

    async def add(self, connector: Connector) -> Lane:
        """Opens a lane for a connector, and starts it."""
        lane = self.lanes[connector.id] = Lane(
            connector,
            self._store,
            self._ledger,
            self._clock,
            self._metrics,
            move=self._move,
            elsewhere=self._elsewhere,
            settled=self.on_settled,
            limits=self._limits,
            sandbox=self._directory.sandboxes.get(connector.id, 0),
        )
        await connector.start(self)
        return lane

    async def remove(self, connector_id: int, drain_s: float) -> None:
        """Closes a lane: what it held is back in the store when this returns."""
        lane = self.lanes.get(connector_id)
        if lane is not None:
            await lane.close(drain_s)
            self.lanes.pop(connector_id, None)

    def mark_waiting(self, waiting: set[tuple[int, int, int]]) -> None:
        """Start-up: what the store has waiting for each lane."""
        for connector_id, kind, account_id in waiting:
            lane = self.lanes.get(connector_id)
            if lane is not None:
                lane.mark_backlog(kind, account_id)

    async def sweep(self) -> None:
        """Due work that nobody told of, and what is due on a connector that is no more."""
        for lane in list(self.lanes.values()):
            await lane.sweep()
        await self._strays.sweep(self.lanes)

    def opted_out(self) -> None:
        """Somebody opted out: lanes look once more at what they have in memory."""
        for lane in self.lanes.values():
            lane.opted_out()

    # --- intake ----------------------------------------------------------------------------------

    def admit(self, connector_id: int, message: Message, permit: bool = True) -> Admission:
        """Reserves a place in a lane for a message that is about to be written; a permit too, where there is one."""
        lane = self.lanes.get(connector_id)
        if lane is None:
            return Admission.WAITING
        return lane.admit(message, permit)

    async def reserve(self, connector_id: int, key: tuple[int, int], segments: int) -> int:
        """Waits a moment for room for many segments of a (class, account); ``placed`` takes what this gives."""
        lane = self.lanes.get(connector_id)
        return 0 if lane is None else await lane.reserve(key, segments)

    def placed(self, connector_id: int, key: tuple[int, int], segments: int) -> None:
        """What ``reserve`` promised has been admitted, or will not be."""
        lane = self.lanes.get(connector_id)
        if lane is not None and segments:
            lane.placed(key, segments)

    def wires(self, connector_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
        """What the rows of these lanes must say from the next commit on."""
        return {one: self.lanes[one].wire for one in connector_ids if one in self.lanes}

    def enter(self, admitted: Sequence[tuple[Live, Admission]]) -> None:
        """These messages are durable now."""
        now = self._clock.monotonic()
        lanes: Mapping[int, Lane] = self.lanes
        entered: set[int] = set()
        for live, admission in admitted:
            connector_id = live.progress.connector_id
            lane = lanes.get(connector_id)
            if lane is not None:
                lane.enter(live, admission, now)
                entered.add(connector_id)
        for connector_id in entered:
            lanes[connector_id].plan_turn()

    def abandon(self, refused: Sequence[tuple[Live, Admission]]) -> None:
        """These messages were not written."""
        for live, admission in refused:
            lane = self.lanes.get(live.progress.connector_id)
            if lane is not None:
                lane.abandon(live.message, admission)

    # --- from one lane to another ----------------------------------------------------------------

    def _elsewhere(self, live: Live, connector_id: int) -> int | None:
        """The next connector of the message's route that exists, or None at its end."""
        route = live.message.route
        if route is None:
            return None
        account_id = live.message.account_id
        following = self._directory.connector_after(account_id, route, connector_id)
        while following is not None and following not in self.lanes:
            following = self._directory.connector_after(account_id, route, following)
        return following

    def _move(self, batch: Batch, live: Live, connector_id: int) -> None:
        """What is left of a message goes on to another lane, by way of the store: it must know where that waits."""
        message, old = live.message, live.progress
        progress = replace(old, version=old.version + 1, connector_id=connector_id, owner=0, due_us=AT_ONCE)
        batch.changes.updates.append(Update(message.id, message.account_id, old.version, progress))
        live.progress = progress
        lane = self.lanes.get(connector_id)
        if lane is not None:
            lane.mark_backlog(message.type, message.account_id)
            lane.plan_turn()

    # --- what connectors say ---------------------------------------------------------------------

    def ready(self, connector: Connector) -> None:
        lane = self.lanes.get(connector.id)
        if lane is not None:
            lane.plan_turn()

    def outcomes(self, connector: Connector, outcomes: Sequence[Outcome]) -> None:
        lane = self.lanes.get(connector.id)
        if lane is not None:
            lane.outcomes(outcomes)

    def receipts(self, connector: Connector, receipts: Sequence[ReceiptNews]) -> None:
        self.on_receipts(connector, receipts)

    def late(self, connector: Connector, submissions: Sequence[tuple[SegmentSubmission, str]]) -> None:
        for submission, _ in submissions:
            submission.late = True
        self.on_settled(self._ledger.batch, connector, submissions)

    def congested(self, connector: Connector, state: int) -> None:
        lane = self.lanes.get(connector.id)
        if lane is not None:
            lane.congested(state)

    def inbound(self, connector: Connector, shorts: Sequence[InboundShort]) -> None:
        self.on_inbound(connector, shorts)


def _nobody(*_: object) -> None:
    raise AssertionError("dispatch was started before its listeners were set")
