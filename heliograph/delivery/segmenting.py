"""From what a message says to the octets of its segments; once at intake, and again when it is claimed."""

from __future__ import annotations

from msgspec import Struct

from heliograph import sms
from heliograph.model import Content, ContentKind, Encoding, Message

__all__ = ["Segmented", "cut_data", "cut_text", "parts_of"]

_TO_ROW = {
    sms.Encoding.GSM7: Encoding.GSM7,
    sms.Encoding.UCS2: Encoding.UCS2,
    sms.Encoding.BINARY: Encoding.BINARY,
}
_FROM_ROW = {row: one for one, row in _TO_ROW.items()}


class Segmented(Struct, frozen=True, gc=False):
    """A content cut for the air: its encoding and each segment's octets, without the concatenation header."""

    encoding: int
    parts: tuple[bytes, ...]
    content: Content


def cut_text(text: str, wish: str, reference_octets: int) -> Segmented:
    """Raises ``sms.CannotEncode`` and ``sms.TooLong``."""
    encoding, octets = sms.encode(text, wish)
    parts = (octets,) if len(octets) <= 140 else sms.split(octets, encoding, reference_octets=reference_octets)
    return Segmented(_TO_ROW[encoding], parts, Content(octets=text.encode()))


def cut_data(data: bytes, udh: bytes | None, reference_octets: int) -> Segmented:
    """Binary user data; ``udh`` (length octet first) goes in front of every segment. Raises ``sms.TooLong``."""
    header = udh or b""
    extra = max(0, len(header) - 1)
    parts = sms.split(data, sms.Encoding.BINARY, reference_octets=reference_octets, extra_octets=extra)
    content = Content(kind=ContentKind.DATA, octets=header + data, udh_octets=len(header))
    return Segmented(Encoding.BINARY, tuple(header + part for part in parts), content)


def parts_of(message: Message, content: Content, reference_octets: int) -> tuple[bytes, ...]:
    """The segments of an accepted message again: the same that were counted when it was accepted."""
    encoding = _FROM_ROW[Encoding(message.encoding)]
    if content.kind == ContentKind.DATA:
        header, data = content.octets[: content.udh_octets], content.octets[content.udh_octets :]
        return cut_data(data, header or None, reference_octets).parts
    octets = sms.encode_as(content.octets.decode(), encoding)
    return sms.split(octets, encoding, reference_octets=reference_octets)
