from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.bench.traffic import CAPACITY, number, text
from heliograph.sms import Encoding, inspect, recipient


@settings(max_examples=200, deadline=None)
@given(st.integers(0, CAPACITY - 1))
def test_every_number_is_valid(place: int) -> None:
    found = recipient(number(place))
    assert found.valid
    assert found.e164 == number(place)


def test_numbers_and_texts_are_all_different() -> None:
    assert len({number(place) for place in range(100_000)}) == 100_000
    assert len({text(place) for place in range(100_000)}) == 100_000


def test_plain_texts_are_one_segment_of_gsm7() -> None:
    assert all(inspect(text(place)).segments and len(inspect(text(place)).segments) == 1 for place in range(40))


def test_mixed_texts_are_a_fifth_unicode_and_fifteen_in_a_hundred_long() -> None:
    seen = [inspect(text(place, mixed=True)) for place in range(1_000)]
    encodings = Counter(one.encoding for one in seen)
    sizes = Counter(len(one.segments) for one in seen)
    assert encodings[Encoding.UCS2] == 200
    assert sizes[1] == 850
    assert set(sizes) <= {1, 2, 3}
