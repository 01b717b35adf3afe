"""What a kind of connector is, and where kinds are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from heliograph.contracts import Connector

__all__ = ["GROUP", "KINDS", "Kind", "Kinds"]

GROUP: Final = "heliograph.connectors"
"""The group of entry points by which another package brings kinds."""

_OURS: Final = (EntryPoint("smpp", "heliograph.connectors.smpp:KIND", GROUP),)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of connector.

    ``settings`` is a frozen dataclass whose fields are documented in their metadata (``doc``), among them ``name``; it
    has ``faults(where) -> list[ConfigFault]``. ``make(settings, connector_id)`` gives a connector that is not started,
    and raises ``ConfigError``.
    """

    settings: type[Any]
    make: Callable[[Any, int], Connector]


class Kinds(Mapping[str, Kind]):
    """Kinds by name. One that nobody uses is never imported; a name of ours can't be taken by another package."""

    def __init__(self) -> None:
        self._loaded: dict[str, Kind] = {}

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in (*entry_points(group=GROUP), *_OURS)}

    def __getitem__(self, name: str) -> Kind:
        """Raises ``KeyError`` for a kind that no installed package brings."""
        kind = self._loaded.get(name)
        if kind is None:
            kind = self._loaded[name] = self._found[name].load()
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


KINDS: Final = Kinds()
