"""What a page points to is there, and every page is found from the map."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors, links, pages

MAP = ROOT / "docs" / "index.md"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(there), f"{link} has no such heading"


def test_every_page_is_found_from_the_map() -> None:
    found = {MAP}
    waiting = [MAP]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            there = (page.parent / link.partition("#")[0]).resolve()
            if there.suffix == ".md" and there.exists() and there not in found:
                found.add(there)
                waiting.append(there)
    assert set(pages()) - found == set()


def test_every_document_that_code_names_is_there() -> None:
    named = {
        name
        for folder in ("heliograph", "tests")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"docs/[\w/-]+\.md", file.read_text())
    }
    assert {name for name in named if not (ROOT / name).exists()} == set()
