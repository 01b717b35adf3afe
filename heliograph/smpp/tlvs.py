"""The values of TLVs by what the standards say of them; PDUs carry them as raw octets."""

from __future__ import annotations

from heliograph.smpp.errors import EncodeError
from heliograph.smpp.layouts import TLVS, Tlv, TlvKind

__all__ = ["read_tlv", "tlv_name", "write_tlv"]


def tlv_name(tag: int) -> str:
    """The standard's name of a tag, or ``0x1400`` for one that it does not know."""
    known = TLVS.get(tag)
    return known.name if known is not None else f"0x{tag:04X}"


def read_tlv(tag: int, octets: bytes) -> int | str | bytes:
    """The value of a TLV: a number or a text where the table says so and the octets can be one, else the octets.

    A text may lack its NUL, as peers send it; a number of another size than the standard's is left as octets.
    """
    known = TLVS.get(tag)
    if known is None or known.kind is TlvKind.OCTETS:
        return octets
    if known.kind is TlvKind.TEXT:
        return octets.split(b"\0", 1)[0].decode("latin-1")
    return int.from_bytes(octets, "big") if known.least <= len(octets) <= known.most else octets


def write_tlv(tag: int, value: int | str | bytes) -> bytes:
    """The octets of a value, as strict as the table; bytes alone for a tag it does not know. Raises `EncodeError`."""
    known = TLVS.get(tag)
    octets = value if isinstance(value, bytes) else _octets(tag, known, value)
    if known is not None and not known.least <= len(octets) <= known.most:
        raise EncodeError(tlv_name(tag), f"has not {known.least} to {known.most} octets")
    return octets


def _octets(tag: int, known: Tlv | None, value: int | str) -> bytes:
    try:
        if known is not None and known.kind is TlvKind.INT and isinstance(value, int):
            return value.to_bytes(known.most, "big")
        if known is not None and known.kind is TlvKind.TEXT and isinstance(value, str) and "\0" not in value:
            return value.encode("latin-1") + b"\0"
    except (OverflowError, UnicodeEncodeError):
        pass
    raise EncodeError(tlv_name(tag), f"cannot be written from this {type(value).__name__}")
