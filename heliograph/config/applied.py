"""A file of connectors, routes and numbers for the store, and the same the other way: TOML of what is declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from heliograph.config import lines as toml_lines
from heliograph.config.loading import Reader, known_kinds, nearest
from heliograph.config.stored import ARRAYS, Key, Table, name_of
from heliograph.errors import ConfigError, ConfigFault

__all__ = ["AppliedFile", "toml_of"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class AppliedFile(Reader):
    """A file that is to be applied. ``tables`` is what it declares; raises ``ConfigError`` with every fault."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, {}, known_kinds())
        self._places: dict[Key, toml_lines.Path] = {}
        tree = self._tree() or {}
        for section in tree:
            if section not in ARRAYS.values():
                self.fault((section,), f'"{section:.60}" cannot be applied', nearest(section, ARRAYS.values()))
        self.tables = [
            table
            for kind, array in ARRAYS.items()
            for place, row in self._array(array, tree)
            if (table := self._named(kind, place, row)) is not None
        ]
        if self.faults:
            raise ConfigError(self.faults)

    def _named(self, kind: str, place: toml_lines.Path, row: Mapping[str, Any]) -> Table | None:
        key = Table(kind, "", {}).named_by
        said = row.get(key)
        if not isinstance(said, str):
            self.fault(
                place, f"the {kind} has no {key}", f'such as {key} = "{"4915112345678" if key == "number" else "main"}"'
            )
            return None
        try:
            name = name_of(kind, said)
        except ConfigError as error:
            self.fault((*place, key), error.faults[0].what, error.faults[0].remedy)
            return None
        if (kind, name) in self._places:
            self.fault((*place, key), f"the {kind} {name} is there twice", "give each a name of its own")
        self._places[kind, name] = place
        return Table(kind, name, {name: value for name, value in row.items() if name != key})

    def located(self, error: ConfigError) -> ConfigError:
        """The same faults with the lines of this file, where it is this file that has them."""
        return ConfigError([ConfigFault(self._line_of(one.where), one.what, one.remedy) for one in error.faults])

    def _line_of(self, where: str) -> str:
        for (kind, name), place in self._places.items():
            said = f"{ARRAYS[kind]}.{name}"
            if where == said or where.startswith(f"{said}."):
                return self.where((*place, *filter(None, [where.removeprefix(said).removeprefix(".")])))
        return where


def toml_of(tables: Iterable[Table]) -> str:
    """The tables as a file: connectors, routes and numbers, in this order, each as they come."""
    kept = list(tables)
    parts = []
    for kind, array in ARRAYS.items():
        for table in kept:
            if table.kind == kind:
                lines = "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.as_in_file().items())
                parts.append(f"[[{array}]]\n{lines}")
    return "\n".join(parts)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """Texts of TOML are written as those of JSON; what cannot be printed never comes here."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
