"""What a text costs and why."""

import pytest
from hypothesis import given, settings

from heliograph.sms import (
    CannotEncode,
    Encoding,
    ForcedUnicode,
    InspectedSegment,
    InspectedTables,
    Inspection,
    TextWishes,
    Variant,
    inspect,
)
from tests.sms.test_segments import texts


def test_a_short_text_is_one_segment() -> None:
    assert inspect("Hi @ £5 €") == Inspection(
        Encoding.GSM7,
        "septets",
        10,
        160,
        (InspectedSegment("Hi @ £5 €", 10),),
        150,
        (),
        variants=(Variant("gsm7", 1, 10, ""), Variant("ucs2", 1, 9, "")),
        cheapest="gsm7",
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
        variants=(
            Variant("gsm7", 0, 0, "😀–"),
            Variant("smart", 0, 0, "😀–"),
            Variant("gsm7_national", 0, 0, "😀–"),
            Variant("ucs2", 1, 6, ""),
        ),
        cheapest="ucs2",
    )


def test_a_pair_at_the_border_leaves_a_unit_unused() -> None:
    found = inspect("a" * 152 + "€" + "b" * 10)
    assert [(s.text, s.length) for s in found.segments] == [("a" * 152, 152), ("€" + "b" * 10, 12)]
    assert (found.length, found.per_segment, found.remaining) == (164, 153, 141)
    assert inspect("a" * 161, TextWishes(reference_octets=2)).per_segment == 152


def test_a_wish_for_unicode_forces_by_no_character() -> None:
    found = inspect("abc", TextWishes(encoding="ucs2"))
    assert (found.encoding, found.length, found.remaining, found.forced_unicode) == (Encoding.UCS2, 3, 67, ())
    with pytest.raises(CannotEncode):
        inspect("ж", TextWishes(encoding="gsm7"))


def test_an_empty_text_has_an_empty_segment() -> None:
    assert inspect("").segments == (InspectedSegment("", 0),)


@settings(max_examples=200, deadline=None)
@given(texts)
def test_the_segments_are_the_text(text: str) -> None:
    found = inspect(text)
    assert "".join(s.text for s in found.segments) == (text if found.text is None else found.text)
    assert sum(s.length for s in found.segments) == found.length
    assert all(s.length <= found.per_segment for s in found.segments)
    assert found.remaining == found.per_segment - found.segments[-1].length
    assert bool(found.forced_unicode) == (found.encoding == Encoding.UCS2 or bool(found.substitutions))
    assert all(text[at] == each.character for each in found.forced_unicode for at in each.positions)
    assert {one.name: one for one in found.variants}[found.cheapest].segments <= len(found.segments)


def test_what_was_replaced_stands_with_its_place_and_name() -> None:
    found = inspect("it\u2019s 5\u00a0%")
    assert (found.encoding, found.text, found.cheapest) == (Encoding.GSM7, "it's 5 %", "smart")
    assert [(s.position, s.from_, s.to, s.name) for s in found.substitutions] == [
        (2, "\u2019", "'", "RIGHT SINGLE QUOTATION MARK"),
        (6, "\u00a0", " ", "NO-BREAK SPACE"),
    ]
    assert inspect("it\u2019s", TextWishes(smart=False)).encoding == Encoding.UCS2


def test_the_tables_of_a_text_are_named_and_the_other_ways_are_priced() -> None:
    text = "Yarın şişli'de buluşalım mı? " * 8
    found = inspect(text, TextWishes(national=True))
    assert (found.encoding, found.unit, found.per_segment) == (Encoding.GSM7_NATIONAL, "septets", 149)
    assert found.tables == InspectedTables("turkish", "default", 3)
    assert found.variants == (
        Variant("gsm7", 0, 0, "ış"),
        Variant("smart", 0, 0, "ış"),
        Variant("gsm7_national", 2, 232, ""),
        Variant("ucs2", 4, 232, ""),
    )
    assert inspect(text).encoding == Encoding.UCS2  # not allowed, but priced all the same
    assert inspect(text).cheapest == "gsm7_national"


def test_a_cluster_longer_than_a_segment_is_counted_as_cut() -> None:
    assert inspect("a" + "\u0328" * 80).cut_clusters == 1
    assert inspect("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 9).cut_clusters == 0
