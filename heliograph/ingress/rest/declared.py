"""Connectors, routes and numbers as the API says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from heliograph.access.configuring import Shown
from heliograph.config.stored import Table
from heliograph.delivery.instants import iso

__all__ = [
    "ChangeReply",
    "ChangeView",
    "ConnectorBody",
    "ConnectorList",
    "ConnectorPatch",
    "ConnectorView",
    "NumberBody",
    "NumberList",
    "NumberPatch",
    "NumberView",
    "RouteBody",
    "RouteList",
    "RoutePatch",
    "RouteView",
    "merged",
    "values_of",
    "view_of",
]

Word = Annotated[str, Meta(min_length=1, max_length=64)]
Names = Annotated[list[Word], Meta(max_length=100)]
Prefixes = Annotated[list[Annotated[str, Meta(max_length=15)]], Meta(min_length=1, max_length=1_000)]


class ConnectorBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A connector as it shall be. A secret is a text, a reference, or ``{"set": true}``: the one that is there."""

    kind: Word
    settings: dict[str, Any]


class ConnectorPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a connector; what is not there stays. null: as by default."""

    settings: dict[str, Any]


class RouteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A route as it shall be."""

    connectors: Names
    prefixes: Prefixes | UnsetType = UNSET
    accounts: Names = []


class RoutePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a route; what is not there stays."""

    connectors: Names | UnsetType = UNSET
    prefixes: Prefixes | UnsetType = UNSET
    accounts: Names | UnsetType = UNSET


class NumberBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A number as it shall be."""

    account: Word
    connectors: Names = []


class NumberPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a number; what is not there stays."""

    account: Word | UnsetType = UNSET
    connectors: Names | UnsetType = UNSET


class ConnectorView(Struct, frozen=True, omit_defaults=True):
    """A connector. ``bound``: whether this server has a link that may transmit."""

    name: str
    kind: str
    settings: dict[str, Any]
    managed_by: str
    bound: bool
    problem: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    changed_at: str | UnsetType = UNSET


class RouteView(Struct, frozen=True, omit_defaults=True):
    """A route."""

    name: str
    prefixes: list[str]
    connectors: list[str]
    accounts: list[str]
    managed_by: str
    problem: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    changed_at: str | UnsetType = UNSET


class NumberView(Struct, frozen=True, omit_defaults=True):
    """A number that people write to."""

    number: str
    account: str
    connectors: list[str]
    managed_by: str
    problem: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    changed_at: str | UnsetType = UNSET


class ConnectorList(Struct, frozen=True):
    """Connectors by name."""

    connectors: list[ConnectorView]
    next: str | None


class RouteList(Struct, frozen=True):
    """Routes by name."""

    routes: list[RouteView]
    next: str | None


class NumberList(Struct, frozen=True):
    """Numbers in the order of their digits."""

    numbers: list[NumberView]
    next: str | None


class ChangeView(Struct, frozen=True):
    """One difference. ``before`` and ``after`` are as a file would say it, null where there is nothing."""

    action: str
    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ChangeReply(Struct, frozen=True):
    """What was changed, or with ``dry_run`` would be; nothing where everything was so already."""

    dry_run: bool
    changes: list[ChangeView]


_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "route": {"prefixes": [""], "accounts": []},
    "number": {"connectors": []},
}


def view_of(shown: Shown, problem: str | None, bound: bool) -> ConnectorView | RouteView | NumberView:
    """One of them as it is shown. ``problem`` is why it does not hold."""
    table, values = shown.table, {**_DEFAULTS.get(shown.table.kind, {}), **shown.table.values}
    more: dict[str, Any] = {"managed_by": shown.managed_by, "problem": problem or UNSET}
    if shown.version:
        more |= {"created_at": iso(shown.created_us), "changed_at": iso(shown.changed_us)}
    if table.kind == "connector":
        kind = str(values.pop("kind", ""))
        return ConnectorView(name=table.name, kind=kind, settings=values, bound=bound, **more)
    if table.kind == "route":
        return RouteView(name=table.name, **values, **more)
    return NumberView(number=table.name, **values, **more)


def values_of(body: ConnectorBody | RouteBody | NumberBody) -> dict[str, Any]:
    """What a body says, as a file would say it."""
    if isinstance(body, ConnectorBody):
        return {**{key: value for key, value in body.settings.items() if value is not None}, "kind": body.kind}
    return _said(body)


def merged(table: Table, patch: ConnectorPatch | RoutePatch | NumberPatch) -> dict[str, Any]:
    """What is there with what a patch says."""
    said = patch.settings if isinstance(patch, ConnectorPatch) else _said(patch)
    return {key: value for key, value in {**table.values, **said}.items() if value is not None}


def _said(body: RouteBody | NumberBody | RoutePatch | NumberPatch) -> dict[str, Any]:
    found = {name: getattr(body, name) for name in body.__struct_fields__}
    return {name: value for name, value in found.items() if value is not UNSET}
