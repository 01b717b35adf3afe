"""Recipients: what a person typed, as an E.164 number with the verdict of libphonenumber's numbering plans.

A number in international form is the hot path. For it the metadata of the ``phonenumbers`` package is compiled into one
regular expression a calling code, when the first number of that code is seen. Wherever that reading is not sure
(a national prefix to be taken off, an unusual length, anything but digits) ``phonenumbers`` itself reads, so the
verdict is always its own. Nothing is remembered of numbers.

``phonenumbers`` takes 40 ms to import; it is imported with the first number.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Struct

__all__ = ["BadRecipient", "Recipient", "prepare_numbers", "recipient"]

MAX_INPUT: Final = 64
"""Characters of a written number; the longest in use have about 20, with separators 30."""


class BadRecipient(ValueError):
    """The input is no telephone number, not even an impossible one.

    ``code`` is stable: ``number_malformed``, ``number_country``, ``number_short``, ``number_long``, ``region_unknown``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class Recipient(Struct, frozen=True, gc=False):
    """A number that can be written to.

    ``e164`` has its plus. ``possible``: its length exists under its calling code. ``valid``: the numbering plan knows
    its range. ``region`` is an ISO 3166 code, ``001`` for a calling code of no country, None where it can't be told.
    """

    e164: str
    possible: bool
    valid: bool
    region: str | None


_Verdict = tuple[bool, str | None] | None
"""(valid, region) of a possible number, or None where only phonenumbers can tell."""

_Plan = tuple[Callable[[str], Any], tuple[_Verdict, ...]]
"""A compiled calling code: ``match`` takes a number with its plus; ``lastindex`` of its answer finds the verdict."""

_NO_PLAN: Final[_Plan] = (re.compile("()").match, (None, None))

# By the plus and three digits (calling codes have one to three): at most 1,000 entries, a plan under each start of its
# code that was seen.
_plans: Final[dict[str, _Plan]] = {}


def recipient(raw: str, default_region: str | None = None) -> Recipient:
    """The number that ``raw`` writes.

    With ``+``, ``00`` or neither it is international. With a ``default_region`` (ISO 3166) what does not begin
    with ``+`` is read as it would be dialled there. Raises :class:`BadRecipient`.
    """
    plan = _plans.get(raw[:4])
    if plan is None and default_region is None and (plan := _plans.get("+" + raw[:3])) is not None:
        raw = "+" + raw
    if plan is None:
        if raw[:1] != "+":
            if default_region is not None:
                return _read(raw, default_region)
            raw = raw.strip()
            raw = "+" + (raw[2:] if raw[:2] == "00" else raw.removeprefix("+"))
        plan = _plan(raw[:4])
    match, verdicts = plan
    verdict = verdicts[match(raw).lastindex]
    if verdict is None:
        return _read(raw, None)
    return Recipient(raw, True, verdict[0], verdict[1])


def prepare_numbers(calling_codes: Iterable[int] | None = None) -> None:
    """Compile calling codes (all of them, without an argument) before the first number of each has to wait for it."""
    import phonenumbers

    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE if calling_codes is None else calling_codes:
        rest = 3 - len(str(code))
        for following in range(10**rest):
            _plan(f"+{code}{following:0{rest}}" if rest else f"+{code}")


# Reading by phonenumbers

_REFUSALS: Final = {
    0: ("number_country", "the number does not begin with a calling code, or no such region has one"),
    1: ("number_malformed", "this is no telephone number"),
    2: ("number_short", "the number ends after its prefix"),
    3: ("number_short", "the number is too short"),
    4: ("number_long", "the number is too long"),
}
"""By ``NumberParseException.error_type``."""

_START: Final = re.compile(r"\+[1-9][0-9]{2}")
_NEVER: Final = "(?!)"
_LETTER_OR_EXTENSION: Final = re.compile(r"[^\W\d_]|[#;,*]")


def _read(raw: str, region: str | None) -> Recipient:
    """phonenumbers' own reading. Letters and extensions, which it would take, are no number for a message."""
    import phonenumbers as p

    if len(raw) > MAX_INPUT:
        raise BadRecipient("number_long", f"the number has more than {MAX_INPUT} characters")
    if _LETTER_OR_EXTENSION.search(raw):
        raise BadRecipient("number_malformed", "a telephone number has digits, spaces and + - . ( ) / only")
    if region is not None and p.country_code_for_region(region) == 0:
        raise BadRecipient("region_unknown", "the default region is no country with a calling code")
    try:
        number = p.parse(raw, region)
    except p.NumberParseException as error:
        raise BadRecipient(*_REFUSALS[error.error_type]) from None
    e164 = p.format_number(number, p.PhoneNumberFormat.E164)
    return Recipient(e164, p.is_possible_number(number), p.is_valid_number(number), p.region_code_for_number(number))


# Compiling


def _plan(start: str) -> _Plan:
    """The plan for numbers that begin with ``start`` (a plus, three digits); for all else one that never knows."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    if (known := _plans.get(start)) is not None:
        return known
    if not _START.fullmatch(start):
        return _NO_PLAN
    code = next((start[1:end] for end in (2, 3, 4) if int(start[1:end]) in COUNTRY_CODE_TO_REGION_CODE), None)
    if code is None:
        return _NO_PLAN
    siblings = (plan for seen, plan in _plans.items() if seen.startswith(code, 1))
    plan = _plans[start] = next(siblings, None) or _compile(int(code))
    return plan


def _compile(calling_code: int) -> _Plan:
    """One regular expression out of the metadata of all regions of a calling code.

    Its alternatives stand in the order in which phonenumbers asks, and each ends in an empty group that tells which
    one it was. The regions' order decides where their numbers overlap.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    regions = COUNTRY_CODE_TO_REGION_CODE[calling_code]
    metadata: dict[str, Any] = {  # its stubs allow None everywhere, its data has none
        region: PhoneMetadata.metadata_for_region_or_calling_code(calling_code, region) for region in regions
    }
    verdicts: list[_Verdict] = [None]

    def mark(verdict: _Verdict) -> str:
        verdicts.append(verdict)
        return "()"

    alternatives = [unsure + mark(None) for unsure in _unsure(metadata[regions[0]], calling_code)]
    for region in regions:
        valid = _valid(metadata[region]) + mark((True, region))
        leading_digits = metadata[region].leading_digits if len(regions) > 1 else None
        if leading_digits:  # they make a number this region's, valid or not
            valid = f"(?={_plain(leading_digits)})(?:{valid}|{mark((False, region))})"
        alternatives.append(valid)
    alternatives.append(mark((False, regions[0] if len(regions) == 1 else None)))
    match = re.compile(rf"\+{calling_code}(?:{'|'.join(alternatives)})", re.ASCII).match
    return match, tuple(verdicts)


def _unsure(main: Any, calling_code: int) -> list[str]:
    """Alternatives that only phonenumbers can read, by the metadata that it parses a calling code with.

    They are what is no national number of a possible length, and what begins with something that parsing may take off:
    a national prefix, a carrier code.
    """
    general = main.general_desc
    alternatives = [rf"(?!{_lengths((*general.possible_length, *general.possible_length_local_only))}\Z)"]
    if prefix := main.national_prefix_for_parsing:
        # Atomic, as the library takes the first way that the prefix matches; and only if that way takes a digit.
        alternatives.append(rf"(?>{_plain(prefix)})(?<!\A\+{calling_code})")
    return alternatives


_KINDS: Final = (
    "mobile",
    "fixed_line",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
"""The descriptions that make a number valid, in the order of what gets messages."""


def _valid(known: Any) -> str:
    """A pattern for the valid national numbers of a region: of the general shape, and of one of its kinds."""
    by_lengths: dict[tuple[int, ...], list[str]] = {}
    for kind in _KINDS:
        description = getattr(known, kind)
        if description is not None and description.national_number_pattern:
            by_lengths.setdefault(description.possible_length, []).append(description.national_number_pattern)
    kinds = "|".join(rf"(?={_lengths(lengths)}\Z){_any(patterns)}\Z" for lengths, patterns in by_lengths.items())
    general = known.general_desc
    shape = rf"(?={_lengths(general.possible_length)}\Z)(?={_any([general.national_number_pattern])}\Z)"
    return rf"{shape}(?:{kinds or _NEVER})"


def _lengths(lengths: Iterable[int]) -> str:
    """A pattern for digits of these lengths; -1 is the metadata's way to say that there are none."""
    runs: list[list[int]] = []
    for length in sorted(lengths):
        if runs and runs[-1][1] == length - 1:
            runs[-1][1] = length
        elif length > 0:
            runs.append([length, length])
    return _any([f"[0-9]{{{least},{most}}}" for least, most in runs] or [_NEVER])


def _any(patterns: list[str]) -> str:
    return f"(?:{'|'.join(map(_plain, patterns))})"


def _plain(pattern: str) -> str:
    """The pattern without capturing groups: the only ones that count are the marks of the alternatives."""
    return re.sub(r"\((?!\?)", "(?:", pattern)
