"""A world from a TOML file: every fault at once, with its line and a remedy."""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Final

from heliograph.config.fields import FieldInfo, describe
from heliograph.config.lines import Path as Place
from heliograph.config.lines import line_of, lines_of
from heliograph.config.loading import nearest
from heliograph.config.values import BadValue, converted
from heliograph.errors import ConfigError, ConfigFault
from heliograph.simulator.mischief import MISBEHAVIOURS
from heliograph.simulator.settings import FINAL_STATES
from heliograph.simulator.world import World

__all__ = ["WORLDS", "part_of", "read_world", "world_file"]

_FOLDER: Final = Path(__file__).with_name("worlds")
WORLDS: Final = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""Names of the worlds that are ready to use."""
_MAX_FILE_OCTETS: Final = 1_048_576
_MAX_ROWS: Final = 1_000
"""Entries of one array of tables: ranges and rules are looked at for each message."""
_MAX_WEIGHT: Final = 1_000_000


def world_file(name: str) -> Path:
    """The file of a world: one that is ready to use by its name, else the path itself."""
    return _FOLDER / f"{name}.toml" if name in WORLDS else Path(name)


def read_world(name: str | Path) -> World:
    """The world of a file, or one that is ready to use. Raises :class:`ConfigError` with every fault."""
    reader = _Reader(world_file(str(name)))
    tree = reader.tree()
    world = None if tree is None else reader.build(World, (), tree)
    if reader.faults or world is None:
        raise ConfigError(reader.in_order())
    assert isinstance(world, World)
    return world


def part_of(cls: type, name: str, raw: Any) -> Any:
    """A value for one setting of ``cls``, from JSON, with the same bounds. Raises :class:`ConfigError`."""
    reader = _Reader(None)
    infos = {info.name: info for info in describe(cls)}
    if name not in infos:
        raise ConfigError([ConfigFault(name, f'unknown setting "{name}"', nearest(name, infos))])
    values: dict[str, Any] = {}
    reader.field(infos[name], (), {name: raw}, values)
    if reader.faults:
        raise ConfigError(reader.faults)
    return values[name]


class _Reader:
    def __init__(self, path: Path | None) -> None:
        self.faults: list[ConfigFault] = []
        self._path = path
        self._lines: dict[Place, int] = {}

    def in_order(self) -> list[ConfigFault]:
        """The faults by line."""
        return sorted(self.faults, key=lambda fault: int(fault.where.rpartition(":")[2] or 0))

    def _fault(self, place: Place, what: str, remedy: str = "") -> None:
        where = ".".join(map(str, place)) if self._path is None else f"{self._path}:{line_of(self._lines, place)}"
        self.faults.append(ConfigFault(where, what, remedy))

    def tree(self) -> dict[str, Any] | None:
        """The file as it stands, or None with a fault."""
        assert self._path is not None
        try:
            with self._path.open("rb") as file:
                octets = file.read(_MAX_FILE_OCTETS + 1)
            if len(octets) > _MAX_FILE_OCTETS:
                self._fault((), "the file is too large", f"at most {_MAX_FILE_OCTETS:,} octets")
                return None
            text = octets.decode()
            tree = tomllib.loads(text)
        except OSError as error:
            known = nearest(str(self._path), WORLDS)
            self._fault((), f"cannot be read: {error.strerror}", f"a file, or a world that is ready to use: {known}")
        except UnicodeDecodeError:
            self._fault((), "is no text in UTF-8", "save it as UTF-8")
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            line = re.search(r"line (\d+)", str(error))
            self.faults.append(
                ConfigFault(f"{self._path}:{line[1] if line else 1}", f"is no TOML: {error}", "see https://toml.io")
            )
        else:
            self._lines = lines_of(text)
            return tree
        return None

    # --- dataclasses ---------------------------------------------------------------------------------------------

    def build(self, cls: type, place: Place, table: dict[str, Any]) -> Any:
        """The value that a table describes, or None with faults."""
        known = {info.name: info for info in describe(cls)}
        for key in table:
            if key not in known:
                self._fault((*place, key), f'unknown setting "{key}"', nearest(key, known))
        before = len(self.faults)  # unknown keys hinder nothing: the rest is still checked
        values: dict[str, Any] = {}
        for info in known.values():
            if info.name in table:
                self.field(info, place, table, values)
            elif info.required:
                self._fault(place, f"{info.name} is missing", info.doc)
        if len(self.faults) > before:
            return None
        return self._checked(cls, place, values)

    def _checked(self, cls: type, place: Place, values: dict[str, Any]) -> Any:
        try:
            value = cls(**values)
        except ConfigError as error:
            for fault in error.faults:
                keys = fault.where.split(".")[1:]
                self._fault((*place, *keys), f"{keys[-1] if keys else cls.__name__} {fault.what}", fault.remedy)
            return None
        faults: Iterator[tuple[str, str, str]] = value.faults() if hasattr(value, "faults") else iter(())
        for key, what, remedy in faults:
            self._fault((*place, key), f"{key} {what}", remedy)
        return value

    def field(self, info: FieldInfo, place: Place, table: dict[str, Any], values: dict[str, Any]) -> None:
        """One setting of a table, into ``values`` or the faults."""
        raw, here = table[info.name], (*place, info.name)
        table_of, array_of = _nested(info.type)
        if info.name == "misbehaviour" and isinstance(raw, str) and raw not in ("", *MISBEHAVIOURS):
            self._fault(here, f'unknown misbehaviour "{raw:.60}"', nearest(raw, MISBEHAVIOURS))
        elif info.name == "final_states":
            values[info.name] = self._weights(here, raw)
        elif array_of is not None:
            values[info.name] = self._array(array_of, here, raw)
        elif table_of is not None and isinstance(raw, dict):
            values[info.name] = self.build(table_of, here, raw)
        elif table_of is not None:
            self._fault(here, f"{info.name} must be a table", f"write [{'.'.join(map(str, here))}] above its settings")
        else:
            try:
                values[info.name] = _value(raw, info)
            except BadValue as error:
                self._fault(here, error.what, error.remedy)

    def _array(self, cls: type, place: Place, raw: Any) -> tuple[Any, ...]:
        if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
            self._fault(place, f"{place[-1]} must be a list of tables", f"write [[{place[-1]}]] above each of them")
            return ()
        if len(raw) > _MAX_ROWS:
            self._fault(place, f"{place[-1]} has {len(raw):,} entries", f"at most {_MAX_ROWS:,}")
            return ()
        return tuple(self.build(cls, (*place, at), one) for at, one in enumerate(raw))

    def _weights(self, place: Place, raw: Any) -> tuple[tuple[str, float], ...]:
        if not isinstance(raw, dict) or not all(type(weight) in (int, float) for weight in raw.values()):
            self._fault(place, "final_states must be a table of numbers", "such as { DELIVRD = 0.9, UNDELIV = 0.1 }")
            return ()
        for word, weight in raw.items():
            if word not in FINAL_STATES:
                self._fault(place, f'unknown state "{word}"', nearest(word, FINAL_STATES))
            if not 0 <= weight <= _MAX_WEIGHT:
                self._fault(place, f"the weight of {word} cannot be {weight}", f"0 to {_MAX_WEIGHT:,}")
        return tuple((word, float(weight)) for word, weight in raw.items())


def _value(raw: Any, info: FieldInfo) -> Any:
    """One plain value inside its bounds. Unlike in a configuration a text is only itself: nothing points to files.
    Raises ``BadValue``."""
    if isinstance(raw, str) and str in (info.type, *typing.get_args(info.type)) and not info.choices:
        return raw
    for text in raw if isinstance(raw, list) else (raw,):
        if isinstance(text, str) and text.startswith(("env:", "file:")):
            raise BadValue(f"{info.name} points elsewhere", "write the value itself")
    return converted(raw, info, {}, Path(), from_text=False)


def _nested(hint: Any) -> tuple[type | None, type | None]:
    """(dataclass of a table, dataclass of an array's entries) that a setting is made of."""
    arms = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for arm in arms:
        if is_dataclass(arm) and isinstance(arm, type):
            return arm, None
        if typing.get_origin(arm) is tuple and is_dataclass(inner := typing.get_args(arm)[0]):
            return None, typing.cast(type, inner)
    return None, None
