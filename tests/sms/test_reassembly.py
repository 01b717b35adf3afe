"""Parts in any order, twice, late, or never."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import Assembled, Concat, Element, PartKey, Reassembly, complete, concat_info, join, missing


def key(reference: int = 1, total: int = 3, reference_octets: int = 1, destination: str = "2") -> PartKey:
    return PartKey("main", "+491", destination, reference, total, reference_octets)


@pytest.mark.parametrize(
    ("header", "sar", "concat"),
    [
        ((), (None, None, None), None),
        ((), (300, 2, 1), Concat(300, 2, 1, 2)),
        ((), (300, None, 1), None),
        ((), (300, 2, 3), None),
        ((), (300, 2, 0), None),
        ((), (300, 256, 1), None),
        ((Element(0, b"\x07\x02\x01"),), (300, 3, 2), Concat(7, 2, 1, 1)),
        ((Element(0, b"\x07\x02\x00"),), (300, 3, 2), Concat(300, 3, 2, 2)),
    ],
)
def test_the_header_wins_over_the_tlvs(
    header: tuple[Element, ...], sar: tuple[int | None, int | None, int | None], concat: Concat | None
) -> None:
    assert concat_info(header, *sar) == concat


def test_parts_are_complete_as_a_set() -> None:
    parts = {3: b"c\x00", 1: b"\x00a"}
    assert complete(parts, 3) is None
    assert missing(parts, 3) == (2,)
    assert join(parts) == b"\x00ac\x00"
    assert complete(parts | {2: b"b"}, 3) == b"\x00abc\x00"
    assert complete(parts | {2: b"b", 9: b"z"}, 3) == b"\x00abc\x00"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=5), min_size=1, max_size=6), st.randoms(), st.lists(st.integers(0, 5), max_size=6))
def test_any_order_with_duplicates_gives_the_message_once(parts: list[bytes], rng: object, again: list[int]) -> None:
    numbers = list(range(1, len(parts) + 1)) + [index % len(parts) + 1 for index in again]
    rng.shuffle(numbers)  # type: ignore[attr-defined]
    state = Reassembly(timeout_s=60)
    given_out = []
    for now, number in enumerate(numbers):
        given_out += state.add(key(total=len(parts)), number, parts[number - 1], float(now))
    assert given_out == [Assembled(key(total=len(parts)), b"".join(parts))]
    assert state.expire(1000.0) == []
    assert len(state) == 0
    assert state.next_deadline() is None


def test_messages_under_other_keys_are_kept_apart() -> None:
    state = Reassembly(timeout_s=60)
    keys = [key(), key(reference=2), key(total=2), key(reference_octets=2), key(destination="3")]
    for each in keys:
        assert state.add(each, 1, b"a", 0.0) == []
    assert len(state) == len(keys)


def test_a_timeout_gives_a_marked_partial() -> None:
    state = Reassembly(timeout_s=60)
    state.add(key(), 3, b"c", 0.0)
    state.add(key(), 1, b"a", 30.0)
    assert state.next_deadline() == 60.0
    assert state.expire(59.9) == []
    assert state.expire(60.0) == [Assembled(key(), b"ac", (2,))]
    assert state.expire(600.0) == []


def test_the_bound_pushes_the_oldest_out_as_a_partial() -> None:
    state = Reassembly(timeout_s=60, max_sets=2)
    state.add(key(1), 1, b"a", 0.0)
    state.add(key(2), 1, b"b", 1.0)
    assert state.add(key(3), 1, b"c", 2.0) == [Assembled(key(1), b"a", (2, 3))]
    assert len(state) == 2


def test_a_new_message_under_a_used_reference_does_not_mix_with_the_old() -> None:
    state = Reassembly(timeout_s=60)
    state.add(key(total=2), 1, b"old", 0.0)
    assert state.add(key(total=2), 1, b"new", 1.0) == [Assembled(key(total=2), b"old", (2,))]
    assert state.add(key(total=2), 2, b"er", 2.0) == [Assembled(key(total=2), b"newer")]
    assert state.add(key(total=2), 1, b"next", 3.0) == []
    assert state.add(key(total=2), 2, b"er", 4.0) == [Assembled(key(total=2), b"nexter")]
