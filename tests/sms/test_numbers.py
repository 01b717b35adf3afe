"""The compiled reading of numbers is phonenumbers' own, over numbers of every region and kind."""

import random
import subprocess
import sys
from collections.abc import Iterator

import phonenumbers as p
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.sms import BadRecipient, Recipient, prepare_numbers, recipient
from heliograph.sms import numbers as module

_KINDS = [kind for kind in p.PhoneNumberType.values() if kind != p.PhoneNumberType.UNKNOWN]


def _own_reading(raw: str, region: str | None = None) -> Recipient | None:
    try:
        number = p.parse(raw, region)
    except p.NumberParseException:
        return None
    return Recipient(
        p.format_number(number, p.PhoneNumberFormat.E164),
        p.is_possible_number(number),
        p.is_valid_number(number),
        p.region_code_for_number(number),
    )


def _our_reading(raw: str, region: str | None = None) -> Recipient | None:
    try:
        return recipient(raw, region)
    except BadRecipient:
        return None


def _examples() -> Iterator[str]:
    """E.164 example numbers of all kinds of all regions and of the calling codes without a region."""
    for region in sorted(p.SUPPORTED_REGIONS):
        for kind in _KINDS:
            if (number := p.example_number_for_type(region, kind)) is not None:
                yield p.format_number(number, p.PhoneNumberFormat.E164)
    for code in sorted(p.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        if (number := p.example_number_for_non_geo_entity(code)) is not None:
            yield p.format_number(number, p.PhoneNumberFormat.E164)


def _mutations(number: str, rng: random.Random) -> Iterator[str]:
    yield number
    yield number[:-1]
    yield number + rng.choice("0123456789")
    for _ in range(12):
        digits = list(number)
        for _ in range(rng.randint(1, 4)):
            digits[rng.randrange(2, len(digits))] = rng.choice("0123456789")
        yield "".join(digits)
    code = str(p.parse(number).country_code)
    for prefix in ("0", "1", "8", "00"):
        yield f"+{code}{prefix}{number[1 + len(code) :]}"


def _numbers() -> list[str]:
    rng = random.Random(20)
    found = [mutation for number in sorted(set(_examples())) for mutation in _mutations(number, rng)]
    for code in sorted(p.COUNTRY_CODE_TO_REGION_CODE):
        for size in range(19):
            found.append(f"+{code}" + "".join(rng.choice("0123456789") for _ in range(size)))
    for region in sorted(p.SUPPORTED_REGIONS):  # shared calling codes: areas of all regions
        number = p.example_number_for_type(region, p.PhoneNumberType.MOBILE) or p.example_number(region)
        if number is not None and len(p.COUNTRY_CODE_TO_REGION_CODE[number.country_code]) > 1:
            for area in range(1000):
                found.append(f"+{number.country_code}{area:03}{p.national_significant_number(number)[3:]}")
    return found


def test_every_number_is_read_as_phonenumbers_reads_it() -> None:
    numbers = _numbers()
    assert len(numbers) > 30_000
    different = [number for number in numbers if _our_reading(number) != _own_reading(number)]
    assert different == []


@settings(max_examples=1000, deadline=None)
@given(st.from_regex(r"\A\+[1-9][0-9]{1,17}\Z"))
def test_random_digits_are_read_as_phonenumbers_reads_them(number: str) -> None:
    assert _our_reading(number) == _own_reading(number)


def test_nearly_every_mobile_number_is_read_without_phonenumbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(raw: str, region: str | None) -> Recipient:
        raise AssertionError(raw)

    monkeypatch.setattr(module, "_read", refuse)
    for region in p.SUPPORTED_REGIONS:
        number = p.example_number_for_type(region, p.PhoneNumberType.MOBILE)
        if number is not None:
            assert recipient(p.format_number(number, p.PhoneNumberFormat.E164)).valid


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+4915123456789", None, "+4915123456789"),
        ("004915123456789", None, "+4915123456789"),
        ("4915123456789", None, "+4915123456789"),
        (" +49 151 2345-6789 ", None, "+4915123456789"),
        ("+49 (0)151 23456789", None, "+4915123456789"),
        ("4915123456789 ", None, "+4915123456789"),
        ("0151 23456789", "DE", "+4915123456789"),
        ("015123456789", "DE", "+4915123456789"),
        ("004915123456789", "DE", "+4915123456789"),
        ("01149 15123456789", "US", "+4915123456789"),
        ("+4915123456789", "US", "+4915123456789"),
        ("2015550123", "US", "+12015550123"),
        ("+390612345678", None, "+390612345678"),
        ("+٤٩15123456789", None, "+4915123456789"),
    ],
)
def test_a_number_can_be_written_in_many_ways(raw: str, region: str | None, e164: str) -> None:
    read = recipient(raw, region)
    assert read.e164 == e164
    assert read.possible
    assert read.valid


@pytest.mark.parametrize(
    ("raw", "region", "code"),
    [
        ("", None, "number_malformed"),
        ("+", None, "number_malformed"),
        ("hello", None, "number_malformed"),
        ("1-800-FLOWERS", "US", "number_malformed"),
        ("+49 151 23456789 ext. 5", None, "number_malformed"),
        ("+4915123456789;ext=5", None, "number_malformed"),
        ("+0123456789", None, "number_country"),
        ("+999123456789", None, "number_country"),
        ("+49", None, "number_malformed"),
        ("+491", None, "number_short"),
        ("+49" + "1" * 30, None, "number_long"),
        ("1" * 1_000_000, None, "number_long"),
        ("015123456789", "XX", "region_unknown"),
        ("015123456789", "", "region_unknown"),
    ],
)
def test_what_is_no_number_is_refused_with_a_code(raw: str, region: str | None, code: str) -> None:
    with pytest.raises(BadRecipient) as caught:
        recipient(raw, region)
    assert caught.value.code == code
    assert raw not in str(caught.value) or not raw


def test_a_number_of_impossible_length_is_told_from_an_unknown_range() -> None:
    assert recipient("+1201555012") == Recipient("+1201555012", False, False, None)
    unknown = recipient("+19995550123")
    assert unknown.possible
    assert not unknown.valid


def test_shared_calling_codes_find_the_region() -> None:
    regions = {"+12015550123": "US", "+15062345678": "CA", "+18762101234": "JM", "+447400123456": "GB"}
    regions |= {"+447781123456": "GG", "+77710009998": "KZ", "+79123456789": "RU", "+390669812345": "VA"}
    assert {number: recipient(number).region for number in regions} == regions


def test_the_package_is_imported_without_phonenumbers() -> None:
    code = "import sys, heliograph.sms; sys.exit('phonenumbers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_preparing_compiles_every_calling_code_and_stays_bounded() -> None:
    prepare_numbers()
    size = len(module._plans)
    assert size <= 1000
    for number in ("+4915123456789", "+1999", "+2100000", "+999999", "junk"):
        _our_reading(number)
    assert len(module._plans) == size


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80), st.sampled_from([None, "DE", "US", "AR", "??"]))
def test_any_text_is_a_number_or_refused(raw: str, region: str | None) -> None:
    _our_reading(raw, region)
