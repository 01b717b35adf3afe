"""What a text costs and why."""

import pytest
from hypothesis import given, settings

from heliograph.sms import CannotEncode, Encoding, ForcedUnicode, InspectedSegment, Inspection, inspect
from tests.sms.test_segments import texts


def test_a_short_text_is_one_segment() -> None:
    assert inspect("Hi @ £5 €") == Inspection(
        Encoding.GSM7, "septets", 10, 160, (InspectedSegment("Hi @ £5 €", 10),), 150, ()
    )


def test_an_emoji_makes_it_unicode_and_is_named_with_its_places() -> None:
    assert inspect("😀a😀–") == Inspection(
        Encoding.UCS2,
        "utf16_units",
        6,
        70,
        (InspectedSegment("😀a😀–", 6),),
        64,
        (
            ForcedUnicode("😀", "U+1F600", "GRINNING FACE", (0, 2)),
            ForcedUnicode("–", "U+2013", "EN DASH", (3,)),
        ),
    )


def test_a_pair_at_the_border_leaves_a_unit_unused() -> None:
    found = inspect("a" * 152 + "€" + "b" * 10)
    assert [(s.text, s.length) for s in found.segments] == [("a" * 152, 152), ("€" + "b" * 10, 12)]
    assert (found.length, found.per_segment, found.remaining) == (164, 153, 141)
    assert inspect("a" * 161, reference_octets=2).per_segment == 152


def test_a_wish_for_unicode_forces_by_no_character() -> None:
    found = inspect("abc", "ucs2")
    assert (found.encoding, found.length, found.remaining, found.forced_unicode) == (Encoding.UCS2, 3, 67, ())
    with pytest.raises(CannotEncode):
        inspect("ж", "gsm7")


def test_an_empty_text_has_an_empty_segment() -> None:
    assert inspect("").segments == (InspectedSegment("", 0),)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_the_segments_are_the_text(text: str) -> None:
    found = inspect(text)
    assert "".join(s.text for s in found.segments) == text
    assert sum(s.length for s in found.segments) == found.length
    assert all(s.length <= found.per_segment for s in found.segments)
    assert found.remaining == found.per_segment - found.segments[-1].length
    assert bool(found.forced_unicode) == (found.encoding == Encoding.UCS2)
    assert all(text[at] == each.character for each in found.forced_unicode for at in each.positions)
