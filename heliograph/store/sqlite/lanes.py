"""What a lane takes from the store and gives back. Jobs for the writer's thread."""

from __future__ import annotations

import json
from collections.abc import Iterable

import apsw

from heliograph.model import AT_ONCE, Content, Live
from heliograph.store.sqlite.inflight import InFlight
from heliograph.store.sqlite.queries import ask, query
from heliograph.store.sqlite.rows import id_of, key_of, live_of, whole_of
from heliograph.store.sqlite.salvage import SPOILT, messages
from heliograph.store.sqlite.schedules import add_schedules
from heliograph.store.unreadable import Faults

__all__ = ["claim", "release"]


def claim(
    db: apsw.Connection,
    faults: Faults,
    node_id: int,
    connector_id: int,
    kind: int,
    account_id: int,
    now_us: int,
    limit: int,
) -> list[tuple[Live, Content | None]]:
    """Takes the messages that are due longest: as many as asked for, where so many can be read."""
    found: list[tuple[Live, Content | None]] = []
    db.execute("BEGIN IMMEDIATE")
    while wanted := limit - len(found):
        keys = ask(db, "claimable", (connector_id, kind, account_id, now_us, wanted))
        if not keys:
            break
        taken = json.dumps(keys)
        db.execute(query("claim"), (node_id, taken))
        lives, _ = messages(db, faults.of_claim(), "claimed", (taken,), whole_of, alone="one_record")
        add_schedules(db, faults, lives)
        found += [(live, live.content) for live in lives]
        if len(keys) < wanted:
            break
    db.execute("COMMIT")
    return found


def release(
    db: apsw.Connection, faults: Faults, node_id: int, flight: InFlight, connector_id: int | None
) -> list[Live]:
    """Gives back what the node owns, except what its wires name: that is the answer, still owned.

    Where a row of its wires cannot be read, anything may have been on that wire: all of it is the answer.
    """
    mark: int = db.execute(query("claimed_from"), (node_id,)).get or 0
    db.execute("BEGIN IMMEDIATE")
    owned = dict(_owned(db, node_id, connector_id, mark))
    named = _named(db, faults, node_id, connector_id)
    back = [] if named is None else [key for key, tail in owned.items() if id_of(key, tail) not in named]
    if back:
        db.execute(query("release"), (json.dumps(back), AT_ONCE))
    kept = sorted(owned.keys() - set(back))
    lives, _ = messages(db, faults, "lives_of_keys", (json.dumps(kept),), live_of)
    add_schedules(db, faults, lives)
    db.execute("COMMIT")
    born = [key_of(live.message.id) for live in lives if live.progress.due_us is None]
    flight.adopt(born, gone=back, mark=mark, all_connectors=connector_id is None)
    return lives


def _owned(db: apsw.Connection, node_id: int, connector_id: int | None, mark: int) -> Iterable[tuple[int, int]]:
    """(key, tail) of what was claimed from the backlog (an index knows) and of what was born claimed."""
    connectors = ask(db, "backlog_connectors") if connector_id is None else [connector_id]
    for one in connectors:
        yield from ask(db, "owned_backlog", (one, node_id))
    for key, tail, of in ask(db, "owned_born", (mark, node_id)):
        if connector_id is None or of == connector_id:
            yield key, tail


def _named(db: apsw.Connection, faults: Faults, node_id: int, connector_id: int | None) -> set[str] | None:
    """Ids that the node's wires name: of one connector, or of all. None where one cannot be read."""
    try:
        return {
            message_id
            for of, ids in ask(db, "wires", (node_id,))
            if connector_id is None or of == connector_id
            for message_id in ids.split(",")
        }
    except SPOILT as error:
        faults.tell("wires", f"node {node_id}", error)
        return None
