"""Accounts as a tree: ancestors, descendants, bounds, settings by the nearest word."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules.tree import MOST_BELOW, MOST_LEVELS, MOST_TOPS, Tree, inherited, misplaced

TREE = Tree({1: None, 2: 1, 3: 2, 4: 1, 5: None, 6: 5})


def test_the_way_up_begins_with_the_parent() -> None:
    assert TREE.above(3) == (2, 1)
    assert TREE.above(1) == ()
    assert TREE.above(99) == ()


def test_below_is_everyone_at_any_depth() -> None:
    assert list(TREE.below(1)) == [2, 3, 4]
    assert TREE.within(2) == (2, 3)
    assert TREE.within(99) == (99,)


def test_a_parent_holds_its_own_and_nobody_elses() -> None:
    assert TREE.holds(1, 3)
    assert TREE.holds(3, 3)
    assert not TREE.holds(3, 1)
    assert not TREE.holds(1, 6)
    assert not TREE.holds(2, 4)


def test_levels_count_from_the_top() -> None:
    assert [TREE.level(one) for one in (1, 2, 3, 5)] == [1, 2, 3, 1]


def test_who_is_above_itself_is_a_top() -> None:
    tree = Tree({1: 2, 2: 1, 3: 3, 4: 77})
    assert [tree.above(one) for one in (1, 2, 3, 4)] == [(), (), (), ()]
    assert not tree.holds(1, 2)


def test_the_nearest_word_holds() -> None:
    own: dict[str, object] = {"recipients": "possible", "quiet_hours": None}
    parent: dict[str, object] = {"quiet_hours": "21:00-08:00", "default_region": "DE"}
    assert inherited([own, parent]) == {"recipients": "possible", "quiet_hours": None, "default_region": "DE"}
    assert inherited([]) == {}


@pytest.mark.parametrize(
    ("level", "below", "tops", "what"),
    [
        (MOST_LEVELS, MOST_BELOW, 0, None),
        (1, 0, MOST_TOPS, None),
        (MOST_LEVELS + 1, 1, 0, "accounts have at most 5 levels"),
        (2, MOST_BELOW + 1, 0, "there are 10000 accounts below this top already"),
        (1, 0, MOST_TOPS + 1, "there are 10000 accounts without a parent already"),
    ],
)
def test_a_tree_is_bounded(level: int, below: int, tops: int, what: str | None) -> None:
    wrong = misplaced(level=level, below=below, tops=tops)
    assert (wrong and wrong[0]) == what


@st.composite
def _forests(draw: st.DrawFn) -> dict[int, int | None]:
    size = draw(st.integers(1, 12))
    return {one: draw(st.none() | st.integers(1, size)) for one in range(1, size + 1)}


@settings(max_examples=100, deadline=None)
@given(_forests())
def test_above_and_below_say_the_same(parents: dict[int, int | None]) -> None:
    tree = Tree(parents)
    for one in parents:
        assert one not in tree.above(one)
        for other in parents:
            assert (other in tree.below(one)) == (one in tree.above(other))
            assert tree.holds(one, other) == (other in tree.within(one))
