"""The table of what peers do: each row names tests that exist, or says why there is none."""

from __future__ import annotations

import ast
import re

import pytest

from heliograph.rules import pacing
from heliograph.smpp.session import Timers
from heliograph.smpplink.settings import LinkSettings
from tests.docs.pages import ROOT, text

PAGE = "docs/reference/interop.md"
ROWS = [row.strip("|").split("|") for row in re.findall(r"^\|(?! what peers do|---).*\|$", text(PAGE), re.MULTILINE)]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def functions_of(file: str) -> set[str]:
    """The tests that a file has for pytest: functions at its top."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {one.name for one in ast.parse((ROOT / file).read_text()).body if isinstance(one, kinds)}


def test_there_are_rows() -> None:
    assert len(ROWS) == text(PAGE).count("\n|") - 2 * text(PAGE).count("\n## ")
    assert len({what for what, *_ in ROWS}) == len(ROWS) > 40


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:50])
def test_a_row_is_shown_by_tests_that_exist_or_says_why_it_is_not(row: list[str]) -> None:
    _, answer, shown = (cell.strip() for cell in row)
    for file, name in NAMED.findall(shown):
        assert name in functions_of(file), f"{file} has no {name}"
    if answer:
        assert "<br>".join(f"`{file}::{name}`" for file, name in NAMED.findall(shown)) == shown != ""
    else:
        assert re.match(r"not covered: .{20,}\.$", shown)


def test_the_figures_are_the_codes() -> None:
    timers, page = Timers(), text(PAGE)
    for words in (
        f"at least {LinkSettings(host='', system_id='').refused_wait_s:g} s to the next try",
        f"then the answer for {timers.unbind_s:g} s",
        f"We probe after {timers.enquire_link_s:g} s of silence, any PDU counts as an answer, "
        f"{timers.enquire_timeout_s:g} s to each",
        f"{timers.session_init_s:g} s to bind, {timers.response_s:g} s for a response, "
        f"{timers.pdu_read_s:g} s for a PDU",
        f"below {pacing.OPTIMUM} nothing changes, from {pacing.NEARING} the pace shrinks",
    ):
        assert words in page
