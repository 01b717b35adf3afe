"""Accounts as a tree: ancestors, descendants, settings by the nearest word, limits by the least."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.rules.tree import Tree, inherited

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
