"""From what a message says to the octets of its segments; once at intake, and again when it is claimed."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from heliograph import sms
from heliograph.model import Content, ContentKind, Encoding, Message

__all__ = ["Segmented", "TextChanges", "changes_of", "cut_data", "cut_plain", "cut_text", "parts_of"]

_TO_ROW = {
    sms.Encoding.GSM7: Encoding.GSM7,
    sms.Encoding.UCS2: Encoding.UCS2,
    sms.Encoding.BINARY: Encoding.BINARY,
    sms.Encoding.GSM7_NATIONAL: Encoding.GSM7_NATIONAL,
}
_FROM_ROW = {row: one for one, row in _TO_ROW.items()}
_GSM7 = Encoding.GSM7
_KINDS_TOLD = 32
"""Kinds of replacements that a message keeps: more are counted only."""


class TextChange(Struct, frozen=True, rename={"from_": "from"}):
    """A look-alike that was replaced, what by, and how often."""

    from_: str
    to: str
    count: int


class TextChanges(Struct, frozen=True, omit_defaults=True):
    """What was done to a text so that it could leave.

    ``substitutions`` are at most 32 kinds, ``substituted`` counts all replacements; ``truncated`` is how many
    characters were cut off its end.
    """

    substitutions: tuple[TextChange, ...] = ()
    substituted: int = 0
    truncated: int = 0


class _EntranceData(Struct, omit_defaults=True):
    """What a message keeps of its way in, as far as it is told to customers."""

    text_changes: TextChanges | None = None


_decode_changes = msgspec.json.Decoder(_EntranceData).decode
_encode = msgspec.json.Encoder().encode


class Segmented(Struct, frozen=True, gc=False):
    """A content cut for the air: its encoding and each segment's octets, without the concatenation header.

    ``entrance_data`` (JSON) tells what was changed in the text.
    """

    encoding: int
    parts: tuple[bytes, ...]
    content: Content
    entrance_data: str | None = None


def cut_plain(text: str, reference_octets: int) -> Segmented | None:
    """A text in plain GSM-7, as nearly all are; None for any other. Raises ``sms.TooLong``."""
    octets = sms.gsm7_try(text)
    if octets is None:
        return None
    parts = (octets,) if len(octets) <= 140 else sms.split(octets, sms.Encoding.GSM7, reference_octets=reference_octets)
    return Segmented(_GSM7, parts, Content(octets=text.encode()))


def cut_text(text: str, wishes: sms.TextWishes) -> Segmented:
    """Any text. Raises ``sms.CannotEncode`` and ``sms.TooLong``."""
    plan = sms.plan(text, wishes)
    parts = plan.parts
    if plan.elements:
        header = bytes((len(plan.elements),)) + plan.elements
        parts = tuple(header + part for part in parts)
    return Segmented(_TO_ROW[plan.encoding], parts, Content(octets=plan.text.encode()), _changes(plan))


def _changes(plan: sms.Plan) -> str | None:
    if not plan.substitutions and not plan.truncated:
        return None
    kinds = tuple(TextChange(*one) for one in sms.compact(plan.substitutions)[:_KINDS_TOLD])
    changes = TextChanges(kinds, len(plan.substitutions), plan.truncated)
    return _encode(_EntranceData(changes)).decode()


def changes_of(entrance_data: str) -> TextChanges | None:
    """What was done to a message's text, of the JSON that it keeps; None for nothing."""
    return _decode_changes(entrance_data).text_changes


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
    text = content.octets.decode()
    if encoding == sms.Encoding.GSM7_NATIONAL:
        wishes = sms.TextWishes(encoding="gsm7", smart=False, national=True, reference_octets=reference_octets)
        return cut_text(text, wishes).parts
    octets = sms.encode_as(text, encoding)
    if encoding == sms.Encoding.UCS2:
        return sms.split_text(text, octets, encoding, reference_octets=reference_octets)
    return sms.split(octets, encoding, reference_octets=reference_octets)
