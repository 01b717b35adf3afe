"""The page of magic numbers is the table's."""

from __future__ import annotations

from heliograph.rules.magic import MAGIC
from heliograph.sandbox.reference import page
from tests.docs.pages import ROOT


def test_the_page_of_magic_numbers_is_the_tables() -> None:
    assert (ROOT / "docs/reference/magic-numbers.md").read_text("utf-8") == page()
    for one in MAGIC.values():
        assert page().count(f"| `{one.example}` |") == 1
