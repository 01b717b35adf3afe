"""The GSM 7-bit alphabet: text to septets and back, and septets packed into octets.

A septet stands in an octet of its own here ("unpacked", what SMPP carries); :func:`pack` and :func:`unpack` know the
form of the air interface. Decoding knows the national language tables, encoding the default and extension tables;
:mod:`heliograph.sms.national` writes the others.

Source: 3GPP TS 23.038 §6.1.2 (packing), §6.2.1 (tables), Annex A (national tables). The tables are data, in
``gsm7-tables.json``, restated from the public MIT-licensed project warthog618/sms.
"""

import codecs
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = [
    "ESCAPE",
    "NotGsm7",
    "gsm7_decode",
    "gsm7_encode",
    "gsm7_read",
    "gsm7_try",
    "language_tables",
    "not_gsm7",
    "pack",
    "unpack",
]

ESCAPE: Final = 0x1B
"""The septet that makes the next one a character of the extension table."""

REPLACEMENT: Final = "\ufffd"
"""Stands for an octet that is no septet, or a septet without a character."""

_UNUSED: Final = "\ufffe"
"""What ``charmap_decode`` and ``charmap_build`` take as "no character here"."""

_ESCAPED: Final = re.compile(b"\x1b(.?)", re.DOTALL)


class NotGsm7(ValueError):
    """The text has characters that the GSM 7-bit alphabet lacks.

    ``characters`` holds each of them once, in the order of the text.
    """

    def __init__(self, characters: str) -> None:
        self.characters = characters
        named = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in characters[:5])
        more = f" and {len(characters) - 5} more" if len(characters) > 5 else ""
        super().__init__(f"the GSM 7-bit alphabet has no {named}{more}")


def _tables() -> dict[int, dict[str, Any]]:
    """The language tables by their identifier (the octet of shift elements 0x24 and 0x25)."""
    raw = json.loads((Path(__file__).parent / "gsm7-tables.json").read_text("ascii"))
    return {table["identifier"]: {**table, "name": name} for name, table in raw["tables"].items()}


_TABLES: Final = _tables()
_DEFAULT: Final = {int(code, 16): c for code, c in _TABLES[0]["locking"].items() if int(code, 16) != ESCAPE}
_EXTENSION: Final = {int(code, 16): c for code, c in _TABLES[0]["single"].items()}

# Two C tables for encoding, both with extension characters at 0x80 + code, which `_PAIRS` then turns into escape pairs.
# `_LATIN1` takes the octets of a Latin-1 text (nearly all there are) ten times faster than any table of characters.
# `_ENCODING` takes the rest: Greek capitals and the euro sign. It is fast (an EncodingMap, a quarter of a dict's time)
# only if its first entry is U+0000; so "@" moves to 0x80 there, and a 00 that comes out is a NUL that went in.
_NONE: Final = 0xFF
_CODES: Final = {c: code for code, c in _DEFAULT.items()} | {c: 0x80 | code for code, c in _EXTENSION.items()}
_LATIN1: Final = bytes(_CODES.get(chr(code), _NONE) for code in range(256))
_ENCODING: Final = codecs.charmap_build(
    "\0"
    + "".join(_DEFAULT.get(code, _UNUSED) for code in range(1, 0x80))
    + _DEFAULT[0]
    + "".join(_EXTENSION.get(code, _UNUSED) for code in range(1, 0x80))
)
_PAIRS: Final = tuple((0x80 | code, bytes((0x80 | code,)), bytes((ESCAPE, code))) for code in _EXTENSION)
_GSM7: Final = frozenset(_CODES)


def language_tables() -> dict[int, dict[str, Any]]:
    """``name``, ``locking`` and ``single`` (code in hexadecimal → character) of each language, by its identifier."""
    return _TABLES


def gsm7_encode(text: str) -> bytes:
    """Septets of ``text``, one in each octet; an extension character takes two (1B xx).

    Raises :class:`NotGsm7`, which names the characters.
    """
    if (septets := gsm7_try(text)) is None:
        raise NotGsm7(not_gsm7(text))
    return septets


def gsm7_try(text: str) -> bytes | None:
    """What :func:`gsm7_encode` gives, or None where it raises: choosing an encoding needs no error in words."""
    try:
        codes = text.encode("latin-1").translate(_LATIN1)
    except UnicodeEncodeError:
        try:
            codes = codecs.charmap_encode(text, "strict", _ENCODING)[0]
        except UnicodeEncodeError:
            return None
        if 0 in codes:
            return None
        codes = codes.replace(b"\x80", b"\x00")
    if codes.isascii():
        return codes
    if _NONE in codes:
        return None
    for code, single, pair in _PAIRS:
        if code in codes:
            codes = codes.replace(single, pair)
    return codes


def not_gsm7(text: str) -> str:
    """The characters that force a text out of the GSM 7-bit alphabet: each once, in the order of the text."""
    return "".join(c for c in dict.fromkeys(text) if c not in _GSM7)


@cache
def _decoding(locking: int, single: int) -> tuple[str, dict[bytes, str]]:
    """Characters of all 256 octets, and those after an escape. At most one entry for each pair of known languages."""
    base = _TABLES[locking]["locking"]
    plain = "".join(base.get(f"{code:02X}", REPLACEMENT) for code in range(128)) + REPLACEMENT * 128
    return plain, {bytes((int(code, 16),)): c for code, c in _TABLES[single]["single"].items()}


def gsm7_read(octets: bytes, locking: int = 0, single: int = 0) -> tuple[str, bool]:
    """Text of unpacked septets, and whether something in them had no character.

    ``locking`` and ``single`` are language identifiers; one without a table means the default, as the standard
    asks of a receiver. An octet above 7F or without a character becomes U+FFFD, an escape without a known
    second septet a space. Any octets are taken.
    """
    locking = locking if "locking" in _TABLES.get(locking, ()) else 0
    single = single if "single" in _TABLES.get(single, ()) else 0
    plain, escaped = _decoding(locking, single)
    if ESCAPE not in octets:
        text = codecs.charmap_decode(octets, "strict", plain)[0]
        return text, REPLACEMENT in text
    runs = _ESCAPED.split(octets)
    text = "".join(
        escaped.get(run, " ") if index & 1 else codecs.charmap_decode(run, "strict", plain)[0]
        for index, run in enumerate(runs)
    )
    return text, REPLACEMENT in text or any(second not in escaped for second in runs[1::2])


def gsm7_decode(octets: bytes, locking: int = 0, single: int = 0) -> str:
    """Text of unpacked septets, whatever they are; see :func:`gsm7_read`."""
    return gsm7_read(octets, locking, single)[0]


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets packed into octets, low bits first, after ``fill_bits`` (0..6) zero bits.

    Fill bits put the first septet on a septet border behind a user data header.
    Source: 3GPP TS 23.038 §6.1.2.1, TS 23.040 §9.2.3.24
    """
    packed = bytearray()
    held, bits = 0, fill_bits
    for septet in septets:
        held |= (septet & 0x7F) << bits
        bits += 7
        if bits >= 8:
            packed.append(held & 0xFF)
            held >>= 8
            bits -= 8
    if bits:
        packed.append(held)
    return bytes(packed)


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """The first ``count`` septets of packed octets, behind ``fill_bits`` (0..6) bits; fewer where octets end before."""
    septets = bytearray()
    held, bits = (octets[0] >> fill_bits, 8 - fill_bits) if octets else (0, 0)
    for octet in octets[1:]:
        while bits >= 7:
            septets.append(held & 0x7F)
            held >>= 7
            bits -= 7
        if len(septets) >= count:
            break
        held |= octet << bits
        bits += 8
    while bits >= 7:
        septets.append(held & 0x7F)
        held >>= 7
        bits -= 7
    return bytes(septets[:count])
