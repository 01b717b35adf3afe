"""National language tables: written, named in each header, read back, and counted by an independent counter."""

import json
import unicodedata
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import heliograph.sms
from heliograph.sms import LANGUAGES, Encoding, Segmented, decode, gsm7_read, national, shifts, split_header
from heliograph.sms.national import national_characters

TABLES: dict[int, dict[str, Any]] = {
    table["identifier"]: table
    for table in json.loads((Path(heliograph.sms.__file__).parent / "gsm7-tables.json").read_text("ascii"))[
        "tables"
    ].values()
}


@cache
def costs(locking: int, single: int) -> dict[str, int]:
    """Septets of each character of two tables, from the data itself."""
    found = {c: 2 for code, c in TABLES[single]["single"].items() if code != "1B"}
    found.update({c: 1 for code, c in TABLES[locking]["locking"].items() if code != "1B"})
    return found


def counted(text: str, locking: int, single: int, reference_octets: int) -> int | None:
    """Segments of a text in two tables by counting bits; None where they lack a character."""
    prices = costs(locking, single)
    if any(c not in prices for c in text):
        return None
    header = (3 if locking else 0) + (3 if single else 0)
    if sum(prices[c] for c in text) <= (140 - (header + 1)) * 8 // 7:
        return 1
    room = (140 - 1 - header - 4 - reference_octets) * 8 // 7
    segments, left = 1, room
    for c in text:
        if prices[c] > left:
            segments, left = segments + 1, room
        left -= prices[c]
    return segments


COMBINATIONS = [
    (locking, single)
    for locking, single in product(TABLES, TABLES)
    if TABLES[locking].get("locking") and (locking or single)
]


@st.composite
def national_texts(draw: st.DrawFn) -> str:
    locking, single = draw(st.sampled_from(COMBINATIONS))
    characters = sorted(costs(locking, single))
    pattern = draw(st.lists(st.sampled_from(characters), min_size=1, max_size=40))
    return "".join(pattern) * draw(st.integers(1, 12))


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one])
def test_every_character_of_every_table_is_written_and_read_back(language: int) -> None:
    for kind in ("locking", "single"):
        for code, character in (TABLES[language].get(kind) or {}).items():
            if code == "1B" or character in costs(0, 0):
                continue
            found = national(character)
            assert found is not None
            assert gsm7_read(found.septets, found.locking, found.single) == (character, False)


@settings(max_examples=150, deadline=None)
@given(national_texts(), st.sampled_from([1, 2]))
def test_no_combination_needs_fewer_segments_and_joining_undoes_splitting(text: str, reference_octets: int) -> None:
    assert national_characters(text)
    found = national(text, reference_octets=reference_octets)
    assert found is not None
    counts = [counted(text, locking, single, reference_octets) for locking, single in COMBINATIONS]
    assert len(found.parts) == min(count for count in counts if count is not None)
    assert counted(text, found.locking, found.single, reference_octets) == len(found.parts)
    segmented = Segmented(Encoding.GSM7_NATIONAL, found.parts, reference_octets, found.elements)
    for header, part in segmented.with_udh(7):
        read, _ = split_header(header)
        assert shifts(read.elements) == (found.locking, found.single)
        assert -(-len(part) * 7 // 8) + len(header) <= 140
    said = [decode(part, 0, split_header(header)[0]).text for header, part in segmented.with_udh(7)]
    assert "".join(one or "" for one in said) == text


@pytest.mark.parametrize(
    ("text", "locking", "single"),
    [
        ("ığüşöç İstanbul", 1, 0),  # each Turkish letter once: the locking table
        ("¿Dónde está él?", 0, 2),
        ("नमस्ते, आप कैसे हैं", 6, 0),
    ],
)
def test_the_tables_of_a_language_are_found(text: str, locking: int, single: int) -> None:
    found = national(text)
    assert found is not None
    assert (found.locking, found.single) == (locking, single)


def test_every_letter_of_a_table_is_of_its_own_script() -> None:
    scripts = {"hindi": "DEVANAGARI", "punjabi": "GURMUKHI", "urdu": "ARABIC"}
    for identifier in range(4, 14):
        name = LANGUAGES[identifier]
        for character in (TABLES[identifier]["locking"] | TABLES[identifier]["single"]).values():
            if ord(character) > 0x2FF and character not in "€।॥":
                assert scripts.get(name, name.upper()) in unicodedata.name(character)


def test_a_text_of_two_languages_takes_a_table_of_each() -> None:
    found = national("ş" * 20 + "\u0986" * 30)
    assert found is not None
    assert 1 in (found.locking, found.single)
    assert 4 in (found.locking, found.single)
    assert len(found.elements) == 6


@pytest.mark.parametrize("text", ["ж", "ş😀", "ş\ud800"])
def test_what_no_table_has_is_not_written(text: str) -> None:
    assert national(text) is None
