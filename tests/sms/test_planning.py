"""Texts of every script: cut between clusters, truncated at one, and joined again."""

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import Encoding, TextWishes, TooLong, clusters, encode_as, gsm7_read, plan, split, split_text

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
PIECES = [
    *("a", "é", "€", "{", "\r\n", " ", "\u201c", "\u2026"),
    *("\U0001f600", FAMILY, "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3"),
    *("e\u0301\u0323", "\u0915\u094d\u0937\u093f", "\u0995\u09cd\u09b7", "\u0ba8\u0bbf", "\u0e01\u0e33"),
    *("\u1112\u1161\u11ab", "\ud55c", "\u05e9\u05c1", "\u0645\u064f", "漢", "ж", "ß", "ş", "ığ"),
]
texts = st.builds(
    lambda pieces, times: "".join(pieces) * times,
    st.lists(st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=("Cs",))), min_size=1, max_size=30),
    st.integers(1, 12),
)
wishes = st.builds(
    TextWishes,
    encoding=st.sampled_from(["auto", "ucs2"]),
    smart=st.booleans(),
    national=st.booleans(),
    reference_octets=st.sampled_from([1, 2]),
)


def said(part: bytes, encoding: Encoding, locking: int, single: int) -> str:
    return part.decode("utf-16-be") if encoding == Encoding.UCS2 else gsm7_read(part, locking, single)[0]


@settings(max_examples=250, deadline=None)
@given(texts, wishes)
def test_joining_undoes_splitting_and_every_part_has_room(text: str, wish: TextWishes) -> None:
    made = plan(text, wish)
    assert "".join(said(part, made.encoding, made.locking, made.single) for part in made.parts) == made.text
    assert made.text == text or made.substitutions
    header = len(made.elements) + (5 + wish.reference_octets if len(made.parts) > 1 else bool(made.elements))
    for part in made.parts:
        octets = len(part) if made.encoding == Encoding.UCS2 else -(-len(part) * 7 // 8)
        assert octets + header <= 140
    free = [plan(text, TextWishes(encoding="ucs2", reference_octets=wish.reference_octets))]
    assert len(made.parts) <= len(free[0].parts)


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from([1, 2]))
def test_whole_clusters_cost_no_segment(text: str, reference_octets: int) -> None:
    octets = encode_as(text, Encoding.UCS2)
    hard = split(octets, Encoding.UCS2, reference_octets=reference_octets)
    parts = split_text(text, octets, Encoding.UCS2, reference_octets=reference_octets)
    assert len(parts) <= len(hard)
    assert b"".join(parts) == octets
    whole = greedy(text, 134 if reference_octets == 1 else 132)
    if len(hard) > 1 and whole is not None and whole <= len(hard):
        ends = {m.end() for m in regex.finditer(r"\X", text)}
        at = 0
        for part in parts:
            at += len(part.decode("utf-16-be"))
            assert at in ends


def greedy(text: str, size: int) -> int | None:
    """Segments when no cluster is ever cut; None where one is longer than a segment."""
    segments, left = 1, size
    for one in regex.findall(r"\X", text):
        octets = len(one.encode("utf-16-be"))
        if octets > size:
            return None
        if octets > left:
            segments, left = segments + 1, size
        left -= octets
    return segments


def test_a_family_is_not_torn_apart() -> None:
    text = "a" * 60 + FAMILY + "b" * 20
    made = plan(text, TextWishes())
    assert [part.decode("utf-16-be") for part in made.parts] == ["a" * 60, FAMILY + "b" * 20]


def test_where_there_is_no_room_the_cost_wins() -> None:
    text = "a" * 65 + "\U0001f1e9\U0001f1ea" + "b" * 65  # 134 units: two full segments, or three with a whole flag
    made = plan(text, TextWishes())
    assert [part.decode("utf-16-be")[-1] for part in made.parts] == ["\U0001f1e9", "b"]


@settings(max_examples=120, deadline=None)
@given(texts, wishes, st.integers(1, 4))
def test_a_truncated_text_fits_ends_at_a_cluster_and_says_so(text: str, wish: TextWishes, keep: int) -> None:
    whole = plan(text, wish)
    wish = TextWishes(wish.encoding, wish.smart, wish.national, wish.reference_octets, keep)
    try:
        made = plan(text, wish)
    except TooLong:
        assert len(clusters(text)[0]) > 60
        return
    assert len(made.parts) <= keep
    if len(whole.parts) <= keep:
        assert made == whole
        return
    kept = text[: len(text) - made.truncated]
    assert 0 < len(kept) < len(text)
    assert made.text.endswith("\u2026" if made.encoding == Encoding.UCS2 else "...")
    ends = {m.end() for m in regex.finditer(r"\X", text)}
    rest = text[len(kept) :]
    assert len(kept) in ends or rest[: len(rest) - len(rest.lstrip())]


@pytest.mark.parametrize(
    ("text", "keep", "sent"),
    [
        ("a" * 161, 1, "a" * 157 + "..."),
        ("a" * 156 + " bcdef", 1, "a" * 156 + "..."),
        ("ж" * 71, 1, "ж" * 69 + "\u2026"),
        ("ж" * 66 + FAMILY, 1, "ж" * 66 + "\u2026"),
        ("a" * 200 + "ж", 1, "a" * 157 + "..."),
        ("a" * 160, 1, "a" * 160),
    ],
)
def test_an_ellipsis_fits_the_encoding(text: str, keep: int, sent: str) -> None:
    made = plan(text, TextWishes(keep_segments=keep))
    assert (made.text, len(made.parts)) == (sent, 1)


def test_what_cannot_be_truncated_is_refused() -> None:
    with pytest.raises(TooLong, match="no character"):
        plan("a" + "\u0328" * 200, TextWishes(keep_segments=1))


def test_a_text_of_more_than_255_parts_can_be_truncated() -> None:
    made = plan("ж" * 20_000, TextWishes(keep_segments=255))
    assert len(made.parts) == 255
