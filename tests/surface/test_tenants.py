"""One tenant never sees another's: every operation of the document, tried with a stranger's ids."""

from __future__ import annotations

from pathlib import Path

from tests.surface.asking import Asker
from tests.surface.figures import as_told
from tests.surface.kept import settled
from tests.surface.operations import Operation, operations
from tests.surface.stage import OPERATORS, surface
from tests.surface.tenants import Owned, cross, own, uncovered


async def test_a_strangers_object_is_answered_like_none_and_nothing_of_it_changes(tmp_path: Path) -> None:
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        known = operations(stage.document)
        owned = await own(asker, known, stage.alpha)
        assert uncovered(known, owned) == []
        before = await settled(stage.store, "alpha")
        for operation in known:
            if operation.method == "GET" and not operation.names and not operation.scopes & OPERATORS:
                told = (await asker.ask(operation, stage.beta)).body.decode()
                assert not [name for name in owned.all if name in told], operation.label
        pairs, crossings = await cross(asker, known, owned, stage.beta)
        assert crossings == []
        assert await settled(stage.store, "alpha") == before
        assert as_told("Strangers", len(known), pairs)


async def test_an_idempotency_key_is_its_accounts(tmp_path: Path) -> None:
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        once = {"Idempotency-Key": "the same"}
        for operation in operations(stage.document):
            if operation.method == "POST" and not operation.names and not operation.scopes & OPERATORS:
                first = await asker.ask(operation, stage.alpha, headers=once)
                theirs = await asker.ask(operation, stage.beta, headers=once)
                assert "idempotent-replayed" not in dict(theirs.headers), operation.label
                assert first.status >= 400 or first.body != theirs.body or b'"id"' not in first.body, operation.label


async def test_who_may_see_an_object_is_told_apart(tmp_path: Path) -> None:
    """The comparison sees what it is for: another key of the same account is answered otherwise than for nobody."""
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        known = [one for one in operations(stage.document) if one.method == "GET" and one.names]
        owned = await own(asker, operations(stage.document), stage.alpha)
        _, crossings = await cross(asker, known, owned, stage.alpha)
        assert {one.label for one in crossings if one.what == "path"} >= {"GET /v1/messages/{id}"}


def test_an_operation_without_cover_is_told() -> None:
    raw = {"responses": {}, "security": [{"key": ["messages:read"]}]}
    new = Operation("GET", "/v1/drafts/{id}", raw, {})
    assert uncovered([new], Owned()) == ["GET /v1/drafts/{id}: nothing makes such an object"]
    assert uncovered([new], Owned(names={"/v1/drafts": "d1"})) == []
