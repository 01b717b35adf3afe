"""Secrets in what is configured: sealed when they come in, opened for who uses them, compared untold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heliograph.access.documents import is_sealed, opened, sealed
from heliograph.config import Config
from heliograph.config.stored import KEPT, Table, is_reference, secrets_of
from heliograph.contracts import Sealer
from heliograph.errors import ConfigFault, SecretLocked

__all__ = ["Secrets"]


class Secrets:
    """Of tables. ``environ`` is where references lead."""

    def __init__(self, sealer: Sealer, environ: Mapping[str, str]) -> None:
        self._sealer = sealer
        self._environ = environ

    def opened(self, table: Table) -> Table:
        """The table with its sealed secrets in clear; references stay. Raises ``SecretLocked``."""
        values = {
            key: opened(value, self._sealer, table.kind, table.name, key) if is_sealed(value) else value
            for key, value in table.values.items()
        }
        return Table(table.kind, table.name, values)

    def sealed(self, table: Table, before: Table | None, faults: list[ConfigFault]) -> Table:
        """The table as it is kept: what is the same secret as ``before`` stays as it was sealed then.

        Adds to ``faults`` what cannot be kept. Raises ``ConfigError`` where there is no master key.
        """
        values = dict(table.values)
        for field in secrets_of(table) & values.keys():
            there = None if before is None else before.values.get(field)
            value = values[field]
            if value == KEPT and there is not None:
                values[field] = there
            elif value == KEPT:
                remedy = f'write {field} = "…", or "env:NAME"'
                fault = ConfigFault(f"{table.where}.{field}", "is not in this store, so it can't be kept", remedy)
                faults.append(fault)
            elif is_sealed(value):
                values[field] = self._same(table, field, value, there, faults)
            elif isinstance(value, str) and not is_reference(value):
                values[field] = self._seal(table, field, value, there)
        return Table(table.kind, table.name, values)

    def of_the_file(self, table: Table, config: Config) -> Table:
        """What the file declares, its secrets sealed. Raises ``ConfigError`` where there is no master key."""
        secret = sorted(secrets_of(table) & table.values.keys())
        return Table(
            table.kind,
            table.name,
            {**table.values, **{key: self._seal(table, key, _of_config(table, key, config), None) for key in secret}},
        )

    def says_the_same(self, table: Table, file: Table, config: Config) -> bool:
        """Whether a table says what the file declares, secrets included."""
        secret = secrets_of(file) & file.values.keys()
        return table.values.keys() == file.values.keys() and all(
            self._clear(table, key) in (KEPT, _of_config(file, key, config)) if key in secret else one == value
            for (key, value), one in zip(file.values.items(), map(table.values.get, file.values), strict=True)
        )

    def _clear(self, table: Table, field: str) -> object:
        value = table.values[field]
        if is_sealed(value):
            return self._known(table, field, value)
        return self._environ.get(str(value).removeprefix("env:")) if is_reference(value) else value

    def _known(self, table: Table, field: str, value: object) -> str | None:
        """A sealed secret in clear; None for what is none, or cannot be opened."""
        if not is_sealed(value):
            return None
        try:
            return opened(str(value), self._sealer, table.kind, table.name, field)
        except SecretLocked:
            return None

    def _seal(self, table: Table, field: str, clear: str, there: object) -> object:
        if self._known(table, field, there) == clear:
            return there
        return sealed(clear, self._sealer, table.kind, table.name, field)

    def _same(self, table: Table, field: str, value: str, there: object, faults: list[ConfigFault]) -> object:
        """A secret that comes sealed already, as an export has it."""
        try:
            clear = opened(value, self._sealer, table.kind, table.name, field)
        except SecretLocked as error:
            faults.append(ConfigFault(f"{table.where}.{field}", str(error), 'or write the secret, or "env:NAME"'))
            return value
        return there if self._known(table, field, there) == clear else value


def _of_config(table: Table, field: str, config: Config) -> Any:
    settings = next(one.settings for one in config.connectors if one.name == table.name)
    return getattr(settings, field)
