"""Which encoding a text needs, its octets, and the text of octets that a peer calls by a ``data_coding``.

Encoding is strict and names what is in the way. Decoding takes any octets: what has no character becomes U+FFFD and
sets ``lossy``.

Source: SMPP 3.4 §5.2.19, 3GPP TS 23.038 §4
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from heliograph.sms.alphabets import NotGsm7, gsm7_read, gsm7_try, not_gsm7, pack, unpack
from heliograph.sms.udh import Header, shifts

__all__ = [
    "Alphabet",
    "CannotEncode",
    "Coding",
    "Decoded",
    "Encoding",
    "Waiting",
    "choose",
    "data_coding",
    "decode",
    "encode",
    "encode_as",
    "to_alphabet",
    "unpack_body",
]


class Encoding(StrEnum):
    """How a message is written on the air. ``gsm7_national``: septets of national tables, which a header names."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"
    BINARY = "binary"
    GSM7_NATIONAL = "gsm7_national"


# Bound once: in Python 3.11 a look-up in the class costs 0.1 µs.
_GSM7: Final = Encoding.GSM7
_UCS2: Final = Encoding.UCS2
_BINARY: Final = Encoding.BINARY
_NATIONAL: Final = Encoding.GSM7_NATIONAL


class Alphabet(StrEnum):
    """What a connector's peer means by ``data_coding`` 0, "the default alphabet of the SMSC"."""

    GSM7 = "gsm7"
    GSM7_PACKED = "gsm7_packed"
    LATIN1 = "latin1"
    ASCII = "ascii"
    UTF8 = "utf8"


class CannotEncode(ValueError):
    """The text can't be written in the encoding that was asked for, or in any.

    ``characters`` holds each one in the way once, in the order of the text.
    """

    def __init__(self, encoding: Encoding, characters: str, sentence: str) -> None:
        self.encoding = encoding
        self.characters = characters
        super().__init__(sentence)


def _ucs2_encode(text: str) -> bytes:
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError:
        lone = "".join(c for c in dict.fromkeys(text) if "\ud800" <= c <= "\udfff")
        named = ", ".join(f"U+{ord(c):04X}" for c in lone[:5])
        sentence = f"the text holds half of a surrogate pair ({named}), which is no character: send the whole pair"
        raise CannotEncode(_UCS2, lone, sentence) from None


def encode(text: str, wish: str = "auto") -> tuple[Encoding, bytes]:
    """The encoding of ``text`` and its octets: unpacked septets for GSM-7, UTF-16BE for UCS-2.

    ``wish`` is ``auto`` (GSM-7 where it can say the text), ``gsm7`` or ``ucs2``. Raises :class:`CannotEncode`.
    """
    if wish == "ucs2":
        return _UCS2, _ucs2_encode(text)
    if (septets := gsm7_try(text)) is not None:
        return _GSM7, septets
    if wish == "auto":
        return _UCS2, _ucs2_encode(text)
    lacking = not_gsm7(text)
    raise CannotEncode(_GSM7, lacking, str(NotGsm7(lacking)))


def choose(text: str, wish: str = "auto") -> Encoding:
    """The encoding of ``text``; see :func:`encode`, which gives the octets as well for the same price."""
    return encode(text, wish)[0]


def encode_as(text: str, encoding: Encoding) -> bytes:
    """Octets of ``text`` in one encoding. Raises :class:`CannotEncode`; a text is never binary."""
    if encoding == _BINARY:
        raise CannotEncode(encoding, "", "binary messages hold octets, not a text")
    if encoding == _NATIONAL:
        raise CannotEncode(encoding, "", "national tables are chosen for each text: plan it")
    return encode(text, encoding)[1]


# data_coding by (encoding, flash). Flash is message class 0, said by the general group of 3GPP TS 23.038 §4.
_DATA_CODING: Final = {
    (_GSM7, False): 0x00,
    (_GSM7, True): 0x10,
    (_UCS2, False): 0x08,
    (_UCS2, True): 0x18,
    (_BINARY, False): 0x04,
    (_BINARY, True): 0x14,
    (_NATIONAL, False): 0x00,
    (_NATIONAL, True): 0x10,
}


def data_coding(encoding: Encoding, *, flash: bool = False) -> int:
    """The ``data_coding`` that we write for an encoding; ``flash`` shows the message at once and keeps nothing."""
    return _DATA_CODING[encoding, flash]


def to_alphabet(septets: bytes, alphabet: Alphabet, header_octets: int = 0) -> bytes:
    """Payload of a GSM-7 segment as the connector's alphabet for ``data_coding`` 0 wants it.

    ``header_octets`` is the size of the header in front, which packed septets are aligned behind. Raises
    :class:`CannotEncode` where Latin-1 or ASCII lacks a character.
    """
    if alphabet == Alphabet.GSM7:
        return septets
    if alphabet == Alphabet.GSM7_PACKED:
        return _pack_body(septets, header_octets)
    text = gsm7_read(septets)[0]
    try:
        return text.encode(alphabet)
    except UnicodeEncodeError:
        lacking = "".join(c for c in dict.fromkeys(text) if ord(c) > (0xFF if alphabet == Alphabet.LATIN1 else 0x7F))
        sentence = f"the carrier's alphabet {alphabet} has no {', '.join(map(repr, lacking[:5]))}"
        raise CannotEncode(_GSM7, lacking, sentence) from None


def _fill_bits(header_octets: int) -> int:
    """Bits that bring the first septet behind a header to a septet border."""
    return -header_octets * 8 % 7


def _pack_body(septets: bytes, header_octets: int) -> bytes:
    fill = _fill_bits(header_octets)
    # Seven bits left over would read as "@"; the standard fills them with CR.
    padding = b"\r" if (fill + len(septets) * 7) % 8 == 1 else b""
    return pack(septets + padding, fill)


def unpack_body(octets: bytes, header_octets: int = 0) -> bytes:
    """Septets of a packed payload behind a header of so many octets.

    SMPP counts octets, so seven bits left over may be padding or a character: a CR there is dropped, all else kept.
    Source: 3GPP TS 23.038 §6.1.2.3.1
    """
    fill = _fill_bits(header_octets)
    count, left_over = divmod(max(len(octets) * 8 - fill, 0), 7)
    septets = unpack(octets, count, fill)
    return septets[:-1] if left_over == 0 and septets.endswith(b"\r") else septets


class Waiting(Struct, frozen=True):
    """A message waiting indication: ``kind`` 0 voicemail, 1 fax, 2 mail, 3 other; ``store``: the text is to be kept."""

    kind: int
    active: bool
    store: bool


class Coding(Struct, frozen=True):
    """What a ``data_coding`` says. ``charset`` is ``default``, ``ucs2``, ``binary`` or the name of a Python codec."""

    charset: str
    message_class: int | None = None
    compressed: bool = False
    waiting: Waiting | None = None


class Decoded(Struct, frozen=True):
    """A message that came in.

    ``text`` is None for binary and for compressed messages; ``data`` are the octets that were decoded.
    ``lossy``: the text stands for less than the octets did. ``message_class`` 0 is flash.
    """

    encoding: Encoding
    text: str | None
    data: bytes
    lossy: bool = False
    message_class: int | None = None
    compressed: bool = False
    waiting: Waiting | None = None


# 0x00 to 0x0F as SMPP has them. Pictograms (9) have no codec; 11, 12 and 15 are reserved, so the default.
_SMPP: Final = (
    *("default", "ascii", "binary", "latin-1", "binary", "shift_jis", "iso8859-5", "iso8859-8"),
    *("ucs2", "binary", "iso2022_jp", "default", "default", "euc_jp", "euc_kr", "default"),
)
_GENERAL: Final = ("default", "binary", "ucs2", "default")


def _coding(value: int) -> Coding:
    """Meaning of one ``data_coding``. Source: SMPP 3.4 §5.2.19 up to 0x0F, 3GPP TS 23.038 §4 above."""
    if value <= 0x0F:
        return Coding(_SMPP[value])
    if value <= 0x7F:  # general groups; 0x40 up are the same, to be deleted after reading
        message_class = value & 0x03 if value & 0x10 else None
        return Coding(_GENERAL[value >> 2 & 0x03], message_class, bool(value & 0x20))
    if value <= 0xBF:  # reserved: a receiver shall take the default alphabet
        return Coding("default")
    if value <= 0xEF:
        waiting = Waiting(value & 0x03, bool(value & 0x08), value >= 0xD0)
        return Coding("ucs2" if value >= 0xE0 else "default", waiting=waiting)
    return Coding("binary" if value & 0x04 else "default", value & 0x03)


_CODINGS: Final = tuple(_coding(value) for value in range(256))


def decode(
    octets: bytes,
    data_coding: int,
    udh: Header | None = None,
    default_alphabet: Alphabet = Alphabet.GSM7,
) -> Decoded:
    """The message in ``octets`` (without their header), whatever they are.

    ``udh`` is the header that stood in front: it chooses national tables, and packed septets are aligned behind it.
    ``default_alphabet`` is what this peer means by 0. Parts of a long message are joined first, so that a pair which
    the sender cut is whole again; packed ones through :func:`unpack_body`, each.
    """
    coding = _CODINGS[data_coding & 0xFF]
    kind = _GSM7
    text: str | None
    if coding.charset == "binary" or coding.compressed:
        kind, text, lossy = _BINARY, None, False
    elif coding.charset == "ucs2":
        kind = _UCS2
        text, lossy = _utf16_read(octets)
    elif coding.charset == "default":
        text, lossy = _default_read(octets, default_alphabet, udh or Header())
    else:
        text, lossy = _codec_read(octets, coding.charset)
    return Decoded(kind, text, octets, lossy, coding.message_class, coding.compressed, coding.waiting)


def _default_read(octets: bytes, alphabet: Alphabet, udh: Header) -> tuple[str, bool]:
    if alphabet == Alphabet.GSM7:
        return gsm7_read(octets, *shifts(udh.elements))
    if alphabet == Alphabet.GSM7_PACKED:
        return gsm7_read(unpack_body(octets, udh.size_octets), *shifts(udh.elements))
    return _codec_read(octets, alphabet)


def _utf16_read(octets: bytes) -> tuple[str, bool]:
    """UTF-16, big-endian unless a byte-order mark says otherwise; the mark is dropped."""
    if octets[:2] == b"\xff\xfe":
        return _codec_read(octets[2:], "utf-16-le")
    return _codec_read(octets[2:] if octets[:2] == b"\xfe\xff" else octets, "utf-16-be")


def _codec_read(octets: bytes, codec: str) -> tuple[str, bool]:
    try:
        return octets.decode(codec), False
    except UnicodeDecodeError:
        return octets.decode(codec, "replace"), True
