"""Accounts as a tree: who is above whom, and what one says that the others below it do not say themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = ["MOST_BELOW", "MOST_LEVELS", "MOST_TOPS", "Tree", "inherited", "misplaced"]

MOST_LEVELS: Final = 5
"""Levels of a tree, its top being the first: carriers' resellers know three, and each costs a part of a name."""
MOST_BELOW: Final = 10_000
"""Accounts below one top: a list of all of them looks at an index for each."""
MOST_TOPS: Final = 10_000


class Tree:
    """Who is above whom. Made once for each configuration; a parent that is not there counts as none."""

    __slots__ = ("_above", "_below")

    def __init__(self, parents: Mapping[int, int | None]) -> None:
        """``parents`` names the parent of every account; whoever is above itself by mistake is taken for a top."""
        self._above = {one: _way_up(one, parents) for one in parents}
        self._below: dict[int, list[int]] = {}
        for one in sorted(parents):
            for above in self._above[one]:
                self._below.setdefault(above, []).append(one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self._above == other._above

    __hash__ = None  # type: ignore[assignment]

    def above(self, account_id: int) -> tuple[int, ...]:
        """Parent, grandparent and so on, up to the top."""
        return self._above.get(account_id, ())

    def below(self, account_id: int) -> Sequence[int]:
        """Everyone below, at any depth, without the account itself; in order of their ids."""
        return self._below.get(account_id, ())

    def within(self, account_id: int) -> tuple[int, ...]:
        """The account and everyone below."""
        return (account_id, *self.below(account_id))

    def level(self, account_id: int) -> int:
        """1 for a top."""
        return len(self.above(account_id)) + 1

    def holds(self, account_id: int, other: int) -> bool:
        """Whether ``other`` is the account or below it: whether the account may see its traffic."""
        return account_id == other or account_id in self.above(other)


def misplaced(*, level: int, below: int, tops: int) -> tuple[str, str] | None:
    """What is wrong with the place of a new account, and the remedy; None where it may stand there.

    ``level`` is its own (1 for a top), ``below`` how many are below its top, and ``tops`` how many tops there are,
    itself among them; 0 where it is none of these.
    """
    if level > MOST_LEVELS:
        return f"accounts have at most {MOST_LEVELS} levels", "make this one further up"
    if below > MOST_BELOW:
        return f"there are {MOST_BELOW} accounts below this top already", "ask the operator for another top"
    if tops > MOST_TOPS:
        return f"there are {MOST_TOPS} accounts without a parent already", "make this one below another"
    return None


def _way_up(account_id: int, parents: Mapping[int, int | None]) -> tuple[int, ...]:
    way: list[int] = []
    parent = parents.get(account_id)
    while parent is not None and parent in parents:
        if parent == account_id or parent in way:
            return ()
        way.append(parent)
        parent = parents[parent]
    return tuple(way)


def inherited(said: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What holds for an account: of what it and those above it say (nearest first), the nearest word on each thing."""
    found: dict[str, Any] = {}
    for words in said:
        for name, value in words.items():
            found.setdefault(name, value)
    return found
