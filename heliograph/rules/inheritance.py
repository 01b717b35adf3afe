"""Accounts with the settings that hold for them: what one does not say itself, its parent says.

Resolved once for each configuration, so that the path of a message finds plain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from heliograph.model import Account, TrafficType
from heliograph.rules.schedule import Quiet
from heliograph.rules.tree import Tree, inherited
from heliograph.rules.windows import inverted, minutes_of

__all__ = ["INHERITED", "closed_of", "quiet_of", "resolved", "said_by", "saying", "settings_of", "tree_of"]

INHERITED: Final[Mapping[str, Any]] = {
    "recipients": "valid",
    "default_region": None,
    "quiet_hours": None,
    "quiet_types": ("promotional",),
    "time_zone": "Etc/UTC",
    "smart_encoding": True,
    "national_tables": False,
}
"""Every setting that accounts below take over, with what holds where nobody says anything."""

_COLUMNS: Final = ("recipients", "default_region", "smart_encoding", "national_tables")
_TYPES: Final = {kind.word: int(kind) for kind in TrafficType}


def tree_of(accounts: Iterable[Account]) -> Tree:
    """Who is above whom."""
    return Tree({one.id: one.parent_id for one in accounts})


def said_by(account: Account) -> dict[str, Any]:
    """What an account says itself. A column that is not at its default was written by a version before ``settings``."""
    old = {name: value for name in _COLUMNS if (value := getattr(account, name)) != INHERITED[name]}
    return {name: value for name, value in {**old, **account.settings}.items() if name in INHERITED}


def saying(account: Account, words: Mapping[str, Any]) -> Account:
    """The account as it is kept when it says these words and nothing else; the columns are for versions before."""
    return replace(account, settings=words, **{name: words.get(name, INHERITED[name]) for name in _COLUMNS})


def settings_of(account: Account, above: Iterable[Account] = ()) -> dict[str, Any]:
    """Every setting as it holds for an account under these others, the nearest first."""
    return {**INHERITED, **inherited(map(said_by, (account, *above)))}


def resolved(accounts: Iterable[Account], tree: Tree | None = None) -> dict[int, Account]:
    """Every account by its id, with all settings that hold for it, and closed where one above it is."""
    known = {one.id: one for one in accounts}
    tree = tree_of(known.values()) if tree is None else tree
    return {one.id: _resolved(one, [known[at] for at in tree.above(one.id)]) for one in known.values()}


def _resolved(account: Account, above: list[Account]) -> Account:
    if not above and not said_by(account):
        return replace(account, settings=INHERITED)
    settings = settings_of(account, above)
    return replace(
        account,
        settings=settings,
        closed_us=closed_of(account, above),
        **{name: settings[name] for name in _COLUMNS},
    )


def closed_of(account: Account, above: Iterable[Account]) -> int | None:
    """Since when an account is closed (µs): by itself, or with one above it; None while it is open."""
    return min((one.closed_us for one in (account, *above) if one.closed_us is not None), default=None)


def quiet_of(settings: Mapping[str, Any]) -> Quiet | None:
    """Quiet hours as the pipeline knows them: the hours that they leave. None where there are none."""
    hours = settings["quiet_hours"]
    if hours is None:
        return None
    begin, _, end = hours.partition("-")
    return Quiet(
        types=tuple(_TYPES[word] for word in settings["quiet_types"]),
        hours=inverted(minutes_of(begin), minutes_of(end)),
        time_zone=settings["time_zone"],
    )
