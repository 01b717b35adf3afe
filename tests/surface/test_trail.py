"""Every operation that changes something leaves an entry in the audit log, or stands in the table of what is traffic.

Both lists are made from what is there: the operations of the document, and the table of docs/howto/audit.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from heliograph.contracts import AuditFilter
from heliograph.model import AuditEntry
from tests.surface.asking import Answer, Asker
from tests.surface.operations import Operation, operations
from tests.surface.stage import Surface, surface

PAGE = Path(__file__).parents[2] / "docs/howto/audit.md"
TRAFFIC = set(re.findall(r"^\| `((?:POST|PUT|PATCH|DELETE) [^`]+)` \|", PAGE.read_text(), re.MULTILINE))

SCHEDULED = {"send_at": (datetime.now(UTC) + timedelta(days=40)).isoformat()}
MADE_WITH: Mapping[str, Mapping[str, Any]] = {"/v1/messages": SCHEDULED}
"""What is added to the example of what makes an object, so that it can still be changed."""
ASKED_WITH: Mapping[str, Mapping[str, Any]] = {
    "PATCH /v1/webhooks/{id}": {"paused": True},
    "POST /v1/webhooks/{id}/replay": {"events": None, "failed": True},
}
"""Where the example would change nothing of what was made a moment ago; None takes a field away."""
NAMED: Mapping[str, str] = {"/v1/limits": "account:beta"}
UNIQUE: Mapping[str, str] = {
    "name": "n{}",
    "email": "person{}@example.com",
    "system_id": "id{}",
    "number": "1555000{:04}",
    "subject": "account:beta",
}


class Maker:
    """Asks with bodies and names that nobody has used before."""

    def __init__(self, stage: Surface, asker: Asker) -> None:
        self.stage = stage
        self.asker = asker
        self.known = operations(stage.document)
        self.count = 0

    async def trail(self) -> list[AuditEntry]:
        return await self.stage.server.store.audit(AuditFilter(limit=1000))

    def name_of(self, place: str) -> str:
        self.count += 1
        return UNIQUE[place].format(self.count)

    async def ask(self, one: Operation, path: str, extra: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self.stage.alpha}", "Content-Type": "application/json"}
        body = one.example
        if isinstance(body, dict):
            if one.method == "POST" and not one.names:
                body |= {place: self.name_of(place) for place in ("name", "email", "system_id") if place in body}
            body = {name: value for name, value in {**body, **extra}.items() if value is not None}
        octets = None if body is None else json.dumps(body).encode()
        return await self.asker.raw(one.method, path, headers, octets)

    async def object_of(self, one: Operation) -> str:
        """What stands for a new object in the path: made by the POST of its collection, or by PUT."""
        [place] = one.names
        makers = [made for made in self.known if made.method == "POST" and made.path == one.collection]
        if makers:
            answer = await self.ask(makers[0], one.collection, MADE_WITH.get(one.collection, {}))
            assert answer.status < 300, answer
            said = json.loads(answer.body)
            return str(said.get(place) or said["id"])
        [putting] = [made for made in self.known if made.method == "PUT" and made.collection == one.collection]
        name = self.name_of(place)
        if one is not putting:
            answer = await self.ask(putting, putting.path.replace(f"{{{place}}}", name), {})
            assert answer.status < 300, answer
        return name


async def entries_left_by(maker: Maker, one: Operation) -> list[AuditEntry]:
    """What an operation that succeeds adds to the log."""
    path = one.path
    for place in one.names:
        path = path.replace(f"{{{place}}}", await maker.object_of(one))
    before = await maker.trail()
    answer = await maker.ask(one, path, ASKED_WITH.get(one.label, {}))
    assert answer.status < 300, (one.label, answer)
    now = await maker.trail()
    return now[: len(now) - len(before)]


async def test_every_operation_that_changes_something_is_told_or_traffic(tmp_path: Path) -> None:
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        maker = Maker(stage, asker)
        changing = [one for one in maker.known if one.method != "GET"]
        wrong: list[str] = []
        for one in changing:
            if one.label in TRAFFIC:
                continue
            left = await entries_left_by(maker, one)
            told = {(entry.actor, entry.actor_kind, entry.address, entry.outcome) for entry in left}
            if told != {(stage.alpha[:16], "key", "127.0.0.1", "done")}:
                wrong.append(f"{one.label}: left {told}, and stands in no table of docs/howto/audit.md")
        assert wrong == []
        assert {one.label for one in changing} >= TRAFFIC, "the table names operations that there are not"
        assert not [entry for entry in await maker.trail() if stage.alpha in f"{entry}"]


async def refused(stage: Surface, key: str) -> AuditEntry | None:
    """The last refusal of a key that the log has."""
    await stage.server.keys.refusals.write(at_once=True)
    found = await stage.server.store.audit(AuditFilter(actor=key[:16], outcome="refused", limit=1))
    return found[0] if found else None


async def test_a_key_without_the_scope_is_told_of_at_every_operation(tmp_path: Path) -> None:
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        poor = await stage.key("poor", ["metrics:read"])
        for one in operations(stage.document):
            if not one.scopes:  # asked with a publishable token, which has none
                continue
            answer = await asker.ask(one, poor)
            assert (answer.status, answer.code) == (403, "forbidden"), one.label
            entry = await refused(stage, poor)
            assert entry is not None, one.label
            path = re.sub(r"{\w+}", "nothing", one.path)
            assert json.loads(entry.after or "") == {"request": f"{one.method} {path}", "count": 1}, one.label
            assert (entry.object_kind, entry.address) == ("scope", "127.0.0.1")
            assert entry.object_name in one.scopes


@pytest.mark.parametrize("label", ["POST /v1/messages", "POST /v1/inspect"])
async def test_an_operation_that_tells_nothing_is_seen(tmp_path: Path, label: str) -> None:
    """The check sees what it is for."""
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        maker = Maker(stage, asker)
        [one] = [one for one in maker.known if one.label == label]
        assert await entries_left_by(maker, one) == []
