"""Functions that take any octets and must not raise: what a peer can send into the text functions."""

from collections.abc import Callable

from heliograph.sms import (
    Alphabet,
    BadRecipient,
    CannotEncode,
    Encoding,
    PartKey,
    Reassembly,
    TextWishes,
    TooLong,
    complete,
    concat_info,
    decode,
    encode,
    from_wire,
    gsm7_decode,
    inspect,
    pack,
    ports,
    recipient,
    shifts,
    split,
    split_header,
    unpack,
)

__all__ = ["TARGETS"]

_ALPHABETS = tuple(Alphabet)
_WISHES = (TextWishes(), TextWishes(smart=False, national=True), TextWishes(national=True, keep_segments=1))


def _decode(octets: bytes) -> None:
    """First octet: data_coding; second: alphabet and header or none; the rest is the message."""
    coding, choice, message = (octets[:1] or b"\0")[0], (octets[1:2] or b"\0")[0], octets[2:]
    header, body = split_header(message) if choice & 0x80 else (None, message)
    decoded = decode(body, coding, header, _ALPHABETS[choice % len(_ALPHABETS)])
    # A replacement character that the sender wrote is no loss, in whichever encoding and byte order it came.
    written = any("\ufffd".encode(name) in body for name in ("utf-8", "utf-16-be", "utf-16-le"))
    assert decoded.text is None or decoded.lossy or "\ufffd" not in decoded.text or written


def _gsm7(octets: bytes) -> None:
    locking, single = (octets[:2] + b"\0\0")[:2]
    assert len(gsm7_decode(octets[2:], locking, single)) <= len(octets)


def _packed(octets: bytes) -> None:
    fill = (octets[:1] or b"\0")[0] % 7
    septets = unpack(octets[1:], len(octets) * 2, fill)
    assert unpack(pack(septets, fill), len(septets), fill) == septets


def _udh(octets: bytes) -> None:
    header, body = split_header(octets)
    assert len(octets) == header.size_octets + len(body)
    shifts(header.elements)
    ports(header.elements)
    concat_info(header.elements)


def _reassembly(octets: bytes) -> None:
    """Each five octets are a part: reference, total, number, content, seconds gone by."""
    state = Reassembly(timeout_s=100, max_sets=5)
    now = 0.0
    for at in range(0, len(octets) - 4, 5):
        reference, total, number, content, seconds = octets[at : at + 5]
        total = total % 4 + 1
        now += seconds
        state.add(PartKey("c", "a", "b", reference % 8, total, 1), number % total + 1, bytes((content,)), now)
        state.expire(now)
        assert len(state) <= 5
    assert complete({1: octets}, 1) == octets


def _text(octets: bytes) -> None:
    """Octets as a text that a customer sends, with lone surrogates where they are no UTF-8."""
    text = octets.decode("utf-8", "surrogateescape")
    try:
        encoding, encoded = encode(text)
        assert b"".join(split(encoded, encoding)) == encoded
        for wishes in _WISHES:
            seen = inspect(text, wishes)
            assert "".join(segment.text for segment in seen.segments) == (text if seen.text is None else seen.text)
            assert not wishes.keep_segments or len(seen.segments) <= wishes.keep_segments
    except (CannotEncode, TooLong):
        pass


def _split(octets: bytes) -> None:
    for encoding in Encoding:
        try:
            assert b"".join(split(octets, encoding)) == octets
        except TooLong:
            assert len(octets) > 254 * 132


def _address(octets: bytes) -> None:
    ton, npi = (octets[:2] + b"\0\0")[:2]
    from_wire(ton % 8, npi, octets[2:].decode("latin-1"))


def _number(octets: bytes) -> None:
    try:
        assert recipient("+" + octets.decode("latin-1")).e164.startswith("+")
    except BadRecipient:
        pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "sms.decode": _decode,
    "sms.gsm7": _gsm7,
    "sms.packed": _packed,
    "sms.udh": _udh,
    "sms.reassembly": _reassembly,
    "sms.text": _text,
    "sms.split": _split,
    "sms.address": _address,
    "sms.number": _number,
}
"""Name to function; an exception of any kind is a finding."""
