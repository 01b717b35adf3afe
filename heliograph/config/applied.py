"""A file of what the store is to declare, and the same the other way: TOML of what is declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from heliograph.config import lines as toml_lines
from heliograph.config.loading import Reader, known_kinds, nearest
from heliograph.config.settings import AccountSettings
from heliograph.config.stored import ARRAYS, LIMITS, SaidAccount, Table, name_of
from heliograph.errors import ConfigError, ConfigFault
from heliograph.model import LimitSet
from heliograph.rules.accountwords import faults_of
from heliograph.rules.inheritance import INHERITED
from heliograph.rules.limitwords import fault_of

__all__ = ["AppliedFile", "toml_of"]

_ACCOUNTS: Final = "accounts"
_SECTIONS: Final = (*ARRAYS.values(), _ACCOUNTS, *LIMITS.values())
_CLOSED: Final = "closed"
_FIELD: Final = re.compile(r" - at `\$\.?([a-z_]*).*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class AppliedFile(Reader):
    """A file that is to be applied; raises ``ConfigError`` with every fault.

    ``tables`` are the connectors, routes and numbers that it declares, ``accounts`` and ``limits`` the rest by name.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, {}, known_kinds())
        self._places: dict[str, toml_lines.Path] = {}
        tree = self._tree() or {}
        for section in tree:
            if section not in _SECTIONS:
                self.fault((section,), f'"{section:.60}" cannot be applied', nearest(section, _SECTIONS))
        self.tables = [
            table
            for kind, array in ARRAYS.items()
            for place, row in self._array(array, tree)
            if (table := self._named(kind, place, row)) is not None
        ]
        self.accounts = {
            name: said
            for place, name, row in self._named_tables(_ACCOUNTS, tree)
            if (said := self._account(place, name, row)) is not None
        }
        self.limits = {
            f"{kind}:{name}": limits
            for kind, section in LIMITS.items()
            for place, name, row in self._named_tables(section, tree)
            if (limits := self._limits_of(place, row)) is not None
        }
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
        where = f"{ARRAYS[kind]}.{name}"
        if where in self._places:
            self.fault((*place, key), f"the {kind} {name} is there twice", "give each a name of its own")
        self._places[where] = place
        return Table(kind, name, {name: value for name, value in row.items() if name != key})

    def _named_tables(
        self, section: str, tree: Mapping[str, Any]
    ) -> Iterator[tuple[toml_lines.Path, str, dict[str, Any]]]:
        for name, row in (self._table((section,), tree.get(section, {})) or {}).items():
            place = section, name
            self._places[f"{section}.{name}"] = place
            if isinstance(row, dict):
                yield place, name, row
            else:
                self.fault(place, f'"{name:.60}" must be a table', f"write [{section}.{_key(name)}] above its settings")

    def _account(self, place: toml_lines.Path, name: str, row: Mapping[str, Any]) -> SaidAccount | None:
        """The settings that a row says; an empty text says that there is none, where an account above has one."""
        said = dict(row)
        closed = said.pop(_CLOSED, None)
        if closed is not None and not isinstance(closed, bool):
            self.fault((*place, _CLOSED), "closed must be true or false", "leave it out to keep it as it is")
        none = {key: None for key, value in said.items() if value == "" and key in INHERITED and INHERITED[key] is None}
        settings = self._build(
            AccountSettings, place, {key: value for key, value in said.items() if key not in none}, {"name": name}
        )
        if settings is None:
            return None
        words = {key: none[key] if key in none else settings.words[key] for key in said if key in settings.words}
        for setting, what, remedy in faults_of(words):
            self.fault((*place, setting), what, remedy)
        return SaidAccount(words, closed)

    def _limits_of(self, place: toml_lines.Path, row: Mapping[str, Any]) -> LimitSet | None:
        try:
            limits = msgspec.convert(row, LimitSet)
        except msgspec.ValidationError as error:
            text = str(error)
            found = _FIELD.search(text)
            key = found.group(1) if found else ""
            what = _FIELD.sub("", text).replace("`", "")
            self.fault(
                (*place, key) if key else place, f"{key or 'this table'}: {what}", "see heliograph limits set --help"
            )
            return None
        if (fault := fault_of(limits)) is not None:
            self.fault(place, f"{fault[0]} is missing", fault[1])
        return limits

    def located(self, error: ConfigError) -> ConfigError:
        """The same faults with the lines of this file, where it is this file that has them."""
        return ConfigError([ConfigFault(self._line_of(one.where), one.what, one.remedy) for one in error.faults])

    def _line_of(self, where: str) -> str:
        here = [said for said in self._places if where == said or where.startswith(f"{said}.")]
        if not here:
            return where
        said = max(here, key=len)
        return self.where((*self._places[said], *filter(None, [where.removeprefix(said).removeprefix(".")])))


def toml_of(
    tables: Iterable[Table],
    accounts: Mapping[str, SaidAccount] | None = None,
    limits: Mapping[str, LimitSet] | None = None,
) -> str:
    """All of it as a file: accounts, their limits, connectors, routes and numbers, in this order, each as they come."""
    kept = list(tables)
    parts = [_named_table(_ACCOUNTS, name, _row_of(said)) for name, said in (accounts or {}).items()]
    for name, one in (limits or {}).items():
        kind, _, whose = name.partition(":")
        parts.append(_named_table(LIMITS[kind], whose, msgspec.to_builtins(one)))
    for kind, array in ARRAYS.items():
        for table in kept:
            if table.kind == kind:
                lines = "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.as_in_file().items())
                parts.append(f"[[{array}]]\n{lines}")
    return "\n".join(parts)


def _row_of(said: SaidAccount) -> dict[str, Any]:
    closed = {} if said.closed is None else {_CLOSED: said.closed}
    return {**{name: "" if value is None else value for name, value in said.words.items()}, **closed}


def _named_table(section: str, name: str, row: Mapping[str, Any]) -> str:
    return f"[{section}.{_key(name)}]\n" + "".join(f"{_key(key)} = {_value(value)}\n" for key, value in row.items())


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
