"""The pipeline in one piece: the rooms of delivery, built and wired in the order in which a message meets them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from heliograph.contracts import Clock, Connector, Store
from heliograph.delivery.directory import Directory
from heliograph.delivery.dispatch import Dispatch
from heliograph.delivery.inbound import Inbound
from heliograph.delivery.intake import Intake, IntakeLimits
from heliograph.delivery.lane import LaneLimits
from heliograph.delivery.ledger import Ledger
from heliograph.delivery.receipts import Receipts
from heliograph.delivery.rescue import Rescue, RescueSettings
from heliograph.delivery.schedules import Schedules
from heliograph.model import IdSource
from heliograph.telemetry.metrics import Metrics

__all__ = ["Pipeline"]


class Pipeline:
    """intake → dispatch → receipts → outbox, with inbound and rescue beside them.

    The outbox is not built here: it hears of every commit through ``store.on_facts``.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        ids: IdSource,
        clock: Clock,
        metrics: Metrics,
        *,
        lane_limits: LaneLimits | None = None,
        intake_limits: IntakeLimits | None = None,
        rescue_settings: RescueSettings | None = None,
    ) -> None:
        self._store = store
        self.directory = directory
        self.ledger = Ledger(store, clock, metrics)
        self.dispatch = Dispatch(store, self.ledger, directory, clock, metrics, limits=lane_limits)
        self.intake = Intake(store, self.dispatch, directory, ids, clock, metrics, limits=intake_limits)
        self.schedules = Schedules(store, self.ledger, self.dispatch, clock, metrics)
        self.receipts = Receipts(store, self.ledger, clock, metrics)
        self.inbound = Inbound(store, directory, ids, clock, metrics)
        self.rescue = Rescue(
            store, self.ledger, self.dispatch, self.receipts, self.inbound, clock, metrics, rescue_settings
        )
        self.dispatch.on_settled = self.receipts.settled
        self.dispatch.on_receipts = self.receipts.receipts
        self.dispatch.on_inbound = self.inbound.inbound
        store.on_opt_outs = self.dispatch.opted_out

    async def start(self, connectors: Sequence[Connector]) -> None:
        """Settles what the last run left, then opens the lanes."""
        await self.rescue.recover()
        await self.schedules.start()
        await self.set_connectors(connectors, drain_s=0.0)
        self.dispatch.mark_waiting(await self._store.waiting())
        self.rescue.start()

    async def set_connectors(self, connectors: Sequence[Connector], *, drain_s: float) -> None:
        """Opens lanes for connectors that are new, closes those that are not named; the others keep their links.

        Lanes of sandboxes stay as they are.
        """
        named = {connector.id: connector for connector in connectors}
        virtual = self.directory.sandboxes  # these come and go with the test keys that use them
        gone = [
            one
            for one, lane in self.dispatch.lanes.items()
            if named.get(one) is not lane.connector and one not in virtual
        ]
        await asyncio.gather(*(self.dispatch.remove(one, drain_s) for one in gone))
        self.directory.set_connectors(connectors)
        for connector in connectors:
            if connector.id not in self.dispatch.lanes:
                await self.dispatch.add(connector)

    async def stop(self, drain_s: float) -> None:
        """Answers what was begun, lets carriers answer what they have, and leaves the rest to the next start."""
        await self.rescue.stop()
        await self.schedules.stop()
        await self.intake.drain(drain_s)
        await asyncio.gather(*(self.dispatch.remove(one, drain_s) for one in list(self.dispatch.lanes)))
        await self.receipts.drain(drain_s)
        await self.inbound.drain(drain_s)
        await self.ledger.drain(drain_s)
