"""The clock of a sandbox: lets time pass for what is in it, and for nobody else.

The machine's clock stays what it is. What waits in the sandbox comes nearer by as much as the clock is moved; what
is sent afterwards is by the real time again, so a test need not put anything back.
Source: docs/howto/sandbox.md
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from msgspec import Struct

from heliograph.delivery.pipeline import Pipeline
from heliograph.sandbox.world import SandboxWorld

__all__ = ["MOST_ADVANCE_S", "Passed", "advance"]

MOST_ADVANCE_S: Final = 400 * 86_400
"""No date is further ahead."""
_SETTLES_S: Final = 5.0
"""How long is waited for the pipeline to take the receipts that came due."""


class Passed(Struct, frozen=True, kw_only=True):
    """What happened: messages whose date came, messages whose date came nearer, messages that ended by time."""

    due: int
    nearer: int
    ended: int


async def advance(pipeline: Pipeline, world: SandboxWorld, by_s: int) -> Passed:
    """Lets ``by_s`` seconds pass in this sandbox.

    In this order: what the virtual carrier owes (receipts, replies, answers) and further tries come so much sooner;
    messages end whose validity, or the patience for their receipt, is over by then; dates come nearer, and what is
    due goes now. What goes now has its whole validity before it.
    """
    world.carrier.hasten(by_s)
    lane = pipeline.dispatch.lanes.get(world.connector_id)
    if lane is not None:
        lane.hasten(by_s)
    with suppress(TimeoutError):  # messages come and go all the time: it is as far as it can be
        await world.carrier.settled(_SETTLES_S)
    ended = await pipeline.rescue.end_within(world.account_id, by_s)
    due, nearer = await pipeline.schedules.bring_forward(world.account_id, by_s)
    return Passed(due=due, nearer=nearer, ended=ended)
