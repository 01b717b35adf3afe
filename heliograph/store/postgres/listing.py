"""How a list is read: the narrowest index leads; where none knows the filter, a window of messages at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from heliograph.contracts import ListFilter
from heliograph.store.postgres.partitions import first_id

__all__ = ["MOST_WINDOWS", "WINDOW", "Way"]

WINDOW = 25_000
"""Messages that one statement looks through: some ten milliseconds."""
MOST_WINDOWS = 8
"""Windows of a page: then it ends, found or not."""
_AFTER_EVERY_ID = "n"
_AHEAD_US = 60_000_000
"""Ids run ahead of the clock where it was set back: by as much as this is looked for."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """The statements of one list, and their values.

    ``floor`` finds where a window ends; None where ``query`` touches nothing that it does not give.
    """

    query: str
    floor: str | None
    account_id: int
    asked: ListFilter
    before: str
    lowest: str
    label: str | None

    @property
    def searched(self) -> bool:
        """Whether messages may be passed over on the way."""
        return _is_searched(self.asked, self.label)

    @classmethod
    def of(cls, account_id: int, asked: ListFilter) -> Way:
        """The way that a filter takes."""
        query, floor, label = "list", "list_floor", None
        if asked.client_ref is not None or asked.tag is not None:
            label = f"t{asked.tag}" if asked.client_ref is None else f"r{asked.client_ref}"
            query, floor = "list_by_label", "list_floor_of_label"
        elif asked.recipient is not None:
            query, floor = "list_by_recipient", ""
        before = asked.before or _AFTER_EVERY_ID
        if asked.to_us is not None:
            before = min(before, first_id(asked.to_us + _AHEAD_US))
        return cls(
            query=query,
            floor=floor if floor and _is_searched(asked, label) else None,
            account_id=account_id,
            asked=asked,
            before=before,
            lowest="" if asked.from_us is None else first_id(asked.from_us - 1),
            label=label,
        )

    def floor_values(self, before: str) -> tuple[Any, ...]:
        """What ``floor`` wants."""
        ends = (self.account_id, before, self.lowest, WINDOW - 1)
        return ends if self.label is None else (*ends, self.label)

    def values(self, before: str, floor: str | None, left: int) -> tuple[Any, ...]:
        """What ``query`` wants, for the messages from ``floor`` on."""
        asked = self.asked
        values = (
            self.account_id,
            before,
            floor or self.lowest,
            left,
            list(asked.states),
            asked.recipient,
            asked.sender,
            asked.connector_id,
            asked.client_ref,
            asked.tag,
            asked.from_us,
            asked.to_us,
        )
        return values if self.label is None else (*values, self.label)


def _is_searched(asked: ListFilter, label: str | None) -> bool:
    """Whether a filter may pass over messages that the index leads to."""
    if asked.states or asked.sender is not None or asked.connector_id is not None:
        return True
    return label is not None and (asked.recipient is not None or None not in (asked.client_ref, asked.tag))
