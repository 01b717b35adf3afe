"""Where the truth is kept: one contract, fulfilled on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from heliograph.contracts import Store
from heliograph.errors import ConfigError, ConfigFault

__all__ = ["open_store"]


def open_store(url: str, *, serve: bool, **limits: Any) -> Store:
    """The store at ``url``; ``await store.open()`` comes next.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``postgresql://…``. ``serve`` says that
    this process runs lanes; ``limits`` go to the store (``max_waiting``: rows that may wait to be written).
    Raises :class:`ConfigError` for a url that names no store.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = unquote(parts.path)[1:]
        if parts.netloc or not path or not parts.path.startswith("/"):
            raise _fault(f"{url!r} names no file", "sqlite:///relative.db, or sqlite:////absolute.db")
        try:
            from heliograph.store.sqlite import SqliteStore
        except ModuleNotFoundError as error:
            raise _missing(error, "apsw", "server") from error
        return SqliteStore(path, serve=serve, **limits)
    if parts.scheme in ("postgresql", "postgres"):
        try:
            from heliograph.store.postgres import PostgresStore
        except ModuleNotFoundError as error:
            raise _missing(error, "asyncpg", "postgres") from error
        return PostgresStore(url, serve=serve, **limits)
    raise _fault(f"{parts.scheme or url!r} is no kind of store", "use sqlite:///heliograph.db or postgresql://…")


def _missing(error: ModuleNotFoundError, module: str, extra: str) -> Exception:
    """What to install, where it is the driver that is missing."""
    if error.name != module:
        return error
    return _fault(f"this store needs {module}, which is not installed", f"pip install 'heliograph[{extra}]'")


def _fault(what: str, remedy: str) -> ConfigError:
    return ConfigError([ConfigFault("store.url", what, remedy)])
