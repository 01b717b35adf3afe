"""Every operation of the document with made-up requests: the running server answers as the document promises."""

from __future__ import annotations

from pathlib import Path

from heliograph.ingress.rest.api import OPERATIONS
from tests.surface.figures import as_told
from tests.surface.fuzzing import run


async def test_the_server_is_as_its_document_says(tmp_path: Path) -> None:
    found = await run(tmp_path, "--phases", "examples,coverage", "--max-failures", "20")
    assert found.code == 0, found.text
    assert found.operations == len(OPERATIONS)
    assert as_told("schemathesis", found.operations, found.cases)
