"""Connectors, routes and numbers as tables: what the store keeps of them, and what a file says of the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final

from msgspec import Struct

from heliograph.config.fields import describe
from heliograph.config.loading import KindLike, known_kinds
from heliograph.config.settings import Config, ConnectorConfig, NumberSettings, RouteSettings
from heliograph.errors import ConfigError, ConfigFault

__all__ = [
    "ARRAYS",
    "KEPT",
    "LIMITS",
    "Key",
    "SaidAccount",
    "Table",
    "declared",
    "faults_of",
    "is_reference",
    "name_of",
    "secrets_of",
]

ARRAYS: Final[Mapping[str, str]] = {"connector": "connectors", "route": "routes", "number": "numbers"}
"""The kinds of objects, each with the array of tables that says the same in a file."""
LIMITS: Final[Mapping[str, str]] = {"account": "account_limits", "key": "key_limits"}
"""What has limits, each with the section of a file that says them by name."""
KEPT: Final[Mapping[str, bool]] = {"set": True}
"""What is shown of a secret that is set, and what keeps the one that is there."""

Key = tuple[str, str]
"""(kind, name)"""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REFERENCE: Final = re.compile(r"env:(?!HELIOGRAPH_)[A-Za-z_][A-Za-z0-9_]{0,127}|file:secrets/[A-Za-z0-9][\w.-]{0,127}")
_LIKE_A_REFERENCE: Final = ("env:", "file:")


class SaidAccount(Struct, frozen=True):
    """What a file says of an account: all that it says itself, and whether it is closed (None: as it is)."""

    words: Mapping[str, Any]
    closed: bool | None = None


class Table(Struct, frozen=True):
    """One of them as a file would say it, without its name. ``name`` of a number are its digits."""

    kind: str
    name: str
    values: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.kind, self.name

    @property
    def where(self) -> str:
        """Its place in sentences."""
        return f"{ARRAYS[self.kind]}.{self.name}"

    def as_in_file(self) -> dict[str, Any]:
        """The table with its name."""
        return {self.named_by: self.name, **self.values}

    @property
    def named_by(self) -> str:
        """The key that says its name in a file."""
        return "number" if self.kind == "number" else "name"


def name_of(kind: str, text: str) -> str:
    """The name under which it is kept. Raises ``ConfigError`` for what cannot be one."""
    name = text.removeprefix("+") if kind == "number" else text
    if _NAME.fullmatch(name):
        return name
    remedy = "letters, digits, and _ . - between them, at most 64"
    raise ConfigError([ConfigFault(ARRAYS[kind], f"{text!r:.60} cannot be the name of a {kind}", remedy)])


def is_reference(value: object) -> bool:
    """Whether a secret is said by where it stands."""
    return isinstance(value, str) and value.startswith(_LIKE_A_REFERENCE)


def secrets_of(table: Table, kinds: Mapping[str, KindLike] | None = None) -> frozenset[str]:
    """The names of its settings that are secret."""
    known = known_kinds() if kinds is None else kinds
    kind = table.values.get("kind")
    if table.kind != "connector" or not isinstance(kind, str) or kind not in known:
        return frozenset()
    return frozenset(info.name for info in describe(known[kind].settings) if info.secret)


def faults_of(table: Table, kinds: Mapping[str, KindLike]) -> Iterator[ConfigFault]:
    """What no reader would notice: only secrets are said by reference, and none reaches what is not meant for it."""
    secrets = secrets_of(table, kinds)
    for key, value in table.values.items():
        where = f"{table.where}.{key:.64}"
        if key == table.named_by:
            yield ConfigFault(where, "its name stands elsewhere already, and is for ever", "leave it out")
        elif any(not text.isprintable() for text in (key, *_texts(value))):
            yield ConfigFault(where, "has characters that cannot be printed", "leave them out")
        elif key in secrets:
            if is_reference(value) and not _REFERENCE.fullmatch(value):
                remedy = "env:NAME (no variable of ours), or file:secrets/NAME beside the configuration file"
                yield ConfigFault(where, "this reference is not allowed", remedy)
        elif any(map(is_reference, _texts(value))):
            yield ConfigFault(where, "only a secret can be a reference", "write the value itself")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in (*value, *value.values()):
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def declared(config: Config) -> list[Table]:
    """What a configuration itself declares, without the values of secrets and what is as by default."""
    return [
        *(Table("connector", one.name, _said_by_connector(one)) for one in config.connectors),
        *(Table("route", one.name, _said(one, "name")) for one in config.routes),
        *(Table("number", one.number.removeprefix("+"), _said(one, "number")) for one in config.numbers),
    ]


def _said_by_connector(one: ConnectorConfig) -> dict[str, Any]:
    said = _said(one.settings, "name", "kind")
    hidden = {info.name for info in describe(type(one.settings)) if info.secret}
    return {"kind": one.kind, **{key: dict(KEPT) if key in hidden else value for key, value in said.items()}}


def _said(settings: RouteSettings | NumberSettings | Any, *but: str) -> dict[str, Any]:
    found = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if one.init and one.name not in but and value != default:
            found[one.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, Mapping) else value
