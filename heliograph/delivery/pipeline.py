"""The pipeline in one piece: the rooms of delivery, built and wired in the order in which a message meets them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

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
from heliograph.delivery.unreadable import UnreadableRows
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
        self._running = False
        self._wanted: Mapping[int, Connector] = {}
        self._settling: dict[int, asyncio.Task[None]] = {}
        """Lanes that end or begin, by their connector."""
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
        self.unreadable = UnreadableRows(self.ledger, clock, metrics)
        store.on_unreadable = self.unreadable.met

    async def start(self, connectors: Sequence[Connector]) -> None:
        """Settles what the last run left, then opens the lanes."""
        await self.rescue.recover()
        await self.schedules.start()
        await self.set_connectors(connectors, drain_s=0.0)
        self.dispatch.mark_waiting(await self._store.waiting())
        self._running = True
        self.rescue.start()

    async def set_connectors(self, connectors: Sequence[Connector], *, drain_s: float) -> None:
        """:meth:`plan_connectors`, and waits until it is so."""
        self.plan_connectors(connectors, drain_s=drain_s)
        await self.settled()

    def plan_connectors(self, connectors: Sequence[Connector], *, drain_s: float) -> None:
        """Opens lanes for connectors that are new, closes those that are not named; the others keep their links.

        A lane that ends has ``drain_s`` for its last answers, and what takes its place waits for that; nobody else
        does, a later plan neither. Lanes of sandboxes stay as they are.
        """
        self._wanted = {connector.id: connector for connector in connectors}
        self.directory.set_connectors(connectors)
        lanes, virtual = self.dispatch.lanes, self.directory.sandboxes  # these come and go with their test keys
        for one in {*self._wanted, *(lane for lane in lanes if lane not in virtual)} - self._settling.keys():
            if one not in lanes or lanes[one].connector is not self._wanted.get(one):
                self._settling[one] = asyncio.get_running_loop().create_task(self._settle(one, drain_s))

    async def settled(self) -> None:
        """Waits until lanes are as planned last. Raises what went wrong with one."""
        while self._settling:
            await asyncio.gather(*self._settling.values())

    async def _settle(self, connector_id: int, drain_s: float) -> None:
        """Closes and opens one lane until it is as wanted: that may change while an old link ends."""
        try:
            while (lane := self.dispatch.lanes.get(connector_id)) is not None or connector_id in self._wanted:
                wanted = self._wanted.get(connector_id)
                if lane is None and wanted is not None:
                    await self._open(wanted)
                elif lane is not None and lane.connector is not wanted:
                    await self.dispatch.remove(connector_id, drain_s)
                else:
                    break
        finally:
            del self._settling[connector_id]

    async def _open(self, connector: Connector) -> None:
        """What waited for a connector goes before what comes from now on."""
        waiting = await self._store.waiting() if self._running else set()
        await self.dispatch.add(connector)
        if self._running:
            waiting |= await self._store.waiting()  # what came between
            self.dispatch.mark_waiting({one for one in waiting if one[0] == connector.id})

    async def stop(self, drain_s: float) -> None:
        """Answers what was begun, lets carriers answer what they have, and leaves the rest to the next start."""
        await self.rescue.stop()
        await self.schedules.stop()
        await self.intake.drain(drain_s)
        self._wanted = {}
        await asyncio.gather(*self._settling.values(), return_exceptions=True)
        await asyncio.gather(*(self.dispatch.remove(one, drain_s) for one in list(self.dispatch.lanes)))
        await self.receipts.drain(drain_s)
        await self.inbound.drain(drain_s)
        await self.ledger.drain(drain_s)
