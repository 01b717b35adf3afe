"""The platform's errors, sorted by who must act.

``ConfigError`` is the operator's, ``RequestRejected`` the customer's, ``SubmitFailed`` the
carrier's, ``StoreError`` ours. Each holds fields and words itself; none holds a secret or a
message text. (``heliograph.smpp`` has a root of its own.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "ConfigError",
    "ConfigFault",
    "ConfigurationUnreadable",
    "HeliographError",
    "MessageUnreadable",
    "RequestRejected",
    "Retry",
    "SecretLocked",
    "StoreBusy",
    "StoreError",
    "StoreInUse",
    "StoreOutdated",
    "SubmitFailed",
    "VersionConflict",
]


class HeliographError(Exception):
    """Root of everything that this platform raises on purpose."""


@dataclass(frozen=True)
class ConfigFault:
    """One thing wrong in a configuration: where, what, and what to do about it."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


class ConfigError(HeliographError):
    """The operator must change the configuration. Holds every fault, not only the first."""

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class RequestRejected(HeliographError):
    """The customer must change the request.

    ``code`` is stable (documented in docs/reference/errors.md), ``field`` names the part of the
    request, ``retry_after_s`` is set where waiting helps.
    """

    def __init__(
        self, code: str, detail: str, *, field: str | None = None, status: int = 422, retry_after_s: int | None = None
    ) -> None:
        self.code = code
        self.detail = detail
        self.field = field
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {detail}")


class Retry(Enum):
    """What a failure says of another try. Source: contracts of carriers, SMPP 3.4 §5.1.3."""

    NEVER = "never"
    LATER = "later"
    ELSEWHERE = "elsewhere"


@dataclass
class SubmitFailed(HeliographError):
    """A carrier did not take a segment. ``status`` is the carrier's code, ``code`` our stable word."""

    code: str
    status: int | None
    retry: Retry
    retry_after_s: float | None = None
    pauses_lane: bool = False

    def __str__(self) -> str:
        status = "no status" if self.status is None else f"status 0x{self.status:08X}"
        return f"the carrier refused the segment: {self.code} ({status}), retry {self.retry.value}"


class StoreError(HeliographError):
    """The store could not do what it promised; nothing of the transaction was kept."""


class StoreBusy(StoreError):
    """Full disk, locked, read-only or lost database, or a full queue: the same call may succeed later."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail)


class MessageUnreadable(StoreError):
    """The message is there, and its row cannot be read: an operator must act (see the runbook)."""

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        super().__init__(f"the row of the message {message_id} cannot be read: heliograph store check says why")


class ConfigurationUnreadable(StoreError):
    """An account, a credential or a webhook is damaged in the store: what it said is not guessed.

    ``why`` holds nothing of the row.
    """

    def __init__(self, table: str, name: str, why: str) -> None:
        self.table = table
        self.name = name
        super().__init__(f"the row {name} of {table} cannot be read ({why})")


class StoreInUse(StoreError):
    """Another ``serve`` writes this store."""


class StoreOutdated(StoreError):
    """The schema is older or newer than this program."""


class VersionConflict(StoreError):
    """Something that is configured has another version than expected (0: it is not there). Nothing was written."""

    def __init__(self, kind: str, name: str, version: int) -> None:
        self.kind = kind
        self.name = name
        self.version = version
        has = f"has version {version} by now" if version else "is not there"
        super().__init__(f"the {kind} {name} {has}: read it again and repeat the change")


class SecretLocked(StoreError):
    """A sealed secret cannot be opened: its key is not known, or (``damaged``) it is not what was sealed there.

    ``of``: the kind of thing whose secret it is.
    """

    def __init__(self, endpoint_id: str, key_id: str, *, damaged: bool = False, of: str = "webhook") -> None:
        self.endpoint_id = endpoint_id
        self.key_id = key_id
        self.damaged = damaged
        why = (
            "is not what was sealed there: restore a backup of the store (heliograph store restore)"
            if damaged
            else f"is sealed under the master key {key_id:.40}, which is not known here: put back the key that was "
            "used before (security.master_key, security.other_master_keys, or the .key file beside the database)"
        )
        super().__init__(f"the secret of the {of} {endpoint_id} {why}")
