"""The mark of what was born claimed: never above the lowest that is still in flight."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.contracts import Update
from heliograph.model import Progress, State, id_from_number
from heliograph.store.sqlite import inflight
from heliograph.store.sqlite.inflight import InFlight


def gone(key: int) -> Update:
    return Update(id_from_number(key << 32), 1, 1, Progress(state=State.SENT, version=2))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 40), st.integers(-60, -1)), max_size=60), st.integers(1, 30))
def test_the_kept_mark_is_never_too_high(steps: list[int], step: int) -> None:
    """Positive: that many are born; negative: that key leaves. A commit between each."""
    inflight._STEP, before = step, inflight._STEP
    try:
        flight, kept, mark, last = InFlight(), set[int](), 0, 0
        flight.adopt([], gone=[], mark=0, all_connectors=True)
        for what in steps:
            born = list(range(last + 1, last + 1 + what)) if what > 0 else []
            last += len(born)
            new_mark = flight.next_mark(born)
            flight.committed(born, new_mark)
            mark = mark if new_mark is None else new_mark
            kept.update(born)
            if what < 0:
                flight.leave([gone(-what)], [-what])
                kept.discard(-what)
            assert mark <= min(kept, default=mark)
    finally:
        inflight._STEP = before


def test_the_mark_stays_until_an_earlier_life_is_settled() -> None:
    flight = InFlight()
    assert flight.next_mark(list(range(100, 10_000))) is None
    flight.adopt([7], gone=[], mark=3, all_connectors=False)
    assert flight.next_mark(list(range(100, 10_000))) is None
    flight.adopt([7], gone=[], mark=3, all_connectors=True)
    assert flight.next_mark(list(range(100, 10_000))) == 7


def test_a_key_below_the_mark_moves_it_down_at_once() -> None:
    flight = InFlight()
    flight.adopt([], gone=[], mark=50, all_connectors=True)
    assert flight.next_mark([60]) is None
    assert flight.next_mark([40]) == 40
