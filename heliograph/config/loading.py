"""Reading a configuration: one file, the environment above it, and every fault of both at once."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from heliograph.config import lines as toml_lines
from heliograph.config.checks import check
from heliograph.config.fields import FieldInfo, describe
from heliograph.config.issuers import check_issuers
from heliograph.config.settings import (
    AccountSettings,
    Config,
    ConnectorConfig,
    HttpSettings,
    IssuerSettings,
    LimitSettings,
    LogSettings,
    NumberSettings,
    OAuthSettings,
    RetentionSettings,
    RouteSettings,
    SecuritySettings,
    StoreSettings,
    WebhookSettings,
)
from heliograph.config.values import BadValue, converted
from heliograph.errors import ConfigError, ConfigFault

__all__ = ["SECTIONS", "TABLES", "Carriers", "KindLike", "Reader", "known_kinds", "load", "variable"]

SECTIONS: Final[Mapping[str, type]] = {
    "http": HttpSettings,
    "store": StoreSettings,
    "security": SecuritySettings,
    "oauth": OAuthSettings,
    "webhooks": WebhookSettings,
    "retention": RetentionSettings,
    "limits": LimitSettings,
    "log": LogSettings,
}
"""Sections of plain settings; a variable can set each of them."""

TABLES: Final[Mapping[str, type | None]] = {
    "connectors": None,
    "routes": RouteSettings,
    "numbers": NumberSettings,
    "issuers": IssuerSettings,
}
"""Arrays of tables. A connector's settings belong to its kind."""

_MAX_FILE_OCTETS: Final = 16_777_216
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OTHER_VARIABLES: Final = (
    "HELIOGRAPH_CONFIG",
    "HELIOGRAPH_URL",
    "HELIOGRAPH_KEY",
    "HELIOGRAPH_API_KEY",
    "HELIOGRAPH_SIMULATOR_URL",
)
"""Variables of other parts: where the file is, and what the client and ``heliograph send`` use."""


def variable(section: str, key: str) -> str:
    """The environment variable that sets a key."""
    return f"HELIOGRAPH_{section}_{key}".upper()


class KindLike(Protocol):
    """What is needed of a kind of connector: the dataclass of its settings."""

    @property
    def settings(self) -> type[Any]: ...


def known_kinds() -> Mapping[str, KindLike]:
    """The kinds of connectors that are installed."""
    kinds: Mapping[str, KindLike] = importlib.import_module("heliograph.connectors").KINDS
    return kinds


def load(path: str | Path | None, environ: Mapping[str, str], *, kinds: Mapping[str, KindLike] | None = None) -> Config:
    """The configuration of a file (None: none) and of ``HELIOGRAPH_<SECTION>_<KEY>`` variables, which win.

    ``kinds`` are the kinds of connectors by name (None: those installed). Paths
    behind ``file:`` are relative to the file's folder. Raises :class:`ConfigError` with every fault;
    never gives a part of a configuration.
    """
    reader = Reader(path, environ, known_kinds() if kinds is None else kinds)
    config = reader.config()
    if reader.faults or config is None:
        raise ConfigError(sorted(reader.faults, key=_line))  # stable: faults of one line stay in order
    return config


def nearest(word: str, known: Iterable[str]) -> str:
    """The remedy for a word that nobody knows: the nearest one, or all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, 1, 0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "known are: " + ", ".join(known) if known else ""


class Carriers(NamedTuple):
    """What a tree declares: connectors that are right, the names of all, and right routes and numbers by place."""

    connectors: tuple[ConnectorConfig, ...]
    names: list[tuple[toml_lines.Path, str]]
    routes: list[tuple[toml_lines.Path, RouteSettings]]
    numbers: list[tuple[toml_lines.Path, NumberSettings]]


class Reader:
    """Collects the faults of one configuration while reading it."""

    def __init__(self, path: str | Path | None, environ: Mapping[str, str], kinds: Mapping[str, KindLike]) -> None:
        self.faults: list[ConfigFault] = []
        self._path = None if path is None else Path(path)
        self._base = Path() if self._path is None else self._path.parent
        self._environ = environ
        self._kinds = kinds
        self._lines: dict[toml_lines.Path, int] = {}

    # --- faults -----------------------------------------------------------------------------------
    def where(self, path: toml_lines.Path) -> str:
        """``file:line`` of a key, or the variable that sets it."""
        if len(path) == 2 and (name := variable(str(path[0]), str(path[1]))) in self._environ:
            return name
        return "configuration" if self._path is None else f"{self._path}:{toml_lines.line_of(self._lines, path)}"

    def fault(self, path: toml_lines.Path, what: str, remedy: str = "") -> None:
        self.faults.append(ConfigFault(self.where(path), what, remedy))

    # --- the whole --------------------------------------------------------------------------------
    def config(self) -> Config | None:
        """What was read; only to be believed where there are no faults."""
        tree = self._tree()
        if tree is None:
            return None
        for key in tree:
            if key not in SECTIONS and key not in TABLES and key != "accounts":
                self.fault((key,), f'unknown section "{key}"', nearest(key, [*SECTIONS, *TABLES, "accounts"]))
        self._unknown_variables()
        parts: dict[str, Any] = {name: self._section(name, tree) for name in SECTIONS}
        parts["accounts"] = self._accounts(tree)
        found = self.carriers(tree)
        parts["connectors"] = found.connectors
        check(parts, found.names, found.routes, found.numbers, self.fault)
        parts["routes"] = tuple(row for _, row in found.routes)
        parts["numbers"] = tuple(row for _, row in found.numbers)
        parts["issuers"] = self._issuers(parts["oauth"], tree)
        parts["source"] = self._path
        return None if self.faults else Config(**{key: value for key, value in parts.items() if value is not None})

    def _tree(self) -> dict[str, Any] | None:
        if self._path is None:
            return {}
        try:
            with self._path.open("rb") as file:
                octets = file.read(_MAX_FILE_OCTETS + 1)
            if len(octets) > _MAX_FILE_OCTETS:
                raise BadValue("the file is too large", f"at most {_MAX_FILE_OCTETS} octets")
            text = octets.decode()
            tree = tomllib.loads(text)
        except OSError as error:
            self.faults.append(
                ConfigFault(str(self._path), f"cannot be read: {error.strerror}", "check path and rights")
            )
        except UnicodeDecodeError:
            self.faults.append(ConfigFault(str(self._path), "is no text in UTF-8", "save it as UTF-8"))
        except BadValue as error:
            self.faults.append(ConfigFault(str(self._path), error.what, error.remedy))
        except (ValueError, RecursionError) as error:  # no TOML, or a number of thousands of digits
            self.faults.append(self._syntax_fault(str(error)))
        else:
            self._lines = toml_lines.lines_of(text)
            return tree
        return None

    def _syntax_fault(self, message: str) -> ConfigFault:
        place = re.search(r" \(at line (\d+), column (\d+)\)", message)
        line = place[1] if place else "1"
        what = message.replace(place[0], "") if place else message.replace(" (at end of document)", " at its end")
        return ConfigFault(f"{self._path}:{line}", f"is no TOML: {what}", "see https://toml.io")

    def _unknown_variables(self) -> None:
        known = {variable(name, info.name) for name, cls in SECTIONS.items() for info in describe(cls)}
        starts = tuple(f"HELIOGRAPH_{name}_".upper() for name in SECTIONS)
        for name in sorted(self._environ):
            if not name.startswith("HELIOGRAPH_") or name in known or name in _OTHER_VARIABLES:
                continue
            close = difflib.get_close_matches(name[11:], [k[11:] for k in known], 1, 0.8)
            if name.startswith(starts) or close:
                self.faults.append(ConfigFault(name, "no setting has this variable", nearest(name, known)))

    def carriers(self, tree: dict[str, Any]) -> Carriers:
        """Connectors, routes and numbers of a tree, each looked at by itself; what is wrong is in ``faults``."""
        return Carriers(
            self._connectors(tree),
            self._names(tree),
            self._rows("routes", RouteSettings, tree),
            self._rows("numbers", NumberSettings, tree),
        )

    # --- tables -----------------------------------------------------------------------------------
    def _section(self, name: str, tree: dict[str, Any]) -> Any:
        table = self._table((name,), tree.get(name, {}))
        if table is None:
            return None
        return self._build(SECTIONS[name], (name,), table, from_environment=True)

    def _table(self, path: toml_lines.Path, raw: Any) -> dict[str, Any] | None:
        if isinstance(raw, dict):
            return raw
        self.fault(path, f'"{path[0]}" must be a table', f"write [{path[0]}] above its settings")
        return None

    def _array(self, name: str, tree: dict[str, Any]) -> Iterator[tuple[toml_lines.Path, dict[str, Any]]]:
        raw = tree.get(name, [])
        if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
            self.fault((name,), f'"{name}" must be a list of tables', f"write [[{name}]] above each of them")
            return
        for index, table in enumerate(raw):
            yield (name, index), table

    def _names(self, tree: dict[str, Any]) -> list[tuple[toml_lines.Path, str]]:
        """The connectors' names, also of entries with faults: what refers to them is right."""
        raw = tree.get("connectors", [])
        rows = [row.get("name") if isinstance(row, dict) else None for row in raw] if isinstance(raw, list) else []
        return [(("connectors", at, "name"), name) for at, name in enumerate(rows) if isinstance(name, str)]

    def _rows(self, name: str, cls: type, tree: dict[str, Any]) -> list[tuple[toml_lines.Path, Any]]:
        """The right entries of an array, each with its place."""
        rows = [(path, self._build(cls, path, table)) for path, table in self._array(name, tree)]
        return [(path, row) for path, row in rows if row is not None]

    def _issuers(self, oauth: OAuthSettings | None, tree: dict[str, Any]) -> tuple[IssuerSettings, ...]:
        rows = self._rows("issuers", IssuerSettings, tree)
        check_issuers(None if oauth is None else oauth.issuer, rows, self.fault)
        return tuple(row for _, row in rows)

    def _accounts(self, tree: dict[str, Any]) -> dict[str, AccountSettings]:
        accounts = {}
        for name, raw in (self._table(("accounts",), tree.get("accounts", {})) or {}).items():
            path = ("accounts", name)
            if not isinstance(raw, dict):
                self.fault(path, f'"{name}" must be a table', f"write [accounts.{name}] above its settings")
            elif not _NAME.fullmatch(name):
                self.fault(path, f'"{name}" cannot name an account', "letters, digits, and _ . - between them")
            elif (account := self._build(AccountSettings, path, raw, {"name": name})) is not None:
                accounts[name] = account
        return accounts

    def _connectors(self, tree: dict[str, Any]) -> tuple[ConnectorConfig, ...]:
        return tuple(
            connector
            for path, table in self._array("connectors", tree)
            if (connector := self._connector(path, table)) is not None
        )

    def _connector(self, path: toml_lines.Path, table: dict[str, Any]) -> ConnectorConfig | None:
        name, kind = table.get("name"), table.get("kind")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            said = "has no name" if name is None else f"cannot be named {name!r:.60}"
            self.fault((*path, "name"), f"the connector {said}", 'such as name = "main"')
            return None
        if not isinstance(kind, str) or kind not in self._kinds:
            said = "has no kind" if kind is None else f"has the unknown kind {kind!r:.60}"
            self.fault((*path, "kind"), f'the connector "{name}" {said}', nearest(str(kind), self._kinds))
            return None
        cls = self._kinds[kind].settings
        rest = {key: value for key, value in table.items() if key != "kind" or _has(cls, "kind")}
        if not _has(cls, "name"):
            del rest["name"]
        settings = self._build(cls, path, rest)
        if settings is None:
            return None
        for found in settings.faults() if hasattr(settings, "faults") else ():
            self.fault((*path, found.where), f"{found.where} {found.what}", found.remedy)
        return ConnectorConfig(name=name, kind=kind, settings=settings)

    def _build(
        self,
        cls: type,
        path: toml_lines.Path,
        table: dict[str, Any],
        given: Mapping[str, Any] | None = None,
        *,
        from_environment: bool = False,
    ) -> Any:
        """The dataclass that a table describes, or None with faults. ``given`` are values from elsewhere."""
        values: dict[str, Any] = dict(given or {})
        known = {info.name: info for info in describe(cls) if info.name not in values}
        for key in table:
            if key not in known:
                self.fault((*path, key), f'unknown setting "{key}"', nearest(key, known))
        before = len(self.faults)  # unknown keys hinder nothing: the rest is still checked
        for info in known.values():
            self._field(info, path, table, values, from_environment)
        if len(self.faults) > before:
            return None
        try:
            return cls(**values)
        except ValueError as error:
            self.fault(path, str(error))
            return None

    def _field(
        self, info: FieldInfo, path: toml_lines.Path, table: dict[str, Any], values: dict[str, Any], environment: bool
    ) -> None:
        place = (*path, info.name)
        name = variable(str(path[0]), info.name) if environment else ""
        from_text = name in self._environ
        if not from_text and info.name not in table:
            if info.required:
                self.fault(path, f"{info.name} is missing", info.doc)
            return
        raw = self._environ[name] if from_text else table[info.name]
        try:
            values[info.name] = converted(raw, info, self._environ, self._base, from_text=from_text)
        except BadValue as error:
            self.fault(place, error.what, error.remedy)


def _has(cls: type, name: str) -> bool:
    return any(field.name == name for field in fields(cls))


def _line(fault: ConfigFault) -> int:
    """The line of a fault; variables stand behind the file."""
    line = fault.where.rpartition(":")[2]
    return int(line) if line.isdigit() else sys.maxsize
