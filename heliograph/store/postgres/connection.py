"""Connections to PostgreSQL: their settings, what makes a server unfit, and which errors pass by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from heliograph.errors import ConfigError, ConfigFault, HeliographError, StoreBusy, StoreError

__all__ = [
    "CONNECTION_ENDED",
    "Connection",
    "Pool",
    "connect",
    "connect_pool",
    "is_lost",
    "refuse_unsafe",
    "translated",
]

Connection = Any
"""An asyncpg connection (the driver has no types of its own)."""

Pool = Any
"""An asyncpg pool."""

CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_MS = 30_000
"""No statement of ours comes near; one that does has met a sick server."""
LOCK_TIMEOUT_MS = 5_000
COMMAND_TIMEOUT_S = 60.0
"""For a server that has gone without a word."""
CARE_TIMEOUT_MS = 3_600_000
"""Backup, check and retention read whole tables."""
POOL_SIZE = 4

_LOST: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's words for a connection that ends under a query
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
)
"""The connection is gone, or was never made; another may succeed later."""

_BUSY: tuple[type[BaseException], ...] = (
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.exceptions.ObjectInUseError,
)
"""The server said no for now: full disk, locks, read-only, time-out."""


def _settings(*, care: bool) -> dict[str, str]:
    common = {
        "application_name": "heliograph",
        "timezone": "UTC",
        "jit": "off",
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(STATEMENT_TIMEOUT_MS),
    }
    if care:
        return {**common, "statement_timeout": str(CARE_TIMEOUT_MS), "idle_in_transaction_session_timeout": "0"}
    # Everything hot looks rows up by key: a plan for the general case is the right one at once,
    # and no statistics, however old, may talk the planner into reading a whole partition.
    return {
        **common,
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "plan_cache_mode": "force_generic_plan",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_seqscan": "off",
    }


async def connect(url: str, *, care: bool = False) -> Connection:
    """A connection with our settings. ``care``: for work that reads whole tables.

    Raises ``StoreBusy`` where the server cannot be reached, ``ConfigError`` where the URL, the
    database or the credentials are wrong.
    """
    with translated():
        return await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=None if care else COMMAND_TIMEOUT_S,
            server_settings=_settings(care=care),
            statement_cache_size=200,
        )


async def connect_pool(url: str) -> Pool:
    """A small pool for reads and rare writes; it mends itself."""
    with translated():
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings=_settings(care=False),
            statement_cache_size=200,
            reset=_nothing_to_reset,
        )


async def _nothing_to_reset(connection: Connection) -> None:
    """Nobody sets, listens or locks on a pooled connection: resetting would cost a round trip a read."""


async def refuse_unsafe(connection: Connection) -> None:
    """Raises ``ConfigError`` when the server could forget what it has confirmed."""
    off = [
        name
        for name in ("fsync", "synchronous_commit", "full_page_writes")
        if await connection.fetchval("SELECT current_setting($1)", name) == "off"
    ]
    if off:
        raise ConfigError(
            [
                ConfigFault(
                    "store.url",
                    f"PostgreSQL runs with {name} = off, so that a crash would lose accepted messages",
                    f"set {name} = on in postgresql.conf, for the database and for the role, and start again",
                )
                for name in off
            ]
        )


def is_lost(error: BaseException) -> bool:
    """Whether the connection broke (and not: the server refused, or our values did not fit)."""
    return isinstance(error, _LOST) and not isinstance(error, asyncpg.DataError)


CONNECTION_ENDED = (asyncpg.PostgresConnectionError, asyncpg.InternalClientError, asyncpg.AdminShutdownError)
"""A connection that was good has ended: another one may be good now."""


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors into ours: ``StoreBusy`` where a later try can succeed."""
    try:
        yield
    except HeliographError:
        raise
    except asyncpg.DataError as error:
        raise StoreError(f"PostgreSQL cannot keep this: {_worded(error)}") from error
    except (
        asyncpg.InvalidCatalogNameError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.ClientConfigurationError,
    ) as error:
        fault = ConfigFault("store.url", _worded(error), "check the address, the database and the role")
        raise ConfigError([fault]) from error
    except _LOST as error:
        raise StoreBusy(f"PostgreSQL cannot be reached: {_worded(error)}") from error
    except _BUSY as error:
        raise StoreBusy(f"PostgreSQL is busy: {_worded(error)}") from error
    except asyncpg.PostgresError as error:
        raise StoreError(f"PostgreSQL refused: {_worded(error)}") from error


def _worded(error: BaseException) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__
