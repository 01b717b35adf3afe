"""The page of the simulator, made from its tables: ``python -m heliograph.simulator.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from heliograph.config.reference import table
from heliograph.simulator.behaviours import Drift, HandsetRule, Hours, NumberRange, Outage
from heliograph.simulator.control import PROBLEMS
from heliograph.simulator.mischief import MISBEHAVIOURS, Fate
from heliograph.simulator.outcomes import OUTCOMES
from heliograph.simulator.reading import WORLDS, read_world
from heliograph.simulator.settings import FINAL_STATES, CarrierSettings, ReceiptSettings, Refusal
from heliograph.simulator.world import World

__all__ = ["page"]

_HEAD: Final = """# The simulator

Made from the code by `python -m heliograph.simulator.reference > docs/reference/simulator.md`.
[How to use it](../howto/simulate-carriers.md).
"""
_SECTIONS: Final = {
    "At its head": World,
    "`[[carriers]]`": CarrierSettings,
    "`[carriers.receipts]`": ReceiptSettings,
    "`[[carriers.refusals]]`": Refusal,
    "`[[carriers.ranges]]`": NumberRange,
    "`[[carriers.rules]]`": HandsetRule,
    "`[[carriers.hours]]`": Hours,
    "`[[carriers.outages]]`": Outage,
    "`[carriers.drift]`": Drift,
}
_STATES_ROW: Final = (
    "| `final_states` | a table of numbers | `{ DELIVRD = 1 }` | Final states and their weights: "
    + ", ".join(f"`{word}`" for word in FINAL_STATES)
    + ". |"
)
_NOT_IN_WORLDS: Final = (
    "final_states",
    "carriers",
    "receipts",
    "refusals",
    "ranges",
    "rules",
    "hours",
    "outages",
    "drift",
)
"""Tables, which have sections of their own."""
_FATES: Final = {
    Fate.UNHARMED: "delivered, submitted once",
    Fate.LATER: "not taken while it lasts; submitted again after a wait, not marked as a possible duplicate; delivered",
    Fate.AGAIN: "the outcome of a submit is not known; submitted again, marked `possible_duplicate`, and delivered "
    "(with `at_most_once`: ends as `unknown`)",
    Fate.CUT: "delivered; what is on a link in the moment in which it ends as `again`, the rest as `unharmed`",
    Fate.NO_NEWS: "stays `sent`; ends as `unknown` when its receipt is overdue",
}


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *_worlds(), *_settings(), *_outcomes(), *_misbehaviours(), *_problems()]).rstrip() + "\n"


def _worlds() -> Iterator[str]:
    yield "## Worlds\n\nReady to use with `heliograph simulate --world NAME`:\n"
    yield "| world | what it is | carriers |\n|---|---|---|"
    for name in WORLDS:
        world = read_world(name)
        carriers = ", ".join(f"`{carrier.name}` ({carrier.port})" for carrier in world.carriers)
        yield f"| `{name}` | {world.about} | {carriers} |"
    yield ""


def _settings() -> Iterator[str]:
    yield "## The file of a world\n\nTOML. `heliograph simulate check FILE` tells everything that is wrong with one.\n"
    for title, cls in _SECTIONS.items():
        yield f"### {title}\n\n{(cls.__doc__ or '').split(chr(10))[0]}\n"
        *rows, end = table(cls, without=_NOT_IN_WORLDS)
        yield from rows
        if cls is ReceiptSettings:
            yield _STATES_ROW
        yield end


def _outcomes() -> Iterator[str]:
    yield "## Outcomes\n\nWhat a range of numbers can have; a status such as `0x0B` can stand in their place.\n"
    yield "| outcome | the carrier |\n|---|---|"
    yield from (f"| `{name}` | {outcome.what} |" for name, outcome in OUTCOMES.items())
    yield ""


def _problems() -> Iterator[str]:
    yield "## Problems of the control API\n"
    yield "| code | status | meaning |\n|---|---|---|"
    yield from (f"| `{code}` | {status} | {title} |" for code, (status, title) in PROBLEMS.items())


def _misbehaviours() -> Iterator[str]:
    yield f"## Misbehaviours\n\n{len(MISBEHAVIOURS)} ways of going wrong, with what becomes of a message meanwhile:\n"
    yield "| fate | a message of ours |\n|---|---|"
    yield from (f"| {fate.value} | {words} |" for fate, words in _FATES.items())
    yield "\n| misbehaviour | the carrier | fate |\n|---|---|---|"
    yield from (f"| `{kind.name}` | {kind.what} | {kind.fate.value} |" for kind in MISBEHAVIOURS.values())
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
