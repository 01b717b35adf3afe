"""The documents of the project, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["ROOT", "Block", "anchors", "blocks", "fenced", "links", "pages", "table_words", "text"]

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: where it stands, its language, its text."""

    page: str
    language: str
    text: str


def pages() -> list[Path]:
    """Every Markdown page that readers meet."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def text(page: str) -> str:
    """A page by its path in the project."""
    return (ROOT / page).read_text()


def blocks(page: str | Path, language: str) -> list[Block]:
    """The page's fenced blocks in a language, in order."""
    return [block for block in fenced(page) if block.language == language]


def fenced(page: str | Path) -> list[Block]:
    """The page's fenced blocks, in order."""
    path = ROOT / page
    name = str(path.relative_to(ROOT))
    return [Block(name, found[1], found[2]) for found in _FENCE.finditer(path.read_text())]


def links(page: Path) -> Iterator[str]:
    """What the page links to, outside of its examples."""
    yield from _LINK.findall(_FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as hosts of Markdown make them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_words(page: str) -> list[str]:
    """The first cell of every row of the page's tables, where it is code."""
    return re.findall(r"^\| `([^`]+)` \|", text(page), re.MULTILINE)
