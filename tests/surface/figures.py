"""The figures that the page on security gives of these suites, and whether they are so."""

from __future__ import annotations

import re

from tests.docs.pages import text

__all__ = ["as_told"]

_PAGE = "docs/explanation/security.md"


def as_told(suite: str, operations: int, cases: int) -> bool:
    """Whether the page promises no more than there was, and not much less."""
    found = re.search(rf"^\| {suite} \| ([\d,]+) \| ([\d,]+) \|", text(_PAGE), re.MULTILINE)
    assert found is not None, f"{_PAGE} says nothing of {suite}"
    told_operations, told_cases = (int(figure.replace(",", "")) for figure in found.groups())
    return told_operations <= operations and told_cases <= cases < 2 * told_cases
