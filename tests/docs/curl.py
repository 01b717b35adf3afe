"""The few things that the documents' curl lines use, so that they can be run on any machine."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Asked", "commands", "read"]


class Asked(NamedTuple):
    """One request."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    stays_open: bool = False
    """Whether the answer goes on until one has enough of it."""


def commands(block: str) -> list[str]:
    """The commands of a shell block: a line each, with what follows a backslash or stands in open quotes."""
    found: list[str] = []
    open_command = ""
    for line in block.splitlines():
        open_command += ("\n" if open_command else "") + line
        if line.endswith("\\"):
            open_command = open_command[:-1]
            continue
        if open_command.count("'") % 2 == 0:
            found.append(open_command)
            open_command = ""
    assert not open_command, f"a command without an end: {open_command}"
    return [command for command in found if command.strip() and not command.startswith("#")]


def read(command: str, environment: Mapping[str, str]) -> Asked:
    """A curl command as a request. Raises ``ValueError`` for an option that the documents do not use."""

    def value(found: re.Match[str]) -> str:
        return environment[found[1]]

    # Variables stand in double quotes, bodies in single ones: only the former are filled in.
    parts = re.split(r"('[^']*')", command)
    words = shlex.split("".join(part if part.startswith("'") else re.sub(r"\$(\w+)", value, part) for part in parts))
    assert words.pop(0) == "curl"
    method, url, headers, body = "", "", {}, None
    stays_open = False
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, rest = words.pop(0).partition(": ")
            headers[name] = rest
        elif word == "-d":
            body = words.pop(0).encode()
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif word == "-u":
            headers["Authorization"] = "Basic " + base64.b64encode(words.pop(0).encode()).decode()
        elif word == "-N":
            stays_open = True
        elif word == "-X":
            method = words.pop(0)
        elif word.startswith("-"):
            raise ValueError(f"{word} is no option of ours")
        else:
            url = word
    return Asked(method or ("GET" if body is None else "POST"), url, headers, body, stays_open)
