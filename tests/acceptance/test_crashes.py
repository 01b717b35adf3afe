"""The real server killed, and its power cut, at random moments: nothing that was promised is lost."""

from random import Random

import pytest

from heliograph.bench.chaos import Chaos, backlog, cuts, kills
from heliograph.bench.options import Options

SEEDS = Random()
WINDOW = 100
MOST_AHEAD = 1024
"""Segments that a lane permits ahead of its window at most."""


def _check(found: Chaos) -> None:
    assert found.balance.good, found
    assert found.miscounted == []
    assert found.most_on_wire <= WINDOW + MOST_AHEAD, found
    assert found.balance.accepted > 0


@pytest.mark.parametrize(("store", "rounds"), [("sqlite", 3), ("postgres", 2)])
def test_kill_under_load_loses_nothing_and_repeats_only_what_is_marked(store: str, rounds: int) -> None:
    found = kills(Options(store=store, rounds=rounds, connections=16, timeout_s=60), SEEDS)
    assert found.crashes == rounds
    assert found.balance.receipts > 0
    assert found.balance.replies > 0
    _check(found)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_kill_with_a_backlog_marks_only_what_may_be_on_the_wire(store: str) -> None:
    found = backlog(Options(store=store, backlog=3_000, timeout_s=60))
    assert found.balance.accepted >= 3_000
    assert found.balance.marked <= found.most_on_wire
    _check(found)


def test_a_power_cut_loses_nothing_that_was_answered() -> None:
    found = cuts(Options(cuts=5, timeout_s=60), SEEDS)
    assert found.crashes == 5
    _check(found)
