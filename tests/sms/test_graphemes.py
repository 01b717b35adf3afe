"""Clusters, and the quick answer for texts that have none of more than one code point."""

from __future__ import annotations

import regex
from hypothesis import given
from hypothesis import strategies as st

from heliograph.sms import graphemes
from heliograph.sms.graphemes import clusters, joins

_NEVER_JOINS = regex.compile(r"[\p{Grapheme_Cluster_Break=Other}\p{Grapheme_Cluster_Break=LF}]").fullmatch


def test_no_code_point_of_the_ranges_joins_another() -> None:
    for first, last in graphemes._ALONE:
        for code in range(first, last + 1):
            assert _NEVER_JOINS(chr(code)), f"U+{code:04X}"


@given(st.text(st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("ab\u0301\u200d👍🏽🇩🇪नि한\r\n"))))
def test_a_text_that_does_not_join_is_cut_anywhere(text: str) -> None:
    assert "".join(clusters(text)) == text
    if not joins(text):
        assert clusters(text) == list(text)


def test_what_joins_is_seen() -> None:
    for text in ("e\u0301", "👨\u200d👩\u200d👧", "🇩🇪", "👍🏽", "नि", "각", "\r\n"):
        assert joins(text)
        assert len(clusters(text)) == 1
