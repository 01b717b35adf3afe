"""schemathesis over the whole document, against a server of its own: ``python -m tests.surface.fuzzing [OPTION …]``.

Options are those of ``schemathesis run``; without any, the long run of ``make surface``.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.surface.stage import surface

__all__ = ["Run", "run"]

_HERE = Path(__file__).parent
_LONG = ("--phases", "examples,coverage,fuzzing", "--max-examples", "50")


class Run(NamedTuple):
    """What schemathesis found: ``text`` has all that it said."""

    code: int
    text: str
    operations: int
    cases: int


async def run(folder: Path, *options: str) -> Run:
    """Every operation with made-up requests, right and wrong, in the same order each time."""
    async with surface(folder) as stage:
        command = (
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_HERE / "schemathesis.toml")),
            *("run", f"{stage.url}/openapi.json", "--header", f"Authorization: Bearer {stage.alpha}"),
            *("--generation-deterministic", "--no-color", *options),
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_HERE.parents[1])},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    text = said.decode(errors="replace")
    return Run(process.returncode or 0, text, _figure(r"Tested: (\d+)", text), _figure(r"(\d+) generated", text))


def _figure(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def main(options: Sequence[str]) -> int:
    """Runs, prints, and gives the exit code."""
    with tempfile.TemporaryDirectory(prefix="heliograph-surface-") as folder:
        found = asyncio.run(run(Path(folder), *(options or _LONG)))
    print(found.text)
    print(f"{found.operations} operations, {found.cases} cases")
    return found.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
