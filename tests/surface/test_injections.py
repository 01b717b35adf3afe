"""Texts that mean something elsewhere mean nothing here: they are kept as they are, or refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from heliograph.telemetry import journal
from tests.surface.asking import Asker
from tests.surface.figures import as_told
from tests.surface.injections import SETS, inject, injections
from tests.surface.kept import soundness
from tests.surface.operations import operations
from tests.surface.stage import surface
from tests.surface.tenants import own

_FORMULAS = tuple("=+-@\t\r\n|%")


@pytest.fixture
def told() -> io.StringIO:
    """What the journal says, as machines read it."""
    stream = io.StringIO()
    journal.configure("json", stream=stream)
    return stream


async def test_a_text_is_kept_as_it_is_or_refused_wherever_it_stands(tmp_path: Path, told: io.StringIO) -> None:
    async with surface(tmp_path) as stage, Asker(stage.url) as asker:
        known = operations(stage.document)
        names = (await own(asker, known, stage.alpha)).names
        below = {**names, "/v1/limits": f"account:{names['/v1/accounts']}"}  # limits of alpha itself would slow this
        headers = {"Authorization": f"Bearer {stage.alpha}"}
        await asker.raw("DELETE", "/v1/limits/account:alpha", headers)
        before = soundness(stage.store)
        asked = injections(known)
        found = await inject(asker, asked, below, stage.alpha)
        assert found.faults == []
        assert found.kept > 50
        assert soundness(stage.store) == before == ("ok", before[1])
        assert as_told("Injections", len(known), len(asked))
        for path in ("/v1/messages/export?format=csv", "/v1/audit?format=csv"):
            answer = await asker.raw("GET", path, headers)
            rows = list(csv.reader(io.StringIO(answer.body.decode())))
            assert len(rows) > 10
            assert [cell for row in rows for cell in row if cell.startswith(_FORMULAS)] == []
    lines = [json.loads(line) for line in told.getvalue().splitlines()]  # one a line, whatever was sent
    assert lines
    assert [line for line in lines if line["event"] == "injected"] == []


def test_the_sets_are_what_they_say() -> None:
    assert set(SETS) == {"sql", "header", "log", "csv", "template", "html"}
    assert all("\n" in text for text in SETS["header"])
    assert all(text.startswith(_FORMULAS) for text in SETS["csv"])
