"""Lists of messages, of one account or several, newest first: what no run holds yet, then run by run as an index leads.

Each step is a job of its own, so that others get their turn; a page ends after some steps, found or not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import apsw

from heliograph.contracts import ListFilter, MessagePage, MessageRecord
from heliograph.store.sqlite.queries import ask, query
from heliograph.store.sqlite.rows import id_of, key_at, key_of
from heliograph.store.sqlite.shows import records_of
from heliograph.store.unreadable import Faults

__all__ = ["RUNS_A_STEP", "Listing", "list_step"]

RUNS_A_STEP = 64
"""Runs that one step of a listing looks through, before others get their turn."""
_MOST_STEPS = 4
"""Steps of a page whose filter leads over all messages of the account: a million of them."""
_MOST_LED_STEPS = 256
"""Steps of a page that an index leads: each touches what it is looking for and no more."""
_FOREVER = (1 << 63) - 1
_AHEAD_US = 60_000_000
"""Ids run ahead of the clock where it was set back: by as much as this is looked for."""

_WITHIN: Final[Mapping[str, str]] = {
    "list_tail": "list_tail_within",
    "list_account": "list_account_within",
    "list_sender": "list_sender_within",
    "list_recipient": "list_recipient_within",
    "list_label": "list_label_within",
}
"""The query for one account → the one for several."""


@dataclass(slots=True)
class Listing:
    """A listing under way: ``run`` is the next run to look into (None: begin with what no run holds yet)."""

    accounts: Sequence[int]
    asked: ListFilter
    faults: Faults
    found: list[MessageRecord] = field(default_factory=list)
    run: int | None = None
    below: int = _FOREVER
    bottom: int = 0
    """No run up to this one holds anything of the asked time."""
    steps: int = 0
    stopped_at: str | None = None

    @property
    def done(self) -> bool:
        if self.run is not None and self.run <= self.bottom:
            return True
        return len(self.found) >= self.asked.limit or self.stopped_at is not None

    @property
    def page(self) -> MessagePage:
        """What was found; where the next page begins."""
        full = len(self.found) >= self.asked.limit
        return MessagePage(tuple(self.found), self.found[-1].message.id if full else self.stopped_at)

    def query(self, name: str) -> str:
        """What asks the same of as many accounts as there are."""
        return name if len(self.accounts) == 1 else _WITHIN[name]

    @property
    def lowest(self) -> int:
        """The least key that is asked for."""
        return 0 if self.asked.from_us is None else key_at(self.asked.from_us)


def list_step(db: apsw.Connection, listing: Listing) -> None:
    """Looks a bit further back."""
    if listing.run is None:
        listing.found += _tail(db, listing)
        return
    floor = max(listing.bottom, listing.run - RUNS_A_STEP)
    name, led = _way(listing.asked)
    wanted = _wanted(listing) | {"run": listing.run, "floor": floor, "before": listing.below, "lowest": listing.lowest}
    found, keys = records_of(db, listing.faults, listing.query(name), wanted)
    listing.found += found
    listing.steps += 1
    if len(keys) > len(found):  # what can't be read takes no place on a page: the same again, below it
        listing.below = min(keys)
        return
    listing.run = floor
    if floor > listing.bottom and listing.steps >= (_MOST_LED_STEPS if led else _MOST_STEPS):
        first: int | None = db.execute(query("first_key_after_run"), (floor,)).get
        listing.stopped_at = None if first is None else id_of(first, 0)


def _tail(db: apsw.Connection, listing: Listing) -> list[MessageRecord]:
    """What no run holds yet, in one snapshot with where the runs begin."""
    asked, lowest = listing.asked, listing.lowest
    before = _FOREVER if asked.before is None else key_of(asked.before)
    if asked.to_us is not None:
        before = min(before, key_at(asked.to_us + _AHEAD_US))
    db.execute("BEGIN")
    last_run, indexed = ask(db, "last_run")
    tail = _wanted(listing) | {"after": max(indexed, lowest - 1), "before": before}
    listing.run = last_run if before > indexed else db.execute(query("run_before"), (before,)).get
    if lowest:
        listing.bottom = max(0, db.execute(query("run_before"), (lowest,)).get - 1)
    found: list[MessageRecord] = []
    while before > indexed:
        more, keys = records_of(db, listing.faults, listing.query("list_tail"), tail)
        found += more
        if len(keys) == len(more) or not keys:
            break
        tail |= {"before": min(keys), "left": asked.limit - len(found)}
    db.execute("COMMIT")
    listing.below = min(before, indexed + 1)
    return found


def _way(asked: ListFilter) -> tuple[str, bool]:
    """The query of the narrowest index, and whether it touches nothing but what it looks for."""
    if asked.client_ref is not None or asked.tag is not None:
        return "list_label", True
    if asked.recipient is not None:
        return "list_recipient", True
    return ("list_account", False) if asked.sender is None else ("list_sender", False)


def _whose(accounts: Sequence[int]) -> dict[str, Any]:
    return {"account": accounts[0]} if len(accounts) == 1 else {"accounts": json.dumps(list(accounts))}


def _wanted(listing: Listing) -> dict[str, Any]:
    asked = listing.asked
    return {
        **_whose(listing.accounts),
        "left": asked.limit - len(listing.found),
        "states": json.dumps(asked.states) if asked.states else None,
        "recipient": asked.recipient,
        "sender": asked.sender,
        "connector": asked.connector_id,
        "client_ref": asked.client_ref,
        "tag": asked.tag,
        "from_us": asked.from_us,
        "to_us": asked.to_us,
        "label": f"t{asked.tag}" if asked.client_ref is None else f"r{asked.client_ref}",
    }
