"""Messages, submissions and settings for the tests of connectors."""

from __future__ import annotations

from typing import Any

from heliograph import sms
from heliograph.connectors.smpp import SmppSettings
from heliograph.contracts import SegmentSubmission
from heliograph.model import Content, Encoding, Live, Message, Progress, SegmentProgress

ENCODINGS = {
    sms.Encoding.GSM7: Encoding.GSM7,
    sms.Encoding.UCS2: Encoding.UCS2,
    sms.Encoding.BINARY: Encoding.BINARY,
}


def smpp_settings(**fields: Any) -> SmppSettings:
    return SmppSettings(**({"name": "main", "host": "127.0.0.1", "system_id": "esme", "password": "secret"} | fields))


def live_of(text: str = "hello", *, reference_octets: int = 1, wish: str = "auto", **fields: Any) -> Live:
    """A message of a text, cut."""
    encoding, octets = sms.encode(text, wish)
    parts = sms.split(octets, encoding, reference_octets=reference_octets)
    return _live(parts, ENCODINGS[encoding], Content(octets=text.encode()), fields)


def live_data(data: bytes, udh: bytes = b"", *, reference_octets: int = 1, **fields: Any) -> Live:
    """A message of octets behind its own header, cut."""
    extra = max(0, len(udh) - 1)
    parts = sms.split(data, sms.Encoding.BINARY, reference_octets=reference_octets, extra_octets=extra)
    content = Content(kind=1, octets=udh + data, udh_octets=len(udh))
    return _live(tuple(udh + part for part in parts), Encoding.BINARY, content, fields)


def _live(parts: tuple[bytes, ...], encoding: int, content: Content, fields: dict[str, Any]) -> Live:
    values: dict[str, Any] = {
        "id": "m0000000000000000001",
        "account_id": 1,
        "sender": "12345",
        "sender_kind": 1,
        "recipient": "+447700900123",
        "accepted_us": 0,
        "expires_us": 10**15,
        "encoding": encoding,
        "segments": len(parts),
        "reference": 7 if len(parts) > 1 else 0,
    }
    segments = None
    if len(parts) > 1:
        segments = [SegmentProgress(number=number) for number in range(1, len(parts) + 1)]
    return Live(Message(**(values | fields)), Progress(), parts, segments, content)


def submissions(live: Live, *, validity_left_s: int = 3600, attempt: int = 1) -> list[SegmentSubmission]:
    return [
        SegmentSubmission(live, number, part, attempt, validity_left_s, 0.0)
        for number, part in enumerate(live.parts, 1)
    ]
