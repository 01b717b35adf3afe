"""One configuration of what a file declares and what the store declares, where what is wrong with one hinders no other.

The file wins. A connector of the store that cannot be built is left out and its name stays known, so that routes to it
stay what they are and messages wait; a route loses only connectors that are nowhere, and with none left it leads
nowhere, never another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heliograph.config import lines as toml_lines
from heliograph.config.checks import check_carriers
from heliograph.config.loading import Carriers, KindLike, Reader, known_kinds
from heliograph.config.settings import Config, RouteSettings
from heliograph.config.stored import ARRAYS, Key, Table, faults_of
from heliograph.errors import ConfigFault

__all__ = ["Gathered", "gathered"]

_KINDS = {array: kind for kind, array in ARRAYS.items()}


@dataclass(frozen=True)
class Gathered:
    """A whole configuration, and what of the store's is wrong: it holds as far as it can."""

    config: Config
    faults: Mapping[Key, tuple[ConfigFault, ...]] = field(default_factory=dict)


def gathered(
    config: Config,
    tables: Sequence[Table],
    environ: Mapping[str, str],
    *,
    locked: Mapping[Key, ConfigFault] | None = None,
    kinds: Mapping[str, KindLike] | None = None,
) -> Gathered:
    """``config`` with what the tables declare.

    Secrets stand in the tables in clear or as references: ``env:NAME``, or ``file:secrets/NAME`` in the folder of the
    configuration file. ``locked`` are faults of tables whose secrets could not be opened: these are not built.
    """
    if not tables:
        return Gathered(config)
    found = _Gathering(config, environ, known_kinds() if kinds is None else kinds)
    for key, fault in (locked or {}).items():
        found.faults.setdefault(key, []).append(fault)
    for table in tables:
        found.add(table)
    return found.whole()


class _Gathering:
    def __init__(self, config: Config, environ: Mapping[str, str], kinds: Mapping[str, KindLike]) -> None:
        self.faults: dict[Key, list[ConfigFault]] = {}
        self._config = config
        self._environ = environ
        self._kinds = kinds
        self._names: list[tuple[toml_lines.Path, str]] = [(("file", one.name), one.name) for one in config.connectors]
        self._right: dict[str, list[tuple[toml_lines.Path, Any]]] = {
            "connectors": [],
            "routes": [(("file", one.name), one) for one in config.routes],
            "numbers": [(("file", one.number), one) for one in config.numbers],
        }

    def add(self, table: Table) -> None:
        """Looks at a table by itself."""
        array = ARRAYS[table.kind]
        path: toml_lines.Path = (array, table.name)
        if table.kind == "connector":
            self._names.append((path, table.name))
        if table.key in self.faults:
            return
        faults = list(faults_of(table, self._kinds))
        if not faults:  # nothing is read that a bad reference points to
            faults, found = self._read(table)
            self._right[array] += [(path, one) for one in found]
        if faults:
            self.faults[table.key] = faults

    def _read(self, table: Table) -> tuple[list[ConfigFault], list[Any]]:
        reader = _TableReader(table, self._config.source, self._environ, self._kinds)
        found: Carriers = reader.carriers({ARRAYS[table.kind]: [table.as_in_file()]})
        rows = [*found.connectors, *(row for _, row in (*found.routes, *found.numbers))]
        return list(dict.fromkeys(reader.faults)), rows

    def whole(self) -> Gathered:
        """Looks at all of them together."""
        routes, numbers = self._right["routes"], self._right["numbers"]
        check_carriers(self._names, routes, numbers, self._fault)
        known = {name for _, name in self._names}
        ways = [self._way(path, route, known) for path, route in routes if path[0] != "file"]
        return Gathered(
            replace(
                self._config,
                connectors=(*self._config.connectors, *self._without_fault("connectors")),
                routes=(*self._config.routes, *(one for one in ways if one is not None)),
                numbers=(*self._config.numbers, *self._without_fault("numbers")),
            ),
            {key: tuple(faults) for key, faults in self.faults.items()},
        )

    def _fault(self, path: toml_lines.Path, what: str, remedy: str) -> None:
        """Files are right by themselves, and come first: it is the store's that does not fit."""
        array, name, *rest = map(str, path)
        where = ".".join((array, name, *rest[:1]))
        if "names two" in what:
            remedy = "the file declares it: delete this one"
        self.faults.setdefault((_KINDS[array], name), []).append(ConfigFault(where, what, remedy))

    def _without_fault(self, array: str) -> list[Any]:
        return [one for path, one in self._right[array] if path[0] == array and not self._faults_of(path)]

    def _faults_of(self, path: toml_lines.Path) -> list[ConfigFault]:
        return self.faults.get((_KINDS[str(path[0])], str(path[1])), [])

    def _way(self, path: toml_lines.Path, route: RouteSettings, known: set[str]) -> RouteSettings | None:
        if any(not fault.where.endswith(".connectors") for fault in self._faults_of(path)):
            return None
        return replace(route, connectors=tuple(one for one in route.connectors if one in known))


class _TableReader(Reader):
    """A reader of one table that stands in no file: places are names."""

    def __init__(
        self, table: Table, source: Path | None, environ: Mapping[str, str], kinds: Mapping[str, KindLike]
    ) -> None:
        super().__init__(None, environ, kinds)
        self._base = Path() if source is None else source.parent
        self._table_where = table.where

    def where(self, path: toml_lines.Path) -> str:
        return ".".join([self._table_where, *map(str, path[2:3])])
