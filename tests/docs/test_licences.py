"""Every dependency stands in its page with its licence, and may be a part of what we give away."""

from __future__ import annotations

import re

import pytest

from tests.docs.licences import ALLOWED, REMARKS, constraints, licence, purpose
from tests.docs.pages import text

ROWS = {
    name: (stated, needed_by, remark.strip())
    for name, stated, needed_by, remark in re.findall(
        r"^\| `([^`]+)` \| ([^|]*) \| ([^|]*) \|([^|]*)\|$", text("docs/licences.md"), re.MULTILINE
    )
}


def test_the_page_has_every_dependency_and_no_other() -> None:
    assert set(ROWS) == set(constraints())


@pytest.mark.parametrize("name", sorted(constraints()))
def test_the_page_says_what_the_package_says(name: str) -> None:
    stated = licence(name)
    assert stated in (None, ROWS[name][0])  # None: not installed here, such as what only building needs
    assert ROWS[name][1:] == (purpose(name), REMARKS.get(name, ""))


@pytest.mark.parametrize("name", sorted(constraints()))
def test_what_users_need_may_be_given_on_under_apache_2(name: str) -> None:
    stated, needed_by, remark = ROWS[name]
    parts = re.split(r" (?:AND|OR) ", stated)
    if not set(parts) <= ALLOWED:
        assert needed_by in ("tests", "building")
        assert remark
