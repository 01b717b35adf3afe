"""The page of the simulator, made from its tables: ``python -m heliograph.simulator.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from heliograph.simulator.mischief import MISBEHAVIOURS, Fate

__all__ = ["page"]

_HEAD: Final = """# The simulator

Made from the code by `python -m heliograph.simulator.reference > docs/reference/simulator.md`.
[How to use it](../howto/simulate-carriers.md).
"""
_FATES: Final = {
    Fate.UNHARMED: "delivered, submitted once",
    Fate.LATER: "not taken while it lasts; submitted again after a wait, not marked as a possible duplicate; delivered",
    Fate.AGAIN: "the outcome of a submit is not known; submitted again, marked `possible_duplicate`, and delivered "
    "(with `at_most_once`: ends as `unknown`)",
    Fate.NO_NEWS: "stays `sent`; ends as `unknown` when its receipt is overdue",
}


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *_misbehaviours()]).rstrip() + "\n"


def _misbehaviours() -> Iterator[str]:
    yield f"## Misbehaviours\n\n{len(MISBEHAVIOURS)} ways of going wrong, with what becomes of a message meanwhile:\n"
    yield "| fate | a message of ours |\n|---|---|"
    yield from (f"| {fate.value} | {words} |" for fate, words in _FATES.items())
    yield "\n| misbehaviour | the carrier | fate |\n|---|---|---|"
    yield from (f"| `{kind.name}` | {kind.what} | {kind.fate.value} |" for kind in MISBEHAVIOURS.values())
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
