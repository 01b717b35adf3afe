"""Several carriers that live together: what a file describes, and what runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final

from heliograph.config.fields import setting
from heliograph.simulator.carrier import VirtualCarrier
from heliograph.simulator.settings import CarrierSettings

__all__ = ["RunningWorld", "World"]

_SEED_STEP: Final = 1_000_003
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class World:
    """A world as its file describes it."""

    about: str = setting("", "What kind of world it is, for people.")
    seed: int = setting(0, "What all chance begins with: the same seed and the same submits give the same answers.")
    control_host: str = setting("127.0.0.1", "Where the control API listens: a loopback address.", choices=_LOOPBACK)
    control_port: int = setting(8775, "Its port; 0: any free one.", min=0, max=65_535)
    carriers: tuple[CarrierSettings, ...] = setting(doc="Its carriers.")

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """What is wrong with it as a whole: (setting, what, remedy)."""
        if not self.carriers:
            yield "carriers", "has no entry", 'write [[carriers]] and name = "main"'
        carriers = [carrier for carrier in self.carriers if carrier is not None]
        for name, times in Counter(carrier.name for carrier in carriers).items():
            if times > 1:
                yield "carriers", f'has {times} carriers called "{name}"', "give each a name of its own"
        for port, times in Counter(carrier.port for carrier in carriers if carrier.port).items():
            if times > 1:
                yield "carriers", f"has {times} carriers on port {port}", "give each a port of its own, or 0"

    def seeded(self) -> tuple[CarrierSettings, ...]:
        """The carriers, each with a seed of its own that comes from the world's."""
        return tuple(
            carrier if carrier.seed else replace(carrier, seed=self.seed + at * _SEED_STEP)
            for at, carrier in enumerate(self.carriers, 1)
        )


class RunningWorld:
    """The carriers of a world, listening.

    async with RunningWorld(read_world("calm")) as world: ...
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.carriers = {settings.name: VirtualCarrier(settings) for settings in world.seeded()}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> RunningWorld:
        async with AsyncExitStack() as stack:
            for carrier in self.carriers.values():
                await stack.enter_async_context(carrier)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()
