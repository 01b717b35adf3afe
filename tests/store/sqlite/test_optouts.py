"""The filter of opt-outs: no false "surely not", few needless looks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.store.sqlite.optouts import OptOutFilter

PAIRS = st.lists(st.tuples(st.integers(1, 5), st.text("+0123456789", max_size=16)), max_size=50)


@settings(max_examples=80, deadline=None)
@given(PAIRS)
def test_what_was_added_may_be_there(pairs: list[tuple[int, str]]) -> None:
    made = OptOutFilter(pairs)
    assert all(made.may_have(*pair) for pair in pairs)


def test_an_empty_filter_has_nobody() -> None:
    assert not OptOutFilter().may_have(1, "+49")


def test_a_filter_made_for_its_pairs_is_seldom_wrong() -> None:
    pairs = [(1, f"+49151{n:08}") for n in range(20_000)]
    made = OptOutFilter(pairs, expected=len(pairs))
    assert not made.full
    wrong = sum(made.may_have(2, recipient) for _, recipient in pairs)
    assert wrong < len(pairs) / 100


def test_a_small_filter_says_when_it_is_full() -> None:
    made = OptOutFilter()
    made.add((1, str(n)) for n in range(10_000))
    assert made.full
