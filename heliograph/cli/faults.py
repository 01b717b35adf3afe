"""What went wrong, in one sentence with its remedy."""

from __future__ import annotations

from typing import Final

from heliograph.errors import (
    ConfigError,
    ConfigurationUnreadable,
    RequestRejected,
    StoreBusy,
    StoreError,
    StoreInUse,
    StoreOutdated,
)

__all__ = ["CommandFailed", "explain"]


class CommandFailed(Exception):
    """A command cannot do what it was asked to: what is wrong, and what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}: {remedy}")


_REMEDIES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (StoreInUse, "stop the other server first"),
    (StoreOutdated, "run heliograph store migrate"),
    (StoreBusy, "try again in a moment"),
    (ConfigurationUnreadable, "mend it or restore a backup, as A row is unreadable in docs/runbook.md says"),
    (StoreError, "heliograph store check tells more"),
)


def explain(error: Exception) -> str:
    """The sentence for people. A configuration's faults are told all, one a line."""
    if isinstance(error, CommandFailed):
        return f"Error: {error}."
    if isinstance(error, ConfigError):
        return "\n".join(f"Error: {fault}" for fault in error.faults)
    if isinstance(error, RequestRejected):
        return f"Error: {error.detail} [{error.code}]"
    for kind, remedy in _REMEDIES:
        if isinstance(error, kind):
            return f"Error: {_sentence(error)}: {remedy}."
    if isinstance(error, OSError):
        return f"Error: {_os_error(error)}."
    if isinstance(error, TimeoutError | ValueError):
        return f"Error: {_sentence(error)}."
    return f"Error: {type(error).__name__}, {_sentence(error)}: run it again with --traceback in front to see where."


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text or "no more is known").rstrip(".")


def _os_error(error: OSError) -> str:
    words = error.strerror or _sentence(error)
    if error.filename is not None:
        return f"{error.filename}: {words}: check that the path is right and may be used"
    if "address already in use" in str(error).lower():
        return f"{words}: choose another port, or stop the program that uses it"
    return words
