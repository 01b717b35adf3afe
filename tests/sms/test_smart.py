"""Look-alikes: replaced all or none, never for more segments, and nothing else is touched."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import (
    LOOKALIKES,
    Encoding,
    TextWishes,
    compact,
    gsm7_try,
    is_beyond,
    plan,
    replace_lookalikes,
    substitutions,
)

texts = st.text(
    st.one_of(
        st.sampled_from(sorted(LOOKALIKES)),
        st.sampled_from("ab e\u0301é{€ç"),
        st.characters(exclude_categories=("Cs",)),  # half of a pair is no text
    ),
    max_size=200,
)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("\u201cquotes\u201d and \u2018these\u2019", "\"quotes\" and 'these'"),
        ("a\u2013b\u2014c\u2212d", "a-b-c-d"),
        ("wait\u2026", "wait..."),
        ("5\u00a0km\u202f\u2003x", "5 km  x"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\uff28\uff49\uff01\u3000\uff11", "Hi! 1"),
        ("\u2163 and \u2172", "IV and iii"),
        ("o\ufb03ce \ufb01le", "office file"),
        ("cafe\u0301", "café"),
        ("\U0001d407\U0001d41e\U0001d425\U0001d425\U0001d428", "Hello"),
        ("2\u00d73\ttab", "2x3 tab"),
        ("\u2126 \u212b", "\u03a9 \u00c5"),
    ],
)
def test_what_looks_alike_gives_way(given: str, sent: str) -> None:
    made = plan(given, TextWishes())
    assert (made.encoding, made.text) == (Encoding.GSM7, sent)
    assert made.substitutions == substitutions(given)


@pytest.mark.parametrize(
    "text",
    [
        "\u00e1",  # an accent is a letter's own
        "fa\u00e7ade",  # the alphabet has a large cedilla only
        "1\u00bd",  # 11/2 is another number
        "x\u00b2",
        "\u0430\u0441\u0435",  # Cyrillic that looks Latin
        "\u03b1\u03b2",
        "\u201cquoted\u201d \U0001f600",  # it would not fit all the same
        "\u2460",
        "\u200b",  # would be no text
    ],
)
def test_what_says_something_else_stays(text: str) -> None:
    made = plan(text, TextWishes())
    assert (made.encoding, made.text, made.substitutions) == (Encoding.UCS2, text, ())


def test_no_letter_becomes_another() -> None:
    for one, to in LOOKALIKES.items():
        assert gsm7_try(to) is not None
        assert gsm7_try(one) is None
        if unicodedata.category(one) in ("Lu", "Ll", "Lt", "Lo"):
            allowed = {unicodedata.normalize("NFKC", one), {"\u0152": "OE", "\u0153": "oe"}.get(one)}
            assert to in allowed


def test_nothing_is_replaced_where_that_costs_a_segment() -> None:
    text = "\u2026" * 70  # one segment of Unicode, two of dots
    assert plan(text, TextWishes()).encoding == Encoding.UCS2
    forced = plan(text, TextWishes(encoding="gsm7"))
    assert (forced.encoding, len(forced.parts)) == (Encoding.GSM7, 2)


def test_it_can_be_off() -> None:
    assert plan("\u2019", TextWishes(smart=False)).encoding == Encoding.UCS2
    assert plan("\u2019", TextWishes(encoding="ucs2")).text == "\u2019"


def test_kinds_of_replacements_are_counted() -> None:
    made = substitutions("\u2019\u2013\u2019\u200b")
    assert compact(made) == [("\u2019", "'", 2), ("\u2013", "-", 1), ("\u200b", "", 1)]


@settings(max_examples=300, deadline=None)
@given(texts)
def test_it_is_idempotent_never_grows_and_lists_all_that_it_does(text: str) -> None:
    made = plan(text, TextWishes())
    if made.encoding != Encoding.GSM7:
        assert made.text == text
        return
    assert len(made.parts) <= len(plan(text, TextWishes(smart=False)).parts)
    again = plan(made.text, TextWishes())
    assert (again.text, again.substitutions, again.parts) == (made.text, (), made.parts)
    assert (made.text == text) == (not made.substitutions)
    rebuilt, at = "", 0
    for one in made.substitutions:
        assert text[one.position : one.position + len(one.from_)] == one.from_
        rebuilt += text[at : one.position] + one.to
        at = one.position + len(one.from_)
    assert rebuilt + text[at:] == made.text
    if made.substitutions:
        assert replace_lookalikes(text) == made.text


@given(texts)
def test_what_is_beyond_help_is_left_as_it_is(text: str) -> None:
    if is_beyond(text):
        assert gsm7_try(replace_lookalikes(text)) is None


@pytest.mark.parametrize("text", ["Спасибо", "日本", "see you \U0001f389", "\u201cyes\u201d \U0001f389"])
def test_other_scripts_and_pictures_are_beyond_help(text: str) -> None:
    assert is_beyond(text)
    assert plan(text, TextWishes()).text == text
