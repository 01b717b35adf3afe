"""The route of a number: longest prefix, then the account's own, then the declared order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.model import Route
from heliograph.rules.routing import Choice, RouteTable, choose, for_trees, next_connector
from heliograph.rules.tree import Tree

TABLE = RouteTable(
    [
        Route(name="all", prefixes=("",), connectors=(1,)),
        Route(name="uk", prefixes=("44",), connectors=(2, 3)),
        Route(name="uk again", prefixes=("+44", "447"), connectors=(4,)),
        Route(name="vip", prefixes=("44", "4"), connectors=(5,), accounts=(7, 8)),
        Route(name="deep", prefixes=("4477001",), connectors=(6,)),
    ]
)

ROWS = [
    (1, "12025550100", "all"),
    (1, "442071838750", "uk"),
    (1, "447911123456", "uk again"),
    (7, "447911123456", "uk again"),
    (7, "442071838750", "vip"),
    (8, "4930123456", "vip"),
    (1, "4930123456", "all"),
    (7, "447700123456", "deep"),
    (1, "4", "all"),
    (1, "", "all"),
]


@pytest.mark.parametrize(("account", "digits", "route"), ROWS)
def test_the_route_of_a_number(account: int, digits: str, route: str) -> None:
    choice = choose(TABLE, account, digits)
    assert choice is not None
    assert choice.route == route


def test_the_reason_is_a_sentence_for_an_operator() -> None:
    assert TABLE.choose(7, "442071838750") == Choice(
        "vip", (5,), "route vip: prefix 44 is the longest that matches, and it is for this account"
    )
    assert TABLE.choose(1, "12025550100") == Choice("all", (1,), "route all: no longer prefix matches")


def test_no_route_is_none() -> None:
    assert RouteTable().choose(1, "12025550100") is None
    assert RouteTable([Route(name="x", prefixes=("49",), connectors=(1,))]).choose(1, "12025550100") is None
    mine = RouteTable([Route(name="x", prefixes=("1",), connectors=(1,), accounts=(2,))])
    assert mine.choose(1, "12025550100") is None
    assert mine.choose(2, "12025550100") is not None


def test_connectors_are_tried_in_order_and_each_once() -> None:
    choice = Choice("x", (3, 1, 2), "")
    assert [next_connector(choice, current) for current in (3, 1, 2)] == [1, 2, None]
    assert next_connector(choice, 99) == 3
    assert next_connector(Choice("x", (), ""), 3) is None


def slowly(routes: list[Route], account: int, digits: str) -> str | None:
    best: tuple[int, bool, int] | None = None
    name = None
    for order, route in enumerate(routes):
        if route.accounts and account not in route.accounts:
            continue
        for prefix in route.prefixes:
            rank = (len(prefix), bool(route.accounts), -order)
            if digits.startswith(prefix) and (best is None or rank > best):
                best, name = rank, route.name
    return name


prefixes = st.text("012", max_size=5)


@given(
    routes=st.lists(
        st.tuples(st.lists(prefixes, min_size=1, max_size=3), st.sampled_from([(), (), (1,), (2,), (1, 2)])),
        max_size=12,
    ),
    account=st.sampled_from([1, 2, 3]),
    digits=st.text("012", max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_the_table_agrees_with_the_definition(
    routes: list[tuple[list[str], tuple[int, ...]]], account: int, digits: str
) -> None:
    declared = [
        Route(name=f"r{at}", prefixes=tuple(found), connectors=(at,), accounts=accounts)
        for at, (found, accounts) in enumerate(routes)
    ]
    choice = RouteTable(declared).choose(account, digits)
    assert (choice.route if choice else None) == slowly(declared, account, digits)


def test_a_route_for_an_account_is_for_everyone_below_it() -> None:
    tree = Tree({1: None, 2: 1, 3: 2, 4: 1, 5: None})
    table = RouteTable(
        for_trees(
            [
                Route(name="all", prefixes=("",), connectors=(1,)),
                Route(name="acme", prefixes=("",), connectors=(2,), accounts=(1,)),
                Route(name="shop", prefixes=("",), connectors=(3,), accounts=(2,)),
                Route(name="acme again", prefixes=("", "44"), connectors=(4,), accounts=(1,)),
            ],
            tree,
        )
    )
    found = {one: choose(table, one, "4930123456") for one in (1, 2, 3, 4, 5)}
    assert {one: choice.route for one, choice in found.items() if choice} == {
        1: "acme", 2: "shop", 3: "shop", 4: "acme", 5: "all",
    }  # fmt: skip
    further = choose(table, 3, "442071838750")
    assert further is not None
    assert further.route == "acme again"
